//! The memories of a running service: which are to be tidied up, and how far back they must go.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use jiff::Timestamp;
use tracing::debug;

use crate::connection::Connection;
use crate::jetstream::ensure::info_of;
use crate::memory::store::MemoryStore;
use crate::memory::{Floors, MemoryKey, Record};
use crate::names::{REPLAYS, STREAM, memory_bucket};
use crate::packet::Packet;
use crate::position::entry::ServiceEntry;
use crate::service::Service;
use crate::{Error, Result};

/// Loads and saves records, and notes what was published meanwhile.
///
/// That a record's packets are published is not written at once: it goes along with the key's
/// next step, or with the next [`tidy`](Self::tidy). Until then a redelivery publishes them once
/// more under the same ids.
pub(crate) struct MemorySteps {
    store: MemoryStore,
    connection: Connection,
    service: String,
    published: RefCell<HashMap<MemoryKey, Vec<(String, String)>>>,
    floors: Cell<Floors>,
    /// Whether anything was saved since this was last asked.
    moved: Cell<bool>,
}

/// In what state a record was loaded.
pub(crate) struct Loaded {
    revision: u64,
    /// Whether nothing was there.
    is_new: bool,
    /// The notes that are settled in the record. A save that ends meanwhile removes them too, so
    /// their number would tell nothing.
    settled: Vec<(String, String)>,
}

impl MemorySteps {
    fn new(store: MemoryStore, connection: Connection, service: &str) -> Self {
        Self {
            store,
            connection,
            service: service.to_owned(),
            published: RefCell::default(),
            floors: Cell::default(),
            moved: Cell::new(false),
        }
    }

    /// The memories of a service, and when their bucket was created; `None` if it has none.
    ///
    /// # Errors
    /// `Position` if it is noted that there was a bucket, and it is gone.
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
            Some(noted) => match MemoryStore::existing(connection, name).await? {
                Some(store) if store.created() == noted => store,
                Some(store) => {
                    let fault = format!("was made anew at {}, after {noted}", store.created());
                    return Err(lost(name, &fault, entry));
                }
                None => return Err(lost(name, "was deleted", entry)),
            },
        };
        let created = store.created();
        Ok((Some(Self::new(store, connection.clone(), name)), Some(created)))
    }

    /// The record of a key, to fold a packet in.
    ///
    /// # Errors
    /// `Record` if the record takes the packet for done because of what the stream never held.
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
        let noted = self.published.borrow().get(key).cloned().unwrap_or_default();
        for (river, packet) in &noted {
            record.settle(river, packet);
        }
        record.forget_below(self.floors.get());
        Ok((record, Loaded { revision, is_new, settled: noted }))
    }

    /// Saves a record unless it was changed since it was loaded: then `false`.
    pub(crate) async fn save(
        &self,
        key: &MemoryKey,
        record: &Record,
        loaded: &Loaded,
    ) -> Result<bool> {
        let saved = self.store.save(key, record, loaded.revision).await?;
        self.moved.set(true);
        if saved && let Some(published) = self.published.borrow_mut().get_mut(key) {
            published.retain(|note| !loaded.settled.contains(note));
        }
        Ok(saved)
    }

    /// ProgressStore that what a packet left in a record is published.
    pub(crate) fn published(&self, key: MemoryKey, river: String, packet: String) {
        self.published.borrow_mut().entry(key).or_default().push((river, packet));
        self.moved.set(true);
    }

    /// Whether memories have moved since this was last asked.
    pub(crate) fn take_moved(&self) -> bool {
        self.moved.take()
    }

    pub(crate) fn acknowledged_to(&self, floors: Floors) {
        self.floors.set(floors);
    }

    /// Writes down what was noted, for keys that nothing else has written since.
    pub(crate) async fn tidy(&self) {
        self.published.borrow_mut().retain(|_, published| !published.is_empty());
        let keys: Vec<_> = self.published.borrow().keys().cloned().collect();
        for key in keys {
            let saved = async {
                let (record, loaded) = self.load(&key).await?;
                if loaded.is_new {
                    // Its record was deleted, and with it what is noted of it.
                    self.published.borrow_mut().remove(&key);
                    return Ok(true);
                }
                self.save(&key, &record, &loaded).await
            };
            if let Err(error) = saved.await {
                debug!(%error, %key, "a memory keeps packets that are published");
            }
        }
    }
}

/// That the memories of a service are gone, although its position is not.
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
