//! What is written down of packets that are not finished: which rivers are done with them, and how
//! often the others have tried.
//!
//! Written when a packet is handed back, or when handling it may end the process; read when it is
//! delivered again. When to do either is left to the engine.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::resource::Resource;
use crate::jetstream::sequence::StreamPlace;
use crate::jetstream::stored::Stored;
use crate::{Error, Result};

/// How far one river has come with a packet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RiverProgress {
    /// It has handled the packet, or put it to the dead letters.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_done: bool,
    /// Attempts that failed.
    pub(crate) attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_failure: Option<Timestamp>,
    /// How often it was begun alone and did not end, one way or another: the process did.
    pub(crate) starts: u32,
}

/// What is written down of one packet, by the names of its rivers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PacketProgress(pub(crate) BTreeMap<String, RiverProgress>);

impl Stored for PacketProgress {}

/// A note as it is written down, or is to be: with the revision that it has, or replaces.
#[derive(Debug, Clone, Default)]
pub(crate) struct SavedProgress {
    pub(crate) note: PacketProgress,
    pub(crate) revision: u64,
}

/// The notes of one service.
#[derive(Clone)]
pub(crate) struct ProgressStore {
    bucket: Bucket,
    /// The service, and the stream by its creation: another one counts anew.
    prefix: String,
}

impl ProgressStore {
    /// ProgressStore go by themselves once packets that are kept for `max_age` are no longer on the stream.
    pub(crate) async fn open(
        connection: &Connection,
        service: &str,
        stream_created: Timestamp,
        max_age: Duration,
    ) -> Result<Self> {
        let bucket = Bucket::open(connection, &Resource::handling(max_age)).await?;
        Ok(Self { bucket, prefix: format!("{service}.{}", stream_created.as_second()) })
    }

    /// The note about a packet, empty if there is none.
    ///
    /// # Errors
    /// `Record` if something else lies there, or a newer note; `NotPermitted`, `Server`.
    pub(crate) async fn load(&self, place: StreamPlace) -> Result<SavedProgress> {
        let (note, revision) = self.bucket.read::<PacketProgress>(&self.key(place)).await?;
        Ok(SavedProgress { note: note.unwrap_or_default(), revision })
    }

    /// Saves a note unless another instance did since it was loaded: then `None`.
    pub(crate) async fn save(
        &self,
        place: StreamPlace,
        note: &PacketProgress,
        revision: u64,
    ) -> Result<Option<u64>> {
        let json = serde_json::to_vec(note).map_err(|error| Error::Server {
            action: format!("write out the note about `{place}`"),
            source: error.into(),
        })?;
        self.bucket.save(&self.key(place), json.into(), revision).await
    }

    /// Writes a note over another, whatever was written meanwhile.
    pub(crate) async fn replace(
        &self,
        place: StreamPlace,
        mut noted: SavedProgress,
    ) -> Result<SavedProgress> {
        loop {
            if let Some(revision) = self.save(place, &noted.note, noted.revision).await? {
                return Ok(SavedProgress { revision, ..noted });
            }
            noted.revision = self.load(place).await?.revision;
        }
    }

    /// Deletes the note about a packet that is done.
    pub(crate) async fn forget(&self, place: StreamPlace) -> Result<()> {
        self.bucket.delete(&self.key(place)).await
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    fn key(&self, place: StreamPlace) -> String {
        format!("{}.{place}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use rapids_test::NatsServer;

    use super::*;
    use crate::Config;
    use crate::jetstream::sequence::StreamName;

    #[tokio::test]
    async fn what_is_no_note_is_told_and_left_as_it_is() {
        let server = NatsServer::start().unwrap();
        let connection = Connection::open(&Config::new(server.url()), "test").await.unwrap();
        let created = Timestamp::from_second(7).unwrap();
        let notes = ProgressStore::open(&connection, "s", created, Duration::ZERO).await.unwrap();
        let place = StreamPlace { stream: StreamName::Rapids, sequence: 3 };
        for (json, fault) in [
            ("nonsense", "was written by something else: "),
            (r#"{"charge":{"tries":1}}"#, "was written by something else: unknown field `tries`"),
            (r#"{"charge":{"attempts":1},"version":2}"#, "is of version 2"),
        ] {
            let (_, revision) = notes.bucket.load("s.7.3").await.unwrap();
            notes.bucket.save("s.7.3", json.into(), revision).await.unwrap();
            let error = notes.load(place).await.unwrap_err().to_string();
            let expected = format!("`s.7.3` in `RAPIDS_HANDLING` {fault}");
            assert!(error.starts_with(&expected), "{error}");
            assert!(notes.replace(place, SavedProgress::default()).await.is_err());
            assert_eq!(notes.bucket.load("s.7.3").await.unwrap().0.unwrap(), json);
        }
        let json = r#"{"version":{"attempts":2,"starts":0}}"#;
        let (_, revision) = notes.bucket.load("s.7.3").await.unwrap();
        notes.bucket.save("s.7.3", json.into(), revision).await.unwrap();
        let SavedProgress { note, .. } = notes.load(place).await.unwrap();
        assert_eq!(note.0["version"].attempts, 2, "of a river of that name");
    }
}
