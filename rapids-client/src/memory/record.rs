//! What is stored under a memory key: the memory, the packets folded into it, and what is still to
//! be published.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::value::{Json, JsonText};
use crate::Result;
use crate::effects::Effects;
use crate::memory::{Encoded, Floors, MemoryKey, Reason};
use crate::packet::Packet;
use crate::stored::Stored;
use crate::timer::TimerChange;

/// The newest packet ids of each river are kept however old they are, for publishers that repeat
/// themselves.
const IDS_KEPT: usize = 64;

/// The most packet ids of each river. An id that the server may deliver again is never forgotten,
/// so a memory with this many takes no further packet until the oldest are acknowledged.
const MOST_IDS: usize = 2_048;

/// About how many bytes an id takes.
const ID_BYTES: usize = 64;

/// A memory holds as many unacknowledged packets as it may.
#[derive(Debug, thiserror::Error)]
#[error("the memory holds {MOST_IDS} packets that may come again")]
pub(crate) struct Crowded;

/// As what a record is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptAs {
    /// Without end.
    Record,
    /// As one that has ended, of which packets may come again, or something is to be published.
    Ended,
    /// As the mark of an end, which says no more than that.
    Marker,
}

/// The memory of one key, with what makes each packet move it exactly one step.
///
/// Saved as one value by compare-and-set, so the memory, the ids of the packets folded into it
/// and the packets still to be published always belong together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of the fields, and the key of the record. Both are absent in the oldest records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The epoch in which the service began to remember. Since version 3, and absent where nothing was
    /// forgotten by command.
    #[serde(default, skip_serializing_if = "is_zero")]
    epoch: u64,
    /// The user's value; absent until a packet was folded, and once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<JsonText>,
    /// Which of the memory's types the value has. Since version 3, and absent for the first.
    #[serde(default, rename = "type", skip_serializing_if = "is_zero")]
    number: u32,
    /// Whether it has forgotten ids when it ended. Since version 3.
    #[serde(default, skip_serializing_if = "is_zero")]
    has_forgotten: bool,
    /// Why it has ended. Since version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Reason>,
    /// When a packet moved it last, for programs without a server that keep it as it is.
    #[serde(skip)]
    pub(crate) moved: Option<Timestamp>,
    /// Per river, the packets folded in, oldest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    folded: BTreeMap<String, Vec<Folded>>,
    /// Ids up to here may have been forgotten, since these packets are done. An instance that stood
    /// still may hold such a packet, although another one has handled it.
    #[serde(default, skip_serializing_if = "Floors::are_zero")]
    floors: Floors,
    /// What reactions returned and is not known to be published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unpublished: Vec<Unpublished>,
}

/// A packet's id, the sequence at which it was delivered, and whether that was a replay's.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Folded(
    String,
    #[serde(default)] u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")] bool,
);

impl Folded {
    fn new(packet: &Packet) -> Self {
        let arrival = packet.arrival();
        let replay = arrival.and_then(|arrival| arrival.replay);
        let sequence = replay.or(arrival.map(|arrival| arrival.sequence)).unwrap_or_default();
        Self(packet.id().to_owned(), sequence, replay.is_some())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unpublished {
    river: String,
    packet: String,
    bodies: Vec<Box<RawValue>>,
    /// Since version 2.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    timers: Box<[TimerChange]>,
}

impl Unpublished {
    fn effects(&self) -> Result<Effects> {
        let read = |body: &RawValue| Packet::from_bytes(body.get().to_owned());
        let packets = self.bodies.iter().map(|body| read(body)).collect::<Result<_>>()?;
        Ok(Effects { packets, timers: self.timers.clone() })
    }
}

/// How much of what reactions returned was dropped, and how much is still needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) dropped: usize,
    pub(crate) needed: usize,
}

impl Stored for Record {
    const VERSION: u64 = 3;

