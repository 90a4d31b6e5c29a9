//! `rapids dead-letters restore`: has discarded letters wait again.

use anyhow::Result;
use clap::Args;
use rapids_client::{LetterId, NewJob};

use super::bulk::BulkOptions;
use super::selection::Selection;
use crate::author::Author;
use crate::exit::Answer;
use crate::session::Session;

/// Have discarded letters wait again
///
/// A letter can be restored for as long as its stream keeps it, 90 days unless somebody has changed that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters restore payment.charge.17
  rapids dead-letters restore --service payment --since 1h --reason 'the wrong letters'

Output: a line per letter; with -o json an object with `id`, `deed`, `who`, `at` and `why`.")]
pub(crate) struct Restore {
    #[command(flatten)]
    selection: Selection,

    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    author: Author,

    #[command(flatten)]
    bulk: BulkOptions,
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        self.selection.check()?;
        let note = self.author.note(self.reason.as_deref());
        let letters = session.interrupt.unless(session.dead_letters()).await?;
        let act = async |id: &LetterId| letters.restore(id, &note).await;
        let by = (&self.bulk, &note);
        Ok(self.selection.act(session, &letters, by, NewJob::restore, act).await?.0)
    }
}
