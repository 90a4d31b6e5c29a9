//! When a timer is due.

use std::time::Duration;

use jiff::Timestamp;

/// When a packet is to be published: at a time, or after a duration, which begins when the reaction ends.
/// What is over already is published at once.
///
/// ```
/// use std::time::Duration;
/// use rapids_client::{Timestamp, When};
///
/// let now: Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
/// let due = When::from(Duration::from_secs(90)).after(now);
/// assert_eq!(due.to_string(), "2026-11-21T09:31:30Z");
/// assert_eq!(When::from(due).after(now), due);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long after now.
    After(Duration),
    /// At this time.
    At(Timestamp),
}

impl When {
    /// The time that is meant, if it is `now`; the last one that there is, where it lies beyond that.
    #[must_use]
    pub fn after(self, now: Timestamp) -> Timestamp {
        match self {
            Self::After(wait) => now.checked_add(wait).unwrap_or(Timestamp::MAX),
            Self::At(time) => time,
        }
    }
}

impl From<Duration> for When {
    fn from(wait: Duration) -> Self {
        Self::After(wait)
    }
}

impl From<Timestamp> for When {
    fn from(time: Timestamp) -> Self {
        Self::At(time)
    }
}
