//! Packets of one key, one after the other.

use std::collections::{BTreeSet, HashMap};

use crate::jetstream::sequence::StreamPlace;

/// Who is current for each key, and who waits behind.
#[derive(Debug, Default)]
pub(crate) struct KeyOrder(HashMap<String, KeyLine>);

#[derive(Debug)]
struct KeyLine {
    current: StreamPlace,
    waiting: BTreeSet<StreamPlace>,
}

impl KeyOrder {
    /// KeyOrder up a packet. True if it is current at once.
    pub(crate) fn enter(&mut self, key: &str, place: StreamPlace) -> bool {
        if let Some(line) = self.0.get_mut(key) {
            line.waiting.insert(place);
            return false;
        }
        self.0.insert(key.to_owned(), KeyLine { current: place, waiting: BTreeSet::new() });
        true
    }

    /// Takes a packet out of its line, wherever it stands. Says who is current instead, if it was
    /// the current one and others wait.
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
