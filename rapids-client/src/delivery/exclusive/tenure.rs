//! The time in which an instance is the active one: its record, and what its predecessor left.

use std::rc::Rc;

use super::done::Done;
use super::feed::Progress;
use super::keeper::{Keeper, Kept};
use super::lease::Lease;
use super::record::Record;
use crate::Result;
use crate::delivery::place::{Feed, Place};

pub(crate) struct Tenure {
    pub(crate) keeper: Keeper,
    /// What is not done up to this sequence may have been begun by a predecessor.
    begun: u64,
    /// What of that has ended.
    ended: Done,
}

impl Tenure {
    /// Goes on from a record that was taken over, in a stream that ended with `last` then: what was
    /// stored later, nobody can have begun.
    pub(crate) fn new(lease: Rc<Lease>, record: &Record, last: u64) -> Self {
        let keeper = Keeper::new(lease, record);
        let ended = Done::new(0, record.ended.iter().copied());
        Self { keeper, begun: record.begun.min(last), ended }
    }

    pub(crate) fn may_have_begun(&self, place: Place) -> bool {
        place.feed == Feed::Rapids
            && place.sequence <= self.begun
            && !self.ended.contains(place.sequence)
    }
}

/// Waits for what comes of writing the record, where there is one.
pub(crate) async fn kept(tenure: &mut Option<Tenure>, progress: Progress) -> Result<Kept> {
    match tenure {
        Some(tenure) => tenure.keeper.next(progress).await,
        None => std::future::pending().await,
    }
}
