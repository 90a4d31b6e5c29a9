//! The memories of a running service, and which of their records contain packets that are published.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use jiff::Timestamp;
use tracing::debug;

use crate::connection::Connection;
use crate::delivery::memory_step::store::MemoryStore;
use crate::jetstream::ensure::info_of;
use crate::memory::{Floors, MemoryKey, Record};
use crate::names::{REPLAYS, STREAM, memory_bucket};
use crate::packet::Packet;
use crate::position::entry::ServiceEntry;
use crate::service::Service;
use crate::{Error, Result};

/// Loads and saves records.
///
/// Published packets are not removed from a record at once, but with the next step of its key, or with
/// the next [`clean_up`](Self::clean_up). Until then a redelivery publishes them once more under the same
/// ids.
pub(crate) struct MemoryRecords {
    store: MemoryStore,
    connection: Connection,
    service: String,
    /// For each key, the rivers and packet ids whose outputs are published and still in the record.
    published: RefCell<HashMap<MemoryKey, Vec<(String, String)>>>,
    floors: Cell<Floors>,
    /// Whether anything was saved or published since the last clean-up.
    has_changed: Cell<bool>,
}

/// One step of a memory, whose outputs are in the record until they are published.
pub(crate) struct Step {
    pub(crate) key: MemoryKey,
    pub(crate) river: String,
    /// The id of the packet.
    pub(crate) packet: String,
}

/// The state in which a record was loaded.
pub(crate) struct Loaded {
    revision: u64,
    /// Whether there was no record.
    is_new: bool,
    /// What of `published` was removed from the record when it was loaded.
    settled: Vec<(String, String)>,
}

impl MemoryRecords {
    fn new(store: MemoryStore, connection: Connection, service: &str) -> Self {
        Self {
            store,
            connection,
            service: service.to_owned(),
            published: RefCell::default(),
            floors: Cell::default(),
            has_changed: Cell::new(false),
        }
    }

    /// The memories of a service, and when their bucket was created; `None` if it has none.
    ///
    /// # Errors
    /// `Position` if the service's entry says that there was a bucket, and it is gone.
    pub(crate) async fn open_for(
        connection: &Connection,
        service: &Service,
        entry: &ServiceEntry,
    ) -> Result<(Option<Self>, Option<Timestamp>)> {
        if !service.remembers() {
            return Ok((None, None));
        }
        let name = service.name();
        let store = match entry.memory_created() {
            None => MemoryStore::open(connection, name).await?,
            Some(created) => match MemoryStore::existing(connection, name).await? {
                Some(store) if store.created() == created => store,
                Some(store) => {
                    let fault = format!("was made anew at {}, after {created}", store.created());
                    return Err(lost(name, &fault, entry));
                }
                None => return Err(lost(name, "was deleted", entry)),
            },
        };
        let created = store.created();
        Ok((Some(Self::new(store, connection.clone(), name)), Some(created)))
    }

    /// The record of a key, for a reaction to this packet.
    ///
    /// # Errors
    /// `Record` if the record takes the packet for done, but is of another stream.
    pub(crate) async fn load_for(
        &self,
        key: &MemoryKey,
        (river, packet): (&str, &Packet),
    ) -> Result<(Record, Loaded)> {
        let (record, loaded) = self.load(key).await?;
        if let Some(floor) = record.floor_above(river, packet) {
            let is_replay = packet.arrival().is_some_and(|arrival| arrival.replay.is_some());
            let stream = if is_replay { REPLAYS } else { STREAM };
            Box::pin(self.reaches(key, stream, floor)).await?;
        }
        Ok((record, loaded))
    }

    /// Makes sure that a stream has reached the floor of a memory.
    async fn reaches(&self, key: &MemoryKey, stream: &str, floor: u64) -> Result<()> {
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

    async fn load(&self, key: &MemoryKey) -> Result<(Record, Loaded)> {
        let (mut record, revision) = self.store.load(key).await?;
        let is_new = record.is_empty();
        let settled = self.published.borrow().get(key).cloned().unwrap_or_default();
        for (river, packet) in &settled {
            record.settle(river, packet);
        }
        record.forget_below(self.floors.get());
        Ok((record, Loaded { revision, is_new, settled }))
    }

    /// Saves a record unless it was changed since it was loaded: then `false`.
    pub(crate) async fn save(
        &self,
        key: &MemoryKey,
        record: &Record,
        loaded: &Loaded,
    ) -> Result<bool> {
        let saved = self.store.save(key, record, loaded.revision).await?;
        self.has_changed.set(true);
        if saved && let Some(published) = self.published.borrow_mut().get_mut(key) {
            published.retain(|step| !loaded.settled.contains(step));
        }
        Ok(saved)
    }

    /// Learns that the outputs of a step are published.
    pub(crate) fn published(&self, step: Step) {
        let Step { key, river, packet } = step;
        self.published.borrow_mut().entry(key).or_default().push((river, packet));
        self.has_changed.set(true);
    }

    /// Whether anything has changed since this was called last.
    pub(crate) fn take_changed(&self) -> bool {
        self.has_changed.take()
    }

    /// Learns up to where the packets of the service are done: records need no older ids.
    pub(crate) fn set_floors(&self, floors: Floors) {
        self.floors.set(floors);
    }

    /// Removes published packets from the records that have not been saved since.
    pub(crate) async fn clean_up(&self) {
        self.published.borrow_mut().retain(|_, published| !published.is_empty());
        let keys: Vec<_> = self.published.borrow().keys().cloned().collect();
        for key in keys {
            let saved = async {
                let (record, loaded) = self.load(&key).await?;
                if loaded.is_new {
                    // Its record was deleted, and the packets with it.
                    self.published.borrow_mut().remove(&key);
                    return Ok(true);
                }
                self.save(&key, &record, &loaded).await
            };
            if let Err(error) = saved.await {
                debug!(%error, %key, "published packets are not removed from a memory");
            }
        }
    }
}

/// The error of a service whose memories are gone, although its position is not.
fn lost(service: &str, fault: &str, entry: &ServiceEntry) -> Error {
    let next = entry.floor().filter(|_| !entry.is_exclusive());
    let next = next.map_or("SEQUENCE".to_owned(), |floor| (floor.sequence + 1).to_string());
    let reason = format!(
        "the bucket {} of what it remembers {fault}, and with empty memories it would do again what \
         it has done; restore it from a backup; or run `rapids position {service} --to-beginning \
         --forget` to have its memories made anew from the past, or `rapids position {service} --set \
         {next} --forget` to go on with empty ones",
        memory_bucket(service)
    );
    Error::Position { service: service.to_owned(), reason }
}
