//! `rapids memory list`: the memories of a service, or the keys of one.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{AtLeast, EntryJson, Printing, key_cell};
use crate::exit::Answer;
use crate::screen::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table};

/// List the memories of a service, or the keys of one memory
///
/// Bytes are those of the records, which also say which packets have moved a value, and what is still to be
/// published. A key may be listed that has no value any more.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  rapids memory list open_orders customers --prefix a

Output: a table of names, keys and bytes, or the keys, a line each; with -o json an object for each memory:
`memory`, `keys` and `bytes`; or for each key: `key`, a string, number or boolean.")]
pub(crate) struct List {
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,

    /// The memory whose keys to list
    #[arg(value_name = "MEMORY")]
    memory: Option<String>,

    /// List only keys that are texts which begin so
    #[arg(
        long,
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true,
        requires = "memory"
    )]
    prefix: String,

    #[command(flatten)]
    at_least: AtLeast,

    #[command(flatten)]
    printing: Printing,
}

/// A memory as JSON.
#[derive(Serialize)]
struct MemoryJson<'a> {
    memory: &'a str,
    keys: u64,
    bytes: u64,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        match &self.memory {
            Some(memory) => self.keys(memory, session).await,
            None => self.memories(session).await,
        }
    }

    async fn memories(&self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let screen = &session.screen;
        let memories = rapids.memories(&self.service).await?;
        let columns = [Column::words("MEMORY"), Column::numbers("KEYS"), Column::numbers("BYTES")];
        let mut table = Table::new(columns);
        for memory in &memories[..self.printing.shown(memories.len())] {
            let (name, keys, bytes) = (&memory.name, memory.keys, memory.bytes);
            if self.printing.output == Format::Json {
                let json = MemoryJson { memory: name, keys, bytes };
                screen.json(&serde_json::to_string(&json)?)?;
                continue;
            }
            let name = Cell::new(name).style(screen.data.name);
            table.row([name, Cell::new(keys.to_string()), Cell::new(bytes.to_string())]);
        }
        screen.table(&table)?;
        self.printing.note(screen, memories.len(), "memories");
        Ok(Answer::Yes)
    }

    async fn keys(&self, memory: &str, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let screen = &session.screen;
        let view = self.at_least.view(&rapids, &self.service, memory);
        let keys = view.keys(&self.prefix).await?;
        let mut table = Table::new([Column::words("KEY")]);
        for key in keys.iter().take(self.printing.shown(keys.len())) {
            match self.printing.output {
                Format::Json => {
                    screen.json(&serde_json::to_string(&EntryJson { key, value: None })?)?;
                }
                Format::Line => table.row([key_cell(key, screen)]),
            }
        }
        if keys.is_empty() {
            screen.note("there is no such key");
        }
        screen.table(&table)?;
        self.printing.note(screen, keys.len(), "keys");
        Ok(Answer::Yes)
    }
}
