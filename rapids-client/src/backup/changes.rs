//! What is stored in a stream while its snapshot is taken, where it replaces something: values of keys, and timers.
//!
//! The server reads a snapshot message by message. Of a key that is saved meanwhile, the old value may be gone before
//! the server gets to it, and the new one lies behind the end of the snapshot: the key would be lost. So everything
//! behind that end is read once the snapshot is done, until there is no more, and kept beside it. Of each key the last
//! value is then in the one or in the other.

use std::path::Path;

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::fault;
use super::folder::NewFile;
use super::manifest::NotedFile;
use crate::connection::{Connection, server_answer};
use crate::jetstream::publish_once::publish_once;
use crate::jetstream::scan::Scan;
use crate::{Error, Result};

/// The file beside a snapshot that has them, one in a line.
pub(super) const FILE: &str = "changes.jsonl";

/// What the server adds to a message that it is asked for, or sets by itself.
const OF_THE_SERVER: [&str; 7] = [
    "Nats-Stream",
    "Nats-Subject",
    "Nats-Sequence",
    "Nats-Time-Stamp",
    "Nats-Num-Pending",
    "Nats-Last-Sequence",
    "Nats-UpTo-Sequence",
];
/// What begins the conditions under which a message was stored, which held then.
const CONDITIONS: &str = "Nats-Expected-";
/// Says that the server put the message there, in place of one whose time was over.
const MARKER: &str = "Nats-Marker-Reason";

/// A message that replaces what the snapshot may hold of its subject.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    subject: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    body: String,
}

impl Change {
    /// A message to be stored again; `None` for one that is not to be.
    fn of(message: &StreamMessage) -> Option<Self> {
        let mut headers = Vec::new();
        for (name, values) in message.headers.iter() {
            let name = name.to_string();
            if name == MARKER {
                return None;
            }
            let is_dropped = name.starts_with(CONDITIONS) || OF_THE_SERVER.contains(&name.as_str());
            if !is_dropped {
                headers.extend(values.iter().map(|value| (name.clone(), value.to_string())));
            }
        }
        headers.sort();
        let (subject, body) = (message.subject.to_string(), BASE64.encode(&message.payload));
        Some(Self { subject, headers, body })
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.as_str(), value.as_str());
        }
        headers
    }
}

/// Writes what was stored in a stream behind the end of its snapshot, without what has a subject that is left out;
/// returns how many messages, and the file, if there are any.
///
/// # Errors
/// `Backup`, `NotPermitted`, `Server`.
pub(super) async fn write(
    connection: &Connection,
    (stream, left_out): (&str, Option<&str>),
    end: u64,
    folder: &Path,
) -> Result<Option<(u64, NotedFile)>> {
    let mut scan = Scan::behind(connection, stream, ">".to_owned(), end);
    let (mut count, mut file) = (0, None);
    while let Some(message) = scan.next().await? {
        if left_out == Some(message.subject.as_str()) {
            continue;
        }
        let Some(change) = Change::of(&message) else { continue };
        let mut line = serde_json::to_vec(&change).expect("texts can be written as JSON");
        line.push(b'\n');
        if file.is_none() {
            file = Some(NewFile::create(folder, format!("{stream}/{FILE}")).await?);
        }
        if let Some(file) = &mut file {
            file.write(&line).await?;
        }
        count += 1;
    }
    match file {
        Some(file) => Ok(Some((count, file.finish().await?))),
        None => Ok(None),
    }
}

/// Stores them again, on top of the snapshot.
///
/// # Errors
/// `Backup` for a line that cannot be read, or that the stream does not take; `NotPermitted`, `Server`.
pub(super) async fn apply(connection: &Connection, folder: &Path, path: &str) -> Result<()> {
    let cannot = |words: String| fault(folder, format!("cannot be restored: `{path}`: {words}"));
    let opened = File::open(folder.join(path)).await;
    let mut lines = BufReader::new(opened.map_err(|error| cannot(error.to_string()))?).lines();
    while let Some(line) = lines.next_line().await.map_err(|error| cannot(error.to_string()))? {
        let change: Change =
            serde_json::from_str(&line).map_err(|error| cannot(error.to_string()))?;
        let body = BASE64.decode(change.body.as_bytes());
        let body = body.map_err(|error| cannot(error.to_string()))?;
        let action = format!("store `{}`", change.subject);
        let message = (change.headers(), body.into());
        let stored = publish_once(connection, &action, change.subject, message).await?;
        if let Err(error) = stored {
            return Err(match server_answer(&error) {
                Some(refusal) => cannot(format!("cannot {action}: {refusal}")),
                None => Error::Server { action, source: error.into() },
            });
        }
    }
    Ok(())
}
