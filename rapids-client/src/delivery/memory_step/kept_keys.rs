//! Which keys an instance keeps: those in use, and those that were used last, as far as there is room.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use tokio::sync::Mutex;

use super::kept_record::KeptRecord;
use crate::memory::MemoryKey;

/// The most keys that are kept, and the most bytes of their records.
const MOST_KEYS: usize = 16_384;
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// One key, and who may do what with it at a time.
#[derive(Default)]
pub(super) struct KeptKey {
    pub(super) record: RefCell<KeptRecord>,
    /// Locked while the user's code has the value, in the order in which turns ask for it.
    pub(super) value: Mutex<()>,
    /// Locked while the record is being saved.
    pub(super) saving: Mutex<()>,
}

pub(super) struct KeptKeys {
    keys: HashMap<MemoryKey, Entry>,
    /// The keys by when they were used last.
    used: BTreeMap<u64, MemoryKey>,
    uses: u64,
    bytes: usize,
    most_keys: usize,
    most_bytes: usize,
}

struct Entry {
    kept: Rc<KeptKey>,
    used: u64,
    bytes: usize,
}

impl Default for KeptKeys {
    fn default() -> Self {
        Self::new(MOST_KEYS, MOST_BYTES)
    }
}

impl KeptKeys {
    fn new(most_keys: usize, most_bytes: usize) -> Self {
        let (keys, used) = (HashMap::new(), BTreeMap::new());
        Self { keys, used, uses: 0, bytes: 0, most_keys, most_bytes }
    }

    /// What is kept of a key. It is in use as long as the caller has it.
    pub(super) fn enter(&mut self, key: &MemoryKey) -> Rc<KeptKey> {
        self.uses += 1;
        let used = self.uses;
        let entry = self.keys.entry(key.clone()).or_insert_with(|| Entry {
            kept: Rc::default(),
            used,
            bytes: 0,
        });
        self.used.remove(&entry.used);
        entry.used = used;
        self.used.insert(used, key.clone());
        let kept = Rc::clone(&entry.kept);
        self.drop_oldest();
        kept
    }

    /// Learns how large the record of a key is.
    pub(super) fn set_bytes(&mut self, key: &MemoryKey, bytes: usize) {
        if let Some(entry) = self.keys.get_mut(key) {
            self.bytes = self.bytes - entry.bytes + bytes;
            entry.bytes = bytes;
        }
        self.drop_oldest();
    }

    /// Drops the keys that were used longest ago and are not in use, until the rest has room.
    fn drop_oldest(&mut self) {
        let mut after = 0;
        while self.keys.len() > self.most_keys || self.bytes > self.most_bytes {
            let Some((&used, key)) = self.used.range(after..).next() else { return };
            let key = key.clone();
            after = used + 1;
            if self.keys.get(&key).is_some_and(|entry| Rc::strong_count(&entry.kept) == 1)
                && let Some(entry) = self.keys.remove(&key)
            {
                self.used.remove(&used);
                self.bytes -= entry.bytes;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::KeySource;
    use crate::packet::Packet;

    fn key(name: &str) -> MemoryKey {
        KeySource::parse(&format!("'{name}'")).unwrap().of("m", &Packet::event("x")).unwrap()
    }

    fn has(keys: &KeptKeys, names: &str) -> bool {
        let mut held: Vec<_> = keys.keys.keys().map(ToString::to_string).collect();
        held.sort_unstable();
        held.concat()
            == names.split_whitespace().map(|name| format!("m.{name}")).collect::<String>()
    }

    #[test]
    fn the_key_that_was_used_longest_ago_leaves_first() {
        let mut keys = KeptKeys::new(2, 100);
        for name in ["a", "b", "a", "c"] {
            keys.enter(&key(name));
        }
        assert!(has(&keys, "a c"));
        keys.set_bytes(&key("a"), 60);
        keys.set_bytes(&key("c"), 50);
        assert!(has(&keys, "c"));
        assert_eq!(keys.bytes, 50);
    }

    #[test]
    fn a_key_in_use_never_leaves() {
        let mut keys = KeptKeys::new(1, 100);
        let in_use = [keys.enter(&key("a")), keys.enter(&key("b"))];
        keys.set_bytes(&key("b"), 1_000);
        assert!(has(&keys, "a b"));
        drop(in_use);
        let last = keys.enter(&key("c"));
        assert!(has(&keys, "c"));
        assert_eq!((keys.bytes, keys.used.len(), Rc::strong_count(&last)), (0, 1, 2));
    }
}
