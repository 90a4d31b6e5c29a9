//! When the live feed may be joined again.

use std::time::{Duration, Instant};

use tracing::{debug, warn};

use crate::live::leave_reason::{Forgery, LeaveReason};
use crate::names::LIVE;

/// The wait after a gap: somebody may cause gaps on purpose.
const AFTER_GAP: Duration = Duration::from_millis(500);
/// The wait after the first forged copy. It doubles each time.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// After so long without forged copies, the next one counts as the first.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// How long to wait before joining the feed again: longer after each forgery.
#[derive(Debug, Default)]
pub(crate) struct RejoinBackoff {
    forgeries: u32,
    last_forgery: Option<Instant>,
    /// The sequence of the copy behind the last gap, until it is known whether it is in the stream.
    behind_gap: u64,
}

impl RejoinBackoff {
    /// How long to wait before joining the feed again, after it was left for this reason.
    pub(crate) fn wait_after(&mut self, reason: &LeaveReason, now: Instant) -> Duration {
        match reason {
            LeaveReason::Lost(reason) => {
                debug!(reason, "the live feed is joined again");
                Duration::ZERO
            }
            LeaveReason::Gap(sequence) => {
                debug!(sequence, "the live feed has a gap");
                self.behind_gap = *sequence;
                AFTER_GAP
            }
            LeaveReason::Forged(forgery) => self.after_forgery(forgery, now),
        }
    }

    /// Makes sure that the copy behind the last gap was of a packet in the stream.
    ///
    /// # Errors
    /// That it was forged.
    pub(crate) fn check_gap(&mut self, stream_end: u64) -> Result<(), LeaveReason> {
        let sequence = std::mem::take(&mut self.behind_gap);
        if sequence > stream_end {
            return Err(LeaveReason::Forged(Forgery::BeyondEnd { sequence, stream_end }));
        }
        Ok(())
    }

    fn after_forgery(&mut self, forgery: &Forgery, now: Instant) -> Duration {
        if self.last_forgery.is_some_and(|last| now.duration_since(last) > FORGET_AFTER) {
            self.forgeries = 0;
        }
        let wait = SHORTEST.saturating_mul(1 << self.forgeries.min(16)).min(LONGEST);
        self.forgeries += 1;
        self.last_forgery = Some(now);
        warn!(
            ?wait,
            "on `{LIVE}` {forgery}: somebody beside the server publishes there, or the server has lost \
             what it had stored; let no user publish to `{LIVE}`. What is not confirmed is read again \
             from the stream, and so is what comes, until the feed is joined again"
        );
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feed_is_joined_later_each_time_there_are_forged_copies() {
        let (mut backoff, now) = (RejoinBackoff::default(), Instant::now());
        let forged = LeaveReason::Forged(Forgery::Differs(7));
        let waits = [0; 8].map(|_| backoff.wait_after(&forged, now).as_secs());
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.wait_after(&forged, now + FORGET_AFTER * 2), SHORTEST);
    }

    #[test]
    fn a_copy_behind_a_gap_is_forged_if_the_stream_ends_before_it() {
        let mut backoff = RejoinBackoff::default();
        assert_eq!(backoff.wait_after(&LeaveReason::Gap(9), Instant::now()), AFTER_GAP);
        let forgery = Forgery::BeyondEnd { sequence: 9, stream_end: 8 };
        assert_eq!(backoff.check_gap(8), Err(LeaveReason::Forged(forgery)));
        assert_eq!(backoff.check_gap(8), Ok(()), "it is checked once");
    }
}