    fn fault(&self, key: &str) -> Option<String> {
        match (self.version, self.key.as_deref()) {
            (Some(1..=3), Some(own)) if own == key => None,
            (Some(1..=3), Some(own)) => Some(format!("it is the record of `{own}`")),
            (None, None) if self.is_empty() => Some("it has no field of a record".to_owned()),
            (None, None) => None,
            _ => Some("it has not both `version`, which is 1 to 3, and `key`".to_owned()),
        }
    }
}

impl Record {
    /// This record as it is kept under a key, by a service that began to remember in this epoch.
    pub(crate) fn of_key(self, key: &MemoryKey, epoch: u64) -> Self {
        Self { version: Some(self.needed_version()), key: Some(key.to_string()), epoch, ..self }
    }

    /// The oldest version in which it can be written, so that older programs can read most records.
    fn needed_version(&self) -> u64 {
        if self.epoch > 0 || self.number > 0 || self.ended.is_some() || self.has_forgotten {
            return 3;
        }
        if self.unpublished.iter().all(|entry| entry.timers.is_empty()) { 1 } else { 2 }
    }

    /// The epoch in which the service began to remember; 0 where nothing was forgotten by command.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether no packet has moved it.
    pub(crate) fn is_empty(&self) -> bool {
        self.memory.is_none()
            && self.ended.is_none()
            && self.folded.is_empty()
            && self.floors.are_zero()
            && self.unpublished.is_empty()
    }

    /// Ends it, for this reason. What it is to publish, and which packets it has taken, stays.
    pub(crate) fn end(&mut self, reason: Reason) {
        (self.memory, self.number, self.ended) = (None, 0, Some(reason));
    }

    /// Ends it if no packet has moved it for this long, in a program without a server.
    pub(crate) fn expire(&mut self, after: Option<Duration>, now: Timestamp) {
        let Some((after, moved)) = after.zip(self.moved).filter(|_| self.ended.is_none()) else {
            return;
        };
        if Duration::try_from(now.duration_since(moved)).is_ok_and(|age| age >= after) {
            self.end(Reason::expired());
        }
    }

    /// Why it has ended, if it has.
    pub(crate) fn ended(&self) -> Option<&Reason> {
        self.ended.as_ref()
    }

    /// As what it is to be kept.
    pub(crate) fn kept_as(&self) -> KeptAs {
        match (self.ended.is_some(), self.folded.is_empty() && self.unpublished.is_empty()) {
            (false, _) => KeptAs::Record,
            (true, false) => KeptAs::Ended,
            (true, true) => KeptAs::Marker,
        }
    }

    /// Up to where both streams have to be done before none of its packets can come again.
    pub(crate) fn needed_floors(&self) -> Floors {
        let mut needed = Floors::default();
        for &Folded(_, sequence, is_replay) in self.folded.values().flatten() {
            needed.raise(match is_replay {
                true => Floors { rapids: 0, replays: sequence },
                false => Floors { rapids: sequence, replays: 0 },
            });
        }
        needed
    }

    /// The highest sequences of packets and of replays that it tells of.
    pub(crate) fn reached(&self) -> Floors {
        let mut reached = self.needed_floors();
        reached.raise(self.floors);
        reached
    }

    /// What is left of one that has ended, once none of its packets can come again. `None` before that, and
    /// as long as something is to be published: a letter may tell of it, and its replay publish it.
    pub(crate) fn marker(&self) -> Option<Self> {
        let is_over = self.ended.is_some()
            && self.unpublished.is_empty()
            && self.needed_floors().are_below(self.floors);
        let left = || Self { folded: BTreeMap::new(), has_forgotten: true, ..self.clone() };
        is_over.then(left)
    }

    /// Whether the packet has moved this memory already.
    pub(crate) fn holds(&self, river: &str, packet: &Packet) -> bool {
        self.folded
            .get(river)
            .is_some_and(|folded| folded.iter().any(|Folded(id, ..)| id == packet.id()))
    }

    /// The floor below which a packet counts as done although it did not move this memory; `None`
    /// if the packet lies above it, or has moved the memory.
    pub(crate) fn floor_above(&self, river: &str, packet: &Packet) -> Option<u64> {
        let delivery = Folded::new(packet);
        let is_passed = delivery.1 > 0 && self.floors.are_above(delivery.1, delivery.2);
        let floor = if delivery.2 { self.floors.replays } else { self.floors.rapids };
        (is_passed && !self.holds(river, packet)).then_some(floor)
    }

