//! Up to where a service is done with what is delivered to it.

use serde::{Deserialize, Serialize};

/// Up to where the server delivers nothing again, on either stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Floors {
    pub(crate) rapids: u64,
    pub(crate) replays: u64,
}

impl Floors {
    pub(super) fn are_zero(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn raise(&mut self, floors: Self) {
        self.rapids = self.rapids.max(floors.rapids);
        self.replays = self.replays.max(floors.replays);
    }

    /// Whether these are reached where others are.
    pub(crate) fn are_below(self, others: Self) -> bool {
        self.rapids <= others.rapids && self.replays <= others.replays
    }

    /// Whether nothing up to this sequence, or of this replay, is delivered again.
    pub(super) fn are_above(self, sequence: u64, is_replay: bool) -> bool {
        sequence <= if is_replay { self.replays } else { self.rapids }
    }
}
