//! Restores a backup on a server that has none of its streams.
//!
//! They are restored in the order in which they were taken, so the rapids come last: until then no service starts on
//! what is half there, and what is not of one moment is found before.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::task::spawn_blocking;

use super::manifest::{Manifest, NotedDue, NotedStream};
use super::settings::adapt;
use super::take::{DESCRIPTION, SNAPSHOT};
use super::{
    BackupContents, BackupStep, Restored, RestoredPosition, beyond, changes, fault, folder,
};
use crate::config::Config;
use crate::connection::Connection;
use crate::jetstream::api::ask;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::names::names;
use crate::jetstream::restoring::{CHUNK, Restoring};
use crate::names::{SERVICES, STREAM, is_of_the_bus};
use crate::position::entries::ServiceEntries;
use crate::{Error, Result};

/// A backup that is to be restored.
///
/// ```no_run
/// use std::path::Path;
///
/// use rapids_client::{Config, Restore};
///
/// # async fn example() -> rapids_client::Result<()> {
/// let restore = Restore::open(&Config::from_env()?, Path::new("backup-1")).await?;
/// println!("up to packet {} of {}", restore.contents().end, restore.contents().begun);
/// for position in restore.run(|_| ()).await?.positions {
///     println!("{} goes on behind {}", position.service, position.floor);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is restored before `run`"]
pub struct Restore {
    connection: Connection,
    folder: PathBuf,
    manifest: Manifest,
}

impl Restore {
    /// Reads a backup, makes sure that its files are as they were written, and connects to the server.
    ///
    /// # Errors
    /// [`Error::Backup`] if it is not complete, damaged, or of a newer version, with the file at fault;
    /// [`Error::Connect`].
    pub async fn open(config: &Config, folder: &Path) -> Result<Self> {
        let manifest = checked(folder).await?;
        let connection = Connection::open_creating(config).await?;
        Ok(Self { connection, folder: folder.to_owned(), manifest })
    }

    /// What it holds.
    #[must_use]
    pub fn contents(&self) -> BackupContents {
        self.manifest.contents()
    }

    /// Where services go on once it is restored, by name.
    #[must_use]
    pub fn positions(&self) -> Vec<RestoredPosition> {
        let Manifest { consumers, exclusive, .. } = &self.manifest;
        let shared = consumers.iter().filter_map(|consumer| {
            let service = consumer.service()?.to_owned();
            let again = self.manifest.again(consumer.floor, consumer.given);
            Some(RestoredPosition { service, floor: consumer.floor, again, is_exclusive: false })
        });
        let exclusive = exclusive.iter().map(|record| RestoredPosition {
            service: record.service.clone(),
            floor: record.floor,
            again: self.manifest.again(record.floor, record.given),
            is_exclusive: true,
        });
        let mut positions: Vec<_> = shared.chain(exclusive).collect();
        positions.sort_by(|one, other| one.service.cmp(&other.service));
        positions
    }

    /// Makes sure that it can be restored on this server. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Backup`] if the server has a stream of the bus, or if a position lies beyond the end of its rapids;
    /// [`Error::Server`], [`Error::NotPermitted`].
    pub async fn check(&self) -> Result<()> {
        if let Some(words) = beyond::of_manifest(&self.manifest).words(self.manifest.end()) {
            return Err(fault(&self.folder, words));
        }
        // Also one that is not in the backup: what it tells is of other packets.
        let is_in_the_way =
            |name: &&str| is_of_the_bus(name) || self.manifest.stream(name).is_some();
        let names = names(&self.connection).await?;
        let there: Vec<_> = names.iter().map(String::as_str).filter(is_in_the_way).collect();
        if there.is_empty() { Ok(()) } else { Err(self.in_the_way(&there)) }
    }

    /// Restores it, and has each service go on where it was when the backup was begun.
    ///
    /// What services handled after that, while the backup was made, they handle once more. Memories and `once`
    /// reactions know what they have taken, and of the rest nothing is published that the rapids hold already.
    /// Timers that were due meanwhile fire at once.
    ///
    /// # Errors
    /// As for [`check`](Self::check); [`Error::Backup`] if a memory, a letter or a replay tells of a packet that is
    /// not in the backup. What was restored by then stays, and is named.
    pub async fn run(&self, told: impl FnMut(&BackupStep) + Send) -> Result<Restored> {
        Box::pin(self.check()).await?;
        Box::pin(self.restore(told)).await?;
        Ok(Restored { contents: self.contents(), positions: self.positions() })
    }

    async fn restore(&self, mut told: impl FnMut(&BackupStep) + Send) -> Result<()> {
        let streams = &self.manifest.streams;
        for (before, stream) in streams.iter().enumerate() {
            if stream.name == STREAM {
                self.prepare_positions(&streams[..before]).await?;
            }
            let mut step = BackupStep {
                stream: stream.name.clone(),
                number: before + 1,
                streams: streams.len(),
                bytes: 0,
                is_done: false,
            };
            let restoring = self.restore_stream(stream, |bytes| {
                step.bytes = bytes;
                told(&step);
            });
            Box::pin(restoring).await?;
            step.is_done = true;
            told(&step);
        }
        for consumer in &self.manifest.consumers {
            consumer.make(&self.connection).await?;
        }
        Ok(())
    }

