//! Who may look and who may act, and what keeps a page from doing anything else.
//!
//! - [`access`]: who comes, by session or by what a trusted proxy says;
//! - [`host`]: without a login, only names of this machine, so that no other page can read this one through a
//!   name that it has moved here;
//! - [`headers`]: what browsers are told to refuse;
//! - [`users`], [`sessions`], [`attempts`]: passwords and who has given one;
//! - [`connections`]: how many may be open at once;
//! - [`cookies`]: what a browser sends back;
//! - [`signed`], with [`fields`], [`origin`] and [`tokens`]: forms that change something.

pub(crate) mod access;
pub(crate) mod attempts;
pub(crate) mod connections;
pub(crate) mod cookies;
pub(crate) mod fields;
pub(crate) mod headers;
pub(crate) mod host;
pub(crate) mod origin;
pub(crate) mod sessions;
pub(crate) mod signed;
pub(crate) mod tokens;
pub(crate) mod users;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Who looks.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// Where from.
    pub(crate) address: IpAddr,
    /// What forms of this visitor that change something carry; `None` for who may only look.
    pub(crate) token: Option<String>,
    /// `None` where nobody has to log in.
    pub(crate) name: Option<String>,
    /// Whether the console itself has logged the visitor in.
    pub(crate) can_log_out: bool,
}

/// Somebody of whom nothing is known.
impl Default for Visitor {
    fn default() -> Self {
        let address = Ipv4Addr::UNSPECIFIED.into();
        Self { address, token: None, name: None, can_log_out: false }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
