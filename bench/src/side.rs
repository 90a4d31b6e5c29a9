//! The sides of a comparison.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The program that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// The library as its README shows it, in shared delivery.
    Ours,
    /// The library in exclusive delivery.
    Exclusive,
    /// The library with this many services in one process.
    Bundled { services: usize },
    /// async-nats as a careful user would write it.
    Tuned,
    /// async-nats subscribed to the server's copies of stored packets, without acknowledgements.
    Live,
    /// async-nats' ordered consumer, without acknowledgements.
    Ordered,
    /// A pull consumer without acknowledgements that reads in larger batches than `Ordered`.
    Unacked,
    /// async-nats as a first-time user would write it.
    Plain,
    /// RustStream over its own version of async-nats.
    RustStream,
}

impl Side {
    /// The library, and both kinds of users of async-nats.
    pub(crate) const USUAL: [Self; 3] = [Self::Ours, Self::Tuned, Self::Plain];

    /// How many services one process of this side runs.
    pub(crate) fn services(self) -> usize {
        match self {
            Self::Bundled { services } => services,
            _ => 1,
        }
    }

    /// Whether this side acknowledges each packet.
    pub(crate) fn acknowledges(self) -> bool {
        matches!(self, Self::Ours | Self::Tuned | Self::Plain | Self::RustStream)
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
            Self::RustStream => "ruststream",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
