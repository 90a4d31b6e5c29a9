//! `rapids memory`: what services remember.

mod forget;
mod get;
mod list;
mod query;
mod watch;

use std::iter;
use std::time::Duration;

use anyhow::{Error, Result};
use clap::{Args, Subcommand};
use rapids_client::{EntryKey, MemoryView, Rapids, parse_duration};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::exit::{Answer, Fault};
use crate::screen::{Format, Screen};
use crate::session::Session;
use crate::shorten::shortened;
use crate::table::{Cell, Column, Table};

/// How many lines are printed for people, if they do not say.
const LINES: usize = 100;

/// Longest value in a line, in characters.
const VALUE: usize = 120;

/// Read what the rivers of a service remember, and have them forget it
///
/// A memory has a name, and a value for each key; `.memory::<T>(name, key)` of a river says which. What is
/// read are the values as reactions have left them, as JSON, and nothing of what is kept beside them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids memory list open_orders
  rapids memory list open_orders customers --prefix a
  rapids memory get open_orders customers ada
  rapids memory query open_orders customers '@.orders > 1' --at-least 17
  rapids memory watch open_orders customers --where '@.value > 100000'
  rapids memory forget payment customers ada --reason 'asked for it, ticket 17'")]
pub(crate) struct Memory {
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Get(get::Get),
    Query(query::Query),
    Watch(watch::Watch),
    Forget(forget::Forget),
}

impl Memory {
    pub(crate) fn changes(&self) -> bool {
        matches!(self.command, Command::Forget(_))
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let interrupt = &session.interrupt;
        match self.command {
            Command::List(list) => interrupt.unless(Box::pin(list.run(session))).await,
            Command::Get(get) => interrupt.unless(Box::pin(get.run(session))).await,
            Command::Query(query) => interrupt.unless(Box::pin(query.run(session))).await,
            Command::Watch(watch) => interrupt.unless(Box::pin(watch.run(session))).await,
            Command::Forget(forget) => interrupt.unless(Box::pin(forget.run(session))).await,
        }
    }
}

/// One entry of a memory.
#[derive(Debug, Args)]
struct Entry {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,

    /// The memory
    #[arg(value_name = "MEMORY")]
    memory: String,

    /// The key, a text; if there is none, the number or boolean that it reads as
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,
}

impl Entry {
    /// The keys that may be meant, the likeliest first.
    fn keys(&self) -> impl Iterator<Item = EntryKey> {
        iter::once(EntryKey::from(&self.key)).chain(EntryKey::number_or_boolean(&self.key))
    }

    /// The error where there is no value.
    fn is_missing(&self) -> Error {
        let Self { service, memory, key } = self;
        Fault::NotFound(format!(
            "memory `{memory}` of service `{service}` has no key `{key}`; `rapids memory list {service} \
             {memory}` lists those that it has"
        ))
        .into()
    }
}

/// Which packet what is read is to contain.
#[derive(Debug, Args)]
struct AtLeast {
    /// First wait until the service has handled everything up to this sequence, such as that of a packet
    /// that was just published
    #[arg(long, value_name = "SEQUENCE")]
    at_least: Option<u64>,

    /// Wait no longer than this for that
    #[arg(long, value_name = "DURATION", default_value = "10s", requires = "at_least")]
    #[arg(value_parser = |text: &str| parse_duration(text).ok_or("expected a duration such as `10s`"))]
    within: Duration,
}

impl AtLeast {
    /// The memory of this name, which waits as it is told.
    fn view(&self, rapids: &Rapids, service: &str, memory: &str) -> MemoryView<Box<RawValue>> {
        let view = rapids.memory(service, memory).within(self.within);
        match self.at_least {
            Some(sequence) => view.at_least(sequence),
            None => view,
        }
    }
}

/// How much is printed, and how.
#[derive(Debug, Args)]
struct Printing {
    /// Print at most so many, 0 for all; 100 unless given, and all with -o json
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// How to print them
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Printing {
    /// How many of these to print.
    fn shown(&self, count: usize) -> usize {
        let all = if self.output == Format::Json { 0 } else { LINES };
        match self.limit.unwrap_or(all) {
            0 => count,
            limit => limit.min(count),
        }
    }

    /// Tells how many there are, if not all of them were printed.
    fn note(&self, screen: &Screen, count: usize, what: &str) {
        let shown = self.shown(count);
        if shown < count {
            screen.note(format_args!("{shown} of {count} {what} are shown; --limit 0 shows all"));
        }
    }
}

/// An entry as JSON.
#[derive(Serialize)]
struct EntryJson<'a> {
    key: &'a EntryKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
}

/// A table of keys, and what a further column says of each.
fn keys_table(title: &'static str) -> Table {
    Table::new([Column::words("KEY"), Column::words(title)])
}

/// A key, which for texts that look like a number or a boolean is in quotes.
fn key_cell(key: &EntryKey, screen: &Screen) -> Cell {
    let shown = key.to_string();
    let is_text_like_one =
        EntryKey::from(&shown) == *key && EntryKey::number_or_boolean(&shown).is_some();
    let shown = if is_text_like_one { format!("{key:?}") } else { shown };
    Cell::new(shown).style(screen.data.name)
}

/// A value on one line.
fn on_a_line(value: &RawValue) -> String {
    shortened(value.get(), VALUE)
}
