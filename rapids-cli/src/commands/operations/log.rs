//! `rapids operations log`: what people did.

use anyhow::Result;
use clap::Args;
use rapids_client::{Operation, Timestamp};
use rapids_views::since;

use crate::exit::Answer;
use crate::palette::Palette;
use crate::screen::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table};

/// Show what people did, oldest first
///
/// Who did what with which letter, job, timer, memory or position, when, why, and from where. An entry is
/// kept for a year. What a job does with each letter stands with the letter.
#[derive(Debug, Args)]
#[command(after_help = "\
Output: a table; with -o json an object per entry: `what`, `target`, `who`, `at`, and where they are known
`why`, `origin` and `outcome`.")]
pub(crate) struct Log {
    /// Only what was done since this time (`2026-11-21 09:30`, in UTC unless it says otherwise) or so long
    /// ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", value_parser = |text: &str| since(text, Timestamp::now()))]
    since: Option<Timestamp>,

    /// How to print the entries
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Log {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let log = session.rapids().await?.operations().since(self.since).await?;
        let screen = &session.screen;
        match self.output {
            Format::Json => {
                for operation in &log {
                    screen.json(&serde_json::to_string(operation)?)?;
                }
            }
            Format::Line => {
                let titles = ["AT", "WHO", "WHAT", "TARGET", "OUTCOME", "WHY", "FROM"];
                let mut table = Table::new(titles.map(Column::words));
                log.iter().for_each(|operation| table.row(row(operation, screen.data)));
                if table.is_empty() {
                    screen.note("nothing was done");
                }
                screen.table(&table)?;
            }
        }
        Ok(Answer::Yes)
    }
}

fn row(operation: &Operation, palette: Palette) -> [Cell; 7] {
    let or_dash = |text: &Option<String>| Cell::new(text.as_deref().unwrap_or("-"));
    let Operation { what, target, who, at, why, origin, outcome, .. } = operation;
    [
        Cell::new(format!("{at:.0}")).style(palette.faint),
        Cell::new(who.as_str()),
        Cell::new(what.as_str()),
        Cell::new(target.as_str()).style(palette.name),
        or_dash(outcome),
        or_dash(why),
        or_dash(origin),
    ]
}
