//! A form that changes something: from a page of this console, by somebody who may.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use rapids_client::Note;

use super::Visitor;
use super::fields::Fields;
use super::origin::is_own;
use super::tokens::are_same;
use crate::fault::{Fault, Result};

/// The longest reason that is taken, in bytes.
const LONGEST_REASON: usize = 2_000;

/// A form that changes something, and who sent it. Nothing else leads to a change.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) fields: Fields,
    /// Who acts, why, and from where.
    pub(crate) note: Note,
}

impl Signed {
    /// The value of a field; empty if it is missing.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.text(name)
    }

    /// The reason, without which this is not done.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn reason(&self) -> Result<&str> {
        let reason = self.note.why.as_deref();
        reason.ok_or_else(|| Fault::wrong("a reason is missing: it is kept for who looks later"))
    }
}

impl<S: Send + Sync> FromRequest<S> for Signed {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let visitor = request.extensions().get::<Visitor>().cloned().unwrap_or_default();
        let Some(token) = visitor.token else {
            let fault = Fault::new(StatusCode::FORBIDDEN, "you may look here, and change nothing");
            return Err(fault.remedy("Whoever runs the console can name you in --operators."));
        };
        if !is_own(request.headers()) {
            return Err(Fault::new(StatusCode::FORBIDDEN, "this form is of another page"));
        }
        let body = Bytes::from_request(request, state).await.map_err(|_| {
            Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "this is more than the console takes")
        })?;
        let fields = Fields::parse(&body);
        if !are_same(fields.text("token").trim(), &token) {
            let fault =
                Fault::new(StatusCode::FORBIDDEN, "this page is from before the console started");
            return Err(fault.remedy(
                "Go back, load the page again, and do it once more: nothing was changed.",
            ));
        }
        let reason = fields.text("reason").trim();
        if reason.len() > LONGEST_REASON {
            return Err(Fault::wrong(format!("a reason has at most {LONGEST_REASON} bytes")));
        }
        let who = visitor.name.unwrap_or_else(|| "anonymous".to_owned());
        let note = Note::new(who).origin(format!("console {}", visitor.address));
        let note = if reason.is_empty() { note } else { note.why(reason) };
        Ok(Self { fields, note })
    }
}
