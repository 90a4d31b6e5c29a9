//! Where the states of dead letters are kept: the bucket `RAPIDS_LETTERS`.
//!
//! A letter without a record waits. A record is changed by compare-and-set only, so of two operators
//! one is first, and the other learns who that was.

use std::collections::HashMap;

use tokio::sync::OnceCell;

use crate::connection::Connection;
use crate::dead_letters::LetterId;
use crate::dead_letters::state_record::StateRecord;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::ensure::info_of;
use crate::jetstream::resource::Resource;
use crate::jetstream::scan::Scan;
use crate::names::{DEAD_LETTERS, LETTERS_BUCKET};
use crate::stored;
use crate::{Error, Result};

/// The states of all letters.
pub(super) struct StateStore {
    connection: Connection,
    /// Opened when it is first written to, so that looking creates nothing.
    bucket: OnceCell<Bucket>,
}

impl StateStore {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, bucket: OnceCell::new() }
    }

    /// The record of a letter and the revision to save another against.
    pub(super) async fn load(&self, id: &LetterId) -> Result<(Option<StateRecord>, u64)> {
        if !self.exists().await? {
            return Ok((None, 0));
        }
        Box::pin(self.open().await?.read(&id.to_string())).await
    }

    /// Saves a record, unless another was saved since this revision: then `None`, else the new
    /// revision.
    pub(super) async fn save(
        &self,
        id: &LetterId,
        record: &StateRecord,
        revision: u64,
    ) -> Result<Option<u64>> {
        let json =
            serde_json::to_vec(&record.clone().versioned()).map_err(|error| Error::Server {
                action: format!("save the record of the dead letter `{id}`"),
                source: error.into(),
            })?;
        let bucket = self.open().await?;
        Box::pin(bucket.save(&id.to_string(), json.into(), revision)).await
    }

    /// The records of all letters of a service and a river; `*` stands for every one.
    pub(super) async fn all(
        &self,
        service: &str,
        river: &str,
    ) -> Result<HashMap<LetterId, StateRecord>> {
        let mut records = HashMap::new();
        if !self.exists().await? {
            return Ok(records);
        }
        let subjects = format!("{}{service}.{river}.*", prefix());
        let mut scan = Scan::new(&self.connection, &stream(), subjects);
        while let Some(message) = scan.next().await? {
            if let Some(Kept::Record(id, record)) = kept(&message.subject, &message.payload)? {
                records.insert(id, *record);
            }
        }
        Ok(records)
    }

    async fn open(&self) -> Result<&Bucket> {
        let opening = async || {
            let letters = Box::pin(info_of(&self.connection, DEAD_LETTERS)).await?;
            let resource = Resource::letters(letters.map(|info| info.config.max_age));
            Bucket::open(&self.connection, &resource).await
        };
        Box::pin(self.bucket.get_or_try_init(opening)).await
    }

    async fn exists(&self) -> Result<bool> {
        Ok(self.bucket.initialized()
            || Box::pin(info_of(&self.connection, &stream())).await?.is_some())
    }
}

/// What the bucket has under the id of a letter.
pub(super) enum Kept {
    Record(LetterId, Box<StateRecord>),
    /// It had a record, which was deleted.
    Deleted(LetterId),
}

/// Reads a message of the bucket; `None` if its key is no id of a letter.
///
/// # Errors
/// `Record`
pub(super) fn kept(subject: &str, body: &[u8]) -> Result<Option<Kept>> {
    let key = subject.strip_prefix(&prefix()).unwrap_or_default();
    let Ok(id) = key.parse() else {
        return Ok(None);
    };
    Ok(Some(match body.is_empty() {
        true => Kept::Deleted(id),
        false => Kept::Record(id, Box::new(stored::read(LETTERS_BUCKET, key, body)?)),
    }))
}

/// The stream in which the server keeps the bucket.
pub(super) fn stream() -> String {
    format!("KV_{LETTERS_BUCKET}")
}

/// What the subjects of all keys begin with.
pub(super) fn prefix() -> String {
    format!("$KV.{LETTERS_BUCKET}.")
}
