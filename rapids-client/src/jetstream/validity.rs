//! Until when an instance may act, by its own clock, because it holds a lease.
//!
//! Reactions and publishing ask here first. The lease is renewed elsewhere. In shared delivery every
//! instance may act.

use std::time::Instant;

use tokio::sync::watch;

/// The permission to act. Clones share it, also among threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeaseValidity(Option<watch::Receiver<Instant>>);

impl LeaseValidity {
    /// One that never ends.
    pub(crate) fn endless() -> Self {
        Self(None)
    }

    /// One that ends at the time that the sender told last.
    pub(crate) fn until(time: Instant) -> (watch::Sender<Instant>, Self) {
        let (until, told) = watch::channel(time);
        (until, Self(Some(told)))
    }

    /// Waits until it is certain that this instance may act, which is nearly always now; for ever if it
    /// never may again.
    pub(crate) async fn wait(&self) {
        if self.decided().await.is_none() {
            std::future::pending().await
        }
    }

    /// Waits until it is certain that this instance may act, and returns whether it had to wait; `None` if
    /// it never may again: the sender is gone and the time is over.
    pub(crate) async fn decided(&self) -> Option<bool> {
        let Some(told) = &self.0 else {
            return Some(false);
        };
        if *told.borrow() > Instant::now() {
            return Some(false);
        }
        // Boxed: it would make every caller's future as large as it is.
        Box::pin(renewed(told.clone())).await.then_some(true)
    }
}

/// Waits until a time is told that is not over; `false` if none will be.
async fn renewed(mut told: watch::Receiver<Instant>) -> bool {
    while told.changed().await.is_ok() {
        if *told.borrow() > Instant::now() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    #[test]
    fn it_is_held_until_its_time_and_again_once_that_is_put_off() {
        let past = Instant::now();
        let (until, validity) = LeaseValidity::until(past);
        assert!(validity.wait().now_or_never().is_none());
        until.send_replace(past + Duration::from_secs(60));
        assert!(validity.wait().now_or_never().is_some());
        until.send_replace(past);
        assert!(validity.wait().now_or_never().is_none());
        assert!(validity.decided().now_or_never().is_none());
        drop(until);
        assert!(validity.wait().now_or_never().is_none());
        assert_eq!(validity.decided().now_or_never(), Some(None));
        assert!(LeaseValidity::endless().wait().now_or_never().is_some());
    }
}
