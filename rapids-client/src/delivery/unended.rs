//! Why a reaction did not come to its end.

use std::time::Duration;

use tracing::warn;

use crate::Error;
use crate::delivery::handling::{End, LATER};
use crate::memory::Crowded;

/// Why a reaction did not come to its end.
pub(super) enum Unended {
    Failed(anyhow::Error),
    Unready(Duration),
    Refused(Error),
    Stopping,
}

impl Unended {
    /// As the end of a reaction that may have had an effect outside of the bus.
    pub(super) fn after_effect(self) -> Self {
        match self {
            Self::Failed(error) if matches!(error.downcast_ref(), Some(Error::Refused { .. })) => {
                let told = "it ran, and its effect may have happened, but what it returned cannot \
                            be published";
                Self::Failed(error.context(told))
            }
            other => other,
        }
    }
}

impl From<Unended> for End {
    fn from(unended: Unended) -> Self {
        match unended {
            Unended::Failed(error) => Self::Failed(error),
            Unended::Unready(wait) => Self::Unready(wait),
            Unended::Refused(error) => Self::Refused(error),
            Unended::Stopping => Self::Stopping,
        }
    }
}

impl From<anyhow::Error> for Unended {
    fn from(error: anyhow::Error) -> Self {
        if error.is::<Crowded>() {
            warn!("to be tried again: {error}");
            return Self::Unready(LATER);
        }
        Self::Failed(error)
    }
}

impl From<Error> for Unended {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}
