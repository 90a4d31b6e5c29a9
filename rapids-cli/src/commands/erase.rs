//! `rapids erase`: removes what is kept of somebody, and tells what stays.

mod report;

use anyhow::Result;
use clap::Args;
use rapids_client::{Erasure, Operation, Rapids};

use crate::author::Reason;
use crate::confirm::confirm;
use crate::exit::Answer;
use crate::filter::Filter;
use crate::screen::Format;
use crate::session::Session;
use report::Report;

/// Erase what is kept of somebody in memories, dead letters, replays and timers, and tell what stays
///
/// Goes through all memories of all services, dead letters, replays, timers, and what `once` reactions have
/// returned. Prints first how much is there, and asks. What is removed cannot be brought back. In the end
/// everything is read once more. After an interruption, or while services still handle packets of them, the same
/// command goes on.
///
/// Packets stay in the stream: nobody can delete them before their time. It is told how many they are, and until
/// when they stay. A service that reads them again, after `rapids position`, may remember something of them again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids erase --where \"@.customer == 'ada'\" --dry-run
  rapids erase --where \"@.customer == 'ada'\" --key ada --reason 'ticket 17'
  rapids erase --where \"@.customer == 'ada' || @.order_id == 'o-17'\" --yes -o json

`@` is the packet for letters, replays, timers and what reactions have returned, and the value for entries of
memories. What does not itself say whose it is, is not found: name its order, or its key. To look at every depth:
`@..[?@.customer == 'ada']`. An entry is removed as a whole, also one that holds something of others.

Entries of memories end: their values are gone, and packets about their keys are ignored unless their river says
otherwise. The keys themselves stay for as long as packets do. Letters, replays and timers are overwritten on the
server's disk; from its files of memories and outcomes the bytes go by and by.

The log of operations says who has erased how much, with the expression but without what it compares with.
The reason stands in that log, beside ended memories and beside letters: name a ticket in it, and nobody.
What people have written is not searched: reasons, comments on other letters, keys in the log of operations.

Output: a line per place, and two for the packets that stay. What is asked about goes to standard error; with
--dry-run it is the output. With -o json an object with `found` (with --dry-run) or `removed` and `left`, each a
list of `in` (`timers`, `fired_timers`, `letters`, `replays`, `memory`, `returned`, `outcomes`), `of`, `count`, and
`in_hand`, how many of them cannot be removed before a service has handled their packet; `unjudged`, of how many
the expression cannot say whether it is true; `unread`, a list of what cannot be read; and `packets`, null or an
object with `count`, `first` and `last` (each with `sequence` and `stored`), `until`, when the last one goes (null
if the stream keeps packets for ever), `unjudged`, and `unread_by`, the services that have not handled all of them.
The exit code is 1 if something is left.")]
pub(crate) struct Erase {
    /// Whose it is: an RFC 9535 filter expression, such as `@.customer == 'ada'`
    #[arg(long = "where", value_name = "EXPRESSION", value_parser = checked)]
    expression: String,

    /// Also the entries of memories, and the timers, with this key; may be repeated
    #[arg(long = "key", value_name = "KEY", allow_hyphen_values = true)]
    keys: Vec<String>,

    /// Only print what would be removed, and what stays
    #[arg(long)]
    dry_run: bool,

    /// Erase without asking
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    reason: Reason,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

/// The expression, if it is one.
fn checked(text: &str) -> Result<String, String> {
    text.parse::<Filter>().map(|_| text.to_owned())
}

impl Erase {
    pub(crate) fn changes(&self) -> bool {
        !self.dry_run
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        session.interrupt.unless(Box::pin(self.erase(session))).await
    }

    async fn erase(&self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let erasure = rapids.erasure(&self.expression)?;
        let erasure = self.keys.iter().fold(erasure, |erasure, key| erasure.key(key));
        let packets = erasure.packets().await?;
        let found = Report::found(erasure.holdings().await?, packets);
        if self.dry_run {
            found.print(session, self.output)?;
            return Ok(Answer::Yes);
        }
        let count = found.removable();
        if count > 0 && !self.yes {
            found.note(session);
            if !confirm(session, &format!("remove {count} for good?")).await? {
                return Ok(Answer::No);
            }
        }
        let done = self.remove(session, (&rapids, &erasure), found).await?;
        done.print(session, self.output)?;
        Ok(Answer::from(done.is_complete()))
    }

    /// Removes what is there, between two entries of the log.
    async fn remove(
        &self,
        session: &Session,
        (rapids, erasure): (&Rapids, &Erasure),
        found: Report,
    ) -> Result<Report> {
        let note = self.reason.note();
        let operation = |what: &str| Operation::new(what, erasure.masked(), &note);
        let begun = operation("begin_erasure").outcome(format!("{} found", found.removable()));
        session.record(rapids, begun).await;
        let erased = erasure.run(&note).await?;
        let done = found.done(erased);
        session.record(rapids, operation("erase").outcome(done.outcome())).await;
        Ok(done)
    }
}
