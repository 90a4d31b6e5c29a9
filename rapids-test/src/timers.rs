//! The timers of rapids in memory.

use std::collections::{BTreeMap, HashSet};

use rapids_client::{Packet, TimerChange, TimerId, Timestamp};

/// The timers that wait, and the changes that were made.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<TimerId, (Timestamp, Packet)>,
    changes: HashSet<String>,
}

impl Timers {
    /// Makes a change, as the server would: not if it was made already.
    pub(crate) fn apply(&mut self, change: &TimerChange) {
        if !self.changes.insert(change.id().to_owned()) {
            return;
        }
        match change.due().zip(change.packet()) {
            Some((due, packet)) => {
                self.waiting.insert(change.timer().clone(), (due, packet.clone()));
            }
            None => {
                self.waiting.remove(change.timer());
            }
        }
    }

    /// Takes the timer that is due first, if it is by then.
    pub(crate) fn take_due(&mut self, end: Timestamp) -> Option<(Timestamp, Packet)> {
        let next = self.waiting.iter().min_by_key(|(_, (due, _))| *due)?;
        let (id, _) = (next.1.0 <= end).then_some(next)?;
        let id = id.clone();
        self.waiting.remove(&id)
    }

    /// The timers that wait, by the order of their times.
    pub(crate) fn waiting(&self) -> Vec<(&TimerId, Timestamp, &Packet)> {
        let waiting = self.waiting.iter();
        let mut list: Vec<_> = waiting.map(|(id, (due, packet))| (id, *due, packet)).collect();
        list.sort_by_key(|(_, due, _)| *due);
        list
    }
}
