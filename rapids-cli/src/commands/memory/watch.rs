//! `rapids memory watch`: what is there, and each change.

use anyhow::Result;
use clap::Args;
use rapids_client::{Change, Error, MemoryWatch};
use serde_json::value::RawValue;

use super::{AtLeast, EntryJson, key_cell, on_a_line};
use crate::exit::Answer;
use crate::line::Line;
use crate::screen::Format;
use crate::session::Session;

/// Print the entries of a memory, and then each that changes, until Ctrl-C
///
/// With --where, one that does not match any more is told as gone. A value that cannot be read is skipped
/// with a warning.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  rapids memory watch open_orders customers --where '@.orders > 1'

Output: a line for each entry, with its key and its value, or `gone`; with -o json an object: `key`, a
string, number or boolean, and `value`, or `gone`, which is true then.")]
pub(crate) struct Watch {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,

    /// The memory
    #[arg(value_name = "MEMORY")]
    memory: String,

    /// Print only entries that match this RFC 9535 filter expression, with the value as `@`
    #[arg(long = "where", value_name = "EXPRESSION")]
    filter: Option<String>,

    #[command(flatten)]
    at_least: AtLeast,

    /// How to print them
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Watch {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let view = self.at_least.view(&rapids, &self.service, &self.memory);
        let mut watch: MemoryWatch<Box<RawValue>> = match &self.filter {
            Some(filter) => view.watch_where(filter).await?,
            None => view.watch().await?,
        };
        loop {
            match watch.next().await {
                Ok(change) => self.show(&change, session)?,
                Err(error @ (Error::Memory { .. } | Error::Record { .. })) => {
                    session.screen.warning(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn show(&self, change: &Change<Box<RawValue>>, session: &Session) -> Result<()> {
        let (screen, key) = (&session.screen, &change.key);
        match (self.output, &change.value) {
            (Format::Json, Some(value)) => {
                screen.json(&serde_json::to_string(&EntryJson { key, value: Some(value) })?)
            }
            (Format::Json, None) => {
                screen.json(&format!(r#"{{"key":{},"gone":true}}"#, serde_json::to_string(key)?))
            }
            (Format::Line, value) => {
                let line = key_cell(key, screen).line().text("  ");
                screen.line(match value {
                    Some(value) => line.text(on_a_line(value)),
                    None => Line::styled(line, screen.data.faint, "gone"),
                })
            }
        }
    }
}
