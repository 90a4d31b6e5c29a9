//! Where records are kept: the service's key-value bucket, written by compare-and-set.

use async_nats::jetstream::kv::{Config, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;

use super::{MemoryKey, Record};
use crate::connection::Connection;
use crate::names::memory_bucket;
use crate::{Error, Result};

/// Room for the headers of a compare-and-set, which the server counts too.
const HEADERS: usize = 256;

/// The memories of one service.
#[derive(Clone)]
pub(crate) struct MemoryStore {
    connection: Connection,
    store: Store,
    /// The subject of every key, for the server's refusals.
    subject: String,
}

impl MemoryStore {
    /// Opens the bucket, and makes it if there is none.
    pub(crate) async fn open(connection: &Connection, service: &str) -> Result<Self> {
        let bucket = memory_bucket(service);
        let subject = format!("$KV.{bucket}.>");
        let action = format!("open the memory bucket `{bucket}`");
        let jetstream = &connection.jetstream;
        let config = Config {
            bucket: bucket.clone(),
            description: format!("what the rivers of {service} remember"),
            storage: StorageType::File,
            history: 1,
            ..Config::default()
        };
        let opening = async {
            // A user who may not create buckets may still use one.
            match jetstream.get_key_value(&bucket).await {
                Ok(store) => Ok(store),
                Err(_) => jetstream.create_key_value(config).await,
            }
        };
        let api = connection.api("STREAM.>");
        let store = connection.attempt(&action, &api, opening).await?;
        Ok(Self { connection: connection.clone(), store, subject })
    }

    /// The record of a key and the revision to save it against.
    pub(crate) async fn load(&self, key: &MemoryKey) -> Result<(Record, u64)> {
        let action = format!("load the memory `{key}`");
        let loading = self.store.entry(key.to_string());
        let entry = self.connection.attempt(&action, &self.subject, loading).await?;
        match entry {
            None => Ok((Record::default(), 0)),
            Some(entry) if entry.operation != Operation::Put => {
                Ok((Record::default(), entry.revision))
            }
            Some(entry) => match serde_json::from_slice(&entry.value) {
                Ok(record) => Ok((record, entry.revision)),
                Err(error) => Err(Error::Malformed {
                    reason: format!("the memory `{key}` was written by something else: {error}"),
                }),
            },
        }
    }

    /// Saves a record, unless it was saved by another since it was loaded: then `false`.
    pub(crate) async fn save(
        &self,
        key: &MemoryKey,
        record: &Record,
        revision: u64,
    ) -> Result<bool> {
        let action = format!("save the memory `{key}`");
        let json = serde_json::to_vec(record)
            .map_err(|error| Error::Server { action: action.clone(), source: error.into() })?;
        let (size, limit) = (json.len() + HEADERS, self.connection.max_payload());
        if size > limit {
            let reason = format!("its memory would have {size} bytes, the limit is {limit}");
            return Err(Error::Refused { id: key.to_string(), reason });
        }
        let saving = async {
            match self.store.update(key, json.into(), revision).await {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.connection.attempt(&action, &self.subject, saving).await
    }
}
