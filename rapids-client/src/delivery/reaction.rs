//! The result of a reaction, or why there is none.

use std::time::Duration;

use tracing::warn;

use super::executor::error_type;
use super::memory_step::Remembered;
use crate::Error;
use crate::connection::Connection;
use crate::effects::Effects;
use crate::error::with_causes;
use crate::jetstream::publisher::Outgoing;
use crate::memory::{Crowded, WrongType};
use crate::metrics::ErrorType;
use crate::notices::Notices;

/// When a turn runs again whose memory has no room for its packet, or whose store cannot be reached.
pub(super) const LATER: Duration = Duration::from_secs(1);

/// The result of a reaction.
pub(super) struct Reaction {
    /// What it led to.
    pub(super) effects: Effects,
    /// Its packets as they are sent to the server.
    pub(super) outgoing: Vec<Outgoing>,
    /// The step of a memory whose record contains the outputs until they are published.
    pub(super) remembered: Option<Remembered>,
    /// How long it took: of one with a memory, without loading and saving.
    pub(super) took: Duration,
}

/// Why a reaction has no result.
pub(super) enum ReactionError {
    /// It failed: an error, a panic, a time-out, or outputs that cannot be published.
    Failed(anyhow::Error),
    /// It did not run to its end, through no fault of its own or the packet's: it runs again after this
    /// time.
    Later(Duration),
    /// Its memory would be larger than a record may be, for this reason.
    NoRoom(String),
    /// The value of its memory cannot be read, for this reason. A newer program may have written it.
    Unreadable { reason: String, is_newer: bool },
    /// The server does not permit an operation.
    NotPermitted(Error),
}

impl ReactionError {
    /// What an error of the memory or of the claims means. The same error from the reaction itself is
    /// an ordinary failure.
    pub(super) fn of_store(error: Error, connection: &Connection, notices: &Notices) -> Self {
        match error {
            error @ Error::NotPermitted { .. } => Self::NotPermitted(error),
            error if error.is_passing() => {
                connection.warn("packets wait for their memory or claim", &error);
                Self::Later(LATER)
            }
            Error::Record { is_newer: true, ref bucket, .. } => {
                if notices.is_new(bucket) {
                    warn!("packets wait: {error}");
                }
                Self::Later(LATER)
            }
            error => Self::Failed(error.into()),
        }
    }

    /// What kind of failure it is; `None` if it is none of the reaction.
    pub(super) fn error_type(&self) -> Option<ErrorType> {
        match self {
            Self::Failed(error) => Some(error_type(error)),
            Self::Later(_) | Self::NoRoom(_) | Self::Unreadable { .. } | Self::NotPermitted(_) => {
                None
            }
        }
    }

    /// Adds to an error that the reaction may have had an effect outside of the bus.
    pub(super) fn after_effect(self) -> Self {
        match self {
            Self::Failed(error) if matches!(error.downcast_ref(), Some(Error::Refused { .. })) => {
                let context = "it ran, and its effect may have happened, but what it returned cannot \
                               be published";
                Self::Failed(error.context(context))
            }
            other => other,
        }
    }
}

impl From<anyhow::Error> for ReactionError {
    fn from(error: anyhow::Error) -> Self {
        if error.is::<Crowded>() {
            warn!("to be tried again: {error}");
            return Self::Later(LATER);
        }
        if let Some(wrong) = error.downcast_ref::<WrongType>() {
            return Self::Unreadable { reason: with_causes(wrong), is_newer: wrong.is_newer() };
        }
        Self::Failed(error)
    }
}

impl From<Error> for ReactionError {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}
