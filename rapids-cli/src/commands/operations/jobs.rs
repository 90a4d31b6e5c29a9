//! `rapids operations jobs`: the jobs, and how far each is.

use anyhow::Result;
use clap::Args;
use rapids_client::{Job, JobState};

use super::job_json::JobJson;
use crate::exit::Answer;
use crate::palette::Palette;
use crate::screen::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table};

/// List the jobs and how far each is, oldest first
///
/// Those that run or stand still, and those that ended in the last 30 days.
#[derive(Debug, Args)]
#[command(after_help = "\
Output: a table; with -o json an object per job: `id`, `kind`, `state`, `planned`, `done`, `skipped`, `rate`
and `at_once` (null without one), `who`, `why`, `origin`, `begun`, `holder` (null while nobody works on it)
and `notice`.")]
pub(crate) struct Jobs {
    /// How to print the jobs
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Jobs {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let jobs = session.dead_letters().await?.jobs().all().await?;
        let screen = &session.screen;
        match self.output {
            Format::Json => {
                for job in &jobs {
                    screen.json(&serde_json::to_string(&JobJson::from(job))?)?;
                }
            }
            Format::Line => {
                let mut table = Table::new([
                    Column::words("JOB"),
                    Column::words("STATE"),
                    Column::words("WHAT"),
                    Column::numbers("DONE"),
                    Column::numbers("SKIPPED"),
                    Column::numbers("OF"),
                    Column::words("BY"),
                    Column::words("BEGUN"),
                    Column::words("NOTICE"),
                ]);
                jobs.iter().for_each(|job| table.row(row(job, screen.data)));
                if table.is_empty() {
                    screen.note("there is no job");
                }
                screen.table(&table)?;
            }
        }
        Ok(Answer::Yes)
    }
}

fn row(job: &Job, palette: Palette) -> [Cell; 9] {
    let state = match job.state {
        JobState::Done => palette.good,
        JobState::Running => palette.name,
        JobState::Paused | JobState::Cancelled => palette.warning,
    };
    [
        Cell::new(job.id.as_str()).style(palette.name),
        Cell::new(job.state.as_str()).style(state),
        Cell::new(job.kind.as_str()),
        Cell::new(job.done.to_string()),
        Cell::new(job.skipped.to_string()),
        Cell::new(job.planned.to_string()),
        Cell::new(job.who.as_str()),
        Cell::new(format!("{:.0}", job.begun)).style(palette.faint),
        Cell::new(job.notice.as_deref().unwrap_or("-")),
    ]
}
