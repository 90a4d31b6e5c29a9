//! What is around every page: where links lead, which page this is, who looks, and what is wrong.

use std::fmt::{self, Display};
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::assets;

/// What stands for itself in a path or a query; everything else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The pages that are reached from everywhere: path and name.
pub(crate) const PAGES: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/live", "Live"),
    ("/map", "Map"),
    ("/dead-letters", "Dead letters"),
    ("/timers", "Timers"),
    ("/memories", "Memories"),
    ("/operations", "Operations"),
];

/// The path under which a reverse proxy serves the console; empty without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// The path, without a slash at its end.
    pub fn path(&self) -> &str {
        &self.0
    }
}

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.trim_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./~".contains(c);
        if !path.chars().all(is_plain) || path.contains("//") || path.contains("..") {
            return Err("expected a path of letters, digits, `-`, `_`, `.`, `~` and `/`".to_owned());
        }
        Ok(Self(if path.is_empty() { String::new() } else { format!("/{path}") }))
    }
}

/// Encodes a text of others as one part of a path, or as a value of a query.
pub(crate) fn encoded(text: &str) -> impl Display + '_ {
    utf8_percent_encode(text, ENCODED)
}

/// What is around a page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    base: Base,
    current: &'static str,
    /// What forms that change something carry; `None` for who may only look.
    pub(crate) token: Option<String>,
    /// Who has logged in.
    pub(crate) user: Option<String>,
    /// Whether the console itself has logged the user in, and can end that.
    pub(crate) can_log_out: bool,
    /// What is wrong with the server or the reading of it.
    pub(crate) notice: Option<String>,
    /// Whether some values are masked.
    pub(crate) is_masked: bool,
}

/// An entry of the navigation.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) address: String,
    pub(crate) name: &'static str,
    pub(crate) is_current: bool,
}

impl Frame {
    /// `current` is the path of one of [`PAGES`] that this page belongs to.
    pub(crate) fn new(base: Base, current: &'static str) -> Self {
        Self {
            base,
            current,
            token: None,
            user: None,
            can_log_out: false,
            notice: None,
            is_masked: false,
        }
    }

    /// The address of a path of the console, such as `/live`.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base.path())
    }

    /// The address of a path below another that ends in a text of others: `/packets/` and an id.
    pub(crate) fn to(&self, path: &str, text: &str) -> String {
        format!("{}{path}{}", self.base.path(), encoded(text))
    }

    /// The address of a service on the map.
    pub(crate) fn on_map(&self, service: &str) -> String {
        self.to("/map?focus=service:", service)
    }

    /// The address of a file of the front end, which changes with its content.
    pub(crate) fn asset(&self, name: &str) -> String {
        format!("{}/assets/{name}?{}", self.base.path(), assets::version(name))
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let entry = |(path, name): (&str, &'static str)| Entry {
            address: self.at(path),
            name,
            is_current: path == self.current,
        };
        PAGES.into_iter().map(entry).collect()
    }
}

impl fmt::Display for Base {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        for (given, path) in [("", ""), ("/", ""), ("rapids", "/rapids"), ("/a/b/", "/a/b")] {
            assert_eq!(given.parse::<Base>().unwrap().path(), path);
        }
        for wrong in ["/a b", "//x", "/a/../b", "/a?b", "javascript:x", "/a//b"] {
            let base = wrong.parse::<Base>();
            assert!(base.is_err() || base.unwrap().path() == "/x", "{wrong}");
        }
    }

    #[test]
    fn no_id_leaves_its_place_in_an_address() {
        let frame = Frame::new("/r".parse().unwrap(), "/");
        assert_eq!(
            frame.to("/packets/", "a/../b?c#\"<é"),
            "/r/packets/a%2F..%2Fb%3Fc%23%22%3C%C3%A9"
        );
    }
}
