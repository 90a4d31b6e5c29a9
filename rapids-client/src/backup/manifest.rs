//! What is noted of a backup beside its files: what it holds, and where services were when it was begun.
//!
//! It is written last, so a folder without it holds no backup.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{BackedUpStream, BackupContents, fault, folder};
use crate::Result;
use crate::names::STREAM;

/// Its file.
pub(super) const FILE: &str = "manifest.json";
/// The version of the format of a backup.
const VERSION: u64 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    version: u64,
    pub(super) begun: Timestamp,
    pub(super) ended: Timestamp,
    /// The version of the server that has made the snapshots.
    pub(super) server: String,
    /// How far consumers were, before anything was taken.
    pub(super) consumers: Vec<NotedConsumer>,
    /// How far services in exclusive delivery were then.
    pub(super) exclusive: Vec<NotedRecord>,
    /// In the order in which they were taken, and are restored.
    pub(super) streams: Vec<NotedStream>,
}

/// A durable consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotedConsumer {
    pub(super) stream: String,
    pub(super) name: String,
    /// Everything up to here was acknowledged.
    pub(super) floor: u64,
    /// Up to here something was delivered when the backup was complete.
    pub(super) given: u64,
    /// In the server's words.
    pub(super) config: Map<String, Value>,
}

/// The position of a service in exclusive delivery, whose record lies in its bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotedRecord {
    pub(super) service: String,
    pub(super) floor: u64,
    /// Nothing behind this sequence was begun when the backup was complete.
    pub(super) given: u64,
}

/// A stream, with its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotedStream {
    pub(super) name: String,
    /// When it was created; of one that was restored before, when the first one was.
    pub(super) created: Timestamp,
    pub(super) messages: u64,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
    pub(super) files: Vec<NotedFile>,
    /// How many messages lie beside the snapshot, since they were stored while it was taken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) changes: u64,
    /// Of a stream of timers, what they have brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<NotedDue>,
}

/// Where the timers of a stream bring what they publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotedDue {
    pub(super) subject: String,
    /// What was brought up to this sequence is in the rapids.
    pub(super) taken: u64,
}

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NotedFile {
    /// Its path in the folder, with `/`.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn begin(server: String) -> Self {
        let now = Timestamp::now();
        let (consumers, exclusive, streams) = Default::default();
        Self { version: VERSION, begun: now, ended: now, server, consumers, exclusive, streams }
    }

    /// Reads the one of a folder.
    ///
    /// # Errors
    /// `Backup` if there is none, or none that can be read.
    pub(super) fn read(at: &Path) -> Result<Self> {
        let json = match std::fs::read(at.join(FILE)) {
            Ok(json) => json,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && at.is_dir() => {
                return Err(fault(
                    at,
                    format!(
                        "is not complete: it has no `{FILE}`, which is written last; take another one"
                    ),
                ));
            }
            Err(error) => return Err(fault(at, format!("cannot be read: {error}"))),
        };
        let foreign = |error| fault(at, format!("has a `{FILE}` that cannot be read: {error}"));
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let Versioned { version } = serde_json::from_slice(&json).map_err(foreign)?;
        if version > VERSION {
            return Err(fault(
                at,
                format!("is of version {version}, this program knows {VERSION}: update it"),
            ));
        }
        let manifest: Self = serde_json::from_slice(&json).map_err(foreign)?;
        match manifest.streams.last() {
            Some(last) if last.name == STREAM => Ok(manifest),
            _ => Err(fault(at, format!("has a `{FILE}` without the stream {STREAM}"))),
        }
    }

    /// Writes it as a whole, or not at all.
    ///
    /// # Errors
    /// `Backup` if it cannot be written.
    pub(super) async fn write(&self, at: &Path) -> Result<()> {
        let json =
            serde_json::to_vec_pretty(self).expect("texts and numbers can be written as JSON");
        folder::write_whole(at, FILE, &json).await
    }

    /// The sequence with which the rapids end.
    pub(super) fn end(&self) -> u64 {
        self.stream(STREAM).map_or(0, |rapids| rapids.last_sequence)
    }

    /// How many packets behind a floor may have been handled before the backup was complete.
    pub(super) fn again(&self, floor: u64, given: u64) -> u64 {
        given.min(self.end()).saturating_sub(floor)
    }

    pub(super) fn stream(&self, name: &str) -> Option<&NotedStream> {
        self.streams.iter().find(|stream| stream.name == name)
    }

    pub(super) fn contents(&self) -> BackupContents {
        let streams = self.streams.iter().map(|stream| BackedUpStream {
            name: stream.name.clone(),
            messages: stream.messages,
            last_sequence: stream.last_sequence,
            bytes: stream.files.iter().map(|file| file.bytes).sum(),
        });
        let Self { begun, ended, .. } = *self;
        BackupContents { begun, ended, streams: streams.collect(), end: self.end() }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manifest_is_read_back_and_a_newer_one_or_none_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Manifest::read(folder.path()).map_err(|error| error.to_string());
        let missing = read().unwrap_err();
        assert!(missing.contains("is not complete: it has no `manifest.json`"), "{missing}");
        let mut manifest = Manifest::begin("2.15.1".to_owned());
        manifest.write(folder.path()).await.unwrap();
        assert!(read().unwrap_err().contains("without the stream RAPIDS"));
        manifest.streams.push(NotedStream {
            name: STREAM.to_owned(),
            created: Timestamp::UNIX_EPOCH,
            messages: 3,
            first_sequence: 1,
            last_sequence: 3,
            files: Vec::new(),
            changes: 0,
            due: None,
        });
        manifest.write(folder.path()).await.unwrap();
        let found = read().unwrap();
        assert_eq!((found.streams.clone(), found.end()), (manifest.streams.clone(), 3));
        Manifest { version: 2, ..manifest }.write(folder.path()).await.unwrap();
        assert!(read().unwrap_err().ends_with("is of version 2, this program knows 1: update it"));
        let nowhere = Manifest::read(&folder.path().join("nowhere")).unwrap_err().to_string();
        assert!(nowhere.contains("cannot be read"), "{nowhere}");
    }
}
