//! `rapids dead-letters discard`: decides that packets will not be handled.

use anyhow::Result;
use clap::Args;
use rapids_client::{LetterId, NewJob};

use super::bulk::BulkOptions;
use super::selection::Selection;
use crate::author::Author;
use crate::exit::Answer;
use crate::session::Session;

/// Decide that the packets of dead letters will not be handled
///
/// The letters stay in the stream until they expire; `--state discarded` lists them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters discard payment.charge.17 --reason 'the customer has paid in cash'
  rapids dead-letters discard --event test_order --dry-run --reason 'load test'

Output: a line per letter; with -o json an object with `id`, `deed`, `who`, `at` and `why`.")]
pub(crate) struct Discard {
    #[command(flatten)]
    selection: Selection,

    /// Why, for the record
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,

    #[command(flatten)]
    author: Author,

    #[command(flatten)]
    bulk: BulkOptions,
}

impl Discard {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        self.selection.check()?;
        let note = self.author.note(Some(&self.reason));
        let letters = session.interrupt.unless(session.dead_letters()).await?;
        let act = async |id: &LetterId| letters.discard(id, &note).await;
        let (answer, _) = self
            .selection
            .act(session, &letters, (&self.bulk, &note), NewJob::discard, act)
            .await?;
        Ok(answer)
    }
}
