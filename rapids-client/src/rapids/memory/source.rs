//! Where a memory is on the server: makes sure that it is there, and reads its messages.

use std::any::type_name;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::filter::Filter;
use super::stored_value::value;
use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::ensure::info_of;
use crate::jetstream::resource::noted_memories;
use crate::jetstream::stored_message::{last_of_leader, last_of_subject, next_of_subject};
use crate::json::unquoted;
use crate::memory::{EntryKey, Json, MemoryKey, Unreadable};
use crate::names::{SERVICES, is_name, memory_bucket};
use crate::position::entries::ServiceEntries;
use crate::stored::foreign;
use crate::{Error, Result};

/// How often it is looked whether the service was made to forget.
const LOOK: Duration = Duration::from_secs(1);

const ACTION: &str = "read what a service remembers";

/// One memory of a service.
pub(super) struct Source {
    connection: Connection,
    service: String,
    memory: String,
    bucket: String,
    stream: String,
    /// What the subjects of the bucket begin with.
    subject: String,
    /// Whether any replica answers; known once the memory was found.
    is_direct: OnceCell<bool>,
    /// The epoch in which the service began to remember, as of the last look.
    epoch: AtomicU64,
    // A lock, since any thread may read; held for a moment.
    looked: Mutex<Option<Instant>>,
}

