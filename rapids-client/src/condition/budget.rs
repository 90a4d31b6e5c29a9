//! How much work evaluating expressions on one packet may be.
//!
//! Work is counted in steps rather than in time, so that a packet has the same outcome on every
//! machine. A step is about a nanosecond: looking at one byte. Whoever does the work spends steps,
//! and stops when there are none left.

use std::cell::Cell;

/// The steps for one packet, whatever its size and however many rivers look at it.
///
/// Measured: a packet of 1 MB that uses them up takes 0.15 to 0.5 s in a release build.
pub(crate) const STEPS: u64 = 300_000_000;

/// What going to a value costs, beside the bytes that are looked at.
pub(super) const NODE: usize = 40;

/// Why an expression cannot be evaluated on a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooCostly {
    /// More steps were needed than there are for a packet.
    #[error("takes more than {STEPS} steps on this packet")]
    Steps,
    /// A pattern that stands in the packet is too long, or too large once it is compiled.
    #[error("takes a pattern from this packet that is too large (1000 bytes, 1 MiB compiled)")]
    Pattern,
}

/// The steps that are left. Half of them are for whoever needs them, and each river has an equal
/// share of the others, so that one costly river leaves enough for those beside it.
#[derive(Debug)]
pub(super) struct Budget {
    common: Cell<u64>,
    own: Cell<u64>,
    share: u64,
}

impl Budget {
    /// The steps for one packet that so many rivers will judge.
    pub(super) fn new(steps: u64, judges: usize) -> Self {
        let judges = u64::try_from(judges).unwrap_or(u64::MAX).max(1);
        let share = steps / 2 / judges;
        Self { common: Cell::new(steps / 2), own: Cell::new(share), share }
    }

    /// The next river begins to judge.
    pub(super) fn next(&self) {
        self.own.set(self.share);
    }

    /// How many steps are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> u64 {
        self.own.get() + self.common.get()
    }

    /// Takes steps away.
    pub(super) fn spend(&self, steps: usize) -> Result<(), TooCostly> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let purse = if self.own.get() >= steps { &self.own } else { &self.common };
        purse.set(purse.get().checked_sub(steps).ok_or(TooCostly::Steps)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_more_than_a_share_takes_of_the_common_half_and_no_more() {
        let budget = Budget::new(100, 5);
        for _ in 0..60 {
            budget.spend(1).unwrap();
        }
        assert_eq!(budget.spend(1), Err(TooCostly::Steps));
        for _ in 0..4 {
            budget.next();
            budget.spend(10).unwrap();
            assert_eq!(budget.spend(1), Err(TooCostly::Steps));
        }
    }
}
