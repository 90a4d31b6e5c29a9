//! Whether a form was sent from a page of this console.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Whether a form was sent from a page of this console. Browsers say where it was.
pub(crate) fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    // One that does not say that names the origin at least.
    match (text(ORIGIN.as_str()), text(HOST.as_str())) {
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, it)| it == host),
        (None, _) => true,
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_page_is_told() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (axum::http::HeaderName::from_static(name), value.parse().unwrap())
            };
            is_own(&pairs.iter().map(pair).collect())
        };
        assert!(of(&[("sec-fetch-site", "same-origin")]));
        assert!(!of(&[("sec-fetch-site", "cross-site")]));
        assert!(!of(&[("sec-fetch-site", "same-site")]));
        assert!(of(&[("origin", "https://rapids.example"), ("host", "rapids.example")]));
        assert!(!of(&[("origin", "https://evil.example"), ("host", "rapids.example")]));
    }
}
