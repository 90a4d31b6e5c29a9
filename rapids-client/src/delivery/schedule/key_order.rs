//! Handles packets of one key one after the other.

use std::collections::{BTreeSet, HashMap};

use crate::jetstream::sequence::StreamPlace;

/// For each key the packet that may be handled, and those that wait behind it.
#[derive(Debug, Default)]
pub(crate) struct KeyOrder(HashMap<String, KeyLine>);

#[derive(Debug)]
struct KeyLine {
    current: StreamPlace,
    waiting: BTreeSet<StreamPlace>,
}

impl KeyOrder {
    /// Adds a packet to the line of its key; `true` if it is the first there.
    pub(crate) fn enter(&mut self, key: &str, place: StreamPlace) -> bool {
        if let Some(line) = self.0.get_mut(key) {
            line.waiting.insert(place);
            return false;
        }
        self.0.insert(key.to_owned(), KeyLine { current: place, waiting: BTreeSet::new() });
        true
    }

    /// Removes a packet from the line of its key, and returns the packet that is now the first, if that
    /// is another one than before.
    pub(crate) fn leave(&mut self, key: &str, place: StreamPlace) -> Option<StreamPlace> {
        let line = self.0.get_mut(key)?;
        if line.current != place {
            line.waiting.remove(&place);
            return None;
        }
        let successor = line.waiting.pop_first();
        match successor {
            Some(successor) => line.current = successor,
            None => {
                self.0.remove(key);
            }
        }
        successor
    }
}
