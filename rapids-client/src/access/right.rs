//! One thing that an account may use of the account with the streams.

use crate::names::{SUBJECT, published_by};

/// A subject that an account may use, and how.
///
/// The account of the streams exports it to the accounts that have the right, and each of them imports
/// it. A user of such an account reaches nothing else there: also a reply subject of its choice lies in
/// its own account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The subject in the account of the streams; it may have wildcards.
    pub subject: String,
    /// How it is used.
    pub kind: RightKind,
    /// What it is called in the account that has the right, if that is something else.
    pub to: Option<String>,
}

/// How a subject is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RightKind {
    /// Messages are sent to it, and each gets one answer at most.
    Request,
    /// Messages are sent to it, and each may get many answers.
    Streamed,
    /// Messages come from it.
    Feed,
}

impl RightKind {
    /// What it is called in the exports and imports of the server's configuration.
    pub fn in_accounts(self) -> &'static str {
        match self {
            Self::Feed => "stream",
            Self::Request | Self::Streamed => "service",
        }
    }
}

impl Right {
    /// The subject that the user of the account publishes or subscribes to.
    pub fn local(&self) -> &str {
        self.to.as_deref().unwrap_or(&self.subject)
    }

    pub(super) fn request(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), kind: RightKind::Request, to: None }
    }

    pub(super) fn streamed(subject: impl Into<String>) -> Self {
        Self { kind: RightKind::Streamed, ..Self::request(subject) }
    }

    pub(super) fn feed(subject: impl Into<String>) -> Self {
        Self { kind: RightKind::Feed, ..Self::request(subject) }
    }

    /// To publish packets, which are stored under the name of who publishes.
    pub(super) fn publish_as(name: &str) -> Self {
        Self { to: Some(SUBJECT.to_owned()), ..Self::request(published_by(name)) }
    }
}
