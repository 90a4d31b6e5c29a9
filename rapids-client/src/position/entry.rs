//! The entry of a service, beside its position: which stream the service reads, how far it was, and
//! what else it has to know when it is started again.
//!
//! Whoever deletes the stream deletes the positions with it, and a consumer can be deleted by itself.
//! Without the entry, a service that was down meanwhile would count as new, and would begin without a
//! word about what it has missed. So the entry is kept in a bucket of its own.
//!
//! Pure. Reading and writing entries is left to [`entries`](crate::position::entries).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::derived_uuid::derived_uuid;
use crate::mirror::Mirror;
use crate::position::noted_keys::NotedKeys;
use crate::river::Rules;
use crate::stored::Stored;

/// The name space of the fingerprints of rules.
const FINGERPRINTS: Uuid = Uuid::from_u128(0x0fd7_2d0c_6f0b_4b3e_9a55_2f6f_6f4a_1e77);

/// The entry of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceEntry {
    /// 0 in the first entries, which have no more than the stream and the delivery.
    #[serde(default)]
    version: u64,
    /// When its stream was created. That tells it from other streams of the name.
    stream_created: String,
    /// Whether its position is kept in exclusive delivery.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    exclusive: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    floor: Option<NotedFloor>,
    /// Raised each time the position is set by command.
    #[serde(default, skip_serializing_if = "is_zero")]
    epoch: u64,
    /// When the bucket of its memories was created, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_created: Option<Timestamp>,
    /// Where a position that was moved in shared delivery begins, until its consumer is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<u64>,
    /// The epoch in which the service began to remember anew, by command. Since version 2, as are the next.
    #[serde(default, skip_serializing_if = "is_zero")]
    memory_epoch: u64,
    /// Up to this sequence reactions publish nothing, until everything up to there is done.
    #[serde(default, skip_serializing_if = "is_zero")]
    quiet_until: u64,
    /// Up to this sequence it is not known which packets were done before, until everything up to there is.
    #[serde(default, skip_serializing_if = "is_zero")]
    doubtful_until: u64,
    /// The names of its rivers, each with a fingerprint of its rules.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rivers: Fingerprint,
    /// Which keys ids are derived with. Since version 3.
    #[serde(default, skip_serializing_if = "NotedKeys::is_empty")]
    id_keys: NotedKeys,
    /// The mirror that the service reads from; `None` for the rapids. Since version 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mirror: Option<Mirror>,
}

/// Names of rivers, each with a hash of its rules.
pub(crate) type Fingerprint = BTreeMap<String, String>;

/// Up to where everything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotedFloor {
    pub(crate) sequence: u64,
    /// When that was noted.
    pub(crate) written: Timestamp,
}

/// What of an entry belongs to the position that an instance acquires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Epochs {
    /// How often the position was moved by command.
    pub(crate) position: u64,
    /// The epoch in which the service began to remember; 0 if that is the first.
    pub(crate) memory: u64,
    /// Up to this sequence the past is read to remember it, and reactions publish nothing.
    pub(crate) quiet_until: u64,
    /// Behind that and up to this sequence, some packets were done, too.
    pub(crate) doubtful_until: u64,
    /// Behind this sequence lies what was published about those.
    pub(crate) floor: u64,
}

impl Stored for ServiceEntry {
    const VERSION: u64 = 4;
}

impl ServiceEntry {
    pub(crate) fn written(&self) -> Vec<u8> {
        let entry = Self { version: self.needed_version(), ..self.clone() };
        serde_json::to_vec(&entry).expect("numbers and texts can be written as JSON")
    }

    /// The oldest version in which it can be written, so that older programs can read most entries.
    fn needed_version(&self) -> u64 {
        if self.mirror.is_some() {
            return 4;
        }
        if !self.id_keys.is_empty() {
            return 3;
        }
        if self.memory_epoch > 0 || self.quiet_until > 0 || self.doubtful_until > 0 { 2 } else { 1 }
    }

