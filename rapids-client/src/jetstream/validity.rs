//! Whether this instance may act: it must know by its own clock that its lease has not run out.
//!
//! The lease is renewed elsewhere ([`keeper`](crate::position::renewal)); reactions and publishing ask here
//! first. In shared delivery every instance may act.

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

    /// One that holds until the time that is told last.
    pub(crate) fn until(time: Instant) -> (watch::Sender<Instant>, Self) {
        let (teller, told) = watch::channel(time);
        (teller, Self(Some(told)))
    }

    /// Waits until it is certain that this instance may act, which is nearly always now. Where it
    /// never may again, for ever.
    pub(crate) async fn held(&self) {
        let Some(told) = &self.0 else {
            return;
        };
        if *told.borrow() > Instant::now() {
            return;
        }
        let mut told = told.clone();
        while told.changed().await.is_ok() {
            if *told.borrow() > Instant::now() {
                return;
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    #[test]
    fn it_is_held_until_its_time_and_again_once_that_is_put_off() {
        let past = Instant::now();
        let (teller, permit) = LeaseValidity::until(past);
        assert!(permit.held().now_or_never().is_none());
        teller.send_replace(past + Duration::from_secs(60));
        assert!(permit.held().now_or_never().is_some());
        teller.send_replace(past);
        assert!(permit.held().now_or_never().is_none());
        drop(teller);
        assert!(permit.held().now_or_never().is_none());
        assert!(LeaseValidity::endless().held().now_or_never().is_some());
    }
}
