//! One key-value bucket on the server, read and written by compare-and-set.
//!
//! The meaning of keys and values is left to its users.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{
    NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MARKER_REASON, NATS_MESSAGE_TTL, NATS_ROLLUP,
};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::kv::{Operation, Store, UpdateErrorKind};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use jiff::Timestamp;
use tracing::warn;

use crate::connection::{Connection, server_answer};
use crate::jetstream::ensure::{ensure, existing, follow};
use crate::jetstream::publish_once::publish_once;
use crate::jetstream::refusal::no_room;
use crate::jetstream::resource::Resource;
use crate::jetstream::scan::Scan;
use crate::jetstream::stored_message::{OfLeader, last_for_decision, next_of_subject};
use crate::jetstream::{created, timestamp};
use crate::stored;
use crate::stored::Stored;
use crate::{Error, Result};

/// Room for the headers of a compare-and-set, which the server counts too.
const HEADERS: usize = 256;

/// What else than that it has a value was done to a key.
const OPERATION: &str = "KV-Operation";

/// A value, as it was written.
pub(crate) struct Written {
    pub(crate) key: String,
    pub(crate) revision: u64,
    pub(crate) at: Timestamp,
    /// Whether the key counts as one without a value.
    pub(crate) is_marker: bool,
    pub(crate) value: Bytes,
}

/// For how long a value is kept, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Always,
    /// For this long at most; zero is for ever.
    For(Duration),
    /// As the marker of a key that was purged: who reads the bucket finds no value, [`Bucket::load`] does.
    MarkerFor(Duration),
}

impl Keep {
    fn age(self) -> Option<Duration> {
        let (Self::For(age) | Self::MarkerFor(age)) = self else { return None };
        (!age.is_zero()).then_some(age)
    }

    fn always(self) -> Self {
        match self {
            Self::Always | Self::For(_) => Self::Always,
            Self::MarkerFor(_) => Self::MarkerFor(Duration::ZERO),
        }
    }

    fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(age) = self.age() {
            // The server takes whole seconds, and no less than one.
            headers.insert(NATS_MESSAGE_TTL, format!("{}s", age.as_secs().max(1)));
        }
        if matches!(self, Self::MarkerFor(_)) {
            headers.insert(OPERATION, "PURGE");
            headers.insert(NATS_ROLLUP, "sub");
        }
        headers
    }
}

/// Whether a message says that a key has no value any more.
fn is_marker(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_some_and(|it| it.as_str() != "PUT")
        || headers.get(NATS_MARKER_REASON).is_some()
}

/// A bucket whose keys keep their last value only.
#[derive(Clone)]
pub(crate) struct Bucket {
    connection: Connection,
    store: Store,
    /// The subject of every key, for the server's refusals.
    subject: String,
    /// Whether it is known that this login may not ask the leader.
    is_denied: Arc<AtomicBool>,
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
        Self { connection: connection.clone(), store, subject, is_denied: Arc::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.store.name
    }

    /// When it was created. This tells it from other buckets of its name.
    pub(crate) fn created(&self) -> Timestamp {
        created(self.store.stream.cached_info())
    }

    /// The keys that have a value, sorted.
    pub(crate) async fn keys(&self) -> Result<Vec<String>> {
        let Store { prefix, stream_name, .. } = &self.store;
        let mut keys = BTreeSet::new();
        let mut scan = Scan::new(&self.connection, stream_name, format!("{prefix}>"));
        while let Some(StreamMessage { subject, headers, .. }) = scan.next().await? {
            let key = subject.strip_prefix(prefix.as_str()).unwrap_or_default();
            match is_marker(&headers) {
                true => keys.remove(key),
                false => keys.insert(key.to_owned()),
            };
        }
        Ok(keys.into_iter().collect())
    }

    /// The value of a key, if it has one, and when it was written.
    pub(crate) async fn written(&self, key: &str) -> Result<Option<(Bytes, Timestamp)>> {
        let last = self.last(key).await?.filter(|last| !last.is_marker);
        Ok(last.map(|last| (last.value, last.at)))
    }