    /// Whether the service is new: it never had a position.
    pub(crate) fn is_new(&self) -> bool {
        self.stream_created.is_empty()
    }

    /// When the stream of its position was created, if that is another one than this.
    pub(crate) fn other_stream(&self, stream_created: Timestamp) -> Option<&str> {
        let created = self.stream_created.as_str();
        (!self.is_new() && created != stream_created.to_string()).then_some(created)
    }

    /// Whether the service has its position in exclusive delivery.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The epoch in which the service began to remember; 0 if that is the first. Records of memories that
    /// are of an earlier one count for nothing.
    pub(crate) fn memory_epoch(&self) -> u64 {
        self.memory_epoch
    }

    pub(crate) fn epochs(&self) -> Epochs {
        let Self { epoch: position, memory_epoch: memory, .. } = *self;
        let Self { quiet_until, doubtful_until, .. } = *self;
        let floor = self.floor.map_or(0, |floor| floor.sequence);
        Epochs { position, memory, quiet_until, doubtful_until, floor }
    }

    pub(crate) fn floor(&self) -> Option<NotedFloor> {
        self.floor
    }

    pub(crate) fn target(&self) -> Option<u64> {
        self.target
    }

    /// The mirror that the service reads from; `None` for the rapids.
    pub(crate) fn mirror(&self) -> Option<&Mirror> {
        self.mirror.as_ref()
    }

    pub(crate) fn memory_created(&self) -> Option<Timestamp> {
        self.memory_created
    }

    pub(crate) fn rivers(&self) -> &Fingerprint {
        &self.rivers
    }

    /// Which keys ids are derived with.
    pub(crate) fn id_keys(&self) -> &NotedKeys {
        &self.id_keys
    }

    /// Whether an instance of the service has ever started: each notes its rivers before it handles packets.
    pub(crate) fn has_run(&self) -> bool {
        self.rivers != Fingerprint::default()
    }

    /// Notes the key of a service of which no instance has started before.
    pub(crate) fn note_first_id_key(&mut self, fingerprint: &str) {
        if !self.has_run() {
            self.id_keys.begin(fingerprint);
        }
    }

    /// Announces that the service has a key, unless that is noted or has to wait.
    pub(crate) fn note_id_key(&mut self, fingerprint: &str) {
        self.id_keys.announce(fingerprint, self.floor.map_or(0, |floor| floor.sequence));
    }

    /// Decides from where on a key holds that is only announced: beyond this end of the stream.
    pub(crate) fn decide_id_key(&mut self, end: u64) {
        self.id_keys.decide(end);
    }

    /// Notes the stream of its position, and the delivery.
    pub(crate) fn set_stream(&mut self, stream_created: Timestamp, exclusive: bool) {
        if self.other_stream(stream_created).is_some() {
            // Of the sequences of this one, nothing is done.
            (self.quiet_until, self.doubtful_until) = (0, 0);
            self.id_keys.begin_anew();
        }
        self.stream_created = stream_created.to_string();
        self.exclusive = exclusive;
    }

    /// Notes up to where everything is done. A floor that is lower than the noted one, or is of
    /// another epoch, comes too late and is ignored.
    pub(crate) fn note_floor(&mut self, epoch: u64, sequence: u64, now: Timestamp) {
        let is_higher = self.floor.is_none_or(|noted| noted.sequence < sequence);
        if !self.is_new() && self.epoch == epoch && is_higher {
            self.set_floor(sequence, now);
        }
    }

    /// Begins an epoch in which the position begins with this sequence, once it is made there.
    pub(crate) fn move_to(&mut self, target: u64, now: Timestamp) {
        self.epoch += 1;
        self.set_floor(target.saturating_sub(1), now);
        self.target = Some(target);
    }

