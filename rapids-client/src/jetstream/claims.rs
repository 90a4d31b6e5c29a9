//! Claims to run a reaction that is to run once: who runs it now, and what came of one that ran.
//!
//! An entry is claimed before its reaction runs, renewed meanwhile, and completed with what it
//! led to before that is published. A claim is a [lease](crate::jetstream::lease): one that stands
//! unchanged while the server answers can be taken over.

mod entry;
mod outcomes;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::sleep;
use tracing::warn;

use crate::connection::{Connection, Retry};
use crate::effects::Effects;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::lease::{LONG_LEASE, renewed_during};
use crate::jetstream::resource::Resource;
use crate::jetstream::revision_watch::RevisionWatch;
use crate::names::ONCE;
use crate::stored::{foreign, refuse_newer};
use crate::{Error, Result};
use entry::{Entry, Parts, version_of};
pub(crate) use outcomes::Outcomes;

/// How often a claim is renewed while its reaction runs.
const RENEWAL: Duration = Duration::from_secs(2);
/// When a claim that is taken is looked at again.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// The most claims of others that are watched, and that are remembered as unanswered.
const WATCHED: usize = 10_000;

/// The claims of one service, as one of its instances makes them.
pub(crate) struct Claims {
    connection: Connection,
    bucket: Bucket,
    instance: String,
    /// Claims that this instance does not hold, by key.
    watched: RefCell<HashMap<String, RevisionWatch>>,
    /// Claims that this instance may have written and that nothing runs for, by key.
    unanswered: RefCell<HashMap<String, String>>,
    /// Shared with each [`Claimed`].
    in_hand: Rc<()>,
}

/// What is known of a reaction that is about to run.
pub(crate) enum Claim {
    /// Nobody else runs it.
    Mine(Claimed),
    /// It ran, and led to this.
    Done(Effects),
    /// It runs, in another instance or in this one. To be asked about again after [`LOOK`].
    Taken,
}

/// The right to run one reaction.
pub(crate) struct Claimed {
    key: String,
    /// What distinguishes this claim from all others.
    by: String,
    revision: Cell<u64>,
    _in_hand: Rc<()>,
}

impl Claims {
    /// The claims of a service, as this instance makes them. They go by themselves after `max_age`,
    /// when what they are about is no longer on the stream.
    pub(crate) async fn open(
        connection: &Connection,
        instance: &str,
        max_age: Duration,
    ) -> Result<Self> {
        Ok(Self {
            connection: connection.clone(),
            bucket: Bucket::open(connection, &Resource::once(max_age)).await?,
            instance: instance.to_owned(),
            watched: RefCell::default(),
            unanswered: RefCell::default(),
            in_hand: Rc::default(),
        })
    }

    /// Claims what this key stands for.
    ///
    /// # Errors
    /// `Record` if something else lies there, or a newer entry; `NotPermitted`, `Full`, `Server`.
    pub(crate) async fn claim(&self, key: String) -> Result<Claim> {
        let unanswered = self.unanswered.borrow_mut().remove(&key);
        let by = unanswered.unwrap_or_else(|| format!("{}.{:x}", self.instance, fastrand::u64(..)));
        let (revision, _in_hand) = (Cell::new(0), self.in_hand.clone());
        let claimed = Claimed { key, by, revision, _in_hand };
        match self.try_claim(&claimed).await {
            Ok(Some(claim)) => Ok(claim),
            Ok(None) => Ok(Claim::Mine(claimed)),
            Err(error) => {
                self.leave_unanswered(claimed);
                Err(error)
            }
        }
    }

    /// Whether something is claimed, or about to be, and neither completed nor released.
    pub(crate) fn are_in_hand(&self) -> bool {
        Rc::strong_count(&self.in_hand) > 1
    }

    /// Writes a claim down; if that cannot be, returns what is there instead.
    async fn try_claim(&self, claimed: &Claimed) -> Result<Option<Claim>> {
        let key = &claimed.key;
        // Most have never run: writing first saves a look.
        if self.save_claim(claimed).await? {
            return Ok(None);
        }
        loop {
            let (found, revision) = self.bucket.read(key).await?;
            match found {
                Some(Entry::Done(effects)) => return Ok(Some(Claim::Done(effects))),
                Some(Entry::DoneInParts(parts)) => {
                    let effects = read_parts(&self.bucket, key, &parts).await?;
                    return Ok(Some(Claim::Done(effects)));
                }
                Some(Entry::Claimed(by)) if by != claimed.by => match self.look(key, revision) {
                    Watched::Held => return Ok(Some(Claim::Taken)),
                    Watched::Interrupted => {
                        sleep(LOOK).await;
                        continue;
                    }
                    Watched::Abandoned => {}
                },
                Some(Entry::Claimed(_)) | None => {}
            }
            claimed.revision.set(revision);
            let is_saved = self.save_claim(claimed).await?;
            return Ok((!is_saved).then_some(Claim::Taken));
        }
    }

