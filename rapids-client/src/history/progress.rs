//! How far a reading of the stream is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far the present reading of the stream is. Clones share the figures, and may be asked from another
/// task.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    first: AtomicU64,
    at: AtomicU64,
    last: AtomicU64,
}

impl Progress {
    /// How many packets the reading has passed.
    pub fn passed(&self) -> u64 {
        let Figures { first, at, .. } = &*self.0;
        at.load(Ordering::Relaxed).saturating_sub(first.load(Ordering::Relaxed))
    }

    /// How many packets it passes at most; 0 until the first of them has come.
    pub fn total(&self) -> u64 {
        let Figures { first, last, .. } = &*self.0;
        last.load(Ordering::Relaxed).saturating_sub(first.load(Ordering::Relaxed))
    }

    /// A reading begins that ends with this sequence at the latest.
    pub(super) fn begin(&self, last: u64) {
        let Figures { first, at, last: end } = &*self.0;
        for (figure, value) in [(first, u64::MAX), (at, 0), (end, last)] {
            figure.store(value, Ordering::Relaxed);
        }
    }

    /// The reading has come to this sequence.
    pub(super) fn advance(&self, sequence: u64) {
        let Figures { first, at, .. } = &*self.0;
        if first.load(Ordering::Relaxed) == u64::MAX {
            first.store(sequence.saturating_sub(1), Ordering::Relaxed);
        }
        at.store(sequence, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_the_first_packet_of_a_reading() {
        let progress = Progress::default();
        assert_eq!((progress.passed(), progress.total()), (0, 0));
        progress.begin(110);
        assert_eq!((progress.passed(), progress.total()), (0, 0));
        progress.advance(101);
        assert_eq!((progress.passed(), progress.total()), (1, 10));
        let shared = progress.clone();
        progress.advance(110);
        assert_eq!((shared.passed(), shared.total()), (10, 10));
        progress.begin(50);
        assert_eq!((progress.passed(), progress.total()), (0, 0));
    }
}