    /// Has the service remember anew from this epoch on, and publish nothing about what was done before: that is
    /// everything up to the one sequence, and some of it up to the other. What it was not to publish before stays
    /// so.
    pub(crate) fn remember_anew(&mut self, (done, begun): (u64, u64)) {
        self.memory_epoch = self.epoch;
        self.quiet_until = self.quiet_until.max(done);
        self.doubtful_until = self.doubtful_until.max(begun);
        self.end_quiet();
    }

    /// Takes over what a service of this name has remembered that was retired: it began in this epoch.
    pub(crate) fn remember_from(&mut self, epoch: u64) {
        self.epoch = self.epoch.max(epoch);
        self.memory_epoch = self.memory_epoch.max(epoch);
    }

    /// As [`remember_anew`](Self::remember_anew), but everything is published once more.
    pub(crate) fn remember_and_publish_anew(&mut self) {
        self.memory_epoch = self.epoch;
        (self.quiet_until, self.doubtful_until) = (0, 0);
    }

    /// Notes that it was restored from a backup, and where the position is then if it is that of shared delivery. Of the
    /// packets behind it some were done, up to this sequence: what was published about them is in the stream, and is
    /// not published again.
    pub(crate) fn restored(&mut self, floor: Option<u64>, done: u64, now: Timestamp) {
        if let Some(sequence) = floor {
            self.floor = Some(NotedFloor { sequence, written: now });
        }
        self.doubtful_until = self.doubtful_until.max(done);
        self.end_quiet();
    }

    /// Moves the position to a mirror, or back to the rapids: everything up to the floor is done, and some of what
    /// follows, up to `given`.
    pub(crate) fn move_to_mirror(
        &mut self,
        mirror: Option<&Mirror>,
        (floor, given): (u64, u64),
        now: Timestamp,
    ) {
        self.note_mirror(mirror);
        self.move_to(self.target.unwrap_or(floor + 1), now);
        self.doubtful_until = self.doubtful_until.max(given);
        self.end_quiet();
    }

    /// Notes that the position of these epochs was made or found. They are the higher ones if the entry was
    /// deleted since.
    pub(crate) fn position_made(&mut self, epoch: u64, memory_epoch: u64) {
        if self.epoch <= epoch {
            self.epoch = epoch;
            self.memory_epoch = self.memory_epoch.max(memory_epoch);
            self.target = None;
        }
    }

    fn set_floor(&mut self, sequence: u64, now: Timestamp) {
        self.floor = Some(NotedFloor { sequence, written: now });
        self.end_quiet();
    }

    /// Forgets up to where nothing is published once everything up to there is done.
    fn end_quiet(&mut self) {
        let floor = self.floor.map_or(0, |floor| floor.sequence);
        if floor >= self.doubtful_until.max(self.quiet_until) {
            (self.quiet_until, self.doubtful_until) = (0, 0);
        }
    }

    /// Notes when the bucket of the memories was created; `None` if there is none.
    pub(crate) fn note_memory(&mut self, created: Option<Timestamp>) {
        self.memory_created = created;
    }

    /// Notes from which mirror the service reads, or that it reads from the rapids.
    pub(crate) fn note_mirror(&mut self, mirror: Option<&Mirror>) {
        self.mirror = mirror.cloned();
    }

    pub(crate) fn note_rivers(&mut self, rivers: Fingerprint) {
        self.rivers = rivers;
    }
}