    /// Remembers a claim that may be written, so that the next try knows it again.
    fn leave_unanswered(&self, claimed: Claimed) {
        let mut unanswered = self.unanswered.borrow_mut();
        if unanswered.len() >= WATCHED {
            // Those that are written stay until they can be taken over.
            unanswered.clear();
        }
        unanswered.insert(claimed.key, claimed.by);
    }

    /// Takes note of the revision of a claim that runs, or ran, elsewhere.
    fn look(&self, key: &str, revision: u64) -> Watched {
        let now = Instant::now();
        let mut watched = self.watched.borrow_mut();
        if watched.len() > WATCHED {
            watched.retain(|_, watch| watch.is_watching(now));
        }
        let watch = watched.entry(key.to_owned()).or_insert_with(|| RevisionWatch::new(LOOK * 3));
        if watch.look(revision, now) >= LONG_LEASE {
            watched.remove(key);
            return Watched::Abandoned;
        }
        if watch.is_interrupted() { Watched::Interrupted } else { Watched::Held }
    }

    /// Runs a reaction and renews its claim meanwhile.
    pub(crate) async fn run_renewed<T>(
        &self,
        claimed: &Claimed,
        running: impl Future<Output = T>,
    ) -> T {
        let renew = async || {
            let is_held = self.renew(claimed).await;
            if !is_held {
                warn!(claim = claimed.key, "a reaction is not claimed by it any more");
            }
            is_held
        };
        renewed_during(RENEWAL, renew, running).await
    }

    /// Says that the claim is still held; `false` if something else lies there by now.
    async fn renew(&self, claimed: &Claimed) -> bool {
        let renewed = self.write(claimed, &Entry::Claimed(claimed.by.clone())).await;
        if let Err(error) = &renewed {
            self.connection.warn("a claim is not renewed", error);
        }
        renewed.unwrap_or(true)
    }

    /// Writes down what came of a reaction, for as long as it takes: without that it would run
    /// again. Its claim is renewed meanwhile. `false` if the claim is gone, because another instance
    /// has taken it over or an attempt was written and not answered: then the entry tells.
    ///
    /// # Errors
    /// What does not pass: `Refused` for outputs that cannot be kept, `NotPermitted`.
    pub(crate) async fn complete(&self, claimed: &Claimed, effects: &Effects) -> Result<bool> {
        let completing = async {
            let mut retry = Retry::new(&self.connection, "write down what came of a reaction");
            loop {
                match self.try_complete(claimed, effects).await {
                    Ok(is_completed) => return Ok(is_completed),
                    Err(error) => retry.again_if_passing(error).await?,
                }
            }
        };
        // It takes long only where a connection was lost, maybe for almost as long as a claim stands: it is renewed
        // sooner then. Without a warning: what lies there may be an attempt of this very call.
        renewed_during(RENEWAL / 4, async || self.renew(claimed).await, completing).await
    }

    async fn try_complete(&self, claimed: &Claimed, effects: &Effects) -> Result<bool> {
        let entry = Entry::Done(effects.clone());
        let json = serde_json::to_vec(&entry).map_err(|error| unwritten(&claimed.key, error))?;
        if json.len() <= self.bucket.largest_value() {
            return self.write(claimed, &entry).await;
        }
        let parts = self.write_parts(&claimed.key, &json, version_of(effects)).await?;
        self.write(claimed, &Entry::DoneInParts(parts)).await
    }

    /// Writes an entry down in parts. What is left of one that was not finished goes with its age.
    async fn write_parts(&self, key: &str, json: &[u8], version: Option<u64>) -> Result<Parts> {
        let chunks = json.chunks(self.bucket.largest_value());
        let parts =
            Parts { of: fastrand::u64(..), count: chunks.len(), bytes: json.len(), version };
        for (key, chunk) in parts.keys(key).zip(chunks) {
            let chunk = Bytes::copy_from_slice(chunk);
            if self.bucket.save(&key, chunk, 0).await?.is_none() {
                return Err(foreign(ONCE, &key, "it was there before"));
            }
        }
        Ok(parts)
    }

    /// Writes over a claim, also where an earlier write of it was not answered; `false` if
    /// something else lies there by now.
    async fn write(&self, claimed: &Claimed, entry: &Entry) -> Result<bool> {
        loop {
            if self.save(claimed, entry).await? {
                return Ok(true);
            }
            match self.bucket.read(&claimed.key).await? {
                (Some(Entry::Claimed(by)), revision) if by == claimed.by => {
                    claimed.revision.set(revision);
                }
                _ => return Ok(false),
            }
        }
    }

    /// Lets any instance try again, after a failure. A claim that was taken over stays.
    pub(crate) async fn release(&self, claimed: Claimed) {
        let releasing = async {
            // A renewal that was not answered may have changed the revision.
            match self.bucket.read(&claimed.key).await? {
                (Some(Entry::Claimed(by)), revision) if by == claimed.by => {
                    self.bucket.delete_at(&claimed.key, revision).await
                }
                _ => Ok(()),
            }
        };
        if let Err(error) = releasing.await {
            self.connection.warn("other instances wait until a claim has lapsed", &error);
            self.leave_unanswered(claimed);
        }
    }

    async fn save_claim(&self, claimed: &Claimed) -> Result<bool> {
        self.save(claimed, &Entry::Claimed(claimed.by.clone())).await
    }

