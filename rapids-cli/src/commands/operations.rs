//! `rapids operations`: what people did, and the jobs that act on many letters.

mod change;
mod job_json;
mod jobs;
mod log;
mod resume;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::exit::Answer;
use crate::session::Session;

/// See what people did, and go on with jobs that act on many letters
///
/// An action on several dead letters is a job: it is written down on the server with how far it is, so
/// that it can be paused, and gone on with here, by somebody else, or by the console. If the process that
/// works on one ends, the console or `rapids operations resume` goes on in its place.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids operations log --since 1d
  rapids operations jobs
  rapids operations pause 4f0c21aa --reason 'the bank is down again'
  rapids operations resume 4f0c21aa")]
pub(crate) struct Operations {
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    Log(log::Log),
    Jobs(jobs::Jobs),
    Pause(change::Pause),
    Resume(resume::Resume),
    Cancel(change::Cancel),
}

impl Operations {
    pub(crate) fn changes(&self) -> bool {
        !matches!(self.command, Command::Log(_) | Command::Jobs(_))
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let interrupt = &session.interrupt;
        match self.command {
            Command::Log(log) => interrupt.unless(log.run(session)).await,
            Command::Jobs(jobs) => interrupt.unless(Box::pin(jobs.run(session))).await,
            Command::Pause(pause) => pause.run(session).await,
            Command::Resume(resume) => Box::pin(resume.run(session)).await,
            Command::Cancel(cancel) => cancel.run(session).await,
        }
    }
}
