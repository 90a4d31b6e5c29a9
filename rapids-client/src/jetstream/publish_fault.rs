//! Why the stream did not store what was sent to it, and whether to send it again.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::PublishError;
use tokio::time::Instant;
use tracing::warn;

use crate::backoff;
use crate::error::with_causes;
use crate::jetstream::refusal::{of_publish, server_answer};
use crate::names::STREAM;
use crate::{Error, Result};

/// How long to go on while the server does not answer or has no room.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// This long; a full stream is an error at once.
    For(Duration),
    /// Until the caller gives up waiting.
    Endless,
}

pub(crate) enum Fault {
    /// Would fail the same way again.
    Final(Error),
    /// The stream has no room at present.
    Full(Error),
    /// Stored or not, nobody knows.
    Unanswered(Error),
    /// Of a batch: not all of it has arrived, and nothing of it is stored.
    Incomplete(Error),
    /// Of a batch: not as a whole, since some of it is stored already, or the server takes no
    /// batches, or only smaller ones.
    NotTogether(Error),
}

impl Fault {
    /// What the answer about the packet of this id says, which may have `limit` bytes.
    pub(super) fn of(id: &str, limit: usize, error: PublishError) -> Self {
        let code = server_answer(&error).map(|answer| answer.error_code());
        let error = of_publish("publish", STREAM, id, Some(limit), error);
        match (&error, code) {
            (Error::Refused { .. }, _) => Self::Final(error),
            (Error::Full { .. }, _) => Self::Full(error),
            (_, Some(ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH)) => Self::Incomplete(error),
            (
                _,
                Some(
                    ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE
                    | ErrorCode::ATOMIC_PUBLISH_DISABLED
                    | ErrorCode::ATOMIC_PUBLISH_TOO_LARGE_BATCH,
                ),
            ) => Self::NotTogether(error),
            _ => Self::Unanswered(error),
        }
    }

    /// The packet of this id is larger than the limit of the stream, in bytes.
    pub(super) fn too_large(id: String, limit: usize) -> Self {
        let reason = format!("it is larger than the limit of {limit} bytes");
        Self::Final(Error::Refused { id, reason })
    }

    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Final(error)
            | Self::Full(error)
            | Self::Unanswered(error)
            | Self::Incomplete(error)
            | Self::NotTogether(error) => error,
        }
    }
}

/// The attempts to have one thing stored.
pub(crate) struct Attempts {
    patience: Patience,
    begun: Instant,
    made: u32,
}

impl Attempts {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, begun: Instant::now(), made: 0 }
    }

    /// Waits until it is time to send again what begins with the packet of this id.
    ///
    /// # Errors
    /// The fault, where no further attempt would mend it or patience has come to its end.
    pub(super) async fn again(&mut self, packet: &str, fault: Fault) -> Result<()> {
        let goes_on = match (&fault, self.patience) {
            (Fault::Final(_), _) | (Fault::Full(_), Patience::For(_)) => false,
            (_, Patience::For(limit)) => self.begun.elapsed() < limit,
            (_, Patience::Endless) => true,
        };
        let error = fault.into_error();
        if !goes_on {
            return Err(error);
        }
        self.made = self.made.saturating_add(1);
        let wait = backoff::exponential(self.made);
        warn!(packet, error = with_causes(&error), ?wait, "publishing again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
