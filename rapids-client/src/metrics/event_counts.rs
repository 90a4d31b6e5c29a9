//! How many packets of each event, and their bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::figures::EventFigures;
use crate::packet::Packet;

/// So many names are told apart; a name that comes later counts as [`OTHER`]. Names come from publishers,
/// who might make up a new one for each packet.
const MOST: usize = 200;
const OTHER: &str = "other";

/// A name that is longer counts as [`OTHER`], too: all of them go into one answer.
const LONGEST: usize = 64;

/// The names that are told apart in this process: services that share one are scraped together.
type Names = Mutex<BTreeSet<String>>;

static OF_PROCESS: LazyLock<Arc<Names>> = LazyLock::new(Arc::default);

#[derive(Debug)]
pub(crate) struct EventCounts {
    names: Arc<Names>,
    // A lock, since others read; held for a moment.
    counts: Mutex<BTreeMap<String, EventFigures>>,
}

impl Default for EventCounts {
    fn default() -> Self {
        Self::of(Arc::clone(&OF_PROCESS))
    }
}

impl EventCounts {
    fn of(names: Arc<Names>) -> Self {
        Self { names, counts: Mutex::default() }
    }

    /// Counts a packet of so many bytes by the name of its event, command or first need; one of no kind by
    /// an empty name.
    pub(crate) fn add(&self, packet: &Packet, bytes: usize) {
        let name = packet.first_name().unwrap_or_default();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let add = |figures: &mut EventFigures| {
            figures.packets += 1;
            figures.bytes += bytes as u64;
        };
        match counts.get_mut(&*name) {
            Some(figures) => add(figures),
            None if self.may_tell(&name) => add(counts.entry(name.into_owned()).or_default()),
            None => add(counts.entry(OTHER.to_owned()).or_default()),
        }
    }

    /// Whether this name is told apart, from now on if there is room.
    fn may_tell(&self, name: &str) -> bool {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = names.len() < MOST && name.len() <= LONGEST;
        names.contains(name) || (has_room && names.insert(name.to_owned()))
    }

    /// By their names.
    pub(crate) fn figures(&self) -> BTreeMap<String, EventFigures> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_first_two_hundred_count_as_other() {
        let names = Arc::default();
        let counts = EventCounts::of(Arc::clone(&names));
        for n in 0..300 {
            counts.add(&Packet::event(format!("event_{n}")), 10);
        }
        counts.add(&Packet::event("event_7"), 5);
        let figures = counts.figures();
        assert_eq!(figures.len(), MOST + 1);
        assert_eq!(figures["event_7"], EventFigures { packets: 2, bytes: 15 });
        assert_eq!(figures[OTHER], EventFigures { packets: 100, bytes: 1_000 });
        let of_another_service = EventCounts::of(names);
        for event in ["event_7", "event_300"] {
            of_another_service.add(&Packet::event(event), 10);
        }
        let told: Vec<_> = of_another_service.figures().into_keys().collect();
        assert_eq!(told, ["event_7", OTHER]);
    }

    #[test]
    fn a_name_that_is_too_long_counts_as_other() {
        let counts = EventCounts::of(Arc::default());
        counts.add(&Packet::event("e".repeat(LONGEST)), 1);
        counts.add(&Packet::event("e".repeat(LONGEST + 1)), 1);
        assert_eq!(counts.figures().into_keys().last().unwrap(), OTHER);
    }

    #[test]
    fn packets_of_each_kind_count_by_their_name() {
        let counts = EventCounts::of(Arc::default());
        for packet in [Packet::event("paid"), Packet::command("pay"), Packet::need("offer")] {
            counts.add(&packet, 1);
        }
        counts.add(&Packet::from_bytes("{}").unwrap(), 2);
        let names: Vec<_> = counts.figures().into_keys().collect();
        assert_eq!(names, ["", "offer", "paid", "pay"]);
    }
}
