//! The keys, one for each person, in a bucket of their own.
//!
//! A key is made when something is sealed with it first, and read again each time: so it is gone for everybody at once
//! when it is erased.

use anyhow::{Context, Result};
use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::kv::{CreateErrorKind, Entry, Operation, Store};
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::rand::{SecureRandom, SystemRandom};

use super::sealed_fields::{Key, SealedFields};

/// No bucket of the library has such a name: those begin with `RAPIDS_`.
const BUCKET: &str = "CUSTOMER_KEYS";

#[derive(Debug, Clone)]
pub(crate) struct Keys {
    store: Store,
}

impl Keys {
    /// Opens the bucket, and makes it if there is none.
    pub(crate) async fn open(client: Client) -> Result<Self> {
        let jetstream = jetstream::new(client);
        let wanted = Config {
            name: format!("KV_{BUCKET}"),
            subjects: vec![format!("$KV.{BUCKET}.>")],
            description: Some("a key for each customer, to be erased with them".to_owned()),
            discard: DiscardPolicy::New,
            max_messages_per_subject: 1,
            // A replica that is behind would still have a key that is erased.
            allow_direct: false,
            // Deleting a message overwrites it on disk, purging a key does not.
            deny_delete: false,
            ..Config::default()
        };
        jetstream.get_or_create_stream(wanted).await.context("cannot create the keys")?;
        let store = jetstream.get_key_value(BUCKET).await.context("cannot open the keys")?;
        Ok(Self { store })
    }

    /// What of packets is sealed: these fields, with the key of whom this field names.
    pub(crate) fn sealed(
        self,
        person: &'static str,
        fields: &'static [&'static str],
    ) -> SealedFields {
        SealedFields::new(self, (person, fields))
    }

    /// The key of somebody; `None` if it is erased, or there never was one.
    pub(crate) async fn of(&self, person: &str) -> Result<Option<Key>> {
        let Some(entry) = self.entry(person).await? else { return Ok(None) };
        let key = Key::try_from(&*entry.value);
        Ok(Some(key.with_context(|| format!("what `{BUCKET}` has of `{person}` is no key"))?))
    }

    /// The key of somebody, made now if there is none.
    pub(crate) async fn made_for(&self, person: &str) -> Result<Key> {
        loop {
            if let Some(key) = self.of(person).await? {
                return Ok(key);
            }
            let mut key = Key::default();
            let filled = SystemRandom::new().fill(&mut key);
            filled.ok().context("the system gives no random bytes")?;
            match self.store.create(name(person), Bytes::copy_from_slice(&key)).await {
                Ok(_) => return Ok(key),
                // Somebody else was faster: theirs counts.
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).context("cannot make a key"),
            }
        }
    }

    /// Erases the key of somebody; `false` if there is none. What is sealed for them after that has another key.
    pub(crate) async fn erase(&self, person: &str) -> Result<bool> {
        let Some(entry) = self.entry(person).await? else { return Ok(false) };
        let deleting = self.store.stream.delete_message(entry.revision);
        deleting.await.context("cannot erase the key")
    }

    async fn entry(&self, person: &str) -> Result<Option<Entry>> {
        let entry = self.store.entry(name(person)).await.context("cannot read a key")?;
        Ok(entry.filter(|entry| entry.operation == Operation::Put))
    }
}

/// Under what a key is kept: names of keys may have few characters.
fn name(person: &str) -> String {
    HEXLOWER.encode(person.as_bytes())
}
