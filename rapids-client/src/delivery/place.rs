//! Where a packet was delivered from, and what of it runs: the names by which the rest of the
//! delivery speaks of its work.

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

/// One river's part of a packet; `river` is its position in the service's declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Turn {
    pub(crate) place: Place,
    pub(crate) river: usize,
}
