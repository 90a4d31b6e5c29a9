//! What all leases have in common. A lease is a key in a bucket that one instance holds and renews.
//!
//! Another instance may take the lease over once its revision has stood unchanged for the length of
//! the lease while the server answered ([`RevisionWatch`](super::revision_watch::RevisionWatch)). A
//! holder that must stop in time knows by its own clock until when it may act
//! ([`LeaseValidity`](super::validity::LeaseValidity)). Clocks need not agree. What the key holds is
//! left to its users.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, interval_at, timeout};

/// The length of a lease whose holder cannot stop in time. A client needs up to four seconds to
/// connect again after an outage, and then renews at once.
pub(crate) const LONG_LEASE: Duration = Duration::from_secs(6);

/// Runs a future and renews a lease meanwhile, each time this interval has passed, for as long as
/// `renew` returns true.
pub(crate) async fn renewed_during<T>(
    every: Duration,
    mut renew: impl AsyncFnMut() -> bool,
    running: impl Future<Output = T>,
) -> T {
    let renewing = async {
        let mut renewal = interval_at(Instant::now() + every, every);
        loop {
            renewal.tick().await;
            // A lost connection may have taken the answer along; the next renewal tells.
            if timeout(every, renew()).await == Ok(false) {
                return;
            }
        }
    };
    let mut running = pin!(running);
    tokio::select! {
        biased;
        ended = &mut running => return ended,
        () = renewing => {}
    }
    running.await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::pending;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_renewal_without_an_answer_is_tried_again_and_holds_nothing_up() {
        let renewals = Cell::new(0);
        let renew = async || {
            renewals.set(renewals.get() + 1);
            pending().await
        };
        let running = async {
            while renewals.get() < 3 {
                yield_now().await;
            }
            "ended"
        };
        let ended = renewed_during(Duration::from_millis(1), renew, running);
        assert_eq!(timeout(LONG_LEASE, ended).await, Ok("ended"));
    }
}