    /// Whether the packet may have moved this memory by its own delivery, and have been forgotten since.
    /// The newest ids are never forgotten while it lives, so a record of fewer has forgotten none.
    pub(crate) fn may_have_forgotten(&self, river: &str, packet: &Packet) -> bool {
        let held = self.folded.get(river).map_or(0, Vec::len);
        let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
        (held >= IDS_KEPT || self.has_forgotten)
            && self.floors.are_above(sequence, false)
            && !self.holds(river, packet)
    }

    /// Its value as a type that it parses as; `None` if no packet has moved it, and if it has
    /// ended.
    ///
    /// For programs that run rivers without a server; [`Rapids::memory`](crate::Rapids::memory) reads what
    /// services remember.
    ///
    /// # Errors
    /// If it does not parse as the type.
    pub fn value<T: DeserializeOwned>(&self) -> serde_json::Result<Option<T>> {
        self.memory.as_ref().map(|memory| serde_json::from_str(memory.get())).transpose()
    }

    /// Its value, or that it has ended; `None` if no packet was folded in.
    pub(crate) fn memory(&self) -> Option<Encoded> {
        let value = || self.current().map(Encoded::Value);
        self.ended.clone().map(Encoded::Ended).or_else(value)
    }

    /// Its value; `None` if no packet was folded in, and if it has ended.
    pub(crate) fn current(&self) -> Option<Json> {
        self.memory.clone().map(|text| Json { text, number: self.number })
    }

    pub(crate) fn set_memory(&mut self, memory: Encoded) {
        match memory {
            Encoded::Value(Json { text, number }) => {
                (self.memory, self.number, self.ended) = (Some(text), number, None);
            }
            Encoded::Ended(reason) => self.end(reason),
        }
    }

    /// What the packet led to, if it is done: nothing is to be published of one below a floor.
    pub(crate) fn known(&self, river: &str, packet: &Packet) -> anyhow::Result<Option<Effects>> {
        if self.holds(river, packet) {
            return self.recorded(river, packet.id()).map(Some);
        }
        Ok(self.floor_above(river, packet).map(|_| Effects::default()))
    }

    /// Makes sure that this many packets of a river can be folded in, of which this is the last. One that
    /// is older than what is held always can: nothing can be forgotten before it is done.
    pub(crate) fn check_room(
        &self,
        river: &str,
        packet: &Packet,
        count: usize,
    ) -> Result<(), Crowded> {
        let Some(folded) = self.folded.get(river) else { return Ok(()) };
        let Folded(_, sequence, is_replay) = Folded::new(packet);
        let is_newer = |held: &Folded| held.2 == is_replay && held.1 > sequence;
        let has_room = folded.len() + count <= MOST_IDS || folded.iter().any(is_newer);
        if has_room { Ok(()) } else { Err(Crowded) }
    }

    /// The most packets that it holds of one river.
    pub(crate) fn held(&self) -> usize {
        self.folded.values().map(Vec::len).max().unwrap_or_default()
    }

    /// Folds a packet in, with what it led to. Its value is [set](Self::set_memory) apart from that.
    pub(crate) fn fold(
        &mut self,
        river: &str,
        packet: &Packet,
        (bodies, timers): (Vec<Box<RawValue>>, Box<[TimerChange]>),
    ) {
        self.folded.entry(river.to_owned()).or_default().push(Folded::new(packet));
        if !bodies.is_empty() || !timers.is_empty() {
            let (river, packet) = (river.to_owned(), packet.id().to_owned());
            self.unpublished.push(Unpublished { river, packet, bodies, timers });
        }
    }

    /// This record with nothing to publish but by this packet of a river.
    pub(crate) fn publishing_only(&self, kept: Option<(&str, &str)>) -> Self {
        let mut only = self.clone();
        only.unpublished.retain(|entry| kept == Some((&*entry.river, &*entry.packet)));
        only
    }

    /// It as it is stored.
    pub(crate) fn json(&mut self) -> Vec<u8> {
        self.version = self.version.map(|_| self.needed_version());
        serde_json::to_vec(self).expect("texts, numbers and JSON can be written as JSON")
    }

