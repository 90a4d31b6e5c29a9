//! Clearing what a service has noted of packets and what it remembers.

use jiff::Timestamp;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::names::{HANDLING, ONCE, memory_bucket};

/// What a service has noted of packets, and what it remembers, as of the moment at which this was opened.
pub(crate) struct Past {
    service: String,
    once: Option<Bucket>,
    notes: Option<Bucket>,
    memories: Option<Bucket>,
}

impl Past {
    pub(crate) async fn open(connection: &Connection, service: &str) -> Result<Self> {
        let memories = memory_bucket(service);
        let open = |bucket: &'static str| Bucket::existing(connection, bucket);
        let (once, notes, memories) =
            tokio::try_join!(open(ONCE), open(HANDLING), Bucket::existing(connection, &memories))?;
        Ok(Self { service: service.to_owned(), once, notes, memories })
    }

    /// When the bucket of the memories was created; `None` if there is none.
    pub(crate) fn memory_created(&self) -> Option<Timestamp> {
        self.memories.as_ref().map(Bucket::created)
    }

    /// How many memories there were when this was opened.
    pub(crate) fn memories(&self) -> u64 {
        self.memories.as_ref().map_or(0, Bucket::entries)
    }

    /// Clears what its `once` reactions have done.
    pub(crate) async fn clear_once(&self) -> Result<()> {
        clear(self.once.as_ref(), &format!("{}.>", self.service)).await.map(drop)
    }

    /// Clears its notes about packets and its memories; returns how many memories there were when this was
    /// opened. By now instances that run may have written some of them anew, which are not cleared.
    pub(crate) async fn clear(&self) -> Result<u64> {
        clear(self.notes.as_ref(), &format!("{}.>", self.service)).await?;
        clear(self.memories.as_ref(), ">").await?;
        Ok(self.memories())
    }
}

/// Clears the keys that match of a bucket, if there is one, and returns how many that were.
pub(crate) async fn clear(bucket: Option<&Bucket>, keys: &str) -> Result<u64> {
    match bucket {
        Some(bucket) => bucket.clear(keys).await,
        None => Ok(0),
    }
}
