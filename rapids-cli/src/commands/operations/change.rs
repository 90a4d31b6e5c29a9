//! `rapids operations pause` and `cancel`: have a job stand still, or end.

use anyhow::Result;
use clap::Args;
use rapids_client::Job;

use crate::author::Author;
use crate::exit::Answer;
use crate::session::Session;
use crate::working::{counted, done};

/// Have a job stand still, until somebody resumes it
///
/// Whoever works on it stops within a second.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    which: Which,
}

/// End a job before its time
///
/// What it has done stays done; the other letters are as they were.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    which: Which,
}

/// A job, and who changes it why.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The job, as `rapids operations jobs` lists it
    #[arg(value_name = "JOB")]
    pub(super) job: String,

    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,

    #[command(flatten)]
    pub(super) author: Author,
}

impl Pause {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let Which { job, reason, author } = self.which;
        let jobs = session.dead_letters().await?.jobs();
        let paused = jobs.pause(&job, &author.note(reason.as_deref())).await?;
        report(session, &paused)
    }
}

impl Cancel {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let Which { job, reason, author } = self.which;
        let jobs = session.dead_letters().await?.jobs();
        let cancelled = jobs.cancel(&job, &author.note(reason.as_deref())).await?;
        report(session, &cancelled)
    }
}

fn report(session: &Session, job: &Job) -> Result<Answer> {
    let Job { id, state, kind, planned, .. } = job;
    let letters = counted(*planned);
    session.screen.line(format_args!(
        "job {id} is {state}: {} of {letters} {}",
        job.done,
        done(*kind)
    ))?;
    Ok(Answer::Yes)
}
