//! `rapids dead-letters resume`: finishes actions that were interrupted.

use anyhow::Result;
use clap::Args;
use rapids_client::{ActionKind, Filter, LetterId, NewJob};

use super::bulk::BulkOptions;
use crate::author::Author;
use crate::exit::Answer;
use crate::session::Session;

/// Finish actions on dead letters that were interrupted
///
/// The state of such letters is `unfinished`: a process or the server ended after recording what is
/// to be done and before recording that it is done. What was sent is not sent again.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The letters [default: all unfinished ones]
    #[arg(value_name = "ID")]
    ids: Vec<LetterId>,

    #[command(flatten)]
    author: Author,

    #[command(flatten)]
    bulk: BulkOptions,
}

impl Resume {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let note = self.author.note(None);
        let letters = session.interrupt.unless(session.dead_letters()).await?;
        if let [id] = &self.ids[..] {
            self.bulk.one(session, id, letters.resume(id, &note).await)?;
            return Ok(Answer::Yes);
        }
        let job = match self.ids.is_empty() {
            true => NewJob::resume(Filter::new()),
            false => NewJob::resume(self.ids),
        };
        let planning = async { Ok(letters.jobs().plan(&job).await?.letters) };
        let count = session.interrupt.unless(planning).await?;
        if self.bulk.dry_run {
            return self.bulk.report_dry_run(session, count, ActionKind::Resume);
        }
        if count == 0 {
            session.screen.note("nothing is unfinished");
            return Ok(Answer::Yes);
        }
        Ok(self.bulk.job(session, &letters, job, &note).await?.0)
    }
}
