//! Counts the packets on the rapids. What the counts must be is left to `facts`.

use std::collections::HashMap;

use rapids_client::Packet;

use super::extras::{AT, BEAT, PULSE, SHOUTED, TASTED};

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct PacketCounts {
    /// How often each id came.
    ids: HashMap<String, usize>,
    /// How often each meal was tasted, by the id of the packet that served it.
    tasted: HashMap<String, usize>,
    /// How often each pulse was answered, by its id.
    beats: HashMap<String, usize>,
    pub(crate) shouts: Vec<Shout>,
    pub(crate) malformed: usize,
    pub(crate) packets: usize,
    last: u64,
    /// Packets that came after one with a higher sequence.
    pub(crate) disordered: Vec<String>,
}

/// A `shouted` packet, which leads to others like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shout {
    pub(crate) id: String,
    /// The id of the first packet of the loop.
    pub(crate) origin: String,
    pub(crate) hops: u64,
    /// The service that is to answer it.
    pub(crate) at: String,
}

impl PacketCounts {
    pub(crate) fn take(&mut self, packet: &Packet) {
        self.packets += 1;
        let id = packet.id();
        // A kill of the server may bring what a timer brings once more, under the same id.
        if packet.timer().is_none() {
            *self.ids.entry(id.to_owned()).or_default() += 1;
        }
        let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
        if sequence <= self.last {
            self.disordered.push(format!("packet `{id}` ({sequence}) came after {}", self.last));
        }
        self.last = sequence;
        match packet.event_name().as_deref() {
            Some(TASTED) => {
                let meal = packet.causation_id().unwrap_or_default().to_owned();
                *self.tasted.entry(meal).or_default() += 1;
            }
            Some(PULSE) => drop(self.beats.entry(id.to_owned()).or_default()),
            Some(BEAT) => {
                let pulse = packet.causation_id().unwrap_or_default().to_owned();
                *self.beats.entry(pulse).or_default() += 1;
            }
            Some(SHOUTED) => self.shouts.push(Shout {
                id: id.to_owned(),
                origin: packet.correlation_id().to_owned(),
                hops: packet.read_count(),
                at: packet.get(AT).ok().flatten().unwrap_or_default(),
            }),
            _ => {}
        }
    }

    pub(crate) fn take_malformed(&mut self) {
        self.malformed += 1;
    }

    pub(crate) fn count(&self, id: &str) -> usize {
        self.ids.get(id).copied().unwrap_or_default()
    }

    pub(crate) fn tasted(&self, meal: &str) -> usize {
        self.tasted.get(meal).copied().unwrap_or_default()
    }

    /// How many pulses there were, and those that were not answered once, with the number of answers.
    pub(crate) fn pulses(&self) -> (usize, Vec<(&str, usize)>) {
        let wrong = self.beats.iter().filter(|(_, count)| **count != 1);
        (self.beats.len(), wrong.map(|(id, count)| (id.as_str(), *count)).collect())
    }

    /// The ids that came more than once, with their counts.
    pub(crate) fn repeated(&self) -> impl Iterator<Item = (&str, usize)> {
        self.ids.iter().map(|(id, count)| (id.as_str(), *count)).filter(|(_, count)| *count > 1)
    }

    /// The number of all messages, packets or not.
    pub(crate) fn total(&self) -> u64 {
        u64::try_from(self.packets + self.malformed).unwrap_or(u64::MAX)
    }
}