    /// The value of a key, also that of a marker, if it has one, and the revision to save another against.
    pub(crate) async fn load(&self, key: &str) -> Result<(Option<Bytes>, u64)> {
        Ok(match self.last(key).await? {
            None => (None, 0),
            Some(last) if last.is_marker && last.value.is_empty() => (None, last.revision),
            Some(last) => (Some(last.value), last.revision),
        })
    }

    /// What was written last of a key. In a cluster the leader tells, unless this login may not ask it.
    async fn last(&self, key: &str) -> Result<Option<Written>> {
        let Store { prefix, stream_name, .. } = &self.store;
        let (action, subject) = (format!("load `{key}`"), format!("{prefix}{key}"));
        if !self.is_denied.load(Ordering::Relaxed) {
            match last_for_decision(&self.connection, &action, stream_name, &subject).await? {
                OfLeader::Told(last) => return Ok(last.map(|message| self.written_as(message))),
                OfLeader::NotPermitted => self.is_denied.store(true, Ordering::Relaxed),
                OfLeader::Alone | OfLeader::Unheard => {}
            }
        }
        let loading = self.store.entry(key);
        let entry = self.connection.attempt(&action, &self.subject, loading).await?;
        Ok(entry.map(|entry| Written {
            key: entry.key,
            revision: entry.revision,
            at: timestamp(entry.created),
            is_marker: entry.operation != Operation::Put,
            value: entry.value,
        }))
    }

    fn written_as(&self, message: StreamMessage) -> Written {
        let key = message.subject.strip_prefix(self.store.prefix.as_str()).unwrap_or_default();
        Written {
            key: key.to_owned(),
            revision: message.sequence,
            at: timestamp(message.time),
            is_marker: is_marker(&message.headers),
            value: message.payload,
        }
    }

    /// The first value of these keys, such as `orders.>`, that was written at this revision or later; also
    /// that of a marker. `None` if there is none.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn next_written(&self, keys: &str, from: u64) -> Result<Option<Written>> {
        let Store { name, prefix, stream_name, .. } = &self.store;
        let (action, subjects) = (format!("read the bucket `{name}`"), format!("{prefix}{keys}"));
        let found =
            next_of_subject(&self.connection, &action, stream_name, (&subjects, from)).await?;
        Ok(found.map(|message| self.written_as(message)))
    }

    /// The value that was written last, at least as of when the bucket was opened.
    pub(crate) async fn last_written(&self) -> Result<Option<Written>> {
        let Store { name, stream_name, .. } = &self.store;
        let action = format!("read the bucket `{name}`");
        let told = last_for_decision(&self.connection, &action, stream_name, ">").await?;
        if let OfLeader::Told(last) = told {
            return Ok(last.map(|message| self.written_as(message)));
        }
        let last = self.store.stream.cached_info().state.last_sequence;
        if last == 0 { Ok(None) } else { self.next_written(">", last).await }
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
        self.save_kept(key, value, (revision, Keep::Always)).await
    }

    /// As [`save`](Self::save), and says for how long the server keeps it. A bucket that lets no value
    /// expire keeps it for ever.
    pub(crate) async fn save_kept(
        &self,
        key: &str,
        value: Bytes,
        (revision, keep): (u64, Keep),
    ) -> Result<Option<u64>> {
        let (size, limit) = (value.len(), self.largest_value());
        if size > limit {
            let reason = format!("its value has {size} bytes, the limit is {limit}");
            return Err(Error::Refused { id: key.to_owned(), reason });
        }
        let action = format!("save `{key}`");
        let mut headers = keep.headers();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
        let subject = self.subject_of(key);
        let message = (headers, value.clone());
        let answer = publish_once(&self.connection, &action, subject, message).await?;
        let error = match answer {
            Ok(stored) => return Ok(Some(stored.sequence)),
            Err(error) => error,
        };
        if error.kind() == PublishErrorKind::WrongLastSequence {
            return Ok(None);
        }
        let code = server_answer(&error).map(|answer| answer.error_code());
        if code == Some(ErrorCode::MESSAGE_TTL_DISABLED) && keep.age().is_some() {
            self.warn_of_ages();
            return Box::pin(self.save_kept(key, value, (revision, keep.always()))).await;
        }
        Err(no_room(&format!("`{key}`"), &self.store.stream_name, &error)
            .unwrap_or_else(|| Error::Server { action, source: error.into() }))
    }

    /// The subject to which a value of this key is published.
    fn subject_of(&self, key: &str) -> String {
        let subject = format!("{}{key}", self.store.prefix);
        if self.store.use_jetstream_prefix { self.connection.api(&subject) } else { subject }
    }

    fn warn_of_ages(&self) {
        let stream = &self.store.stream_name;
        let notice = format!(
            "the bucket `{}` lets no value expire, so what is left of memories that have ended stays for \
             ever; allow it with `nats stream edit {stream} --allow-msg-ttl`",
            self.store.name
        );
        if self.connection.is_news(&notice) {
            warn!("{notice}");
        }
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
    /// many that were. What was written since the bucket was opened stays.
    pub(crate) async fn clear(&self, keys: &str) -> Result<u64> {
        let Store { name, stream_name, stream, .. } = &self.store;
        let action = format!("clear `{keys}` in the bucket `{name}`");
        let api = self.connection.api(&format!("STREAM.PURGE.{stream_name}"));
        let behind = stream.cached_info().state.last_sequence + 1;
        let purging = stream.purge().filter(format!("$KV.{name}.{keys}")).sequence(behind);
        Ok(self.connection.attempt(&action, &api, purging).await?.purged)
    }

    /// How many entries it had when it was opened.
    pub(crate) fn entries(&self) -> u64 {
        self.store.stream.cached_info().state.messages
    }

    /// Deletes a key, whatever its value.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let action = format!("delete `{key}`");
        self.connection.attempt(&action, &self.subject, self.store.delete(key)).await
    }
}

