//! The record of what was done with each dead letter: the bucket `RAPIDS_LETTERS`.
//!
//! A letter without a record waits. A record is changed by compare-and-set alone, so of two
//! operators one is first and the other is told.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use crate::connection::Connection;
use crate::dead_letters::LetterId;
use crate::dead_letters::scan::{Scan, Selection};
use crate::dead_letters::state::{Action, State};
use crate::jetstream::bucket::Bucket;
use crate::jetstream::ensure::info_of;
use crate::jetstream::resource::Resource;
use crate::jetstream::stored;
use crate::jetstream::stored::Stored;
use crate::names::{DEAD_LETTERS, LETTERS_BUCKET};
use crate::{Error, Result};

/// What was done with one letter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// What has become of the letter.
    pub(super) state: State,
    /// When the letter was stored: one that was deleted and came again is another.
    pub(super) letter: Timestamp,
    /// How many letters of this id were acted on, this one included.
    pub(super) number: usize,
    /// Who did what; while the letter is waiting, what could not be done.
    pub(super) action: Action,
    /// Who finished it, if it was somebody else's to finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resumed: Option<Action>,
    /// While an action that publishes a packet of its own is unfinished: that packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) packet: Option<Box<RawValue>>,
}

impl Stored for Record {}

impl Record {
    /// Whether it is about the letter that was stored at this time.
    pub(super) fn is_about(&self, written: Timestamp) -> bool {
        self.letter == written
    }

    /// Whether nothing came of what was begun, so that the letter waits as before.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }
}

/// All records.
pub(super) struct Ledger {
    connection: Connection,
    /// Opened when it is first written to, so that looking creates nothing.
    bucket: OnceCell<Bucket>,
}

impl Ledger {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, bucket: OnceCell::new() }
    }

    /// The record of a letter and the revision to save another against.
    pub(super) async fn load(&self, id: &LetterId) -> Result<(Option<Record>, u64)> {
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
        record: &Record,
        revision: u64,
    ) -> Result<Option<u64>> {
        let json = serde_json::to_vec(record).map_err(|error| Error::Server {
            action: format!("save the record of the dead letter `{id}`"),
            source: error.into(),
        })?;
        let bucket = self.open().await?;
        Box::pin(bucket.save(&id.to_string(), json.into(), revision)).await
    }

    /// The records of all letters of a service and a river; `*` stands for every one.
    pub(super) async fn all(&self, service: &str, river: &str) -> Result<HashMap<String, Record>> {
        let mut records = HashMap::new();
        if !self.exists().await? {
            return Ok(records);
        }
        let prefix = format!("$KV.{LETTERS_BUCKET}.");
        let selection = Selection::last_of_each(format!("{prefix}{service}.{river}.*"));
        let stream = stream();
        let mut scan = Box::pin(Scan::open(&self.connection, &stream, selection)).await?;
        while let Some(message) = scan.next().await? {
            // What is empty marks a deletion.
            if let Some(key) = message.subject.strip_prefix(&prefix)
                && !message.payload.is_empty()
            {
                let record = stored::read(LETTERS_BUCKET, key, &message.payload)?;
                records.insert(key.to_owned(), record);
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

/// The stream in which the server keeps the bucket.
fn stream() -> String {
    format!("KV_{LETTERS_BUCKET}")
}
