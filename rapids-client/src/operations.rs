//! What people did, for the record: the log in the bucket `RAPIDS_OPERATIONS`.
//!
//! The bucket keeps jobs, tags, comments and redirects of [letters](crate::dead_letters) beside it, each under
//! a prefix of its own.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::connection::Connection;
use crate::jetstream::bucket::{Bucket, Keep};
use crate::jetstream::ensure::info_of;
use crate::jetstream::resource::{LOG_AGE, Resource};
use crate::jetstream::scan::Scan;
use crate::letter_action::Note;
use crate::names::OPERATIONS;
use crate::stored::{self, Stored};
use crate::{Error, Result};

/// What the keys of the log begin with. What follows is ordered by time.
const LOG: &str = "log.";

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Operation {
    /// What was done, in a word such as `replay`, `forget` or `begin_job`.
    pub what: String,
    /// To what: a letter, a job, a timer, a service, ...
    pub target: String,
    /// By whom.
    pub who: String,
    /// When, by the clock of whoever did it.
    pub at: Timestamp,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// From where, such as `console 10.1.2.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What came of it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

impl Stored for Operation {}

impl Operation {
    /// Something that is done now.
    pub fn new(what: impl Into<String>, target: impl Into<String>, note: &Note) -> Self {
        let Note { who, why, origin, .. } = note.clone();
        let (what, target) = (what.into(), target.into());
        Self { what, target, who, at: Timestamp::now(), why, origin, outcome: None }
    }

    /// Adds what came of it.
    #[must_use]
    pub fn outcome(self, outcome: impl Into<String>) -> Self {
        Self { outcome: Some(outcome.into()), ..self }
    }
}

/// What somebody has said, such as a tag, without the space around it.
///
/// # Errors
/// `Config` for what is empty or has more than so many bytes.
pub(crate) fn said<'a>(
    (name, text): (&str, &'a str),
    longest: usize,
    example: &str,
) -> Result<&'a str> {
    let text = text.trim();
    if (1..=longest).contains(&text.len()) {
        return Ok(text);
    }
    Err(Error::Config {
        name: name.to_owned(),
        value: text.chars().take(50).collect(),
        expected: format!("1 to {longest} bytes, such as `{example}`"),
    })
}

/// The log of what people did: with letters, timers, memories and positions. Cloning is cheap and shares the
/// connection.
///
/// What a service does is not in it. An entry is kept for a year.
///
/// ```no_run
/// use rapids_client::{Config, Note, Operation, Rapids};
///
/// # async fn example() -> rapids_client::Result<()> {
/// let log = Rapids::connect(&Config::from_env()?).await?.operations();
/// let note = Note::new("ada").why("the price was wrong");
/// log.record(&Operation::new("correct_price", "summit/tent", &note)).await?;
/// for operation in log.since(None).await? {
///     println!("{} {} {} {}", operation.at, operation.who, operation.what, operation.target);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Operations {
    connection: Connection,
    /// Opened when it is first written to, so that looking creates nothing.
    bucket: OnceCell<Arc<Bucket>>,
}

impl Operations {
    pub(crate) fn over(connection: Connection) -> Self {
        Self { connection, bucket: OnceCell::new() }
    }

    /// Adds an entry to the log.
    ///
    /// # Errors
    /// [`Error::Full`] if the bucket has no room, [`Error::NotPermitted`], [`Error::Server`].
    pub async fn record(&self, operation: &Operation) -> Result<()> {
        let key = format!("{LOG}{}", Uuid::now_v7().simple());
        self.save(&key, operation, (0, Keep::For(LOG_AGE))).await?;
        Ok(())
    }

    /// What was done since a time, or since the beginning of the log, oldest first.
    ///
    /// # Errors
    /// [`Error::Record`] if something else lies there, [`Error::NotPermitted`], [`Error::Server`].
    pub async fn since(&self, since: Option<Timestamp>) -> Result<Vec<Operation>> {
        let operations = self.all(LOG).await?.into_iter().map(|(_, operation)| operation);
        let is_meant = |operation: &Operation| since.is_none_or(|since| operation.at >= since);
        Ok(operations.filter(is_meant).collect())
    }

    /// The values under a prefix, each with what follows it in the key, as they were written.
    pub(crate) async fn all<T: Stored>(&self, prefix: &str) -> Result<Vec<(String, T)>> {
        let mut found = Vec::new();
        let stream = format!("KV_{OPERATIONS}");
        if !self.exists().await? {
            return Ok(found);
        }
        let subject = format!("$KV.{OPERATIONS}.{prefix}");
        let mut scan = Scan::new(&self.connection, &stream, format!("{subject}>"));
        while let Some(message) = scan.next().await? {
            let key = message.subject.strip_prefix(&subject);
            // What was deleted, or has expired, leaves a message without a value.
            if let Some(key) = key.filter(|_| !message.payload.is_empty()) {
                let value = stored::read(OPERATIONS, &format!("{prefix}{key}"), &message.payload)?;
                found.push((key.to_owned(), value));
            }
        }
        Ok(found)
    }

    /// The value of a key and the revision to save another against.
    pub(crate) async fn load<T: Stored>(&self, key: &str) -> Result<(Option<T>, u64)> {
        if !self.exists().await? {
            return Ok((None, 0));
        }
        Box::pin(self.bucket().await?.read(key)).await
    }

    /// Saves a value unless another was saved after this revision: then `None`, else the new revision.
    pub(crate) async fn save(
        &self,
        key: &str,
        value: &impl Serialize,
        kept: (u64, Keep),
    ) -> Result<Option<u64>> {
        let json = serde_json::to_vec(value).map_err(|error| Error::Server {
            action: format!("write out `{key}`"),
            source: error.into(),
        })?;
        Box::pin(self.bucket().await?.save_kept(key, json.into(), kept)).await
    }

    /// Saves a value whatever was there before.
    pub(crate) async fn replace<T: Stored + Serialize>(&self, key: &str, value: &T) -> Result<()> {
        loop {
            let (_, revision) = self.load::<T>(key).await?;
            if self.save(key, value, (revision, Keep::Always)).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Deletes a key unless another value was saved after this revision.
    pub(crate) async fn delete_at(&self, key: &str, revision: u64) -> Result<()> {
        Box::pin(self.bucket().await?.delete_at(key, revision)).await
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    async fn bucket(&self) -> Result<&Bucket> {
        let opening = async || {
            let bucket = Bucket::open(&self.connection, &Resource::operations()).await?;
            Ok(Arc::new(bucket))
        };
        Ok(Box::pin(self.bucket.get_or_try_init(opening)).await?)
    }

    async fn exists(&self) -> Result<bool> {
        let stream = format!("KV_{OPERATIONS}");
        Ok(self.bucket.initialized()
            || Box::pin(info_of(&self.connection, &stream)).await?.is_some())
    }
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Operations").finish_non_exhaustive()
    }
}
