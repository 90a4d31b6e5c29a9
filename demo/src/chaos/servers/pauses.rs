//! For how long nothing happened: how a fault is felt.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The moments at which something happened, of which the longest pause is kept. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Pauses(Arc<Mutex<Longest>>);

#[derive(Debug)]
struct Longest {
    last: Instant,
    longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Longest { last: Instant::now(), longest: Duration::ZERO })))
    }
}

impl Pauses {
    /// Something happens.
    pub(crate) fn end(&self) {
        self.end_at(Instant::now());
    }

    /// Something has happened then; what is told must be told in its order.
    pub(crate) fn end_at(&self, then: Instant) {
        let mut pauses = self.0.lock().expect("nothing panics with it");
        pauses.longest = pauses.longest.max(then.saturating_duration_since(pauses.last));
        pauses.last = then;
    }

    /// Whether something is told that has happened since then.
    pub(super) fn has_ended_since(&self, then: Instant) -> bool {
        self.0.lock().expect("nothing panics with it").last > then
    }

    /// The longest pause since this was called last.
    pub(super) fn take_longest(&self) -> Duration {
        let mut pauses = self.0.lock().expect("nothing panics with it");
        std::mem::take(&mut pauses.longest)
    }
}
