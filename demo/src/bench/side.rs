//! The sides of a comparison.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// The library, as its README shows it.
    Ours,
    /// async-nats as a careful user writes it.
    Tuned,
    /// async-nats as a first-time user writes it.
    Plain,
}

impl Side {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Tuned, Self::Plain];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Tuned => "tuned",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
