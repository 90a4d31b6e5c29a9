//! The memories of a running service: what is kept of them, what is saved, and which of their records
//! contain packets that are published.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::cleaning::Expiring;
use super::kept_keys::{KeptKey, KeptKeys};
use super::kept_record::{KeptRecord, Save};
use super::published::Published;
use super::store::MemoryStore;
use super::unwritten::{Unwritten, UnwrittenSteps};
use crate::connection::Connection;
use crate::error::with_causes;
use crate::jetstream::ensure::info_of;
use crate::memory::{Floors, KeptAs, MemoryKey, Record};
use crate::names::{REPLAYS, STREAM, memory_bucket};
use crate::packet::Packet;
use crate::position::floor::Floor;
use crate::position::replay_consumer;
use crate::service::Service;
use crate::{Error, Result};

/// How often it is asked, at most, up to where packets are done.
const FLOORS_AGAIN: Duration = Duration::from_millis(50);

/// How many records are loaded ahead at once. The server's memory grows with what it sends.
const LOADED_AHEAD: usize = 16;

/// Loads and saves records.
///
/// Published packets are not removed from a record at once, but with the next step of its key, or with
/// the next [`clean_up`](Self::clean_up). Until then a redelivery publishes them once more under the same
/// ids.
pub(crate) struct MemoryRecords {
    pub(super) store: MemoryStore,
    connection: Connection,
    service: String,
    floor: Floor,
    keys: RefCell<KeptKeys>,
    pub(super) published: Published,
    /// Keys whose memory has ended, and up to where all has to be done before their records go.
    pub(super) ended: RefCell<HashMap<MemoryKey, Floors>>,
    pub(super) expiring: Vec<Expiring>,
    /// Taken by those who load ahead.
    loading: Semaphore,
    floors: Cell<Floors>,
    floors_read: Cell<Option<Instant>>,
    /// Keys whose records take more than half of what they may.
    large: RefCell<HashSet<MemoryKey>>,
    unwritten: Rc<UnwrittenSteps>,
    /// Whether anything was saved or published since the last clean-up.
    has_changed: Cell<bool>,
}

/// A step of a memory whose outputs are in its record until they are published.
pub(crate) struct Remembered {
    key: MemoryKey,
    river: String,
    packet: String,
}

impl Remembered {
    pub(super) fn new(key: &MemoryKey, river: &str, packet: &str) -> Self {
        Self { key: key.clone(), river: river.to_owned(), packet: packet.to_owned() }
    }
}

/// A record with the steps that wait.
pub(super) struct NextRecord {
    pub(super) record: Record,
    pub(super) json: Vec<u8>,
    /// What of `published` is removed from it.
    pub(super) settled: Vec<(String, String)>,
}

/// Whether a record with the steps that wait can be saved.
pub(super) enum Room {
    Enough,
    /// Once what is in it for other steps is published.
    Later,
    /// Not with the last step, for this reason.
    Never(String),
}

impl MemoryRecords {
    pub(crate) fn new(
        store: MemoryStore,
        connection: Connection,
        service: &Service,
        floor: Floor,
    ) -> Self {
        Self {
            store,
            connection,
            service: service.name().to_owned(),
            floor,
            keys: RefCell::default(),
            published: Published::default(),
            ended: RefCell::default(),
            expiring: service.memories().iter().filter_map(Expiring::of).collect(),
            loading: Semaphore::new(LOADED_AHEAD),
            floors: Cell::default(),
            floors_read: Cell::default(),
            large: RefCell::default(),
            unwritten: Rc::default(),
            has_changed: Cell::new(false),
        }
    }

