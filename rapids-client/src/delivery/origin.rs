//! Which stream the position of a service is in, and where it is kept.
//!
//! A stream that is deleted takes the positions along. A service that was down meanwhile would be
//! new to the next stream, and would begin there without a word about what it has missed. So the
//! stream is written down where it does not go with it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::connection::Connection;
use crate::jetstream::Resource;
use crate::names::SERVICES;
use crate::{Error, Result};

/// What is written down for a service.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// When its stream was created, which no other stream of the name was.
    stream_created: String,
    /// Whether its position is kept in exclusive delivery.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    exclusive: bool,
}

pub(crate) struct Origin<'a> {
    bucket: Bucket,
    service: &'a str,
    revision: u64,
    /// As it is written down.
    entry: Option<Entry>,
}

impl<'a> Origin<'a> {
    pub(crate) async fn open(connection: &Connection, service: &'a str) -> Result<Self> {
        let bucket = Bucket::open(connection, &Resource::services()).await?;
        Self::read(bucket, service).await
    }

    /// What is written down; `None` if the service is not known.
    pub(crate) async fn existing(
        connection: &Connection,
        service: &'a str,
    ) -> Result<Option<Self>> {
        let Some(bucket) = Bucket::existing(connection, SERVICES).await? else {
            return Ok(None);
        };
        let read = Self::read(bucket, service).await?;
        Ok(read.entry.is_some().then_some(read))
    }

    async fn read(bucket: Bucket, service: &'a str) -> Result<Self> {
        let (value, revision) = bucket.load(service).await?;
        let read = |value| {
            serde_json::from_slice(value).map_err(|error| Error::Malformed {
                reason: format!("`{service}` in `{SERVICES}` was written by others: {error}"),
            })
        };
        let entry: Option<Entry> = value.as_deref().map(read).transpose()?;
        Ok(Self { bucket, service, revision, entry })
    }

    /// When the stream was created in which the service had its position, if that was another one.
    pub(crate) fn other_than(&self, stream_created: Timestamp) -> Option<&str> {
        let created = self.entry.as_ref()?.stream_created.as_str();
        (created != stream_created.to_string()).then_some(created)
    }

    /// Whether the service had its position in exclusive delivery.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.exclusive)
    }

    /// Writes the stream down, and the way of delivery, where something else is written.
    pub(crate) async fn record(&self, stream_created: Timestamp, exclusive: bool) -> Result<()> {
        let entry = Entry { stream_created: stream_created.to_string(), exclusive };
        if self.entry.as_ref() == Some(&entry) {
            return Ok(());
        }
        let json = serde_json::to_vec(&entry).expect("texts can be written as JSON");
        // Another instance that was faster wrote the same.
        self.bucket.save(self.service, json.into(), self.revision).await?;
        Ok(())
    }
}
