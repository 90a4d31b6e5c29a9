//! Work that goes on where it was, also if the future that waits for it is dropped and another one is made:
//! who waits beside a ticking clock drops it often, and work that began anew each time might never end.

use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;

// In a lock, which is never taken, so that it can be shared among threads as any other value can.
pub(crate) struct Resumed<T>(Option<Mutex<BoxFuture<'static, T>>>);

impl<T> Default for Resumed<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Resumed<T> {
    /// Whether there is work that has not ended.
    pub(crate) fn is_begun(&self) -> bool {
        self.0.is_some()
    }

    /// Begins work in place of what there was.
    pub(crate) fn begin(&mut self, work: impl Future<Output = T> + Send + 'static) {
        self.0 = Some(Mutex::new(work.boxed()));
    }

    /// Waits for the end of the work; without end, if there is none.
    pub(crate) async fn ended(&mut self) -> T {
        let Some(work) = &mut self.0 else { return std::future::pending().await };
        let result = work.get_mut().unwrap_or_else(PoisonError::into_inner).await;
        self.0 = None;
        result
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_ends_in_its_time_however_often_the_wait_for_it_is_dropped() {
        let mut work = Resumed::default();
        assert!(timeout(Duration::from_secs(1), work.ended()).await.is_err(), "there is none");
        for result in 1..=2 {
            work.begin(async move {
                sleep(Duration::from_millis(45)).await;
                result
            });
            let mut dropped = 0;
            let ended = loop {
                match timeout(Duration::from_millis(10), work.ended()).await {
                    Ok(ended) => break ended,
                    Err(_) => dropped += 1,
                }
            };
            assert_eq!((ended, dropped), (result, 4));
            assert!(!work.is_begun());
        }
    }
}
