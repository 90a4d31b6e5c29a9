//! Counts by keys, of which there may be so many.

use std::collections::HashMap;
use std::hash::Hash;

/// How often each key came. A key that comes when there are as many as may be is not kept, but counted.
#[derive(Debug)]
pub(super) struct Limited<K> {
    counts: HashMap<K, u64>,
    most: usize,
    left_out: u64,
}

impl<K: Eq + Hash + Ord + Clone> Limited<K> {
    pub(super) fn new(most: usize) -> Self {
        Self { counts: HashMap::new(), most, left_out: 0 }
    }

    pub(super) fn add(&mut self, key: K, times: u64) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count += times;
        } else if self.counts.len() < self.most {
            self.counts.insert(key, times);
        } else {
            self.left_out += times;
        }
    }

    /// All that is kept, in the order of the keys.
    pub(super) fn sorted(&self) -> Vec<(K, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(key, n)| (key.clone(), *n)).collect();
        all.sort_unstable();
        all
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_beyond_the_limit_is_counted_and_what_is_known_goes_on() {
        let mut limited = Limited::new(2);
        for key in ["b", "a", "c", "a", "d"] {
            limited.add(key, 1);
        }
        assert_eq!(limited.sorted(), [("a", 2), ("b", 1)]);
        assert_eq!(limited.left_out(), 2);
    }
}
