//! Which packets of the stream a service is done with.
//!
//! Pure. Where it is written down is left to [`record`](crate::position::record).

use std::collections::BTreeMap;

/// The most ranges above the floor. Each packet that is not done, below others that are, makes one.
/// With as many, no more packets are taken in.
pub(crate) const MOST_RANGES: usize = 1_000;

/// A set of sequences: all up to a floor, and ranges above it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AckSet {
    floor: u64,
    /// First and last sequence of each range. They neither overlap nor touch each other or the
    /// floor.
    above: BTreeMap<u64, u64>,
}

impl AckSet {
    /// All up to the floor, and these ranges, in any order.
    pub(crate) fn new(floor: u64, above: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut done = Self { floor, above: BTreeMap::new() };
        for (first, last) in above {
            done.add_all(first, last);
        }
        done
    }

    /// The highest sequence up to which everything is done.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// The highest sequence that is done.
    pub(crate) fn reached(&self) -> u64 {
        self.above.last_key_value().map_or(self.floor, |(_, &last)| last)
    }

    /// What is done above the floor, as first and last sequence of each range.
    pub(crate) fn above(&self) -> impl Iterator<Item = (u64, u64)> {
        self.above.iter().map(|(&first, &last)| (first, last))
    }

    /// What is done up to this sequence, and the ranges of what is done above it.
    pub(crate) fn split(&self, at: u64) -> (Self, Vec<(u64, u64)>) {
        let (mut below, mut above) = (Self::new(self.floor.min(at), []), Vec::new());
        for (first, last) in [(1, self.floor)].into_iter().chain(self.above()) {
            below.add_all(first, last.min(at));
            if last > at {
                above.push((first.max(at + 1), last));
            }
        }
        (below, above)
    }

    /// Removes all from the first to the last of them.
    pub(crate) fn remove_all(&mut self, first: u64, last: u64) {
        let (below, _) = self.split(first.saturating_sub(1));
        let (_, above) = self.split(last);
        *self = Self::new(below.floor, below.above().chain(above));
    }

    /// Whether it has as many ranges as it may have.
    pub(crate) fn is_full(&self) -> bool {
        self.above.len() >= MOST_RANGES
    }

    pub(crate) fn contains(&self, sequence: u64) -> bool {
        sequence <= self.floor
            || self.above.range(..=sequence).next_back().is_some_and(|(_, &last)| sequence <= last)
    }

    pub(crate) fn add(&mut self, sequence: u64) {
        self.add_all(sequence, sequence);
    }

    /// Adds all from the first to the last of them.
    pub(crate) fn add_all(&mut self, first: u64, last: u64) {
        if last <= self.floor || first > last {
            return;
        }
        // By far the most often, all comes in stream order and nothing below it is open.
        if first <= self.floor + 1 && self.above.is_empty() {
            self.floor = last;
            return;
        }
        let (mut first, mut last) = (first, last);
        while let Some((&other_first, &other_last)) =
            self.above.range(..=last.saturating_add(1)).next_back()
            && other_last.saturating_add(1) >= first
        {
            first = first.min(other_first);
            last = last.max(other_last);
            self.above.remove(&other_first);
        }
        if first <= self.floor + 1 {
            self.floor = last;
        } else {
            self.above.insert(first, last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_done_in_order_is_only_a_floor() {
        let mut done = AckSet::new(7, []);
        (8..=1_000).for_each(|sequence| done.add(sequence));
        assert_eq!((done.floor(), done.above().count()), (1_000, 0));
    }

    #[test]
    fn an_open_packet_keeps_the_floor_below_it() {
        let mut done = AckSet::new(0, []);
        (2..=5).for_each(|sequence| done.add(sequence));
        assert_eq!((done.floor(), done.above().collect::<Vec<_>>()), (0, vec![(2, 5)]));
        assert!(!done.contains(1) && done.contains(4) && !done.contains(6));
        done.add(1);
        assert_eq!((done.floor(), done.above().count()), (5, 0));
    }

    #[test]
    fn too_many_ranges_are_told() {
        let mut done = AckSet::default();
        (1..=MOST_RANGES as u64).for_each(|nth| done.add(nth * 2));
        assert!(done.is_full());
        done.add(3);
        assert!(!done.is_full(), "two ranges have become one");
    }

    #[test]
    fn what_is_done_is_split_and_taken_out() {
        let done = AckSet::new(5, [(8, 12), (20, 20)]);
        let split = |at| {
            let (below, above) = done.split(at);
            (below.floor(), below.above().collect::<Vec<_>>(), above)
        };
        assert_eq!(split(3), (3, vec![], vec![(4, 5), (8, 12), (20, 20)]));
        assert_eq!(split(9), (5, vec![(8, 9)], vec![(10, 12), (20, 20)]));
        assert_eq!(split(20), (5, vec![(8, 12), (20, 20)], vec![]));
        let mut done = done;
        done.remove_all(10, 10);
        assert_eq!(done, AckSet::new(5, [(8, 9), (11, 12), (20, 20)]));
        done.remove_all(3, 11);
        assert_eq!(done, AckSet::new(2, [(12, 12), (20, 20)]));
        done.remove_all(1, u64::MAX - 1);
        assert_eq!(done, AckSet::default());
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_what_was_added(
            floor in 0_u64..20,
            added in prop::collection::vec((1_u64..60, 0_u64..8), 0..40),
        ) {
            let mut expected: BTreeSet<u64> = (1..=floor).collect();
            let mut done = AckSet::new(floor, []);
            for (first, more) in added {
                expected.extend(first..=first + more);
                done.add_all(first, first + more);
                let found: BTreeSet<u64> = (1..80).filter(|it| done.contains(*it)).collect();
                prop_assert_eq!(&found, &expected);
                let mut before = done.floor();
                for (first, last) in done.above() {
                    prop_assert!(first > before + 1 && last >= first, "ranges touch: {:?}", done);
                    before = last;
                }
            }
            let again = AckSet::new(done.floor(), done.above());
            prop_assert_eq!(again, done);
        }
    }
}
