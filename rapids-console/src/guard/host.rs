//! Whether a request names this machine.
//!
//! Where nobody logs in, being on loopback is all the protection there is. A page of somebody else can let
//! the name of its own host point to 127.0.0.1 and would then be of one origin with the console; but the
//! browser still sends that name.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode, Uri};

use crate::fault::Fault;

/// Whether the host that was asked for is this machine, as seen from itself.
pub(crate) fn is_of_this_machine(headers: &HeaderMap, uri: &Uri) -> bool {
    let header = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(host) = uri.authority().map(|authority| authority.as_str()).or(header) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

pub(crate) fn refusal() -> Fault {
    let message = "without a login the console answers to `localhost` and 127.0.0.1 only";
    Fault::new(StatusCode::MISDIRECTED_REQUEST, message)
        .remedy("Behind a proxy, start it with --users, or with --proxy and --user-header.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered_to() {
        let is_own = |host: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            is_of_this_machine(&headers, &Uri::from_static("/"))
        };
        for own in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "127.1.2.3"] {
            assert!(is_own(own), "{own}");
        }
        for other in ["evil.example", "localhost.evil.example:8080", "10.0.0.1", "", "127.0.0.1.x"]
        {
            assert!(!is_own(other), "{other}");
        }
        assert!(!is_of_this_machine(&HeaderMap::new(), &Uri::from_static("/")));
    }
}
