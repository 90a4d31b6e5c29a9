//! `rapids dead-letters replay`: letting a river try again, or everybody.

use std::cell::RefCell;

use anyhow::Result;
use clap::Args;
use rapids_client::LetterId;

use super::bulk::{Pace, counted};
use super::reacting;
use super::selection::Selection;
use super::signature::Signature;
use super::waiting::{Sent, Waiting};
use crate::ending::Ending;
use crate::session::Session;

/// Send the packets of dead letters again, to the river that failed and to no other
///
/// The packet goes as it is, under its own id. If the river fails on it again there is a new letter,
/// and the old one is `failed_again`. Ctrl-C ends it after the letter in hand; what was not begun
/// waits on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters replay payment.charge.17 payment.charge.18
  rapids dead-letters replay --service payment --kind timed_out --dry-run
  rapids dead-letters replay --service payment --rate 20 --reason 'the bank is back'
  rapids dead-letters replay payment.charge.17 --wait

Output: a line per letter; with -o json an object with `id`, `deed`, `who`, `at`, `why`, and `replay`,
the sequence of the replay, or, with --to-all, `packet_id` and `sequence` of the new packet. With --wait
another line per letter; with -o json an object with `id`, `replay`, `outcome`, one of `handled`,
`failed_again` and `open`, and `again`, `kind` and `reason` of the letter that it failed with again. The
exit code is 1 then unless all are handled.")]
pub(crate) struct Replay {
    #[command(flatten)]
    selection: Selection,

    /// Send it to every service, as a new packet that the original caused: also those that have
    /// handled the original react. Tells who would, and asks
    #[arg(long, conflicts_with = "wait")]
    to_all: bool,

    /// With --to-all: do not ask
    #[arg(short, long, requires = "to_all")]
    yes: bool,

    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    waiting: Waiting,

    #[command(flatten)]
    signature: Signature,

    #[command(flatten)]
    pace: Pace,
}

impl Replay {
    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        self.selection.check()?;
        let note = self.signature.note(self.reason.as_deref());
        let letters = session.interrupt.unless(session.dead_letters()).await?;
        let ids = self.selection.ids(&letters, &session.screen);
        let ids = session.interrupt.unless(ids).await?;
        if self.to_all && !ids.is_empty() {
            let telling = reacting::tell(session, &letters, &ids);
            session.interrupt.unless(telling).await?;
        }
        let done = if self.to_all { "replayed to all" } else { "replayed" };
        if self.pace.dry_run {
            return self.pace.rehearse(session, ids.len(), done);
        }
        if self.to_all && !self.yes && !ids.is_empty() {
            let question = format!("replay {} to all?", counted(ids.len()));
            if !session.interrupt.unless(reacting::ask(session, &question)).await? {
                return Ok(Ending::No);
            }
        }
        let sent = RefCell::new(Vec::new());
        let act = async |id: &LetterId| {
            if self.to_all {
                return letters.replay_to_all(id, &note).await;
            }
            let action = letters.replay(id, &note).await?;
            sent.borrow_mut().extend(action.replay.map(|replay| Sent { id: id.clone(), replay }));
            Ok(action)
        };
        let acted = self.pace.each(session, &ids, done, act).await?;
        let sent = sent.take();
        let came = self.waiting.tell(session, &letters, &sent, self.pace.output).await?;
        Ok(acted.and(came))
    }
}
