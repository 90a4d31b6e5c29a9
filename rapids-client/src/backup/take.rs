//! Takes a backup while services go on.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::folder::{NewFile, make_empty};
use super::manifest::{Manifest, NotedDue, NotedFile, NotedStream};
use super::order::{Content, Kind, remaining};
use super::{BackupContents, BackupStep, OLDEST_SERVER, changes, consumers, fault};
use crate::connection::{Connection, release};
use crate::jetstream::api::ask;
use crate::jetstream::created;
use crate::jetstream::ensure::info_of;
use crate::jetstream::snapshot::Snapshot;
use crate::names::{CREATED, STREAM};
use crate::rapids::Rapids;
use crate::{Error, Result};

/// The files of a stream, as the nats CLI names them.
pub(super) const DESCRIPTION: &str = "backup.json";
pub(super) const SNAPSHOT: &str = "stream.tar.s2";

/// For how long what timers have brought may be on its way into the rapids, and how often it is looked for that.
const ARRIVING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

impl Rapids {
    /// Writes everything that the bus has on the server into a folder that is empty, or is made: packets, letters,
    /// replays, timers, memories, and how far each service is. Services go on meanwhile.
    ///
    /// Every packet that was stored before this is called is in the backup, and so is what came of those that were
    /// handled before. [`Restore`](super::Restore) brings it back. `told` is called as it goes on. Each stream has a
    /// folder with the server's own snapshot, `backup.json` and `stream.tar.s2`, which `nats stream restore` reads,
    /// too; the file `manifest.json` is written last, so that a backup that was broken off has none.
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// use rapids_client::{Config, Rapids};
    ///
    /// # async fn example() -> rapids_client::Result<()> {
    /// let rapids = Rapids::connect(&Config::from_env()?).await?;
    /// let backup = rapids.backup(Path::new("backup-1"), |step| println!("{}", step.stream)).await?;
    /// println!("the packets up to {} are kept", backup.end);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Backup`] if the folder is not empty or cannot be written, or if the server is older than 2.15;
    /// [`Error::Server`], [`Error::NotPermitted`]; [`Error::Stream`] if a stream is deleted meanwhile.
    pub async fn backup(
        &self,
        folder: &Path,
        told: impl FnMut(&BackupStep) + Send,
    ) -> Result<BackupContents> {
        Box::pin(take(self.connection(), folder, told)).await
    }
}

async fn take(
    connection: &Connection,
    folder: &Path,
    mut told: impl FnMut(&BackupStep) + Send,
) -> Result<BackupContents> {
    check_server(connection, folder)?;
    make_empty(folder)?;
    let mut manifest = Manifest::begin(connection.server_version());
    manifest.consumers = consumers::noted(connection).await?;
    manifest.exclusive = consumers::noted_records(connection).await?;
    let mut taken = BTreeSet::new();
    loop {
        let left = remaining(connection, &taken).await?;
        let Some(content) = left.first() else { break };
        if content.kind == Kind::Rapids {
            note_taken(connection, &mut manifest.streams).await?;
        }
        let mut step = BackupStep {
            stream: content.stream.clone(),
            number: taken.len() + 1,
            streams: taken.len() + left.len(),
            bytes: 0,
            is_done: false,
        };
        let taking = Taking { connection, content, folder };
        let noted = taking.run(|bytes| {
            step.bytes = bytes;
            told(&step);
        });
        let noted = Box::pin(noted).await?;
        step.bytes = noted.files.iter().map(|file| file.bytes).sum();
        step.is_done = true;
        told(&step);
        manifest.streams.push(noted);
        taken.insert(content.stream.clone());
    }
    consumers::note_given(connection, &mut manifest).await?;
    manifest.ended = Timestamp::now();
    manifest.write(folder).await?;
    Ok(manifest.contents())
}

/// Makes sure that the server's snapshots are of the kind that is restored here.
///
/// # Errors
/// `Backup` for an older server.
fn check_server(connection: &Connection, folder: &Path) -> Result<()> {
    let version = connection.server_version();
    if release(&version) >= OLDEST_SERVER {
        return Ok(());
    }
    let [major, minor] = OLDEST_SERVER;
    let words = format!(
        "cannot be made of nats-server {version}, which copies files that others write to meanwhile: it needs \
         {major}.{minor} or newer"
    );
    Err(fault(folder, words))
}

