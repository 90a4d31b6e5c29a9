//! Where records are kept: the service's key-value bucket, written by compare-and-set.

use jiff::Timestamp;

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::resource::Resource;
use crate::memory::{MemoryKey, Record};
use crate::names::memory_bucket;
use crate::position::entry::ServiceEntry;
use crate::service::Service;
use crate::{Error, Result};

/// The memories of one service.
#[derive(Clone)]
pub(crate) struct MemoryStore(Bucket);

impl MemoryStore {
    /// The memories of a service; `None` if it has none.
    ///
    /// # Errors
    /// `Position` if the service's entry says that there was a bucket, and it is gone.
    pub(crate) async fn open_for(
        connection: &Connection,
        service: &Service,
        entry: &ServiceEntry,
    ) -> Result<Option<Self>> {
        if !service.remembers() {
            return Ok(None);
        }
        let name = service.name();
        let resource = Resource::memory(name, service.memories());
        let Some(created) = entry.memory_created() else {
            let bucket = Bucket::open(connection, &resource).await?;
            return Ok(Some(Self(bucket)));
        };
        match Bucket::existing(connection, &memory_bucket(name)).await?.map(Self) {
            Some(store) if store.created() == created => {
                store.0.improve(&resource).await?;
                Ok(Some(store))
            }
            Some(store) => {
                let fault = format!("was made anew at {}, after {created}", store.created());
                Err(lost(name, &fault, entry))
            }
            None => Err(lost(name, "was deleted", entry)),
        }
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

    /// Saves the JSON of a record, and returns its revision; `None` if another instance saved it since it
    /// was loaded.
    pub(crate) async fn save(
        &self,
        key: &MemoryKey,
        json: Vec<u8>,
        revision: u64,
    ) -> Result<Option<u64>> {
        self.0.save(key.as_ref(), json.into(), revision).await
    }

    /// The size of the largest record that the server takes, in bytes.
    pub(crate) fn largest_record(&self) -> usize {
        self.0.largest_value()
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
