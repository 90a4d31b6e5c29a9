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
    /// Something happened.
    pub(crate) fn end(&self) {
        let mut pauses = self.0.lock().expect("nothing panics with it");
        let now = Instant::now();
        pauses.longest = pauses.longest.max(now - pauses.last);
        pauses.last = now;
    }

    /// The longest pause since this was called last, also one that lasts.
    pub(super) fn take_longest(&self) -> Duration {
        let mut pauses = self.0.lock().expect("nothing panics with it");
        let longest = pauses.longest.max(pauses.last.elapsed());
        pauses.longest = Duration::ZERO;
        longest
    }
}
