//! The saved progress of packets that are not done: which rivers are done with them, and how often the
//! others have tried.
//!
//! The engine saves it when it hands a packet back, and before a packet runs that may end the process.
//! It loads it when a packet is redelivered.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::resource::Resource;
use crate::jetstream::sequence::StreamPlace;
use crate::stored::Stored;
use crate::{Error, Result};

/// How far one river has come with a packet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RiverProgress {
    /// It has handled the packet, or written a dead letter about it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_done: bool,
    /// Attempts that failed.
    pub(crate) attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_failure: Option<Timestamp>,
    /// How often it was begun alone, and the process ended before its reaction did.
    pub(crate) starts: u32,
}

/// Behind the name of a river: what is counted of its turns that tell. No name of a river has a blank.
const TELLS: &str = " tells";

/// The name under which the starts of a river's turns that tell are counted.
pub(super) fn of_telling(river: &str) -> String {
    format!("{river}{TELLS}")
}

/// Whether a name is one of these.
pub(super) fn is_of_telling(name: &str) -> bool {
    name.ends_with(TELLS)
}

/// How far each river has come with one packet, by the rivers' names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PacketProgress(pub(crate) BTreeMap<String, RiverProgress>);

impl Stored for PacketProgress {}

/// The progress of a packet as it was saved last, with its revision; 0 if nothing is saved.
#[derive(Debug, Clone, Default)]
pub(crate) struct SavedProgress {
    pub(crate) progress: PacketProgress,
    pub(crate) revision: u64,
}

/// The saved progress of one service's packets.
pub(crate) struct ProgressStore {
    bucket: Bucket,
    /// The service, and when the stream was created: sequences of another stream mean other packets.
    prefix: String,
    /// The epoch in which the service began to remember: progress of before counts for nothing.
    memory_epoch: Cell<u64>,
}

impl ProgressStore {
    /// Opens the store. The server deletes what it holds about packets that are older than `max_age`.
    pub(crate) async fn open(
        connection: &Connection,
        service: &str,
        stream_created: Timestamp,
        max_age: Duration,
    ) -> Result<Self> {
        let bucket = Bucket::open(connection, &Resource::handling(max_age)).await?;
        let prefix = format!("{service}.{}", stream_created.as_second());
        Ok(Self { bucket, prefix, memory_epoch: Cell::default() })
    }

    /// Learns the epoch in which the service began to remember.
    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.memory_epoch.set(epoch);
    }

    /// What is saved about a packet; empty if there is nothing.
    ///
    /// # Errors
    /// `Record` if the key holds something else, or was written by a newer version; `NotPermitted`,
    /// `Server`.
    pub(crate) async fn load(&self, place: StreamPlace) -> Result<SavedProgress> {
        let (progress, revision) = self.bucket.read::<PacketProgress>(&self.key(place)).await?;
        Ok(SavedProgress { progress: progress.unwrap_or_default(), revision })
    }

    /// Saves progress, and returns its new revision; `None` if another instance has saved since this
    /// revision.
    pub(crate) async fn save(
        &self,
        place: StreamPlace,
        progress: &PacketProgress,
        revision: u64,
    ) -> Result<Option<u64>> {
        let json = serde_json::to_vec(progress).map_err(|error| Error::Server {
            action: format!("write the progress of `{place}` as JSON"),
            source: error.into(),
        })?;
        self.bucket.save(&self.key(place), json.into(), revision).await
    }

    /// Saves progress over whatever another instance has saved meanwhile.
    pub(crate) async fn replace(
        &self,
        place: StreamPlace,
        mut unsaved: SavedProgress,
    ) -> Result<SavedProgress> {
        loop {
            if let Some(revision) = self.save(place, &unsaved.progress, unsaved.revision).await? {
                return Ok(SavedProgress { revision, ..unsaved });
            }
            unsaved.revision = self.load(place).await?.revision;
        }
    }

    /// Deletes what is saved about a packet.
    pub(crate) async fn delete(&self, place: StreamPlace) -> Result<()> {
        self.bucket.delete(&self.key(place)).await
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    fn key(&self, place: StreamPlace) -> String {
        match self.memory_epoch.get() {
            0 => format!("{}.{place}", self.prefix),
            epoch => format!("{}.e{epoch}.{place}", self.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use rapids_test::NatsServer;

    use super::*;
    use crate::Config;
    use crate::jetstream::sequence::StreamName;
    use crate::names::HANDLING;
    use crate::stored::golden;

    #[test]
    fn what_an_earlier_revision_wrote_is_read_and_written_alike() {
        for (progress, json) in golden::values::<PacketProgress>("shared", HANDLING) {
            assert_eq!(progress.0["postpone"].attempts, 1);
            assert_eq!(serde_json::to_string(&progress).unwrap(), json);
        }
    }

    #[tokio::test]
    async fn what_is_no_progress_is_an_error_and_stays_as_it_is() {
        let server = NatsServer::start().unwrap();
        let connection = Connection::open(&Config::new(server.url()), "test").await.unwrap();
        let created = Timestamp::from_second(7).unwrap();
        let store = ProgressStore::open(&connection, "s", created, Duration::ZERO).await.unwrap();
        let place = StreamPlace { stream: StreamName::Rapids, sequence: 3 };
        for (json, fault) in [
            ("nonsense", "was written by something else: "),
            (r#"{"charge":{"tries":1}}"#, "was written by something else: unknown field `tries`"),
            (r#"{"charge":{"attempts":1},"version":2}"#, "is of version 2"),
        ] {
            let (_, revision) = store.bucket.load("s.7.3").await.unwrap();
            store.bucket.save("s.7.3", json.into(), revision).await.unwrap();
            let error = store.load(place).await.unwrap_err().to_string();
            let expected = format!("`s.7.3` in `RAPIDS_HANDLING` {fault}");
            assert!(error.starts_with(&expected), "{error}");
            assert!(store.replace(place, SavedProgress::default()).await.is_err());
            assert_eq!(store.bucket.load("s.7.3").await.unwrap().0.unwrap(), json);
        }
        let json = r#"{"version":{"attempts":2,"starts":0}}"#;
        let (_, revision) = store.bucket.load("s.7.3").await.unwrap();
        store.bucket.save("s.7.3", json.into(), revision).await.unwrap();
        let SavedProgress { progress, .. } = store.load(place).await.unwrap();
        assert_eq!(progress.0["version"].attempts, 2, "of a river of that name");
    }
}