/// The fingerprint of these rules.
pub(crate) fn fingerprint<'a>(rules: impl IntoIterator<Item = &'a Rules>) -> Fingerprint {
    let hash = |rules: &Rules| {
        let json = serde_json::to_string(rules).expect("texts can be written as JSON");
        derived_uuid(&FINGERPRINTS, &[&json]).simple().to_string()
    };
    rules.into_iter().map(|rules| (rules.name.clone(), hash(rules))).collect()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::River;
    use crate::names::SERVICES;
    use crate::stored;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn known() -> ServiceEntry {
        let mut entry = ServiceEntry::default();
        entry.set_stream(NOW, false);
        entry
    }

    fn read(json: &[u8]) -> ServiceEntry {
        stored::read(SERVICES, "payment", json).unwrap()
    }

    #[test]
    fn an_entry_without_a_version_is_read_and_written_with_one() {
        let old = br#"{"stream_created":"1970-01-01T00:00:00Z","exclusive":true}"#;
        let entry = read(old);
        assert!(entry.is_exclusive() && entry.floor().is_none() && entry.epoch() == 0);
        assert_eq!(entry.other_stream(NOW), None);
        let json = String::from_utf8(entry.written()).unwrap();
        let expected = r#"{"version":1,"stream_created":"1970-01-01T00:00:00Z","exclusive":true}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn what_an_earlier_revision_wrote_is_read_and_written_alike() {
        for delivery in ["shared", "exclusive"] {
            for (entry, json) in stored::golden::values::<ServiceEntry>(delivery, SERVICES) {
                assert!(
                    entry.floor().is_some() && entry.is_exclusive() == (delivery == "exclusive")
                );
                assert_eq!(String::from_utf8(entry.written()).unwrap(), json);
            }
        }
    }

    #[test]
    fn every_field_is_read_back_as_it_was_written() {
        let mut entry = known();
        entry.move_to(7, NOW);
        entry.note_memory(Some(NOW));
        entry.note_rivers(fingerprint([&River::new("charge").event("x").rules()]));
        let written = read(&entry.written());
        assert_eq!(written, ServiceEntry { version: 1, ..entry.clone() });
        entry.remember_anew((9, 11));
        assert_eq!(read(&entry.written()), ServiceEntry { version: 2, ..entry.clone() });
        entry.note_id_key("a");
        assert_eq!(read(&entry.written()), ServiceEntry { version: 3, ..entry.clone() });
        let mirror = |domain: Option<&str>| {
            let domain = domain.map(str::to_owned);
            Mirror { stream: "RAPIDS_EU".to_owned(), domain }
        };
        for mirror in [mirror(None), mirror(Some("eu"))] {
            entry.note_mirror(Some(&mirror));
            assert_eq!(read(&entry.written()), ServiceEntry { version: 4, ..entry.clone() });
        }
    }

    #[test]
    fn a_service_goes_on_in_a_mirror_where_it_was_and_some_of_it_may_be_done() {
        let mirror = Mirror { stream: "RAPIDS_EU".to_owned(), domain: None };
        let mut entry = known();
        entry.move_to_mirror(Some(&mirror), (7, 9), NOW);
        let Epochs { position, doubtful_until, floor, .. } = entry.epochs();
        assert_eq!((position, doubtful_until, floor, entry.target()), (1, 9, 7, Some(8)));
        entry.position_made(1, 0);
        entry.move_to(3, NOW);
        entry.move_to_mirror(None, (9, 9), NOW);
        assert_eq!((entry.target(), entry.mirror()), (Some(3), None), "it was to be moved there");
    }

    #[test]
    fn what_was_done_behind_the_floor_of_a_backup_is_in_doubt() {
        let mut entry = known();
        entry.note_floor(0, 9, NOW);
        entry.restored(Some(7), 12, NOW);
        let Epochs { quiet_until, doubtful_until, floor, .. } = entry.epochs();
        assert_eq!((quiet_until, doubtful_until, floor), (0, 12, 7));
        entry.restored(None, 12, NOW);
        assert_eq!(entry.epochs().floor, 7);
        entry.note_floor(0, 12, NOW);
        assert_eq!(entry.epochs().doubtful_until, 0, "all of it is done");
        entry.restored(Some(12), 12, NOW);
        assert_eq!(entry.epochs().doubtful_until, 0, "nothing lies behind the floor");
    }

    #[test]
    fn the_first_key_of_a_new_service_holds_for_everything_and_that_of_a_known_one_is_announced() {
        let mut entry = ServiceEntry::default();
        entry.note_first_id_key("a");
        entry.set_stream(NOW, false);
        assert_eq!(
            (entry.id_keys().holding(0), entry.id_keys().is_undecided()),
            (Some("a"), false)
        );
        let mut entry = known();
        entry.note_rivers([("charge".to_owned(), "x".to_owned())].into());
        entry.note_first_id_key("a");
        entry.note_id_key("a");
        assert_eq!((entry.id_keys().holding(0), entry.id_keys().is_undecided()), (None, true));
        entry.decide_id_key(7);
        entry.set_stream(Timestamp::MAX, false);
        assert_eq!(entry.id_keys().holding(0), Some("a"), "another stream has other sequences");
    }

    #[test]
    fn nothing_is_published_until_what_was_done_before_is_done_again() {
        let mut entry = known();
        let rebuild = |entry: &mut ServiceEntry, target: u64, done: u64| {
            entry.move_to(target, NOW);
            entry.remember_anew((done, done));
        };
        let epochs = |entry: &ServiceEntry| {
            let Epochs { position, memory, quiet_until, .. } = entry.epochs();
            (position, memory, quiet_until)
        };
        rebuild(&mut entry, 1, 9);
        assert_eq!(epochs(&entry), (1, 1, 9));
        entry.note_floor(1, 8, NOW);
        rebuild(&mut entry, 1, 8);
        assert_eq!(epochs(&entry), (2, 2, 9), "what the first one was not to publish stays so");
        entry.move_to(3, NOW);
        assert_eq!(epochs(&entry), (3, 2, 9), "a move alone makes nothing forgotten");
        entry.note_floor(3, 9, NOW);
        assert_eq!(epochs(&entry), (3, 2, 0));
        rebuild(&mut entry, 6, 5);
        assert_eq!(epochs(&entry), (4, 4, 0), "nothing that was done is read again");
        rebuild(&mut entry, 1, 5);
        entry.remember_and_publish_anew();
        assert_eq!(epochs(&entry), (5, 5, 0));
        rebuild(&mut entry, 1, 5);
        entry.set_stream(Timestamp::MAX, false);
        assert_eq!(epochs(&entry), (6, 6, 0), "another stream has other sequences");
        entry.move_to(1, NOW);
        entry.remember_anew((3, 8));
        entry.note_floor(7, 7, NOW);
        assert_eq!((epochs(&entry), entry.epochs().doubtful_until), ((7, 7, 3), 8));
        entry.note_floor(7, 8, NOW);
        assert_eq!((epochs(&entry), entry.epochs().doubtful_until), ((7, 7, 0), 0));
    }

    #[test]
    fn a_floor_is_lowered_by_a_new_epoch_alone() {
        let mut entry = known();
        let floor = |entry: &ServiceEntry| entry.floor().map(|floor| floor.sequence);
        entry.note_floor(0, 9, NOW);
        entry.note_floor(0, 4, NOW);
        assert_eq!(floor(&entry), Some(9));
        entry.move_to(3, NOW);
        assert_eq!((floor(&entry), entry.epoch(), entry.target()), (Some(2), 1, Some(3)));
        entry.note_floor(0, 10, NOW);
        assert_eq!(floor(&entry), Some(2), "an instance from before the move comes too late");
        entry.position_made(0, 0);
        assert_eq!(entry.target(), Some(3), "the position from before the move is not the new one");
        entry.position_made(1, 0);
        entry.note_floor(1, 5, NOW);
        assert_eq!((floor(&entry), entry.target()), (Some(5), None));
    }

    #[test]
    fn nothing_is_noted_of_a_service_that_is_not_known() {
        let mut entry = ServiceEntry::default();
        entry.note_floor(0, 9, NOW);
        assert_eq!(entry, ServiceEntry::default());
    }

    #[test]
    fn a_fingerprint_tells_rivers_and_rules_apart() {
        let of = |rule: &str| fingerprint([&River::new("charge").when(rule).rules()]);
        assert_eq!(of("@.a == 1"), of("@.a == 1"));
        assert_ne!(of("@.a == 1"), of("@.a == 2"));
        assert!(of("@.a == 1").keys().eq(["charge"]));
    }
}
