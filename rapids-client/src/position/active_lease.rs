//! The time in which an instance is the active one: its record, and what its predecessor left.

use std::rc::Rc;

use crate::Result;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::position::ack_set::AckSet;
use crate::position::lease::Lease;
use crate::position::record::PositionRecord;
use crate::position::renewal::ReadProgress;
use crate::position::renewal::{LeaseRenewal, Renewed};

pub(crate) struct ActiveLease {
    pub(crate) keeper: LeaseRenewal,
    /// What is not done up to this sequence may have been begun by a predecessor.
    begun: u64,
    /// What of that has ended.
    ended: AckSet,
}

impl ActiveLease {
    /// Goes on from a record that was taken over, in a stream that ended with `last` then: what was
    /// stored later, nobody can have begun.
    pub(crate) fn new(lease: Rc<Lease>, record: &PositionRecord, last: u64) -> Self {
        let keeper = LeaseRenewal::new(lease, record);
        let ended = AckSet::new(0, record.ended.iter().copied());
        Self { keeper, begun: record.begun.min(last), ended }
    }

    pub(crate) fn may_have_begun(&self, place: StreamPlace) -> bool {
        place.stream == StreamName::Rapids
            && place.sequence <= self.begun
            && !self.ended.contains(place.sequence)
    }
}

/// Waits for what comes of writing the record, where there is one.
pub(crate) async fn kept(
    tenure: &mut Option<ActiveLease>,
    progress: ReadProgress,
) -> Result<Renewed> {
    match tenure {
        Some(tenure) => tenure.keeper.next(progress).await,
        None => std::future::pending().await,
    }
}
