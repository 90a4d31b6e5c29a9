//! One key-value bucket on the server, read and written by compare-and-set.
//!
//! The meaning of keys and values is left to its users.

use async_nats::jetstream::kv::{Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::Timestamp;

use crate::connection::Connection;
use crate::jetstream::ensure::{ensure, existing, follow};
use crate::jetstream::refusal::no_room;
use crate::jetstream::resource::Resource;
use crate::jetstream::timestamp;
use crate::stored;
use crate::stored::Stored;
use crate::{Error, Result};

/// Room for the headers of a compare-and-set, which the server counts too.
const HEADERS: usize = 256;

/// A bucket whose keys keep their last value only.
#[derive(Clone)]
pub(crate) struct Bucket {
    connection: Connection,
    store: Store,
    /// The subject of every key, for the server's refusals.
    subject: String,
}

impl Bucket {
    /// Opens the bucket, and makes it if there is none.
    ///
    /// # Errors
    /// `Stream` if it exists with settings that cannot be worked with; `Limit` if the account or the
    /// server has no place for it; `NotPermitted`, `Server`.
    pub(crate) async fn open(connection: &Connection, resource: &Resource) -> Result<Self> {
        let (stream, _) = Box::pin(ensure(connection, resource)).await?;
        Ok(Self::over(connection, stream))
    }

    /// Opens the bucket as it is; `None` if there is none.
    pub(crate) async fn existing(connection: &Connection, name: &str) -> Result<Option<Self>> {
        let stream = existing(connection, &format!("KV_{name}")).await?;
        Ok(stream.map(|stream| Self::over(connection, stream)))
    }

    /// Changes what may be changed of its settings, as far as that is permitted.
    pub(crate) async fn improve(&self, resource: &Resource) -> Result<()> {
        let found = self.store.stream.cached_info().clone();
        Box::pin(follow(&self.connection, resource, found)).await?;
        Ok(())
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn over(connection: &Connection, stream: Stream) -> Self {
        let stream_name = stream.cached_info().config.name.clone();
        let name = stream_name.trim_start_matches("KV_").to_owned();
        let subject = format!("$KV.{name}.>");
        let store = Store {
            prefix: format!("$KV.{name}."),
            name,
            stream_name,
            put_prefix: None,
            use_jetstream_prefix: connection.has_domain(),
            stream,
        };
        Self { connection: connection.clone(), store, subject }
    }

    /// When it was created. This tells it from other buckets of its name.
    pub(crate) fn created(&self) -> Timestamp {
        timestamp(self.store.stream.cached_info().created)
    }

    /// The keys that have a value.
    pub(crate) async fn keys(&self) -> Result<Vec<String>> {
        let listing = async {
            let keys = self.store.keys().await?;
            keys.try_collect().await.map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        };
        self.connection.attempt("list the keys", &self.subject, listing).await
    }

    /// The value of a key, if it has one, and when it was written.
    pub(crate) async fn written(&self, key: &str) -> Result<Option<(Bytes, Timestamp)>> {
        let action = format!("load `{key}`");
        let loading = self.store.entry(key);
        let entry = self.connection.attempt(&action, &self.subject, loading).await?;
        let entry = entry.filter(|entry| entry.operation == Operation::Put);
        Ok(entry.map(|entry| (entry.value, timestamp(entry.created))))
    }

    /// The value of a key, if it has one, and the revision to save another against.
    pub(crate) async fn load(&self, key: &str) -> Result<(Option<Bytes>, u64)> {
        let action = format!("load `{key}`");
        let loading = self.store.entry(key);
        let entry = self.connection.attempt(&action, &self.subject, loading).await?;
        Ok(match entry {
            None => (None, 0),
            Some(entry) if entry.operation != Operation::Put => (None, entry.revision),
            Some(entry) => (Some(entry.value), entry.revision),
        })
    }

    /// The value of a key as its type, if it has one, and the revision to save another against.
    ///
    /// # Errors
    /// `Record` if something else wrote it, or a newer version; `NotPermitted`, `Server`.
    pub(crate) async fn read<T: Stored>(&self, key: &str) -> Result<(Option<T>, u64)> {
        let (found, revision) = self.load(key).await?;
        let read = |json: Bytes| stored::read(&self.store.name, key, &json);
        Ok((found.map(read).transpose()?, revision))
    }

    /// The size of the largest value that the server takes, in bytes.
    pub(crate) fn largest_value(&self) -> usize {
        self.connection.max_payload().saturating_sub(HEADERS)
    }

    /// Saves a value unless another was saved after this revision: then `None`, else the new
    /// revision.
    ///
    /// # Errors
    /// `Refused` for one that the server could not take; `Full` if there is no room for it.
    pub(crate) async fn save(&self, key: &str, value: Bytes, revision: u64) -> Result<Option<u64>> {
        let action = format!("save `{key}`");
        let (size, limit) = (value.len(), self.largest_value());
        if size > limit {
            let reason = format!("its value has {size} bytes, the limit is {limit}");
            return Err(Error::Refused { id: key.to_owned(), reason });
        }
        let saving = async {
            match self.store.update(key, value, revision).await {
                Ok(revision) => Ok(Ok(Some(revision))),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(Ok(None)),
                Err(error) => match no_room(&format!("`{key}`"), &self.store.stream_name, &error) {
                    Some(full) => Ok(Err(full)),
                    None => Err(error),
                },
            }
        };
        self.connection.attempt(&action, &self.subject, saving).await?
    }

    /// Deletes a key unless another value was saved after this revision.
    pub(crate) async fn delete_at(&self, key: &str, revision: u64) -> Result<()> {
        let action = format!("delete `{key}`");
        let deleting = async {
            match self.store.delete_expect_revision(key, Some(revision)).await {
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(()),
                deleted => deleted,
            }
        };
        self.connection.attempt(&action, &self.subject, deleting).await
    }

    /// Removes all keys that match, such as `payment.>`, with every trace of them, and returns how
    /// many that were.
    pub(crate) async fn clear(&self, keys: &str) -> Result<u64> {
        let Store { name, stream_name, stream, .. } = &self.store;
        let action = format!("clear `{keys}` in the bucket `{name}`");
        let api = self.connection.api(&format!("STREAM.PURGE.{stream_name}"));
        let purging = stream.purge().filter(format!("$KV.{name}.{keys}"));
        Ok(self.connection.attempt(&action, &api, purging).await?.purged)
    }

    /// Deletes a key, whatever its value.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let action = format!("delete `{key}`");
        self.connection.attempt(&action, &self.subject, self.store.delete(key)).await
    }
}
