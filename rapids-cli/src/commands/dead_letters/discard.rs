//! `rapids dead-letters discard`: deciding that nothing is to come of a packet.

use anyhow::Result;
use clap::Args;

use super::bulk::Pace;
use super::selection::Selection;
use super::signature::Signature;
use crate::ending::Ending;
use crate::session::Session;

/// Decide that nothing is to come of dead letters
///
/// They stay in the stream until they expire, and are listed with `--state discarded`.
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
    signature: Signature,

    #[command(flatten)]
    pace: Pace,
}

impl Discard {
    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        self.selection.check()?;
        let note = self.signature.note(Some(&self.reason));
        let letters = session.interrupt.unless(session.dead_letters()).await?;
        let ids = self.selection.ids(&letters, &session.screen);
        let ids = session.interrupt.unless(ids).await?;
        if self.pace.dry_run {
            return self.pace.rehearse(session, ids.len(), "discarded");
        }
        let act = async |id: &_| letters.discard(id, &note).await;
        self.pace.each(session, &ids, "discarded", act).await
    }
}
