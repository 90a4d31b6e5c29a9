//! What came of folding a history.

/// A state of the past, and how complete it is; see [`History::fold`](crate::History::fold).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Folded<S> {
    /// The state at the moment.
    pub state: S,
    /// How many packets have led to it.
    pub packets: u64,
    /// How many bodies were passed over that may have been meant; see
    /// [`HistoryPackets::malformed`](crate::HistoryPackets::malformed).
    pub malformed: u64,
    /// The first sequence behind packets that have expired, and that the history would have read. If there are
    /// any, **the state begins in the middle**: what they would have changed is missing in it.
    pub expired_before: Option<u64>,
    /// The sequence of the last packet that was read, whether it matched or not; 0 if there was none.
    pub read_to: u64,
}