    async fn save(&self, claimed: &Claimed, entry: &Entry) -> Result<bool> {
        let json = serde_json::to_vec(entry).map_err(|error| unwritten(&claimed.key, error))?;
        let saved = self.bucket.save(&claimed.key, json.into(), claimed.revision.get()).await?;
        if let Some(revision) = saved {
            claimed.revision.set(revision);
        }
        Ok(saved.is_some())
    }
}

/// What is to be thought of a claim that somebody else wrote.
enum Watched {
    /// Its reaction runs, as far as can be known.
    Held,
    /// Nobody looked for a while: to be looked at without a break until it is known.
    Interrupted,
    /// Its reaction does not run any more.
    Abandoned,
}

fn unwritten(key: &str, error: serde_json::Error) -> Error {
    Error::Server { action: format!("write out `{key}`"), source: error.into() }
}

/// Reads what was written down in parts.
async fn read_parts(bucket: &Bucket, key: &str, parts: &Parts) -> Result<Effects> {
    let mut json = Vec::new();
    for part in parts.keys(key) {
        let (chunk, _) = bucket.load(&part).await?;
        json.extend_from_slice(&chunk.ok_or_else(|| foreign(ONCE, &part, "it is missing"))?);
    }
    refuse_newer::<Entry>(ONCE, key, &json)?;
    match serde_json::from_slice(&json) {
        Ok(Entry::Done(effects)) if json.len() == parts.bytes => Ok(effects),
        _ => Err(foreign(ONCE, key, "its parts are not what was written")),
    }
}

#[cfg(test)]
mod tests {
    use rapids_test::NatsServer;

    use super::*;
    use crate::Config;
    use crate::packet::Packet;

    async fn claims(server: &NatsServer, instance: &str) -> Claims {
        let connection = Connection::open(&Config::new(server.url()), "test").await.unwrap();
        Claims::open(&connection, instance, Duration::ZERO).await.unwrap()
    }

    fn key() -> String {
        "s.charge.p-1".to_owned()
    }

    #[tokio::test]
    async fn an_entry_in_parts_is_read_back_as_it_was_written_or_told() {
        let server = NatsServer::start().unwrap();
        let (one, two) = (claims(&server, "one").await, claims(&server, "two").await);
        let Claim::Mine(claimed) = one.claim(key()).await.unwrap() else {
            panic!("nobody else is there");
        };
        let output = |n| Packet::event("y").with("n", n).with("pad", "ü".repeat(300_000));
        let outputs = Effects { packets: (0..5).map(output).collect(), timers: Box::default() };
        assert!(one.complete(&claimed, &outputs).await.unwrap());

        let Claim::Done(effects) = two.claim(key()).await.unwrap() else {
            panic!("it is done");
        };
        assert_eq!(effects.packets.len(), outputs.packets.len());
        for (packet, output) in effects.packets.iter().zip(&outputs.packets) {
            assert_eq!(packet.body(), output.body());
        }
        let keys = two.bucket.keys().await.unwrap();
        let part = keys.iter().find(|key| key.ends_with(".2")).unwrap();
        let (_, revision) = two.bucket.load(part).await.unwrap();
        two.bucket.save(part, "else".into(), revision).await.unwrap();
        let told = async || two.claim(key()).await.err().unwrap().to_string();
        assert!(told().await.contains("its parts are not what was written"), "{}", told().await);
        two.bucket.delete(part).await.unwrap();
        let missing = format!("`{part}` in `RAPIDS_ONCE` was written by something else: it is");
        assert!(told().await.starts_with(&missing), "{}", told().await);
    }

    #[tokio::test]
    async fn a_claim_stands_while_its_outcome_finds_no_room() {
        let server = NatsServer::start().unwrap();
        let (one, two) = (claims(&server, "one").await, claims(&server, "two").await);
        let Claim::Mine(claimed) = one.claim(key()).await.unwrap() else {
            panic!("nobody else is there");
        };
        limit(&server, 100_000).await;
        let packets = vec![Packet::event("y").with("pad", "x".repeat(200_000))];
        let outputs = Effects { packets, timers: Box::default() };
        let taken = async {
            let begun = Instant::now();
            while begun.elapsed() < LONG_LEASE + RENEWAL {
                assert!(matches!(two.claim(key()).await.unwrap(), Claim::Taken));
                sleep(LOOK).await;
            }
            limit(&server, -1).await;
        };
        let (completed, ()) = tokio::join!(one.complete(&claimed, &outputs), taken);
        assert!(completed.unwrap());
        assert!(matches!(two.claim(key()).await.unwrap(), Claim::Done(_)));
    }

    /// Changes how many bytes the claims may have.
    async fn limit(server: &NatsServer, max_bytes: i64) {
        let client = async_nats::connect(server.url()).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let stream = jetstream.get_stream("KV_RAPIDS_ONCE").await.unwrap();
        let config = stream.cached_info().config.clone();
        let limited = async_nats::jetstream::stream::Config { max_bytes, ..config };
        jetstream.update_stream(limited).await.unwrap();
    }
}