#[cfg(test)]
mod tests {
    use rapids_test::{NatsServer, Ways};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::Config;

    const DEADLINE: Duration = Duration::from_secs(60);
    const LOOK: Duration = Duration::from_millis(100);

    /// Tries until there is something, as while servers elect a leader.
    async fn until_some<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = attempt().await {
                return found;
            }
            assert!(Instant::now() < deadline, "it takes too long");
            sleep(LOOK).await;
        }
    }

    async fn open(url: String) -> Bucket {
        until_some(async || {
            let config = Config::new(url.clone()).replicas(3);
            let connection = Connection::open(&config, "test").await.ok()?;
            Bucket::open(&connection, &Resource::once(Duration::ZERO)).await.ok()
        })
        .await
    }

    /// The name of the server that leads the bucket, once all have everything.
    async fn leader(bucket: &Bucket) -> String {
        until_some(async || {
            let name = &bucket.store.stream_name;
            let stream = existing(bucket.connection(), name).await.ok()??;
            let cluster = stream.cached_info().cluster.clone()?;
            let is_current = cluster.replicas.iter().all(|replica| replica.current);
            cluster.leader.filter(|_| is_current && cluster.replicas.len() == 2)
        })
        .await
    }

    #[tokio::test]
    async fn what_a_replica_has_that_is_behind_decides_nothing() {
        let ways = Ways::open(3).await.unwrap();
        let start = |server| NatsServer::with_config(&ways.config(server)).unwrap();
        let servers: Vec<_> = (0..3).map(start).collect();
        let mut buckets = Vec::new();
        for server in 0..servers.len() {
            buckets.push(open(ways.url(server)).await);
        }
        let key = "payment.charge.p-1";
        let first = buckets[0].save(key, "first".into(), 0).await.unwrap().unwrap();
        let leader = leader(&buckets[0]).await;
        let name = |bucket: &Bucket| bucket.connection.client.server_info().server_name;
        let leads = buckets.iter().position(|bucket| name(bucket) == leader).unwrap();
        let behind = (leads + 1) % servers.len();
        ways.cut_off(behind);
        let save = async || buckets[leads].save(key, "second".into(), first).await.ok().flatten();
        let second = until_some(save).await;
        let late = &buckets[behind];
        let direct = until_some(async || late.store.entry(key).await.ok().flatten()).await;
        assert_eq!(direct.value, "first", "the replica has not heard of the second");
        let loaded = timeout(LOOK * 20, late.load(key)).await;
        assert!(!matches!(loaded, Ok(Ok(_))), "nobody can know: {loaded:?}");
        ways.mend(behind);
        let loaded = until_some(async || late.load(key).await.ok()).await;
        assert_eq!(loaded, (Some("second".into()), second));
    }
}
