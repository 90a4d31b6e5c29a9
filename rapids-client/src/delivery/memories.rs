//! The memories of a running service: which are to be tidied up, and how far back they must go.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use tracing::debug;

use crate::connection::Connection;
use crate::memory::store::MemoryStore;
use crate::memory::{Floors, MemoryKey, Record};
use crate::names::{REPLAYS, STREAM, memory_bucket};
use crate::packet::Packet;
use crate::rapids::stream;
use crate::service::Service;
use crate::{Error, Result};

/// Loads and saves records, and notes what was published meanwhile.
///
/// That a record's packets are published is not written at once: it goes along with the key's
/// next step, or with the next [`tidy`](Self::tidy). Until then a redelivery publishes them once
/// more under the same ids.
pub(crate) struct Memories {
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
    /// The notes that are settled in the record. A save that ends meanwhile removes them too, so
    /// their number would tell nothing.
    settled: Vec<(String, String)>,
}

impl Memories {
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

    /// The memories of a service; `None` if it has none.
    pub(crate) async fn open_for(
        connection: &Connection,
        service: &Service,
    ) -> Result<Option<Self>> {
        if !service.remembers() {
            return Ok(None);
        }
        let store = MemoryStore::open(connection, service.name()).await?;
        Ok(Some(Self::new(store, connection.clone(), service.name())))
    }

    /// The record of a key, to fold a packet in.
    ///
    /// # Errors
    /// `Malformed` if the record takes the packet for done because of what the stream never held.
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
        let info = stream::info_of(&self.connection, stream).await?;
        let last = info.map_or(0, |info| info.state.last_sequence);
        if floor <= last {
            return Ok(());
        }
        let bucket = memory_bucket(&self.service);
        Err(Error::Malformed {
            reason: format!(
                "the memory `{key}` in `{bucket}` takes everything up to sequence {floor} for done, \
                 but {stream} ends at {last}: it is of another stream, or was written by others; put \
                 one back that fits, or let it begin anew with `nats kv del {bucket} {key}`"
            ),
        })
    }

    async fn load(&self, key: &MemoryKey) -> Result<(Record, Loaded)> {
        let (mut record, revision) = self.store.load(key).await?;
        let noted = self.published.borrow().get(key).cloned().unwrap_or_default();
        for (river, packet) in &noted {
            record.settle(river, packet);
        }
        record.forget_below(self.floors.get());
        Ok((record, Loaded { revision, settled: noted }))
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

    /// Notes that what a packet left in a record is published.
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
                self.save(&key, &record, &loaded).await
            };
            if let Err(error) = saved.await {
                debug!(%error, %key, "a memory keeps packets that are published");
            }
        }
    }
}
