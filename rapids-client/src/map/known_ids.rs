//! What packets of these ids are called, of as many packets as there is room for.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use rustc_hash::FxHashMap;

/// How many ids are remembered at most: the newest half of them, and at least, whatever is published.
pub(super) const MOST_IDS: usize = 1_000_000;

/// The label of each id, as a hash of the id: 17 bytes of memory each, up to 40 MB for all.
#[derive(Debug)]
pub(super) struct KnownIds {
    /// Keyed anew in each process: ids come from publishers, who could choose them so that they collide.
    hasher: RandomState,
    recent: FxHashMap<u64, u32>,
    /// The half before those.
    older: FxHashMap<u64, u32>,
    most: usize,
    /// How many were forgotten.
    pub(super) forgotten: u64,
}

impl KnownIds {
    pub(super) fn new(most: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            recent: FxHashMap::default(),
            older: FxHashMap::default(),
            most,
            forgotten: 0,
        }
    }

    pub(super) fn insert(&mut self, id: &str, label: u32) {
        if self.recent.len() >= self.most / 2 {
            self.forgotten += self.older.len() as u64;
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(self.hasher.hash_one(id), label);
    }

    pub(super) fn get(&self, id: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        self.recent.get(&hash).or_else(|| self.older.get(&hash)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_half_is_always_known_and_what_is_forgotten_is_counted() {
        let mut known = KnownIds::new(100);
        for n in 0..1_000 {
            known.insert(&format!("p-{n}"), n);
        }
        for n in 950..1_000 {
            assert_eq!(known.get(&format!("p-{n}")), Some(n));
        }
        assert_eq!(known.get("p-1"), None);
        assert_eq!(known.forgotten, 900);
    }
}
