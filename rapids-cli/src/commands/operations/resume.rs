//! `rapids operations resume`: goes on with a job.

use anyhow::Result;
use clap::Args;
use rapids_client::{JobState, JobStep};

use super::change::Which;
use crate::exit::Answer;
use crate::session::Session;
use crate::working::{done, work};

/// Go on with a job that is paused, or whose process has died
///
/// Works on it until it is through; while somebody else works on it, waits and shows how far they are.
/// Ctrl-C pauses it.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    which: Which,
}

impl Resume {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let Which { job: id, reason, author } = self.which;
        let note = author.note(reason.as_deref());
        let jobs = session.interrupt.unless(session.dead_letters()).await?.jobs();
        let job = match jobs.get(&id).await? {
            Some(job) if job.state == JobState::Running => job,
            _ => jobs.resume(&id, &note).await?,
        };
        let report = |step: &JobStep| {
            let words = done(job.kind);
            session.screen.line(format_args!("{} {words}", step.id))
        };
        Box::pin(work(session, (&jobs, &job, &note.who), &note, report)).await
    }
}
