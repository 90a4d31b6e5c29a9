//! `rapids dead-letters resume`: finishes actions that were interrupted.

use anyhow::Result;
use clap::Args;
use rapids_client::{Filter, LetterId, State};

use super::bulk::BulkOptions;
use super::selection::in_state;
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
        let ids = match self.ids.is_empty() {
            false => self.ids,
            true => {
                let unfinished = Filter::new().state(State::Unfinished);
                let listing = in_state(&letters, &unfinished, &session.screen);
                session.interrupt.unless(listing).await?
            }
        };
        if self.bulk.dry_run {
            return self.bulk.report_dry_run(session, ids.len(), "finished");
        }
        if ids.is_empty() {
            session.screen.note("nothing is unfinished");
            return Ok(Answer::Yes);
        }
        let act = async |id: &_| letters.resume(id, &note).await;
        self.bulk.each(session, &ids, "finished", act).await
    }
}
