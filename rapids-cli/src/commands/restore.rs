//! `rapids restore`: brings a backup back on a server that has nothing of the bus.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use rapids_client::{BackupContents, Operation, Restore as Restoring, RestoredPosition};
use serde::Serialize;

use super::backup::as_json;
use crate::author::Reason;
use crate::exit::{Answer, Fault};
use crate::screen::Format;
use crate::session::Session;
use crate::transfer::{Transfer, bytes};

/// Bring a backup back, on a server that has nothing of the bus
///
/// Checks the files of the backup first, and refuses one that is not complete or damaged. Stop all services before:
/// those that run make streams anew, which are then in the way. Once the command is done, start them: each goes on
/// where it was when the backup was begun. What it handled while the backup was made it handles once more; memories
/// and `once` reactions know what they have taken, and what the packets hold already is not published again. Timers
/// that were due meanwhile fire at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids restore --dry-run backups/2026-11-21
  rapids restore backups/2026-11-21 --reason 'the disk of nats-1'

With RAPIDS_REPLICAS=1 (or 3, 5) the streams get so many replicas, whatever they had; with RAPIDS_MAX_AGE=400d they keep
packets for longer than they did, so that those of an old backup are not gone at once.

Output: a line for each stream, and for each service where it goes on. What was published after the backup is not there:
the last line says with which sequence packets end. With -o json an object as of `rapids backup -o json`, and
`positions`, a list of `service`, `floor` (everything up to this sequence is done), `again` (how many packets it may
handle once more) and `delivery` (`shared` or `exclusive`).")]
pub(crate) struct Restore {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Only check the backup and the server, and print what would be restored
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    reason: Reason,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

/// A restore as JSON.
#[derive(Serialize)]
struct RestoreJson<'a, T> {
    #[serde(flatten)]
    contents: T,
    positions: Vec<PositionJson<'a>>,
}

#[derive(Serialize)]
struct PositionJson<'a> {
    service: &'a str,
    floor: u64,
    again: u64,
    delivery: &'static str,
}

impl Restore {
    pub(crate) fn changes(&self) -> bool {
        !self.dry_run
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let restoring = session.interrupt.unless(Box::pin(self.restore(session))).await;
        if let Err(error) = &restoring
            && matches!(error.downcast_ref(), Some(Fault::Interrupted))
            && self.changes()
        {
            let words = "interrupted: streams that are restored by now stay, and are in the way of another restore, \
                         which names them";
            session.screen.note(words);
        }
        restoring
    }

    async fn restore(&self, session: &Session) -> Result<Answer> {
        let restore = Box::pin(Restoring::open(&session.config()?, &self.folder)).await?;
        if self.dry_run {
            Box::pin(restore.check()).await?;
            if self.output == Format::Line {
                for stream in &restore.contents().streams {
                    let (name, messages) = (&stream.name, stream.messages);
                    let size = bytes(stream.bytes);
                    session.screen.line(format!("{name}: {messages} messages, {size}"))?;
                }
            }
            self.print(session, &restore.contents(), &restore.positions())?;
            return Ok(Answer::Yes);
        }
        let mut transfer = Transfer::new(session, self.output);
        let restored = Box::pin(restore.run(|step| transfer.show(step))).await?;
        transfer.finish()?;
        self.print(session, &restored.contents, &restored.positions)?;
        let rapids = session.rapids().await?;
        let begun = restored.contents.begun;
        let operation =
            Operation::new("restore", format!("backup of {begun}"), &self.reason.note());
        let outcome = format!("packets up to sequence {}", restored.contents.end);
        session.record(&rapids, operation.outcome(outcome)).await;
        Ok(Answer::Yes)
    }

    fn print(
        &self,
        session: &Session,
        contents: &BackupContents,
        positions: &[RestoredPosition],
    ) -> Result<()> {
        if self.output == Format::Json {
            let positions = positions.iter().map(|position| PositionJson {
                service: &position.service,
                floor: position.floor,
                again: position.again,
                delivery: if position.is_exclusive { "exclusive" } else { "shared" },
            });
            let (contents, positions) = (as_json(contents), positions.collect());
            return session
                .screen
                .line(serde_json::to_string(&RestoreJson { contents, positions })?);
        }
        for RestoredPosition { service, floor, again, .. } in positions {
            let rest = match contents.end.saturating_sub(*floor) {
                0 => String::new(),
                rest => format!(": {rest} packets to read, up to {again} of them again"),
            };
            session.screen.line(format!("{service} goes on behind sequence {floor}{rest}"))?;
        }
        session.screen.line(format!(
            "packets end with sequence {}, as of {}: what came after that is not in the backup",
            contents.end, contents.begun
        ))
    }
}
