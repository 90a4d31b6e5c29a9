//! `rapids dead-letters`: lists and handles the packets that rivers could not handle.
//!
//! Each subcommand has a file of its own; the other files hold what several of them need.

mod assignment;
mod bulk;
mod comment;
mod discard;
mod edit;
mod editor;
mod follow;
mod group_lines;
pub(super) mod letter_json;
mod list;
mod reactions;
mod redirect;
mod replay;
mod restore;
mod resume;
mod selection;
mod show;
mod tag;
mod wait;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::exit::Answer;
use crate::session::Session;

/// Look at the packets that rivers could not handle, and decide on them
///
/// A dead letter is a packet that a river could not handle, kept with the reason. It waits until
/// somebody replays, edits or discards it. Only one person can do so; the error for the second one
/// names the first. A replay that fails again becomes a letter of its own. Every action is recorded:
/// what was done, by whom, when and why.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters list --group
  rapids dead-letters follow -o json
  rapids dead-letters show payment.charge.17
  rapids dead-letters edit payment.charge.17 --set total=10 --reason 'typing error'
  rapids dead-letters replay --service payment --kind exhausted --reason 'the bank is back'
  rapids dead-letters discard --since 1h --event test_order --reason 'load test'
  rapids dead-letters redirect payment/charge billing/collect")]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Follow(follow::Follow),
    Show(show::Show),
    Replay(replay::Replay),
    Edit(edit::Edit),
    Discard(discard::Discard),
    Restore(restore::Restore),
    Resume(resume::Resume),
    Comment(comment::Comment),
    Tag(tag::Tag),
    Redirect(redirect::Redirect),
}

impl DeadLetters {
    pub(crate) fn changes(&self) -> bool {
        match &self.command {
            Command::List(_) | Command::Follow(_) | Command::Show(_) => false,
            Command::Replay(_) | Command::Edit(_) | Command::Discard(_) => true,
            Command::Restore(_) | Command::Resume(_) => true,
            Command::Comment(_) | Command::Tag(_) => true,
            Command::Redirect(redirect) => redirect.changes(),
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let interrupt = &session.interrupt;
        match self.command {
            Command::List(list) => interrupt.unless(Box::pin(list.run(session))).await,
            Command::Follow(follow) => interrupt.unless(Box::pin(follow.run(session))).await,
            Command::Show(show) => interrupt.unless(show.run(session)).await,
            Command::Replay(replay) => Box::pin(replay.run(session)).await,
            Command::Edit(edit) => edit.run(session).await,
            Command::Discard(discard) => Box::pin(discard.run(session)).await,
            Command::Restore(restore) => Box::pin(restore.run(session)).await,
            Command::Resume(resume) => Box::pin(resume.run(session)).await,
            Command::Comment(comment) => Box::pin(comment.run(session)).await,
            Command::Tag(tag) => Box::pin(tag.run(session)).await,
            Command::Redirect(redirect) => Box::pin(redirect.run(session)).await,
        }
    }
}
