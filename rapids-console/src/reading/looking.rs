//! Whether somebody looks: what is asked for in the background is asked for more often then.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// When somebody looked last. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Looking(Arc<AtomicI64>);

impl Looking {
    /// Somebody looks now.
    pub(super) fn begin() -> Self {
        Self(Arc::new(AtomicI64::new(Timestamp::now().as_second())))
    }

    pub(super) fn note(&self) {
        self.0.store(Timestamp::now().as_second(), Ordering::Relaxed);
    }

    /// Whether somebody looked within this time.
    pub(super) fn was_within(&self, time: Duration) -> bool {
        let silent = Timestamp::now().as_second() - self.0.load(Ordering::Relaxed);
        silent < time.as_secs().cast_signed()
    }
}