impl Source {
    pub(super) fn new(connection: Connection, service: &str, memory: &str) -> Self {
        let bucket = memory_bucket(service);
        Self {
            connection,
            service: service.to_owned(),
            memory: memory.to_owned(),
            stream: format!("KV_{bucket}"),
            subject: format!("$KV.{bucket}."),
            bucket,
            is_direct: OnceCell::new(),
            epoch: AtomicU64::default(),
            looked: Mutex::default(),
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// The stream of the service's bucket.
    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    /// The subjects of all keys.
    pub(super) fn subjects(&self) -> String {
        format!("{}{}.>", self.subject, self.memory)
    }

    /// Such as ``memory `orders` of service `order` ``.
    pub(super) fn title(&self) -> String {
        format!("memory `{}` of service `{}`", self.memory, self.service)
    }

    pub(super) fn unreadable(&self, problem: Unreadable) -> Error {
        Error::Memory { of: self.title(), problem }
    }

    /// Makes sure that the memory is there. Asks the server until it was found once.
    ///
    /// # Errors
    /// `Memory` with what there is instead; `NotPermitted`, `Server`.
    pub(super) async fn check(&self) -> Result<()> {
        self.is_direct.get_or_try_init(|| Box::pin(self.find())).await?;
        Box::pin(self.look()).await
    }

    /// Learns whether the service was made to forget, every now and then. Who may not read its entry learns
    /// that from records alone.
    async fn look(&self) -> Result<()> {
        let now = Instant::now();
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|looked| now - looked < LOOK) {
                return Ok(());
            }
            *looked = Some(now);
        }
        match ServiceEntries::entry(&self.connection, &self.service).await {
            Ok(entry) => {
                let epoch = entry.map_or(0, |entry| entry.memory_epoch());
                self.epoch.fetch_max(epoch, Ordering::Relaxed);
                Ok(())
            }
            Err(Error::NotPermitted { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn find(&self) -> Result<bool> {
        let Some(info) = of_service(&self.connection, &self.service).await? else {
            return Err(unknown(&self.connection, &self.service).await);
        };
        let is_direct = info.config.allow_direct;
        let noted = noted_memories(&info.config);
        if noted.contains(self.memory.as_str()) || self.has_keys().await? {
            return Ok(is_direct);
        }
        let noted: Vec<_> = noted.into_iter().map(|name| format!("`{name}`")).collect();
        let reason = match noted.is_empty() {
            true => "does not exist: under this name nothing is kept".to_owned(),
            false => format!("does not exist: the service has {}", noted.join(", ")),
        };
        Err(self.unreadable(Unreadable::Unknown { reason }))
    }

    /// Programs from before memories were noted leave nothing but their keys.
    async fn has_keys(&self) -> Result<bool> {
        if !is_name(&self.memory) {
            return Ok(false);
        }
        let subjects = self.subjects();
        let first = next_of_subject(&self.connection, ACTION, &self.stream, (&subjects, 1)).await?;
        Ok(first.is_some())
    }

    /// The value of a key. Who is to read the newest asks the leader where there are several servers.
    pub(super) async fn value(&self, key: &EntryKey, newest: bool) -> Result<Option<Json>> {
        let Some(message) = self.message(key, newest).await? else { return Ok(None) };
        let stored = self.stored(key);
        let message = (Some(&message.headers), &*message.payload);
        value((&self.bucket, stored.as_ref()), message, &self.epoch)
    }

    /// What the server has under a key.
    pub(super) async fn message(
        &self,
        key: &EntryKey,
        newest: bool,
    ) -> Result<Option<StreamMessage>> {
        let subject = format!("{}{}", self.subject, self.stored(key));
        let is_direct = self.is_direct.get().is_none_or(|is_direct| *is_direct);
        match newest && self.connection.is_clustered() || !is_direct {
            true => last_of_leader(&self.connection, ACTION, &self.stream, &subject).await,
            false => last_of_subject(&self.connection, ACTION, &self.stream, subject).await,
        }
    }

    /// The key under which a value is stored.
    pub(super) fn stored(&self, key: &EntryKey) -> MemoryKey {
        MemoryKey::new(&self.memory, key.clone())
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The epoch in which the service began to remember, as far as that is known.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// The key and the value of a message.
    pub(super) fn entry(
        &self,
        subject: &str,
        message: (Option<&HeaderMap>, &[u8]),
    ) -> Result<(EntryKey, Option<Json>)> {
        let key = self.key(subject)?;
        let stored = self.stored_key(subject);
        let value = value((&self.bucket, stored), message, &self.epoch)?;
        Ok((key, value))
    }

    /// The key whose value has this subject.
    pub(super) fn key(&self, subject: &str) -> Result<EntryKey> {
        let stored = self.stored_key(subject);
        let key = stored.strip_prefix(&self.memory).and_then(|rest| rest.strip_prefix('.'));
        key.and_then(EntryKey::of_encoded)
            .ok_or_else(|| foreign(&self.bucket, stored, "it is no key of a memory"))
    }

    /// The key in the bucket, with the memory's name.
    fn stored_key<'a>(&self, subject: &'a str) -> &'a str {
        subject.strip_prefix(&self.subject).unwrap_or(subject)
    }

    /// A value as the type that the reader wants.
    pub(super) fn decoded<T: DeserializeOwned>(&self, key: &EntryKey, value: &Json) -> Result<T> {
        serde_json::from_str(value.get()).map_err(|error| {
            let (key, expected) = (key.clone(), type_name::<T>().to_owned());
            let reason = unquoted(&error).to_string();
            self.unreadable(Unreadable::OtherType { key, expected, reason })
        })
    }

    /// The value, if the filter takes it.
    pub(super) fn judged(
        &self,
        filter: &Filter,
        key: &EntryKey,
        value: Json,
    ) -> Result<Option<Json>> {
        let takes = filter.takes(&value).map_err(|error| {
            let (key, reason) = (key.clone(), error.to_string());
            self.unreadable(Unreadable::TooCostly { key, reason })
        })?;
        Ok(takes.then_some(value))
    }
}

/// What the server knows of the bucket of a service; `None` if there is none.
pub(super) async fn of_service(
    connection: &Connection,
    service: &str,
) -> Result<Option<async_nats::jetstream::stream::Info>> {
    // Other texts may be no names on the server.
    match is_name(service) {
        true => info_of(connection, &format!("KV_{}", memory_bucket(service))).await,
        false => Ok(None),
    }
}

/// The error for a service that has no bucket.
pub(super) async fn unknown(connection: &Connection, service: &str) -> Error {
    let known = match is_name(service) {
        true => ServiceEntries::entry(connection, service).await,
        false => Ok(None),
    };
    let reason = match known {
        Err(error) => return error,
        Ok(Some(_)) => "remembers nothing: none of its rivers has a memory".to_owned(),
        Ok(None) => {
            let services = services(connection).await.unwrap_or_default();
            let known: Vec<_> = services.iter().map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("is not known: it has never run here, or was retired; known are {known}")
        }
    };
    Error::Memory { of: format!("service `{service}`"), problem: Unreadable::Unknown { reason } }
}

/// The names of all services that have run.
async fn services(connection: &Connection) -> Result<Vec<String>> {
    let Some(bucket) = Bucket::existing(connection, SERVICES).await? else {
        return Ok(Vec::new());
    };
    let mut names = bucket.keys().await?;
    names.sort_unstable();
    Ok(names)
}
