//! `rapids dead-letters`: looking at the packets that rivers could not handle, and deciding on them.
//!
//! A file for each thing that can be done, beside what several of them need.

mod bulk;
mod discard;
mod edit;
mod editor;
mod groups;
mod indented;
mod list;
mod mask;
mod reacting;
mod replay;
mod resume;
mod selection;
mod setting;
mod show;
mod signature;
mod told;
mod waiting;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::ending::Ending;
use crate::session::Session;

/// Look at the packets that rivers could not handle, and decide on them
///
/// A dead letter is a packet, kept with the reason. It waits until somebody replays, edits or
/// discards it, which only one can do: who comes second is told who was first. A replay that fails
/// again has a letter of its own, which waits in turn. All that is done is recorded: what, by whom,
/// when and why.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters list --group
  rapids dead-letters show payment.charge.17
  rapids dead-letters edit payment.charge.17 --set total=10 --reason 'typing error'
  rapids dead-letters replay --service payment --kind exhausted --reason 'the bank is back'
  rapids dead-letters discard --since 1h --event test_order --reason 'load test'")]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    Replay(replay::Replay),
    Edit(edit::Edit),
    Discard(discard::Discard),
    Resume(resume::Resume),
}

impl DeadLetters {
    pub(crate) fn changes(&self) -> bool {
        match self.command {
            Command::List(_) | Command::Show(_) => false,
            Command::Replay(_) | Command::Edit(_) | Command::Discard(_) | Command::Resume(_) => {
                true
            }
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        let interrupt = &session.interrupt;
        match self.command {
            Command::List(list) => interrupt.unless(list.run(session)).await,
            Command::Show(show) => interrupt.unless(show.run(session)).await,
            Command::Replay(replay) => replay.run(session).await,
            Command::Edit(edit) => edit.run(session).await,
            Command::Discard(discard) => discard.run(session).await,
            Command::Resume(resume) => resume.run(session).await,
        }
    }
}
