//! Who may look, and what keeps a page from doing anything else than to be looked at.
//!
//! - [`access`]: who comes, by session or by what a trusted proxy says;
//! - [`host`]: without a login, only names of this machine, so that no other page can read this one through a
//!   name that it has moved here;
//! - [`headers`]: what browsers are told to refuse;
//! - [`users`], [`sessions`], [`attempts`]: passwords and who has given one;
//! - [`connections`]: how many may be open at once;
//! - [`cookies`]: what a browser sends back.

pub(crate) mod access;
pub(crate) mod attempts;
pub(crate) mod connections;
pub(crate) mod cookies;
pub(crate) mod headers;
pub(crate) mod host;
pub(crate) mod sessions;
pub(crate) mod users;

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// Who looks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    /// `None` where nobody has to log in.
    pub(crate) name: Option<String>,
    /// Whether the console itself has logged the visitor in.
    pub(crate) can_log_out: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
