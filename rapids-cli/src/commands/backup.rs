//! `rapids backup`: writes everything that the bus has on the server into a folder.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use rapids_client::{BackedUpStream, BackupContents};
use serde::Serialize;

use crate::exit::{Answer, Fault};
use crate::screen::Format;
use crate::session::Session;
use crate::transfer::Transfer;

/// Write everything that the bus has on the server into a folder, while services go on
///
/// Packets, dead letters, replays, timers, memories, and how far each service is, so that `rapids restore` brings
/// them back. Every packet that was acknowledged before the command was started is in it, and what came of those that
/// were handled before. Streams are taken one after the other, positions first and packets last, so that nothing in
/// it tells of a packet that it does not hold.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids backup backups/2026-11-21
  rapids backup /mnt/backups/$(date +%F) && rapids restore --dry-run /mnt/backups/$(date +%F)

The folder is made, or has to be empty. `manifest.json`, with the SHA-256 of each file, is written last: a backup that
was interrupted has none, and is refused by `rapids restore`. The folder of each stream has `backup.json` and
`stream.tar.s2`, which `nats stream restore` reads, too. What was saved in a bucket while its snapshot was taken lies
beside it, in `changes.jsonl`. Keep the folder as you keep the server: it holds all that was said. Keys for ids, logins
and certificates are not in it.

Output: a line for each stream, and one for the end. With -o json an object with `begun`, `ended`, `end` (the sequence
with which packets end) and `streams`, a list of `name`, `messages`, `last_sequence` and `bytes`.")]
pub(crate) struct Backup {
    /// The folder to write it to
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

/// A backup as JSON.
#[derive(Serialize)]
struct BackupJson<'a> {
    begun: Timestamp,
    ended: Timestamp,
    end: u64,
    streams: Vec<StreamJson<'a>>,
}

#[derive(Serialize)]
struct StreamJson<'a> {
    name: &'a str,
    messages: u64,
    last_sequence: u64,
    bytes: u64,
}

impl<'a> From<&'a BackedUpStream> for StreamJson<'a> {
    fn from(stream: &'a BackedUpStream) -> Self {
        let BackedUpStream { name, messages, last_sequence, bytes, .. } = stream;
        Self { name, messages: *messages, last_sequence: *last_sequence, bytes: *bytes }
    }
}

/// What a backup holds, as JSON.
pub(super) fn as_json(contents: &BackupContents) -> impl Serialize + '_ {
    let streams = contents.streams.iter().map(StreamJson::from).collect();
    let BackupContents { begun, ended, end, .. } = *contents;
    BackupJson { begun, ended, end, streams }
}

impl Backup {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let writing = session.interrupt.unless(Box::pin(self.write(session))).await;
        if let Err(error) = &writing
            && matches!(error.downcast_ref(), Some(Fault::Interrupted))
        {
            let folder = self.folder.display();
            session
                .screen
                .note(format!("interrupted: what is in `{folder}` is no backup; remove it"));
        }
        writing
    }

    async fn write(&self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let mut transfer = Transfer::new(session, self.output);
        let contents = Box::pin(rapids.backup(&self.folder, |step| transfer.show(step))).await?;
        transfer.finish()?;
        match self.output {
            Format::Json => session.screen.line(serde_json::to_string(&as_json(&contents))?)?,
            Format::Line => session.screen.line(format!(
                "complete: packets up to sequence {}, begun at {}",
                contents.end, contents.begun
            ))?,
        }
        Ok(Answer::Yes)
    }
}