/// One stream that is taken.
struct Taking<'a> {
    connection: &'a Connection,
    content: &'a Content,
    folder: &'a Path,
}

impl Taking<'_> {
    /// Writes its files. `told` gets the bytes of its snapshot as they come.
    async fn run(&self, mut told: impl FnMut(u64) + Send) -> Result<NotedStream> {
        let Self { connection, content, folder } = *self;
        let name = &content.stream;
        let info = info_of(connection, name).await?.ok_or_else(|| deleted(name))?;
        let created = created(&info);
        let mut snapshot = Snapshot::begin(connection, name).await?;
        let mut file = NewFile::create(folder, format!("{name}/{SNAPSHOT}")).await?;
        while let Some(part) = snapshot.next().await? {
            file.write(&part).await?;
            told(file.bytes());
        }
        let mut files = vec![file.finish().await?];
        let mut description = snapshot.description;
        note_created(&mut description.config, created);
        let (end, first) = (description.number("last_seq"), description.number("first_seq"));
        let messages = description.number("messages");
        files.push(self.write_description(description.config, description.state).await?);
        let changed = match self.changing() {
            None => None,
            Some(left_out) => changes::write(connection, (name, left_out), end, folder).await?,
        };
        let mut noted = NotedStream {
            name: name.clone(),
            created,
            messages,
            first_sequence: first,
            last_sequence: end,
            files,
            changes: 0,
            due: self.due(),
        };
        if let Some((count, file)) = changed {
            noted.changes = count;
            noted.files.push(file);
        }
        Ok(noted)
    }

    async fn write_description(
        &self,
        config: Map<String, Value>,
        state: Map<String, Value>,
    ) -> Result<NotedFile> {
        let json = serde_json::to_vec_pretty(&json!({"config": config, "state": state}));
        let json = json.expect("what was JSON can be written as JSON");
        let path = format!("{}/{DESCRIPTION}", self.content.stream);
        let mut file = NewFile::create(self.folder, path).await?;
        file.write(&json).await?;
        file.finish().await
    }

    /// Whether messages of the stream are replaced by others, and which subject is to be left out of those: what
    /// timers have brought is taken by the rapids.
    fn changing(&self) -> Option<Option<&str>> {
        match &self.content.kind {
            Kind::Bucket => Some(None),
            Kind::Timers(place) => Some(Some(&place.due)),
            Kind::Log | Kind::Rapids => None,
        }
    }

    fn due(&self) -> Option<NotedDue> {
        match &self.content.kind {
            Kind::Timers(place) => Some(NotedDue { subject: place.due.clone(), taken: 0 }),
            Kind::Bucket | Kind::Log | Kind::Rapids => None,
        }
    }
}

/// Notes in the settings with which a stream is restored when it was created: the server makes another one then.
fn note_created(config: &mut Map<String, Value>, created: Timestamp) {
    let metadata = config.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert(CREATED.to_owned(), Value::String(created.to_string()));
    }
}

/// Waits until the rapids have what timers had brought when their streams were taken, and notes how much they have.
/// If they are full, they may not have it, and take it once they are restored.
async fn note_taken(connection: &Connection, streams: &mut [NotedStream]) -> Result<()> {
    #[derive(Deserialize)]
    struct Info {
        #[serde(default)]
        sources: Vec<Source>,
    }
    #[derive(Deserialize)]
    struct Source {
        name: String,
        #[serde(default)]
        lag: u64,
        #[serde(default)]
        seq: u64,
    }
    let (action, request) = ("read what timers have brought", format!("STREAM.INFO.{STREAM}"));
    let begun = Instant::now();
    let sources = loop {
        let answer = ask::<Info>(connection, action, &request, &Map::new()).await?;
        let Info { sources } = answer
            .map_err(|error| Error::Server { action: action.to_owned(), source: error.into() })?;
        if sources.iter().all(|source| source.lag == 0) || begun.elapsed() >= ARRIVING {
            break sources;
        }
        sleep(LOOK).await;
    };
    for stream in streams {
        let source = sources.iter().find(|source| source.name == stream.name);
        if let (Some(due), Some(source)) = (&mut stream.due, source) {
            due.taken = source.seq.min(stream.last_sequence);
        }
    }
    Ok(())
}

fn deleted(stream: &str) -> Error {
    let differences = vec!["it was deleted while the backup was made".to_owned()];
    Error::Stream { stream: stream.to_owned(), differences }
}
