//! The lease of an instance that is the active one, and what the instance before it has left.

use std::rc::Rc;

use crate::Result;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::position::ack_set::AckSet;
use crate::position::lease::Lease;
use crate::position::lease::renewal::{LeaseRenewal, ReadProgress, Renewed};
use crate::position::record::PositionRecord;

pub(crate) struct ActiveLease {
    pub(crate) renewal: LeaseRenewal,
    /// A packet up to this sequence that is not done may have been begun by an instance before.
    begun: u64,
    /// Those among them that came to an end there.
    ended: AckSet,
}

impl ActiveLease {
    /// Goes on from a record that was taken over, in a stream that ended with `last` then: nobody
    /// can have begun what was stored later.
    pub(crate) fn new(lease: Rc<Lease>, record: &PositionRecord, last: u64) -> Self {
        let renewal = LeaseRenewal::new(lease, record);
        let ended = AckSet::new(0, record.ended.iter().copied());
        Self { renewal, begun: record.begun.min(last), ended }
    }

    pub(crate) fn may_have_begun(&self, place: StreamPlace) -> bool {
        place.stream == StreamName::Rapids
            && place.sequence <= self.begun
            && !self.ended.contains(place.sequence)
    }
}

/// Waits for the next renewal, in exclusive delivery.
pub(crate) async fn renewed(
    lease: &mut Option<ActiveLease>,
    progress: ReadProgress,
) -> Result<Renewed> {
    match lease {
        Some(lease) => lease.renewal.next(progress).await,
        None => std::future::pending().await,
    }
}
