//! The newest packets, as far as they are to be found at once: where each is, what it belongs to, what led to it.
//!
//! Holds no bodies. Ids are kept as hashes, so whoever finds something here reads the packet and looks
//! whether it is the one that was meant. About 200 bytes for each packet.

mod minutes;

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jiff::Timestamp;
use rapids_client::Packet;
use rustc_hash::FxHashMap;

use minutes::Minutes;

/// The newest packets. One task adds to it, and pages ask it.
#[derive(Debug)]
pub(crate) struct PacketIndex {
    kept: RwLock<Kept>,
    /// Random, so that nobody can prepare ids that collide.
    hasher: std::hash::RandomState,
    most: usize,
}

/// One packet. `earlier` fields lead to the packet before it of the same kind, as a list does.
#[derive(Debug, Clone, Copy)]
struct Entry {
    sequence: u64,
    /// In microseconds since 1970.
    stored: i64,
    conversation: u64,
    /// The hash of the cause's id; 0 for none.
    cause: u64,
    id: u64,
    /// The sequence of the packet of this conversation before it; 0 for none.
    earlier_of_conversation: u64,
    /// The same of packets with this cause.
    earlier_of_cause: u64,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    /// By hash: the sequence of the last packet with this id, of this conversation, with this cause.
    by_id: FxHashMap<u64, u64>,
    by_conversation: FxHashMap<u64, u64>,
    by_cause: FxHashMap<u64, u64>,
    minutes: Minutes,
}

/// How much there is of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// How many packets are kept.
    pub(crate) packets: usize,
    /// The first and the last sequence; 0 if there is none.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// When the first of them was stored.
    pub(crate) since: Option<Timestamp>,
}

impl PacketIndex {
    /// Keeps so many packets at most.
    pub(crate) fn new(most: usize) -> Self {
        let hasher = std::hash::RandomState::new();
        Self { kept: RwLock::default(), hasher, most: most.max(1) }
    }

    /// How many packets are kept at most.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Adds the next packets of the stream.
    pub(crate) fn add(&self, packets: &[Packet]) {
        let entries: Vec<_> = packets.iter().filter_map(|packet| self.entry(packet)).collect();
        let mut kept = self.write();
        for (packet, entry) in entries {
            kept.minutes.add(packet, entry.stored);
            kept.add(entry);
            if kept.entries.len() > self.most {
                kept.drop_first();
            }
        }
    }

    /// Forgets everything: the stream was made anew.
    pub(crate) fn clear(&self) {
        *self.write() = Kept::default();
    }

    pub(crate) fn extent(&self) -> Extent {
        let kept = self.read();
        let (Some(first), Some(last)) = (kept.entries.front(), kept.entries.back()) else {
            return Extent::default();
        };
        Extent {
            packets: kept.entries.len(),
            first: first.sequence,
            last: last.sequence,
            since: Timestamp::from_microsecond(first.stored).ok(),
        }
    }

    /// The sequence of the packet that may have this id.
    pub(crate) fn sequence_of(&self, id: &str) -> Option<u64> {
        self.read().by_id.get(&self.hash(id)).copied()
    }

    /// When the packet of this sequence was stored, if it is kept.
    pub(crate) fn stored(&self, sequence: u64) -> Option<Timestamp> {
        let kept = self.read();
        kept.get(sequence).and_then(|entry| Timestamp::from_microsecond(entry.stored).ok())
    }

    /// When the first packet from this sequence on was stored; `None` if packets of before may have been it.
    pub(crate) fn stored_from(&self, sequence: u64) -> Option<Timestamp> {
        let kept = self.read();
        kept.entries.front().filter(|first| first.sequence <= sequence)?;
        let place = kept.entries.partition_point(|entry| entry.sequence < sequence);
        let entry = kept.entries.get(place)?;
        Timestamp::from_microsecond(entry.stored).ok()
    }

    /// The sequences of the packets that may be of this conversation, the oldest first, and whether all of
    /// them are there: its first packet, which has its id, is kept. At most `most` are given, the newest.
    pub(crate) fn conversation(&self, id: &str, most: usize) -> (Vec<u64>, bool) {
        let kept = self.read();
        let hash = self.hash(id);
        let last = kept.by_conversation.get(&hash).copied();
        let found = kept.chain(last, most, |entry| entry.earlier_of_conversation);
        let is_whole = kept.by_id.contains_key(&hash);
        (found, is_whole)
    }

    /// The sequences of the packets that may have been caused by this one, the oldest first.
    pub(crate) fn caused_by(&self, id: &str, most: usize) -> Vec<u64> {
        let kept = self.read();
        let last = kept.by_cause.get(&self.hash(id)).copied();
        kept.chain(last, most, |entry| entry.earlier_of_cause)
    }

