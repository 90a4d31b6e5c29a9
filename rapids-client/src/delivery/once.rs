//! Reactions that are to run once: who has begun one, and what came of it.
//!
//! An entry is claimed before its reaction runs, renewed meanwhile, and completed with the outputs
//! before those are published. A claim that is not renewed any more can be taken over; as with
//! [`SuspectMark`](crate::delivery::quarantine::mark::SuspectMark), each instance measures that by its own steady clock.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::resource::Resource;
use crate::jetstream::stored::{Stored, foreign};
use crate::memory::encoded;
use crate::names::ONCE;
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
pub(crate) struct OnceLedger {
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
    /// Ended, with so much to say that it lies in parts under keys of their own.
    DoneInParts(Parts),
}

impl Stored for Entry {}

/// How an entry lies in parts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    /// Which attempt to write it down they are of; random.
    of: u64,
    count: usize,
    bytes: usize,
}

impl Parts {
    fn keys(&self, key: &str) -> impl Iterator<Item = String> {
        (1..=self.count).map(move |part| format!("{key}.{}.{part}", self.of))
    }
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

impl OnceLedger {
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
        let (found, revision) = self.bucket.read(&key).await?;
        match found {
            Some(Entry::Done(bodies)) => return packets(&bodies).map(Claim::Done),
            Some(Entry::DoneInParts(parts)) => {
                let bodies = self.read_parts(&key, &parts).await?;
                return packets(&bodies).map(Claim::Done);
            }
            Some(Entry::Claimed(by))
                if by != self.instance && !self.is_abandoned(&key, revision) =>
            {
                return Ok(Claim::Taken);
            }
            // Its own from before, an abandoned one, or none.
            Some(Entry::Claimed(_)) | None => {}
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
        let unwritten = |error| unwritten(&claimed.key, error);
        let bodies: Result<_, _> = outputs.iter().map(Packet::to_raw).collect();
        let entry = Entry::Done(bodies.map_err(unwritten)?);
        let json = serde_json::to_vec(&entry).map_err(unwritten)?;
        if json.len() <= self.bucket.largest_value() {
            return self.write(claimed, &entry).await;
        }
        match self.write_parts(claimed, &json).await? {
            Some(parts) => self.write(claimed, &Entry::DoneInParts(parts)).await,
            None => Ok(false),
        }
    }

    /// Writes an entry down in parts; `None` if another instance has taken it over meanwhile. What is
    /// left of one that was not finished goes with its age.
    async fn write_parts(&self, claimed: &mut Claimed, json: &[u8]) -> Result<Option<Parts>> {
        let chunks = json.chunks(self.bucket.largest_value());
        let parts = Parts { of: fastrand::u64(..), count: chunks.len(), bytes: json.len() };
        let key = claimed.key.clone();
        let mut renewed = Instant::now();
        for (key, chunk) in parts.keys(&key).zip(chunks) {
            let chunk = Bytes::copy_from_slice(chunk);
            if self.bucket.save(&key, chunk, 0).await?.is_none() {
                return Err(foreign(ONCE, &key, "it was there before"));
            }
            if renewed.elapsed() > RENEWAL {
                if !self.renew(claimed).await? {
                    return Ok(None);
                }
                renewed = Instant::now();
            }
        }
        Ok(Some(parts))
    }

    /// Reads what was written down in parts.
    async fn read_parts(&self, key: &str, parts: &Parts) -> Result<Vec<Box<RawValue>>> {
        let mut json = Vec::new();
        for part in parts.keys(key) {
            let (chunk, _) = self.bucket.load(&part).await?;
            json.extend_from_slice(&chunk.ok_or_else(|| foreign(ONCE, &part, "it is missing"))?);
        }
        match serde_json::from_slice(&json) {
            Ok(Entry::Done(bodies)) if json.len() == parts.bytes => Ok(bodies),
            _ => Err(foreign(ONCE, key, "its parts are not what was written")),
        }
    }

    /// Replaces a claim of its own, also where an earlier write of its own was not answered.
    async fn write(&self, claimed: &mut Claimed, entry: &Entry) -> Result<bool> {
        loop {
            if let Some(revision) = self.save(&claimed.key, entry, claimed.revision).await? {
                claimed.revision = revision;
                return Ok(true);
            }
            let (found, revision) = self.bucket.read(&claimed.key).await?;
            match found {
                Some(Entry::Claimed(by)) if by == self.instance => claimed.revision = revision,
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
        let json = serde_json::to_vec(entry).map_err(|error| unwritten(key, error))?;
        self.bucket.save(key, json.into(), revision).await
    }
}

fn packets(bodies: &[Box<RawValue>]) -> Result<Vec<Packet>> {
    bodies.iter().map(|body| Packet::from_bytes(body.get().to_owned())).collect()
}

fn unwritten(key: &str, error: serde_json::Error) -> Error {
    Error::Server { action: format!("write out `{key}`"), source: error.into() }
}

#[cfg(test)]
mod tests {
    use rapids_test::NatsServer;

    use super::*;
    use crate::{Config, River};

    async fn ledger(server: &NatsServer, instance: &str) -> OnceLedger {
        let config = Config::new(server.url());
        let connection = Connection::open(&config, "test").await.unwrap();
        let river = River::new("charge").event("x").once().react(|_: Packet| async { Ok(()) });
        let service = Service::new("s", config).river(river);
        let opening = OnceLedger::open_for(&connection, &service, instance, Duration::ZERO);
        opening.await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn an_entry_in_parts_is_read_back_as_it_was_written_or_told() {
        let server = NatsServer::start().unwrap();
        let (one, two) = (ledger(&server, "one").await, ledger(&server, "two").await);
        let packet = Packet::event("x");
        let Claim::Mine(mut claimed) = one.claim("charge", &packet).await.unwrap() else {
            panic!("nobody else is there");
        };
        let output = |n| Packet::event("y").with("n", n).with("pad", "ü".repeat(300_000));
        let outputs: Vec<_> = (0..5).map(output).collect();
        assert!(one.complete(&mut claimed, &outputs).await.unwrap());

        let Claim::Done(packets) = two.claim("charge", &packet).await.unwrap() else {
            panic!("it is done");
        };
        assert_eq!(packets.len(), outputs.len());
        for (packet, output) in packets.iter().zip(&outputs) {
            assert_eq!(packet.body(), output.body());
        }
        let keys = two.bucket.keys().await.unwrap();
        let part = keys.iter().find(|key| key.ends_with(".2")).unwrap();
        let (_, revision) = two.bucket.load(part).await.unwrap();
        two.bucket.save(part, "else".into(), revision).await.unwrap();
        let told = async || two.claim("charge", &packet).await.err().unwrap().to_string();
        assert!(told().await.contains("its parts are not what was written"), "{}", told().await);
        two.bucket.delete(part).await.unwrap();
        let missing = format!("`{part}` in `RAPIDS_ONCE` was written by something else: it is");
        assert!(told().await.starts_with(&missing), "{}", told().await);
    }
}
