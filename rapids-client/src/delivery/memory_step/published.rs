//! Which outputs are published and still in a record, since that has not been saved again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::memory::MemoryKey;

/// The steps of each key, each as its river and the id of its packet.
#[derive(Default)]
pub(super) struct Published {
    keys: RefCell<HashMap<MemoryKey, OfKey>>,
    has_more: Notify,
}

struct OfKey {
    /// When the first of them was published.
    since: Instant,
    steps: Vec<(String, String)>,
}

impl Published {
    pub(super) fn add(&self, key: MemoryKey, step: (String, String)) {
        let new = || OfKey { since: Instant::now(), steps: Vec::new() };
        self.keys.borrow_mut().entry(key).or_insert_with(new).steps.push(step);
        self.has_more.notify_waiters();
    }

    /// Waits until one more is added.
    pub(super) async fn one_more(&self) {
        self.has_more.notified().await;
    }

    /// The steps of a key, oldest first.
    pub(super) fn of(&self, key: &MemoryKey) -> Vec<(String, String)> {
        self.keys.borrow().get(key).map(|it| it.steps.clone()).unwrap_or_default()
    }

    /// Learns that the record contains the oldest ones no more.
    pub(super) fn remove(&self, key: &MemoryKey, count: usize) {
        if let Entry::Occupied(mut entry) = self.keys.borrow_mut().entry(key.clone()) {
            entry.get_mut().steps.drain(..count);
            if entry.get().steps.is_empty() {
                entry.remove();
            }
        }
    }

    /// Learns that a record is gone.
    pub(super) fn remove_all(&self, key: &MemoryKey) {
        self.keys.borrow_mut().remove(key);
    }

    /// The keys that have had any for so long.
    pub(super) fn older_than(&self, age: Duration) -> Vec<MemoryKey> {
        let keys = self.keys.borrow();
        let old = keys.iter().filter(|(_, it)| it.since.elapsed() >= age);
        old.map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.borrow().is_empty()
    }
}
