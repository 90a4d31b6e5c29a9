//! Why a page cannot be shown, in words for who looks.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rapids_client::{Error, JobRefusal, Refusal};

/// A page that cannot be shown. `app` renders it as a page of its own.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
}

/// The result of a page.
pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), remedy: None }
    }

    /// Something that is not there, or not any more.
    pub(crate) fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Something that who looks has written wrong.
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Something that is not to be done any more: somebody was quicker.
    fn conflict(message: String) -> Self {
        let remedy = "Nothing was changed. Load the page again to see how it stands now, and why.";
        Self::new(StatusCode::CONFLICT, message).remedy(remedy)
    }

    /// Something that should not have happened.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    #[must_use]
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotPermitted { .. } => Self::new(StatusCode::FORBIDDEN, with_causes(&error))
                .remedy(
                    "Grant this right to the console's user of NATS; docs/security.md lists all.",
                ),
            Error::Connect { .. } | Error::Server { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, with_causes(&error))
            }
            Error::Letter { refusal: Refusal::Unknown, .. }
            | Error::Job { refusal: JobRefusal::Unknown, .. } => Self::gone(with_causes(&error)),
            Error::Letter { id, refusal } => Self::conflict(without_reason(id, refusal)),
            Error::Job { .. } | Error::NotMoved { .. } => Self::conflict(with_causes(&error)),
            Error::Malformed { .. } | Error::Refused { .. } | Error::Field { .. } => {
                Self::wrong(with_causes(&error))
            }
            Error::Definition { .. } | Error::Config { .. } => Self::wrong(with_causes(&error)),
            _ => Self::new(StatusCode::BAD_GATEWAY, with_causes(&error)),
        }
    }
}

/// Who was quicker. Their reason may quote what is masked; the page of the letter shows it.
fn without_reason(id: &str, refusal: &Refusal) -> String {
    let mut refusal = refusal.clone();
    if let Refusal::Taken { action, .. } = &mut refusal {
        action.why = None;
    }
    Error::Letter { id: id.to_owned(), refusal }.to_string()
}

/// An error with what led to it, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