    /// The sequences of the newest packets up to this one, the newest first.
    pub(crate) fn newest(&self, most: usize) -> Vec<u64> {
        self.read().entries.iter().rev().take(most).map(|entry| entry.sequence).collect()
    }

    /// What was published in each of the last 60 minutes, the oldest first: by this service, or by anybody.
    pub(crate) fn per_minute(&self, publisher: Option<&str>) -> [u32; 60] {
        self.read().minutes.last_hour(publisher, Timestamp::now())
    }

    fn entry<'a>(&self, packet: &'a Packet) -> Option<(&'a Packet, Entry)> {
        let arrival = packet.arrival()?;
        let entry = Entry {
            sequence: arrival.sequence,
            stored: arrival.stored.as_microsecond(),
            conversation: self.hash(packet.correlation_id()),
            cause: packet.causation_id().map_or(0, |cause| self.hash(cause)),
            id: self.hash(packet.id()),
            earlier_of_conversation: 0,
            earlier_of_cause: 0,
        };
        Some((packet, entry))
    }

    /// 0 is no hash: it stands for none.
    fn hash(&self, id: &str) -> u64 {
        self.hasher.hash_one(id).max(1)
    }

    /// A lock is held for moments, and what panicked meanwhile left nothing half done that matters here.
    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn add(&mut self, mut entry: Entry) {
        let sequence = entry.sequence;
        self.by_id.insert(entry.id, sequence);
        let earlier = self.by_conversation.insert(entry.conversation, sequence);
        entry.earlier_of_conversation = earlier.unwrap_or(0);
        if entry.cause != 0 {
            entry.earlier_of_cause = self.by_cause.insert(entry.cause, sequence).unwrap_or(0);
        }
        self.entries.push_back(entry);
    }

    fn drop_first(&mut self) {
        let Some(first) = self.entries.pop_front() else { return };
        let maps = [
            (&mut self.by_id, first.id),
            (&mut self.by_conversation, first.conversation),
            (&mut self.by_cause, first.cause),
        ];
        for (map, hash) in maps {
            // A later packet may have taken the place.
            if map.get(&hash) == Some(&first.sequence) {
                map.remove(&hash);
            }
        }
    }

    fn get(&self, sequence: u64) -> Option<&Entry> {
        let place = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence);
        place.ok().and_then(|place| self.entries.get(place))
    }

    /// Follows a list from its last packet back, and gives it the other way round.
    fn chain(&self, last: Option<u64>, most: usize, earlier: fn(&Entry) -> u64) -> Vec<u64> {
        let mut next = last.unwrap_or(0);
        let mut found = Vec::new();
        while found.len() < most
            && let Some(entry) = self.get(next)
        {
            found.push(next);
            next = earlier(entry);
        }
        found.reverse();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Arrival;

    fn packet(sequence: u64, id: &str, conversation: &str, cause: &str) -> Packet {
        let body = format!(
            r#"{{"event":"x","rapids":{{"id":"{id}","correlation_id":"{conversation}","causation_id":"{cause}"}}}}"#
        );
        let stored = Timestamp::from_second(i64::try_from(sequence).unwrap()).unwrap();
        let arrival = Arrival::at(sequence, stored);
        Packet::arrived(body, arrival).unwrap()
    }

    fn index(most: usize) -> PacketIndex {
        let index = PacketIndex::new(most);
        index.add(&[
            packet(1, "a", "a", ""),
            packet(2, "b", "a", "a"),
            packet(4, "x", "x", ""),
            packet(5, "c", "a", "a"),
            packet(6, "d", "a", "c"),
        ]);
        index
    }

    #[test]
    fn packets_are_found_by_id_conversation_and_cause() {
        let index = index(10);
        assert_eq!(index.sequence_of("c"), Some(5));
        assert_eq!(index.sequence_of("z"), None);
        assert_eq!(index.conversation("a", 10), (vec![1, 2, 5, 6], true));
        assert_eq!(index.conversation("a", 2).0, [5, 6]);
        assert_eq!(index.caused_by("a", 10), [2, 5]);
        assert_eq!(index.newest(2), [6, 5]);
        assert_eq!(index.stored_from(3), Timestamp::from_second(4).ok());
    }

    #[test]
    fn the_oldest_go_first_and_leave_nothing_behind() {
        let index = index(2);
        assert_eq!(index.extent().packets, 2);
        assert_eq!(index.extent().first, 5);
        assert_eq!(index.conversation("a", 10), (vec![5, 6], false));
        assert_eq!(index.sequence_of("a"), None);
        let kept = index.read();
        assert_eq!((kept.by_id.len(), kept.by_conversation.len(), kept.by_cause.len()), (2, 1, 2));
    }
}
