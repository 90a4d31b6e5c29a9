//! `rapids memory query`: the entries that an expression selects.

use anyhow::Result;
use clap::Args;

use super::{AtLeast, EntryJson, Printing, key_cell, keys_table, on_a_line};
use crate::exit::Answer;
use crate::screen::Format;
use crate::session::Session;
use crate::table::Cell;

/// Print the entries whose values match an expression
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  rapids memory query open_orders customers '@.orders > 1 && @.value > 100000'

Output: a table of keys and values, in the order of the keys; with -o json an object for each entry: `key`,
a string, number or boolean, and `value`.")]
pub(crate) struct Query {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,

    /// The memory
    #[arg(value_name = "MEMORY")]
    memory: String,

    /// An RFC 9535 filter expression, with the value as `@`; without one, all entries are printed
    #[arg(value_name = "EXPRESSION")]
    expression: Option<String>,

    #[command(flatten)]
    at_least: AtLeast,

    #[command(flatten)]
    printing: Printing,
}

impl Query {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let view = self.at_least.view(&rapids, &self.service, &self.memory);
        let entries = match &self.expression {
            Some(expression) => view.entries(expression).await?,
            None => view.all().await?,
        };
        let screen = &session.screen;
        let mut table = keys_table("VALUE");
        for (key, value) in entries.iter().take(self.printing.shown(entries.len())) {
            match self.printing.output {
                Format::Json => {
                    let value = Some(&**value);
                    screen.json(&serde_json::to_string(&EntryJson { key, value })?)?;
                }
                Format::Line => table.row([key_cell(key, screen), Cell::new(on_a_line(value))]),
            }
        }
        if entries.is_empty() {
            screen.note("there is no such entry");
        }
        screen.table(&table)?;
        self.printing.note(screen, entries.len(), "entries");
        Ok(Answer::Yes)
    }
}
