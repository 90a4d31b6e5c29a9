//! Why the stream did not store a packet or a batch, and whether to send it again.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::PublishError;

use crate::connection::{Connection, Retry, server_answer};
use crate::jetstream::refusal::of_publish;
use crate::names::STREAM;
use crate::{Error, Result};

/// How long to try again while the server does not answer or has no room.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// For this long; a full stream is an error at once.
    For(Duration),
    /// Until the caller gives up waiting.
    Endless,
}

impl Patience {
    /// The tries to publish something, from now on.
    pub(super) fn retry(self, connection: &Connection) -> Retry {
        let retry = Retry::new(connection, "publish");
        match self {
            Self::For(limit) => retry.within(limit),
            Self::Endless => retry,
        }
    }
}

pub(crate) enum Fault {
    /// Would fail the same way again.
    Final(Error),
    /// The stream has no room at present.
    Full(Error),
    /// Nobody knows whether it is stored.
    Unanswered(Error),
    /// A part of a batch has not arrived, and nothing of it is stored.
    Incomplete(Error),
    /// A batch holds an id that the stream knows, and nothing of it is stored.
    Repeated(Error),
    /// A batch cannot be stored as a whole, since the server takes no batches, or smaller ones only.
    NotTogether(Error),
    /// A roll-up was refused.
    NoRollUp(Error),
}

impl Fault {
    /// The meaning of an error about the packet of this id, which may have `limit` bytes.
    pub(super) fn of(id: &str, limit: usize, error: PublishError) -> Self {
        let code = server_answer(&error).map(|answer| answer.error_code());
        let error = of_publish("publish", STREAM, id, Some(limit), error);
        match (&error, code) {
            (Error::Refused { .. }, _) => Self::Final(error),
            (Error::Full { .. }, _) => Self::Full(error),
            (_, Some(ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH)) => Self::Incomplete(error),
            (_, Some(ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE)) => {
                Self::Repeated(error)
            }
            (_, Some(ErrorCode::STREAM_ROLLUP_FAILED)) => Self::NoRollUp(error),
            (
                _,
                Some(
                    ErrorCode::ATOMIC_PUBLISH_DISABLED | ErrorCode::ATOMIC_PUBLISH_TOO_LARGE_BATCH,
                ),
            ) => Self::NotTogether(error),
            _ => Self::Unanswered(error),
        }
    }

    /// The fault of a packet that is larger than the limit of the stream, in bytes.
    pub(super) fn too_large(id: String, limit: usize) -> Self {
        let reason = format!("it is larger than the limit of {limit} bytes");
        Self::Final(Error::Refused { id, reason })
    }

    /// Waits until it is time to send again.
    ///
    /// # Errors
    /// The fault, where no further try would mend it or patience has come to its end.
    pub(super) async fn again(self, patience: Patience, retry: &mut Retry) -> Result<()> {
        match (self, patience) {
            (Self::Final(error), _) | (Self::Full(error), Patience::For(_)) => Err(error),
            (fault, _) => retry.again(fault.into_error()).await,
        }
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Final(error)
            | Self::Full(error)
            | Self::Unanswered(error)
            | Self::Incomplete(error)
            | Self::Repeated(error)
            | Self::NotTogether(error)
            | Self::NoRollUp(error) => error,
        }
    }
}