    /// About how many bytes it has.
    pub(crate) fn size(&self) -> usize {
        let ids: usize = self.folded.values().map(Vec::len).sum();
        let bodies = self.unpublished.iter().flat_map(|entry| &entry.bodies);
        let bodies: usize = bodies.map(|body| body.get().len()).sum();
        let timers = self.unpublished.iter().flat_map(|entry| &entry.timers);
        let timers: usize = timers.filter_map(TimerChange::packet).map(|it| it.body().len()).sum();
        self.memory.as_ref().map_or(0, |json| json.get().len()) + ids * ID_BYTES + bodies + timers
    }

    fn recorded(&self, river: &str, packet_id: &str) -> anyhow::Result<Effects> {
        let entry =
            self.unpublished.iter().find(|entry| entry.river == river && entry.packet == packet_id);
        Ok(entry.map(Unpublished::effects).transpose()?.unwrap_or_default())
    }

    /// Drops what was to be published for these packets, each with its river.
    pub(crate) fn settle(&mut self, published: &[(String, String)]) {
        let published: HashSet<(&str, &str)> =
            published.iter().map(|(river, packet)| (river.as_str(), packet.as_str())).collect();
        self.unpublished.retain(|entry| !published.contains(&(&*entry.river, &*entry.packet)));
    }

    /// Drops what reactions returned that is meant, and how much that was; with it, what could not be dropped: up to
    /// these floors no packet can come again, and only of such a one nothing is to be published any more. Without
    /// floors no packet comes.
    pub(crate) fn drop_returned(
        &mut self,
        floors: Option<Floors>,
        is_meant: impl Fn(&Effects) -> bool,
    ) -> Dropped {
        let mut counted = Dropped::default();
        let folded = &self.folded;
        let may_come = |river: &str, packet: &str| {
            let mut of_river = folded.get(river).into_iter().flatten();
            let found = of_river.find(|Folded(id, ..)| id == packet);
            found.zip(floors).is_some_and(|(found, floors)| !floors.are_above(found.1, found.2))
        };
        self.unpublished.retain(|entry| {
            if !entry.effects().is_ok_and(|effects| is_meant(&effects)) {
                return true;
            }
            let is_needed = may_come(&entry.river, &entry.packet);
            if is_needed {
                counted.needed += 1
            } else {
                counted.dropped += 1
            }
            is_needed
        });
        counted
    }

    /// Forgets the ids of packets that no stream will deliver again, except for the newest 64. What
    /// an instance that died left unpublished under such an id is forgotten with it.
    pub(crate) fn forget_below(&mut self, floors: Floors) {
        self.floors.raise(floors);
        let mut has_forgotten = false;
        for folded in self.folded.values_mut() {
            let held = folded.len();
            let newest = held.saturating_sub(IDS_KEPT);
            let mut position = 0;
            folded.retain(|folded| {
                position += 1;
                position > newest || !floors.are_above(folded.1, folded.2)
            });
            has_forgotten |= folded.len() < held;
        }
        if has_forgotten {
            let folded = &self.folded;
            self.unpublished.retain(|Unpublished { river, packet, .. }| {
                let mut of_river = folded.get(river).into_iter().flatten();
                of_river.any(|Folded(id, ..)| id == packet)
            });
        }
    }
}

/// Whether a number has its default.
fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::stored::golden;
    use crate::{Arrival, River};

