//! How a job stands, and what cannot be done with it. Plain data, which [`Error`](crate::Error) carries, too.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Somebody works on it, or whoever comes next does.
    Running,
    /// It goes on once it is [resumed](crate::Jobs::resume).
    Paused,
    /// It ended before its time. What it has done stays done.
    Cancelled,
    /// It is through all of its letters.
    Done,
}

impl JobState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Done)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Why what is asked of a job is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobRefusal {
    /// There is no such job (any more).
    Unknown,
    /// It stands so already.
    Is(JobState),
}

/// Follows "job `...` ".
impl fmt::Display for JobRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("does not exist, or has expired"),
            Self::Is(state) => write!(formatter, "is {state} already"),
        }
    }
}
