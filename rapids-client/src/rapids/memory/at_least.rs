//! Waits until a service has handled the packets up to a sequence.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::source::Source;
use crate::memory::Unreadable;
use crate::position::status::{self, Position};
use crate::{Error, Result};

/// Between the first looks at the position; each time twice as long, up to the longest.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(64);

/// A packet that what is read must contain.
pub(super) struct AtLeast {
    sequence: u64,
    /// Once a packet is handled, it stays so.
    is_reached: AtomicBool,
}

impl AtLeast {
    pub(super) fn new(sequence: u64) -> Self {
        Self { sequence, is_reached: AtomicBool::new(false) }
    }

    /// Waits until the service has handled everything up to the sequence, for at most this long.
    ///
    /// # Errors
    /// `Memory` if it has not, or has no position; `Position` if that is lost; `NotPermitted`, `Server`.
    pub(super) async fn wait(&self, source: &Source, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut pause = SHORTEST;
        while !self.is_reached.load(Ordering::Relaxed) {
            let asking = Box::pin(status::one(source.connection(), source.service()));
            let last = match asking.await {
                Ok(Some(position)) if position.acknowledged >= self.sequence => {
                    self.is_reached.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Ok(position) => self.behind(source, position, patience),
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(last);
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(LONGEST);
        }
        Ok(())
    }

    /// The error of a service that is still at this position.
    fn behind(&self, source: &Source, position: Option<Position>, patience: Duration) -> Error {
        let service = source.service();
        let place = position.map_or("it has no position".to_owned(), |position| {
            let Position { acknowledged, pending, unacknowledged, is_read, .. } = position;
            let gone = if is_read || unacknowledged > 0 { "" } else { "; no instance waits for packets" };
            format!(
                "it has handled everything up to {acknowledged}, has {unacknowledged} packets in hand, and \
                 is {pending} behind{gone}"
            )
        });
        let reason = format!(
            "waited {patience:?} for service `{service}`: {place}; `rapids services` tells what ails it"
        );
        source.unreadable(Unreadable::Behind { sequence: self.sequence, reason })
    }
}
