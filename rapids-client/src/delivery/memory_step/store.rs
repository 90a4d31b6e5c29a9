//! Where records are kept: the service's key-value bucket, written by compare-and-set.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;

use crate::connection::Connection;
use crate::jetstream::bucket::{Bucket, Written};
use crate::jetstream::end_ages::EndAges;
use crate::jetstream::resource::Resource;
use crate::memory::{KeptAs, MemoryKey, Record};
use crate::names::memory_bucket;
use crate::position::entry::ServiceEntry;
use crate::service::ServiceNeeds;
use crate::stored;
use crate::{Error, Result};

/// The memories of one service.
pub(crate) struct MemoryStore {
    bucket: Bucket,
    service: String,
    end_ages: Cell<EndAges>,
    /// The epoch in which the service began to remember.
    epoch: Cell<u64>,
}

impl MemoryStore {
    /// The memories of a service; `None` if it has none.
    ///
    /// # Errors
    /// `Position` if the service's entry says that there was a bucket, and it is gone.
    pub(crate) async fn open_for(
        connection: &Connection,
        needs: &ServiceNeeds,
        (entry, packets_age): (&ServiceEntry, Duration),
    ) -> Result<Option<Self>> {
        if !needs.remembers() {
            return Ok(None);
        }
        let name = &needs.name;
        let resource = Resource::memory(name, needs.memories.iter().map(String::as_str));
        let over = |bucket| Self {
            bucket,
            service: name.to_owned(),
            end_ages: Cell::new(EndAges { packets: packets_age, letters: None }),
            epoch: Cell::new(entry.memory_epoch()),
        };
        let Some(created) = entry.memory_created() else {
            return Ok(Some(over(Bucket::open(connection, &resource).await?)));
        };
        match Bucket::existing(connection, &memory_bucket(name)).await?.map(over) {
            Some(store) if store.created() == created => {
                store.bucket.improve(&resource).await?;
                Ok(Some(store))
            }
            Some(store) => {
                let fault = format!("was made anew at {}, after {created}", store.created());
                Err(lost(name, &fault, entry))
            }
            None => Err(lost(name, "was deleted", entry)),
        }
    }

    /// The epoch of what was remembered last under the name of a service; 0 if nothing is.
    pub(crate) async fn last_epoch(connection: &Connection, service: &str) -> Result<u64> {
        let Some(bucket) = Bucket::existing(connection, &memory_bucket(service)).await? else {
            return Ok(0);
        };
        let Some(last) = bucket.last_written().await? else { return Ok(0) };
        let record = stored::read::<Record>(bucket.name(), &last.key, &last.value);
        // Who it is of no use to tells when its packets come.
        Ok(record.map_or(0, |record| record.epoch()))
    }

    /// When the bucket was created, which tells it from other buckets of the same name.
    pub(crate) fn created(&self) -> Timestamp {
        self.bucket.created()
    }

    /// Learns the epoch in which the service began to remember: what is of an earlier one is forgotten.
    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.epoch.set(epoch);
    }

    pub(crate) fn connection(&self) -> &Connection {
        self.bucket.connection()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Learns for how long packets may come again: those of the rapids, which are kept for this long, and
    /// those of letters, if the service has any, which may be replayed.
    pub(crate) async fn learn_ages(&self, packets_age: Duration) -> Result<()> {
        let ages = EndAges::of(self.connection(), &self.service, packets_age).await?;
        self.end_ages.set(ages);
        Ok(())
    }

    /// Learns that the service has a letter.
    pub(crate) fn has_letters(&self) {
        self.end_ages.set(self.end_ages.get().with_letter());
    }

    /// The record of a key and the revision to save it against.
    ///
    /// # Errors
    /// `Record` if something else is stored there, a newer record, or one of a later epoch; `NotPermitted`,
    /// `Server`.
    pub(crate) async fn load(&self, key: &MemoryKey) -> Result<(Record, u64)> {
        let (found, revision) = self.bucket.read::<Record>(key.as_ref()).await?;
        let epoch = self.epoch.get();
        let record = found.filter(|record| record.epoch() >= epoch).unwrap_or_default();
        if record.epoch() > epoch {
            return Err(Error::Record {
                bucket: self.bucket.name().to_owned(),
                key: key.to_string(),
                fault: "was written after the service was made to forget, by command".to_owned(),
                is_newer: true,
            });
        }
        Ok((record.of_key(key, epoch), revision))
    }

    /// Saves a record, of which this is the JSON, and returns its revision; `None` if another instance saved
    /// it since it was loaded.
    pub(crate) async fn save(
        &self,
        key: &MemoryKey,
        json: Vec<u8>,
        (revision, kept): (u64, KeptAs),
    ) -> Result<Option<u64>> {
        let keep = self.end_ages.get().keep(kept);
        self.bucket.save_kept(key.as_ref(), json.into(), (revision, keep)).await
    }

    /// The first record of a memory that was written at this revision or later; `None` if there is none.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn next_written(&self, memory: &str, from: u64) -> Result<Option<Written>> {
        self.bucket.next_written(&format!("{memory}.>"), from).await
    }

    /// The size of the largest record that the server takes, in bytes.
    pub(crate) fn largest_record(&self) -> usize {
        self.bucket.largest_value()
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
