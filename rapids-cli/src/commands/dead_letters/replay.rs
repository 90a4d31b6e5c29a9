//! `rapids dead-letters replay`: sends packets again, to the river that failed or to all services.

use std::cell::RefCell;

use anyhow::Result;
use clap::Args;
use rapids_client::LetterId;

use super::bulk::{BulkOptions, counted};
use super::reactions;
use super::selection::Selection;
use super::wait::{SentReplay, Wait};
use crate::author::Author;
use crate::confirm::confirm;
use crate::exit::Answer;
use crate::session::Session;

/// Send the packets of dead letters again, to the river that failed and to no other
///
/// The packet is sent unchanged, under its own id. If the river fails again, there is a new letter,
/// and the state of the old one is `failed_again`. Ctrl-C stops after the current letter; the others
/// keep waiting.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids dead-letters replay payment.charge.17 payment.charge.18
  rapids dead-letters replay --service payment --kind timed_out --dry-run
  rapids dead-letters replay --service payment --rate 20 --reason 'the bank is back'
  rapids dead-letters replay payment.charge.17 --wait

Output: a line per letter; with -o json an object with `id`, `deed`, `who`, `at`, `why`, and `replay`,
the sequence of the replay, or, with --to-all, `packet_id` and `sequence` of the new packet. --wait adds
a line per letter; with -o json an object with `id`, `replay`, `outcome` (`handled`, `failed_again` or
`open`), and `again`, `kind` and `reason` of the new letter if it failed again. With --wait, the exit
code is 1 unless all packets are handled.")]
pub(crate) struct Replay {
    #[command(flatten)]
    selection: Selection,

    /// Send it to every service, as a new packet that the original caused; services that have
    /// handled the original react too. Prints which rivers would react, and asks before sending
    #[arg(long, conflicts_with = "wait")]
    to_all: bool,

    /// With --to-all: send without asking
    #[arg(short, long, requires = "to_all")]
    yes: bool,

    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    wait: Wait,

    #[command(flatten)]
    author: Author,

    #[command(flatten)]
    bulk: BulkOptions,
}

impl Replay {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        self.selection.check()?;
        let note = self.author.note(self.reason.as_deref());
        let letters = session.interrupt.unless(session.dead_letters()).await?;
        let ids = self.selection.ids(&letters, &session.screen);
        let ids = session.interrupt.unless(ids).await?;
        if self.to_all && !ids.is_empty() {
            let reporting = reactions::report(session, &letters, &ids);
            session.interrupt.unless(reporting).await?;
        }
        let done = if self.to_all { "replayed to all" } else { "replayed" };
        if self.bulk.dry_run {
            return self.bulk.report_dry_run(session, ids.len(), done);
        }
        if self.to_all && !self.yes && !ids.is_empty() {
            let question = format!("replay {} to all?", counted(ids.len()));
            if !session.interrupt.unless(confirm(session, &question)).await? {
                return Ok(Answer::No);
            }
        }
        let sent = RefCell::new(Vec::new());
        let act = async |id: &LetterId| {
            if self.to_all {
                return letters.replay_to_all(id, &note).await;
            }
            let action = letters.replay(id, &note).await?;
            sent.borrow_mut()
                .extend(action.replay.map(|replay| SentReplay { id: id.clone(), replay }));
            Ok(action)
        };
        let acted = self.bulk.each(session, &ids, done, act).await?;
        let sent = sent.take();
        let came = self.wait.report(session, &letters, &sent, self.bulk.output).await?;
        Ok(acted.and(came))
    }
}
