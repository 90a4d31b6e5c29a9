//! The commands: a file for each, with what it takes and what it does.

mod completions;
mod dead_letters;
mod explain;
mod man;
mod position;
mod publish;
mod retire;
mod services;
mod tail;

use anyhow::Result;
use clap::Subcommand;

use crate::ending::Ending;
use crate::session::Session;

/// What the program can be told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Tail(tail::Tail),
    Publish(publish::Publish),
    Explain(explain::Explain),
    Services(services::Services),
    Position(position::Position),
    Retire(retire::Retire),
    DeadLetters(dead_letters::DeadLetters),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    /// Whether it changes something on the server: then it is done to its end although nobody reads
    /// the output any more. What only looks ends there.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Publish(_) | Self::Retire(_) => true,
            Self::Position(position) => position.changes(),
            Self::DeadLetters(letters) => letters.changes(),
            Self::Tail(_) | Self::Explain(_) | Self::Services(_) => false,
            Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// Does it. Commands that leave nothing half done are dropped when they are interrupted; the others
/// take note of it themselves.
///
/// # Errors
/// Those of the command; [`code`](crate::ending::code) tells what each means.
pub(crate) async fn run(command: Command, session: &Session) -> Result<Ending> {
    let interrupt = &session.interrupt;
    match command {
        Command::Tail(tail) => interrupt.unless(tail.run(session)).await,
        Command::Publish(publish) => publish.run(session).await,
        Command::Explain(explain) => interrupt.unless(explain.run(session)).await,
        Command::Services(services) => interrupt.unless(services.run(session)).await,
        Command::Position(position) => position.run(session).await,
        Command::Retire(retire) => retire.run(session).await,
        Command::DeadLetters(letters) => letters.run(session).await,
        Command::Completions(completions) => completions.run(session),
        Command::Man(man) => man.run(session),
    }
}
