//! Reactions that are to run once: who has begun one, and what came of it.
//!
//! An entry is claimed before its reaction runs, renewed meanwhile, and completed with the outputs
//! before those are published. A claim that is not renewed any more can be taken over; as with
//! [`Alone`](super::alone::Alone), each instance measures that by its own steady clock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::bucket::Bucket;
use crate::connection::Connection;
use crate::jetstream::Resource;
use crate::memory::encoded;
use crate::packet::Packet;
use crate::service::Service;
use crate::{Error, Result};

/// A claim that was not renewed for this long can be taken over.
const LEASE: Duration = Duration::from_secs(6);
/// How often a claim is renewed while its reaction runs.
pub(crate) const RENEWAL: Duration = Duration::from_secs(2);
/// Claims of others that are watched at most.
const WATCHED: usize = 10_000;

/// The ledger of one service, as one of its instances writes it.
pub(crate) struct Ledger {
    bucket: Bucket,
    service: String,
    instance: String,
    /// Claims of others by key: their revision, and since when it stands.
    watched: RefCell<HashMap<String, (u64, Instant)>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    /// Begun by this instance.
    Claimed(String),
    /// Ended, with what it had to say.
    Done(Vec<Box<RawValue>>),
}

/// What the ledger says of a packet that a river is about to react to.
pub(crate) enum Claim {
    /// Nobody else runs it.
    Mine(Claimed),
    /// It ran, and this is what came of it.
    Done(Vec<Packet>),
    /// Another instance runs it.
    Taken,
}

/// The right to run one reaction.
pub(crate) struct Claimed {
    key: String,
    revision: u64,
}

impl Ledger {
    /// The ledger of a service; `None` if no reaction of it runs once. Entries go by themselves
    /// after `max_age`, when their packets are no longer on the stream.
    pub(crate) async fn open_for(
        connection: &Connection,
        service: &Service,
        instance: &str,
        max_age: Duration,
    ) -> Result<Option<Self>> {
        if !service.rivers().iter().any(|river| river.is_once()) {
            return Ok(None);
        }
        Ok(Some(Self {
            bucket: Bucket::open(connection, &Resource::once(max_age)).await?,
            service: service.name().to_owned(),
            instance: instance.to_owned(),
            watched: RefCell::default(),
        }))
    }

    pub(crate) async fn claim(&self, river: &str, packet: &Packet) -> Result<Claim> {
        let key = format!("{}.{river}.{}", self.service, encoded(packet.id()));
        // Most have never run: writing first saves a look.
        if let Some(revision) = self.save_claim(&key, 0).await? {
            return Ok(Claim::Mine(Claimed { key, revision }));
        }
        let (found, revision) = self.bucket.load(&key).await?;
        match found.map(|json| serde_json::from_slice(&json)) {
            Some(Ok(Entry::Done(bodies))) => {
                let read = |body: &RawValue| Packet::from_bytes(body.get().to_owned());
                return bodies
                    .iter()
                    .map(|body| read(body))
                    .collect::<Result<_>>()
                    .map(Claim::Done);
            }
            Some(Ok(Entry::Claimed(by)))
                if by != self.instance && !self.is_abandoned(&key, revision) =>
            {
                return Ok(Claim::Taken);
            }
            // Its own from before, an abandoned one, none, or what something else wrote there.
            _ => {}
        }
        let saved = self.save_claim(&key, revision).await?;
        Ok(saved.map_or(Claim::Taken, |revision| Claim::Mine(Claimed { key, revision })))
    }

    /// Whether another's claim has stood unchanged for so long that it does not run any more.
    fn is_abandoned(&self, key: &str, revision: u64) -> bool {
        let mut watched = self.watched.borrow_mut();
        if watched.len() > WATCHED {
            watched.retain(|_, (_, since)| since.elapsed() < LEASE * 2);
        }
        let (seen, since) = watched.entry(key.to_owned()).or_insert((revision, Instant::now()));
        if *seen != revision {
            (*seen, *since) = (revision, Instant::now());
        }
        let is_abandoned = since.elapsed() > LEASE;
        if is_abandoned {
            watched.remove(key);
        }
        is_abandoned
    }

    /// Says that the reaction still runs; `false` if another instance has taken it over.
    pub(crate) async fn renew(&self, claimed: &mut Claimed) -> Result<bool> {
        self.write(claimed, &Entry::Claimed(self.instance.clone())).await
    }

    /// Writes down what came of it; `false` if another instance has taken it over.
    pub(crate) async fn complete(&self, claimed: &mut Claimed, outputs: &[Packet]) -> Result<bool> {
        let bodies: Result<_, _> = outputs.iter().map(Packet::to_raw).collect();
        let entry = Entry::Done(bodies.map_err(|error| written(&claimed.key, error))?);
        self.write(claimed, &entry).await
    }

    /// Replaces a claim of its own, also where an earlier write of its own was not answered.
    async fn write(&self, claimed: &mut Claimed, entry: &Entry) -> Result<bool> {
        loop {
            if let Some(revision) = self.save(&claimed.key, entry, claimed.revision).await? {
                claimed.revision = revision;
                return Ok(true);
            }
            let (found, revision) = self.bucket.load(&claimed.key).await?;
            match found.map(|json| serde_json::from_slice(&json)) {
                Some(Ok(Entry::Claimed(by))) if by == self.instance => claimed.revision = revision,
                _ => return Ok(false),
            }
        }
    }

    /// Lets any instance try again, after a failure. A claim that was taken over stays.
    pub(crate) async fn release(&self, claimed: &Claimed) -> Result<()> {
        self.bucket.delete_at(&claimed.key, claimed.revision).await
    }

    async fn save_claim(&self, key: &str, revision: u64) -> Result<Option<u64>> {
        self.save(key, &Entry::Claimed(self.instance.clone()), revision).await
    }

    async fn save(&self, key: &str, entry: &Entry, revision: u64) -> Result<Option<u64>> {
        let json = serde_json::to_vec(entry).map_err(|error| written(key, error))?;
        self.bucket.save(key, json.into(), revision).await
    }
}

fn written(key: &str, error: serde_json::Error) -> Error {
    Error::Server { action: format!("write out `{key}`"), source: error.into() }
}
