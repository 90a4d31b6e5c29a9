//! `rapids dead-letters replay`: sends packets again, to the river that failed or to all services.

use anyhow::Result;
use clap::Args;
use rapids_client::{DeadLetters, LetterId, NewJob};

use super::bulk::BulkOptions;
use super::reactions;
use super::selection::Selection;
use super::wait::Wait;
use crate::author::Author;
use crate::confirm::confirm;
use crate::exit::Answer;
use crate::session::Session;
use crate::working::counted;

/// Send the packets of dead letters again, to the river that failed and to no other
///
/// The packet is sent unchanged, under its own id. If the river fails again, there is a new letter,
/// and the state of the old one is `failed_again`. Several letters are a job, which Ctrl-C pauses and
/// `rapids operations resume` has go on; the others keep waiting meanwhile.
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
        let by = (&self.bulk, &note);
        if self.to_all {
            if !self.is_sure(session, &letters).await? {
                return Ok(Answer::No);
            }
            let act = async |id: &LetterId| letters.replay_to_all(id, &note).await;
            let job = NewJob::replay_to_all;
            return Ok(self.selection.act(session, &letters, by, job, act).await?.0);
        }
        let act = async |id: &LetterId| letters.replay(id, &note).await;
        let acting = self.selection.act(session, &letters, by, NewJob::replay, act);
        let (acted, sent) = acting.await?;
        let came = self.wait.report(session, &letters, &sent, self.bulk.output).await?;
        Ok(acted.and(came))
    }

    /// Shows who would react, and asks whether to send to all.
    async fn is_sure(&self, session: &Session, letters: &DeadLetters) -> Result<bool> {
        let ids = self.selection.ids(letters, &session.screen);
        let ids = session.interrupt.unless(ids).await?;
        if ids.is_empty() {
            return Ok(true);
        }
        session.interrupt.unless(reactions::report(session, letters, &ids)).await?;
        if self.yes || self.bulk.dry_run {
            return Ok(true);
        }
        let question = format!("replay {} to all?", counted(ids.len() as u64));
        session.interrupt.unless(confirm(session, &question)).await
    }
}
