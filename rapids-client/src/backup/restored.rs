//! What a restore has brought back.

use super::BackupContents;

/// A backup that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// What it holds.
    pub contents: BackupContents,
    /// Where services go on, by name.
    pub positions: Vec<RestoredPosition>,
}

/// Where a service goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoredPosition {
    /// The service's name.
    pub service: String,
    /// Everything up to this sequence is done. What it has handled behind it before the backup was complete, it
    /// handles once more.
    pub floor: u64,
    /// How many packets it may handle once more.
    pub again: u64,
    /// Whether it is in exclusive delivery.
    pub is_exclusive: bool,
}
