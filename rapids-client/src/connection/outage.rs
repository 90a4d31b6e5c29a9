//! When the connection was lost and made again, for whoever waits for that.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The outages of one connection.
#[derive(Debug, Default)]
pub(super) struct Outages {
    last: watch::Sender<Outage>,
}

/// The last outage, as far as there was one.
#[derive(Debug, Default, Clone, Copy)]
struct Outage {
    /// When it began, if it still lasts.
    begun: Option<Instant>,
    /// When the connection was made again after the last one that ended.
    ended: Option<Instant>,
}

impl Outages {
    /// Takes note that the connection is lost.
    pub(super) fn begin(&self) {
        self.last.send_modify(|last| last.begun = last.begun.or_else(|| Some(Instant::now())));
    }

    /// Takes note that the connection is there; returns how long the outage lasted, if it ends one.
    pub(super) fn end(&self) -> Option<Duration> {
        let begun = self.last.borrow().begun?;
        let now = Instant::now();
        self.last.send_replace(Outage { begun: None, ended: Some(now) });
        Some(now - begun)
    }

    /// Whether there was an outage at any time since then.
    pub(super) fn since(&self, then: Instant) -> bool {
        let last = *self.last.borrow();
        last.begun.is_some() || last.ended.is_some_and(|ended| ended >= then)
    }

    /// Whether the connection is lost at present.
    pub(super) fn is_on(&self) -> bool {
        self.last.borrow().begun.is_some()
    }

    /// Waits until the connection is made again after this call.
    pub(super) fn next_end(&self) -> impl Future<Output = ()> + use<> {
        let mut last = self.last.subscribe();
        let ended = last.borrow().ended;
        async move {
            if last.wait_for(|outage| outage.ended != ended).await.is_err() {
                // Nobody keeps the connection any more, so it is not made again.
                std::future::pending().await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn an_outage_lasts_from_the_first_loss_until_the_connection_is_made_again() {
        let (outages, start) = (Outages::default(), Instant::now());
        assert_eq!(outages.end(), None, "the first connect ends no outage");
        assert!(!outages.since(start));
        outages.begin();
        let begun = outages.last.borrow().begun;
        outages.begin();
        assert_eq!(outages.last.borrow().begun, begun);
        assert!(outages.since(Instant::now()), "it lasts");
        assert!(outages.end().is_some());
        assert!(outages.since(start));
        assert!(!outages.since(Instant::now() + Duration::from_secs(1)), "it is over");
    }

    #[test]
    fn who_waits_is_woken_by_the_next_connect_and_not_by_an_earlier_one() {
        let outages = Outages::default();
        outages.begin();
        outages.end();
        let waiting = outages.next_end();
        let mut waiting = std::pin::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        outages.begin();
        assert!(waiting.as_mut().now_or_never().is_none());
        outages.end();
        assert!(waiting.now_or_never().is_some());
    }
}