    /// Restores one stream. `told` gets the bytes of its snapshot as they are sent.
    async fn restore_stream(
        &self,
        stream: &NotedStream,
        mut told: impl FnMut(u64) + Send,
    ) -> Result<()> {
        let NotedStream { name, due, .. } = stream;
        let description = self.description(name).await?;
        let restoring = Restoring::begin(&self.connection, name, &description).await?;
        let restoring = restoring.ok_or_else(|| self.in_the_way(&[name]))?;
        let path = format!("{name}/{SNAPSHOT}");
        let cannot = |error| fault(&self.folder, format!("cannot be read: `{path}`: {error}"));
        let mut file = File::open(self.folder.join(&path)).await.map_err(cannot)?;
        let (mut part, mut bytes) = (vec![0; CHUNK], 0);
        loop {
            let read = file.read(&mut part).await.map_err(cannot)?;
            if read == 0 {
                break;
            }
            restoring.send(Bytes::copy_from_slice(&part[..read])).await?;
            bytes += u64::try_from(read).unwrap_or_default();
            told(bytes);
        }
        restoring.finish().await?;
        if let Some(due) = due {
            self.remove_taken(name, due).await?;
        }
        if stream.changes > 0 {
            let path = format!("{name}/{}", changes::FILE);
            changes::apply(&self.connection, &self.folder, &path).await?;
        }
        Ok(())
    }

    /// With what a stream is restored: its settings and its state.
    async fn description(&self, name: &str) -> Result<Map<String, Value>> {
        let path = format!("{name}/{DESCRIPTION}");
        let cannot =
            |error: String| fault(&self.folder, format!("cannot be read: `{path}`: {error}"));
        let json = tokio::fs::read(self.folder.join(&path)).await;
        let json = json.map_err(|error| cannot(error.to_string()))?;
        let mut description: Map<String, Value> =
            serde_json::from_slice(&json).map_err(|error| cannot(error.to_string()))?;
        if let Some(config) = description.get_mut("config").and_then(Value::as_object_mut) {
            adapt(config, name, self.connection.provision());
        }
        Ok(description)
    }

    /// Removes from a stream of timers what they have brought and the rapids have. The server takes the stream for
    /// another one than before, and so would bring all of it once more.
    async fn remove_taken(&self, stream: &str, due: &NotedDue) -> Result<()> {
        let action = format!("remove from the stream `{stream}` what the rapids have");
        let Value::Object(body) = json!({"filter": due.subject, "seq": due.taken + 1}) else {
            unreachable!("it is written as an object")
        };
        let request = format!("STREAM.PURGE.{stream}");
        let purged = ask::<Value>(&self.connection, &action, &request, &body).await?;
        purged.map(drop).map_err(|error| Error::Server { action, source: error.into() })
    }

    /// Notes in the entries of all services where they go on, before there are rapids: whoever starts first finds
    /// that, also should this program end before it has made the consumers.
    async fn prepare_positions(&self, restored: &[NotedStream]) -> Result<()> {
        let (connection, end) = (&self.connection, self.manifest.end());
        if let Some(words) = beyond::of_streams(connection, &self.manifest).await?.words(end) {
            let restored: Vec<_> = restored.iter().map(|stream| stream.name.as_str()).collect();
            let words = format!("{words}. {}", removal(&restored));
            return Err(fault(&self.folder, words));
        }
        let Some(bucket) = Bucket::existing(connection, SERVICES).await? else { return Ok(()) };
        let positions = self.positions();
        let created = self.manifest.stream(STREAM).map(|rapids| rapids.created);
        for service in bucket.keys().await? {
            let position = positions.iter().find(|position| position.service == service);
            let floor = position.filter(|position| !position.is_exclusive).map(|it| it.floor);
            // Of a service that began meanwhile it is not known what it has handled.
            let done = position.map_or(end, |position| position.floor + position.again);
            let entries = ServiceEntries::open(connection, &service).await?;
            let restored = entries.update(|entry| {
                // One of rapids before these has no position in them.
                if created.is_some_and(|created| entry.other_stream(created).is_none()) {
                    entry.restored(floor, done, Timestamp::now());
                }
            });
            match restored.await {
                // Its service tells of an entry that cannot be read, as it did before.
                Err(Error::Record { .. }) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn in_the_way(&self, streams: &[&str]) -> Error {
        let words = format!(
            "is not restored: the server has the streams {} already. {}",
            streams.join(", "),
            removal(streams)
        );
        fault(&self.folder, words)
    }
}

/// How to remove streams that are in the way.
fn removal(streams: &[&str]) -> String {
    let commands: Vec<_> = streams.iter().map(|name| format!("nats stream rm -f {name}")).collect();
    format!(
        "If they may be lost, stop all services, since these make them anew, and run: {}",
        commands.join("; ")
    )
}

/// The manifest of a folder, once its files are found to be as they were written.
async fn checked(folder: &Path) -> Result<Manifest> {
    let at = folder.to_owned();
    let checking = spawn_blocking(move || {
        let manifest = Manifest::read(&at)?;
        let mut files = manifest.streams.iter().flat_map(|stream| &stream.files);
        files.try_for_each(|file| folder::check(&at, file))?;
        Ok(manifest)
    });
    checking.await.map_err(|error| fault(folder, format!("cannot be read: {error}")))?
}
