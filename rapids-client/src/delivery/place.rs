//! Where a packet was delivered from, and what of it runs: the names by which the rest of the
//! delivery speaks of its work.

use std::fmt;

/// Which stream a packet was delivered from. Replays first: somebody waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Feed {
    Replays,
    Rapids,
}

/// Where a packet was delivered from: the identity of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) feed: Feed,
    pub(crate) sequence: u64,
}

/// `17`, or `r3` for a replay.
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.feed {
            Feed::Rapids => write!(formatter, "{}", self.sequence),
            Feed::Replays => write!(formatter, "r{}", self.sequence),
        }
    }
}

/// One river's part of a packet; `river` is its position in the service's declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Turn {
    pub(crate) place: Place,
    pub(crate) river: usize,
}
