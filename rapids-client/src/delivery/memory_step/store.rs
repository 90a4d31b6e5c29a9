//! Where records are kept: the service's key-value bucket, written by compare-and-set.

use jiff::Timestamp;

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::resource::Resource;
use crate::memory::{MemoryKey, Record};
use crate::names::memory_bucket;
use crate::{Error, Result};

/// The memories of one service.
#[derive(Clone)]
pub(crate) struct MemoryStore(Bucket);

impl MemoryStore {
    /// Opens the bucket, and makes it if there is none.
    pub(crate) async fn open(connection: &Connection, service: &str) -> Result<Self> {
        Ok(Self(Bucket::open(connection, &Resource::memory(service)).await?))
    }

    /// Opens the bucket; `None` if there is none.
    pub(crate) async fn existing(connection: &Connection, service: &str) -> Result<Option<Self>> {
        Ok(Bucket::existing(connection, &memory_bucket(service)).await?.map(Self))
    }

    /// When the bucket was created, which tells it from other buckets of the same name.
    pub(crate) fn created(&self) -> Timestamp {
        self.0.created()
    }

    /// The record of a key and the revision to save it against.
    ///
    /// # Errors
    /// `Record` if something else is stored there, or a newer record; `NotPermitted`, `Server`.
    pub(crate) async fn load(&self, key: &MemoryKey) -> Result<(Record, u64)> {
        let (found, revision) = self.0.read::<Record>(key.as_ref()).await?;
        Ok((found.unwrap_or_default().of_key(key), revision))
    }

    /// Saves a record; `false` if another instance saved it since it was loaded.
    pub(crate) async fn save(
        &self,
        key: &MemoryKey,
        record: &Record,
        revision: u64,
    ) -> Result<bool> {
        let json = serde_json::to_vec(record).map_err(|error| Error::Server {
            action: format!("write out the memory `{key}`"),
            source: error.into(),
        })?;
        Ok(self.0.save(key.as_ref(), json.into(), revision).await?.is_some())
    }
}
