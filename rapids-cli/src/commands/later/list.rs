//! `rapids later list`: lists the timers that wait.

use anyhow::Result;
use clap::Args;

use super::{TimerJson, names};
use crate::exit::Answer;
use crate::palette::Palette;
use crate::screen::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table};

/// List the timers that wait, in the order in which they were set
#[derive(Debug, Args)]
#[command(after_help = "\
Output: a table; with -o json an object per timer: `id`, `due` (null if it comes again and again),
`schedule`, `time_zone`, `set` and `packet`.")]
pub(crate) struct List {
    /// List the timers of this service; `PUBLISHED` is what publishers have put off, `EVERY` what comes
    /// again and again
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,

    /// How to print the timers
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl List {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let mut listing = rapids.timers(self.service.as_deref()).await?;
        let screen = &session.screen;
        let mut table = table();
        while let Some(timer) = listing.next().await? {
            match self.output {
                Format::Json => screen.json(&serde_json::to_string(&TimerJson::of(&timer))?)?,
                Format::Line => table.row(row(&timer, screen.data)),
            }
        }
        if self.output == Format::Line {
            if table.is_empty() {
                screen.note("no timer waits");
            }
            screen.table(&table)?;
        }
        Ok(Answer::Yes)
    }
}

fn table() -> Table {
    Table::new(["DUE", "ID", "PACKET", "SET"].map(Column::words))
}

fn row(timer: &rapids_client::WaitingTimer, palette: Palette) -> [Cell; 4] {
    let due = timer.due.map_or_else(|| timer.schedule.clone(), |due| due.to_string());
    [
        Cell::new(due),
        Cell::new(timer.id.to_string()).style(palette.name),
        Cell::new(names(timer)),
        Cell::new(format!("{:.0}", timer.set)).style(palette.faint),
    ]
}
