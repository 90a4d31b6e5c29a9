//! Where records are kept: the service's key-value bucket, written by compare-and-set.

use std::time::Duration;

use super::{MemoryKey, Record};
use crate::bucket::Bucket;
use crate::connection::Connection;
use crate::names::memory_bucket;
use crate::{Error, Result};

/// Room for the headers of a compare-and-set, which the server counts too.
const HEADERS: usize = 256;

/// The memories of one service.
#[derive(Clone)]
pub(crate) struct MemoryStore {
    connection: Connection,
    bucket: Bucket,
}

impl MemoryStore {
    /// Opens the bucket, and makes it if there is none.
    pub(crate) async fn open(connection: &Connection, service: &str) -> Result<Self> {
        let description = format!("what the rivers of {service} remember");
        let bucket = memory_bucket(service);
        let bucket = Bucket::open(connection, &bucket, description, Duration::ZERO).await?;
        Ok(Self { connection: connection.clone(), bucket })
    }

    /// The record of a key and the revision to save it against.
    pub(crate) async fn load(&self, key: &MemoryKey) -> Result<(Record, u64)> {
        let (found, revision) = self.bucket.load(key.as_ref()).await?;
        let Some(found) = found else {
            return Ok((Record::default(), revision));
        };
        match serde_json::from_slice(&found) {
            Ok(record) => Ok((record, revision)),
            Err(error) => Err(Error::Malformed {
                reason: format!("the memory `{key}` was written by something else: {error}"),
            }),
        }
    }

    /// Saves a record, unless it was saved by another since it was loaded: then `false`.
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
        let (size, limit) = (json.len() + HEADERS, self.connection.max_payload());
        if size > limit {
            let reason = format!("its memory would have {size} bytes, the limit is {limit}");
            return Err(Error::Refused { id: key.to_string(), reason });
        }
        Ok(self.bucket.save(key.as_ref(), json.into(), revision).await?.is_some())
    }
}
