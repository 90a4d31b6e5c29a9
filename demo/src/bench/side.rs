//! The sides of a comparison.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// The library, as its README shows it, in shared delivery.
    Ours,
    /// The same in exclusive delivery.
    Exclusive,
    /// So many services in one process.
    Bundled { services: usize },
    /// async-nats as a careful user writes it.
    Tuned,
    /// async-nats on the server's copies of what it stored, without acknowledgements.
    Live,
    /// async-nats' own ordered consumer, without acknowledgements.
    Ordered,
    /// What that does, done by hand in larger batches than it has.
    Unacked,
    /// async-nats as a first-time user writes it.
    Plain,
}

impl Side {
    /// The library as it comes, and both kinds of users of async-nats.
    pub(crate) const USUAL: [Self; 3] = [Self::Ours, Self::Tuned, Self::Plain];

    /// How many services one process of this side runs.
    pub(crate) fn services(self) -> usize {
        match self {
            Self::Bundled { services } => services,
            _ => 1,
        }
    }

    /// Whether the server is told of each packet that it was handled.
    pub(crate) fn acknowledges(self) -> bool {
        matches!(self, Self::Ours | Self::Tuned | Self::Plain)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Exclusive => "exclusive",
            Self::Bundled { .. } => "bundled",
            Self::Tuned => "tuned",
            Self::Live => "live",
            Self::Ordered => "ordered",
            Self::Unacked => "unacked",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