    /// Learns the epoch in which the service began to remember.
    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.store.set_epoch(epoch);
    }

    /// Learns for how long packets may come again, where the rapids keep them for this long.
    pub(crate) async fn learn_ages(&self, packets_age: Duration) {
        if let Err(error) = self.store.learn_ages(packets_age).await {
            debug!("whether the service has dead letters is not known: {}", with_causes(&error));
        }
    }

    /// Learns that the service has a dead letter.
    pub(crate) fn has_letters(&self) {
        self.store.has_letters();
    }

    pub(super) fn enter(&self, key: &MemoryKey) -> Rc<KeptKey> {
        self.keys.borrow_mut().enter(key)
    }

    /// Counts one step more that is not written.
    pub(super) fn one_more_unwritten(&self) -> Unwritten {
        self.unwritten.one_more()
    }

    /// Waits until every step that has run is written, or has ended in another way.
    pub(crate) async fn all_written(&self) {
        self.unwritten.none().await;
    }

    /// Makes sure that a stream has reached the floor of a memory, which takes a packet for done.
    ///
    /// # Errors
    /// `Record` if the record is of another stream.
    pub(super) async fn reaches(&self, key: &MemoryKey, packet: &Packet, floor: u64) -> Result<()> {
        let is_replay = packet.arrival().is_some_and(|arrival| arrival.replay.is_some());
        let stream = if is_replay { REPLAYS } else { STREAM };
        let info = info_of(&self.connection, stream).await?;
        let last = info.map_or(0, |info| info.state.last_sequence);
        if floor <= last {
            return Ok(());
        }
        let bucket = memory_bucket(&self.service);
        Err(Error::Record {
            fault: format!(
                "takes everything up to sequence {floor} for done, but {stream} ends at {last}: it is \
                 of another stream, or was written by others; put one back that fits, or let it begin \
                 anew with `nats kv del {bucket} {key}`"
            ),
            key: key.to_string(),
            bucket,
            is_newer: false,
        })
    }

    /// Loads the record of a key. Call it with the value locked.
    pub(super) async fn load(&self, key: &MemoryKey, kept: &KeptKey) -> Result<()> {
        let (record, revision) = self.store.load(key).await?;
        self.keys.borrow_mut().set_bytes(key, record.size());
        self.note_end(key, &record);
        kept.record.borrow_mut().loaded(record, revision);
        Ok(())
    }

    /// The record to save next, with the steps that wait and without what is published.
    pub(super) fn next_record(&self, key: &MemoryKey, kept: &KeptRecord) -> NextRecord {
        let settled = self.published.of(key);
        let mut record = kept.record().cloned().unwrap_or_default();
        record.settle(&settled);
        let mut record = kept.with_waiting(record);
        record.forget_below(self.floors.get());
        NextRecord { json: record.json(), record, settled }
    }

    /// Whether this record can be saved.
    pub(super) fn room(&self, key: &MemoryKey, kept: &KeptRecord, next: &NextRecord) -> Room {
        let limit = self.store.largest_record();
        if next.json.len() <= limit {
            return Room::Enough;
        }
        let mut alone = kept.with_last_alone(&next.record);
        let size = alone.json().len();
        if size <= limit {
            return Room::Later;
        }
        let bucket = memory_bucket(&self.service);
        Room::Never(format!(
            "the record of the memory `{key}` in `{bucket}` would have {size} bytes with what this \
             packet adds, the limit is {limit}: keep less under one key, such as a key per order \
             instead of one for all, or raise `max_payload` on the server"
        ))
    }

    /// Saves a record unless it was changed since it was loaded: then `None`. The steps in it have ended
    /// with that; returns how many have moved the memory.
    pub(super) async fn save(
        &self,
        (key, kept): (&MemoryKey, &KeptKey),
        (json, settled): (Vec<u8>, &[(String, String)]),
        save: &Save,
    ) -> Result<Option<usize>> {
        let size = json.len();
        self.has_changed.set(true);
        let at = (save.revision, save.kept);
        let Some(revision) = self.store.save(key, json, at).await? else {
            return Ok(None);
        };
        let Some(steps) = kept.record.borrow_mut().saved(save, revision) else {
            return Ok(None);
        };
        if let Some(record) = kept.record.borrow().record() {
            self.note_end(key, record);
        }
        self.published.remove(key, settled.len());
        self.keys.borrow_mut().set_bytes(key, size);
        self.warn_if_large(key, size);
        let moved = steps.iter().filter(|step| !step.has_failed()).count();
        steps.iter().for_each(|step| step.written(key));
        Ok(Some(moved))
    }

    /// Notes that a record has ended and is still to go, or that it is not.
    pub(super) fn note_end(&self, key: &MemoryKey, record: &Record) {
        let mut ended = self.ended.borrow_mut();
        if record.kept_as() == KeptAs::Ended {
            ended.insert(key.clone(), record.needed_floors());
        } else {
            ended.remove(key);
        }
    }

    /// The keys whose records have ended, and of which no packet can come again.
    pub(super) fn over(&self) -> Vec<MemoryKey> {
        let (floors, ended) = (self.floors.get(), self.ended.borrow());
        let over = ended.iter().filter(|(_, needed)| needed.are_below(floors));
        over.map(|(key, _)| key.clone()).collect()
    }

    /// Warns of a record that takes more than half of what it may, once until it takes less.
    fn warn_if_large(&self, key: &MemoryKey, size: usize) {
        let limit = self.store.largest_record();
        let mut large = self.large.borrow_mut();
        if size <= limit / 2 {
            large.remove(key);
        } else if large.insert(key.clone()) {
            warn!(
                %key,
                size,
                limit,
                "the record of a memory is large; beyond the limit its packets have to wait"
            );
        }
    }

    /// Learns that the outputs of a step are published.
    pub(crate) fn published(&self, step: Remembered) {
        let Remembered { key, river, packet } = step;
        self.published.add(key, (river, packet));
        self.has_changed.set(true);
    }

    /// Waits until the outputs of some step are published.
    pub(super) async fn some_published(&self) {
        self.published.one_more().await;
    }

    /// Whether anything has changed since this was called last.
    pub(crate) fn take_changed(&self) -> bool {
        self.has_changed.take() || !self.published.is_empty() || !self.ended.borrow().is_empty()
    }

    /// Asks up to where the packets of the service are done, unless that was asked just now: records
    /// need no older ids.
    pub(crate) async fn read_floors(&self) -> Floors {
        if self.floors_read.get().is_some_and(|read| read.elapsed() < FLOORS_AGAIN) {
            return self.floors.get();
        }
        self.floors_read.set(Some(Instant::now()));
        let (connection, service) = (&self.connection, &self.service);
        let floors = tokio::try_join!(
            self.floor.read(connection, service),
            replay_consumer::floor(connection, service),
        );
        if let Ok((rapids, replays)) = floors {
            self.floors.set(Floors { rapids, replays });
        }
        self.floors.get()
    }

    /// Whether the record of a key is kept. It counts as used by that, and stays for a while.
    pub(crate) fn has(&self, key: &MemoryKey) -> bool {
        self.enter(key).record.borrow().record().is_some()
    }

    /// Loads the record of a key whose turn is to come.
    pub(crate) async fn load_ahead(&self, key: MemoryKey) {
        let kept = self.enter(&key);
        let Ok(_loading) = self.loading.acquire().await else { return };
        // Its turn may have begun meanwhile.
        let Ok(_value) = kept.value.try_lock() else { return };
        let is_loaded = kept.record.borrow().record().is_some();
        if !is_loaded && let Err(error) = self.load(&key, &kept).await {
            debug!(%error, %key, "the record of a memory is loaded later");
        }
    }
}
