//! The commands, each in a file of its own.

mod access;
mod ask;
mod asyncapi;
mod backup;
mod completions;
mod console;
mod dead_letters;
mod doctor;
mod erase;
mod explain;
mod later;
mod man;
mod map;
mod memory;
mod metrics;
mod operations;
mod position;
mod provision;
mod publish;
mod replay;
mod replicas;
mod restore;
mod retire;
mod schema;
mod services;
mod tail;
mod trace;
mod what_if;

use anyhow::Result;
use clap::Subcommand;

use crate::exit::Answer;
use crate::session::Session;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Tail(tail::Tail),
    Trace(trace::Trace),
    Publish(publish::Publish),
    Later(later::Later),
    Ask(ask::Ask),
    Explain(explain::Explain),
    WhatIf(what_if::WhatIf),
    Map(map::Map),
    Schema(schema::Schema),
    Asyncapi(asyncapi::Asyncapi),
    Replay(replay::Replay),
    Services(services::Services),
    Metrics(metrics::Metrics),
    Console(console::Console),
    Memory(memory::Memory),
    Position(position::Position),
    Provision(provision::Provision),
    Replicas(replicas::Replicas),
    Retire(retire::Retire),
    Erase(erase::Erase),
    Backup(backup::Backup),
    Restore(restore::Restore),
    DeadLetters(dead_letters::DeadLetters),
    Operations(operations::Operations),
    Access(access::Access),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Command {
    /// Whether the command changes something on the server. It is then completed even if its output
    /// is closed; other commands end when their output is closed.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Publish(_) | Self::Ask(_) | Self::Retire(_) => true,
            Self::Position(position) => position.changes(),
            Self::Provision(provision) => provision.changes(),
            Self::Replicas(replicas) => replicas.changes(),
            Self::Erase(erase) => erase.changes(),
            Self::Restore(restore) => restore.changes(),
            Self::DeadLetters(letters) => letters.changes(),
            Self::Operations(operations) => operations.changes(),
            Self::Replay(replay) => replay.changes(),
            Self::Access(access) => access.changes(),
            Self::Later(later) => later.changes(),
            Self::Memory(memory) => memory.changes(),
            Self::Tail(_) | Self::Trace(_) | Self::Explain(_) | Self::Backup(_) => false,
            Self::Services(_) | Self::Metrics(_) | Self::Console(_) | Self::Doctor(_) => false,
            Self::Map(_) | Self::WhatIf(_) | Self::Schema(_) | Self::Asyncapi(_) => false,
            Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// Runs a command. An interrupt drops commands that leave nothing half done; the others handle it
/// themselves.
///
/// # Errors
/// The errors of the command; [`exit_code`](crate::exit::exit_code) has the code of each.
pub(crate) async fn run(command: Command, session: &Session) -> Result<Answer> {
    let interrupt = &session.interrupt;
    match command {
        Command::Tail(tail) => interrupt.unless(Box::pin(tail.run(session))).await,
        Command::Trace(trace) => interrupt.unless(Box::pin(trace.run(session))).await,
        Command::Publish(publish) => publish.run(session).await,
        Command::Later(later) => Box::pin(later.run(session)).await,
        Command::Ask(ask) => interrupt.unless(Box::pin(ask.run(session))).await,
        Command::Explain(explain) => interrupt.unless(explain.run(session)).await,
        Command::WhatIf(what_if) => interrupt.unless(Box::pin(what_if.run(session))).await,
        Command::Map(map) => interrupt.unless(Box::pin(map.run(session))).await,
        Command::Schema(schema) => interrupt.unless(schema.run(session)).await,
        Command::Asyncapi(asyncapi) => interrupt.unless(Box::pin(asyncapi.run(session))).await,
        Command::Replay(replay) => Box::pin(replay.run(session)).await,
        Command::Services(services) => interrupt.unless(services.run(session)).await,
        Command::Metrics(metrics) => interrupt.unless(Box::pin(metrics.run(session))).await,
        Command::Console(console) => Box::pin(console.run(session)).await,
        Command::Memory(memory) => memory.run(session).await,
        Command::Position(position) => position.run(session).await,
        Command::Provision(provision) => Box::pin(provision.run(session)).await,
        Command::Replicas(replicas) => Box::pin(replicas.run(session)).await,
        Command::Retire(retire) => retire.run(session).await,
        Command::Erase(erase) => Box::pin(erase.run(session)).await,
        Command::Backup(backup) => Box::pin(backup.run(session)).await,
        Command::Restore(restore) => Box::pin(restore.run(session)).await,
        Command::DeadLetters(letters) => Box::pin(letters.run(session)).await,
        Command::Operations(operations) => Box::pin(operations.run(session)).await,
        Command::Access(access) => access.run(session),
        Command::Doctor(doctor) => interrupt.unless(Box::pin(doctor.run(session))).await,
        Command::Completions(completions) => completions.run(session),
        Command::Man(man) => man.run(session),
    }
}