    fn visit(sequence: u64) -> Packet {
        let stored = "2026-11-21T09:30:00Z".parse().unwrap();
        let arrival = Arrival::at(sequence, stored);
        Packet::arrived(r#"{"event":"visited"}"#, arrival).unwrap()
    }

    fn count(seen: &mut u64, _: &Packet) -> anyhow::Result<Packet> {
        *seen += 1;
        anyhow::ensure!(*seen < 1_000, "enough");
        Ok(Packet::event("counted").with("seen", *seen))
    }

    fn river() -> River {
        River::new("count").event("visited").memory("visits", "'all'").react(count)
    }

    /// A record as the server would give it back.
    fn stored(record: &Record) -> Record {
        serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap()
    }

    async fn handle(record: &mut Record, packet: &Packet) -> Vec<String> {
        let now = Timestamp::UNIX_EPOCH;
        let published = river().handle("s", packet, record, now).await.unwrap().packets;
        published
            .iter()
            .map(|packet| packet.get::<u64>("seen").unwrap().unwrap().to_string())
            .collect()
    }

    #[tokio::test]
    async fn each_packet_moves_the_memory_one_step_and_repeats_its_outputs() {
        let mut record = Record::default();
        assert_eq!(handle(&mut record, &visit(1)).await, ["1"]);
        let mut record = stored(&record);
        assert_eq!(handle(&mut record, &visit(2)).await, ["2"]);
        assert_eq!(handle(&mut record, &visit(1)).await, ["1"], "published again, not run again");
        record.settle(&[("count".to_owned(), visit(1).id().to_owned())]);
        assert!(handle(&mut record, &visit(1)).await.is_empty(), "known to be published");
        assert_eq!(handle(&mut record, &visit(3)).await, ["3"]);
    }

    #[test]
    fn a_record_names_its_key_or_is_from_before_there_were_versions() {
        let fault = |json: &str| serde_json::from_str::<Record>(json).unwrap().fault("m.k");
        for json in [
            r#"{"version":1,"key":"m.k"}"#,
            r#"{"version":1,"key":"m.k","memory":7,"folded":{"r":[["p",1]]}}"#,
            r#"{"memory":7}"#,
            r#"{"folded":{"r":[["p"]]}}"#,
        ] {
            assert_eq!(fault(json), None, "{json}");
        }
        for json in [
            "{}",
            r#"{"memory":null}"#,
            r#"{"version":1,"memory":7}"#,
            r#"{"version":0,"key":"m.k","memory":7}"#,
            r#"{"key":"m.k","memory":7}"#,
            r#"{"version":1,"key":"m.l","memory":7}"#,
        ] {
            assert!(fault(json).is_some(), "{json}");
        }
    }

    #[test]
    fn what_an_earlier_revision_wrote_is_read_and_written_alike() {
        let records = golden::values::<Record>("shared", "RAPIDS_MEMORY_ledger");
        assert_eq!(records.len(), 7);
        for (record, json) in records {
            assert_eq!(serde_json::to_string(&record).unwrap(), json);
        }
    }

    #[tokio::test]
    async fn an_error_leaves_the_record_as_it_was() {
        let mut record: Record = serde_json::from_str(r#"{"memory":999}"#).unwrap();
        let before = serde_json::to_string(&record).unwrap();
        assert!(river().handle("s", &visit(1), &mut record, Timestamp::UNIX_EPOCH).await.is_err());
        assert_eq!(serde_json::to_string(&record).unwrap(), before);
    }

    #[tokio::test]
    async fn a_record_refuses_packets_rather_than_forget_one_that_may_come_again() {
        let mut record = Record::default();
        for sequence in 1..=2_048 {
            record.check_room("count", &visit(sequence), 1).unwrap();
            record.fold("count", &visit(sequence), (Vec::new(), Box::default()));
        }
        let now = Timestamp::UNIX_EPOCH;
        let error = river().handle("s", &visit(2_049), &mut record, now).await.unwrap_err();
        assert!(error.is::<Crowded>());
        let late = Record { folded: record.folded.clone(), ..Record::default() };
        assert!(late.check_room("count", &visit(2_000), 1).is_ok(), "one that holds up the floor");
        assert!(handle(&mut record, &visit(1)).await.is_empty(), "one that it holds");
        assert!(serde_json::to_string(&record).unwrap().len() < 120_000);
        record.forget_below(Floors { rapids: 1, replays: 9 });
        assert_eq!(handle(&mut record, &visit(2_049)).await, ["1"]);
    }

    #[tokio::test]
    async fn a_packet_from_before_the_forgotten_ones_moves_nothing() {
        let mut record = Record::default();
        for sequence in 1..=100 {
            assert_eq!(handle(&mut record, &visit(sequence)).await, [sequence.to_string()]);
        }
        record.forget_below(Floors { rapids: 100, replays: 0 });
        assert!(!record.holds("count", &visit(1)));
        assert!(handle(&mut record, &visit(1)).await.is_empty());
        let mut record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        assert!(handle(&mut record, &visit(2)).await.is_empty());
        assert_eq!(handle(&mut record, &visit(101)).await, ["101"]);
    }

    #[tokio::test]
    async fn what_has_ended_is_over_once_none_of_its_packets_can_come_again() {
        let mut record = Record::default();
        for sequence in 1..=3 {
            handle(&mut record, &visit(sequence)).await;
            record.settle(&[("count".to_owned(), visit(sequence).id().to_owned())]);
        }
        record.forget_below(Floors { rapids: 3, replays: 0 });
        assert!(record.marker().is_none(), "it has not ended");
        record = Record { floors: Floors::default(), ..record };
        record.end(Reason::reaction());
        assert_eq!((record.kept_as(), stored(&record).kept_as()), (KeptAs::Ended, KeptAs::Ended));
        record.forget_below(Floors { rapids: 2, replays: 9 });
        assert!(record.marker().is_none());
        record.forget_below(Floors { rapids: 3, replays: 9 });
        let marker = stored(&record.marker().unwrap());
        assert_eq!(marker.kept_as(), KeptAs::Marker);
        assert_eq!(marker.ended().unwrap().to_string(), "ended by its reaction");
        assert_eq!(marker.floor_above("count", &visit(3)), Some(3));
        assert!(marker.may_have_forgotten("count", &visit(2)), "it holds no ids any more");
        let mut unpublished = record.clone();
        unpublished.unpublished =
            serde_json::from_str(r#"[{"river":"count","packet":"p","bodies":[]}]"#).unwrap();
        assert!(unpublished.marker().is_none(), "a replay of its letter may publish that");
    }

    #[tokio::test]
    async fn what_was_returned_is_dropped_once_its_packet_cannot_come_again() {
        let mut record = Record::default();
        for sequence in 1..=3 {
            handle(&mut record, &visit(sequence)).await;
        }
        let seen = |effects: &Effects| effects.packets[0].get::<u64>("seen").unwrap();
        let up_to_2 = |effects: &Effects| seen(effects) <= Some(2);
        let floors = Some(Floors { rapids: 1, replays: 0 });
        assert_eq!(record.drop_returned(floors, up_to_2), Dropped { dropped: 1, needed: 1 });
        assert!(handle(&mut record, &visit(1)).await.is_empty());
        assert_eq!(handle(&mut record, &visit(2)).await, ["2"], "its packet may come again");
        assert_eq!(record.drop_returned(None, up_to_2), Dropped { dropped: 1, needed: 0 });
        assert_eq!(record.unpublished.len(), 1, "what is not meant stays");
    }

    #[test]
    fn a_record_is_written_in_the_oldest_version_that_can_say_it() {
        let of = |change: fn(&mut Record)| {
            let mut record = Record::default();
            change(&mut record);
            record.needed_version()
        };
        assert_eq!(of(|_| {}), 1);
        assert_eq!(of(|record| record.end(Reason::expired())), 3);
        assert_eq!(of(|record| record.epoch = 1), 3);
        assert_eq!(of(|record| record.number = 1), 3);
    }

    #[tokio::test]
    async fn a_packet_may_be_forgotten_only_where_something_can_be() {
        let mut record = Record::default();
        for sequence in 2..=64 {
            handle(&mut record, &visit(sequence)).await;
        }
        record.forget_below(Floors { rapids: 64, replays: 0 });
        assert!(!record.may_have_forgotten("count", &visit(1)), "it has forgotten none");
        handle(&mut record, &visit(65)).await;
        assert!(record.may_have_forgotten("count", &visit(1)));
        assert!(!record.may_have_forgotten("count", &visit(2)), "it holds it");
        assert!(!record.may_have_forgotten("count", &visit(66)), "it comes yet");
        assert!(!record.may_have_forgotten("other", &visit(1)));
    }

    #[tokio::test]
    async fn acknowledged_packets_are_forgotten_but_the_newest_stay() {
        let mut record = Record::default();
        for sequence in 1..=200 {
            handle(&mut record, &visit(sequence)).await;
        }
        record.forget_below(Floors { rapids: 100, replays: 0 });
        assert!(!record.holds("count", &visit(100)));
        assert!(record.holds("count", &visit(101)));
        record.forget_below(Floors { rapids: 200, replays: 0 });
        assert!(!record.holds("count", &visit(136)));
        assert_eq!(record.unpublished.len(), 64, "what cannot come again is not kept either");
        assert!(record.holds("count", &visit(137)));
    }
}
