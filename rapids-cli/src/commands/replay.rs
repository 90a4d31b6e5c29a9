//! `rapids replay`: sends packets that a river has handled to it once more.
//!
//! Which packets those are is left to `replay/picked`, what the river will make of them to
//! `replay/plan`, and sending to `replay/sending`.

mod picked;
mod plan;
mod sending;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rapids_client::{
    DeadLetters, Error, Filter, Rapids, Replays, River, RiverName, ServiceInfo, State,
    StreamContents,
};

use crate::announced;
use crate::author::Author;
use crate::confirm::confirm;
use crate::exit::{Answer, Fault};
use crate::pace::Pace;
use crate::screen::Format;
use crate::session::Session;
use picked::{Picked, Picking, Range};
use plan::Plan;

/// How long to wait for the answers of instances.
const WAIT: Duration = Duration::from_millis(500);

/// Send packets once more to a river that has handled them, and to no other
///
/// For packets that a river has handled wrongly, or did not take, once its program is mended. Packets
/// are sent that the river takes by the rules that it announces, unchanged, under their own ids. Prints
/// first how many they are and what the river will make of them, and asks. A packet that fails becomes
/// a dead letter. Packets that lie in dead letters already are left out: `rapids dead-letters replay`
/// sends those.
///
/// What is sent under one name is one run, which sends each packet once: after an interruption, the
/// same command goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids replay --river payment/charge --since 2d --dry-run
  rapids replay --river payment/charge --since 2d --where '@.total > 1000' --rate 20 --reason 'tax'
  rapids replay --river payment/charge --sequence 17 --limit 1 --yes
  rapids replay --river payment/charge --sequence 17 --limit 1 --name 'second try'

Output: a line per packet; with -o json an object with `sequence`, `packet_id`, and `replay`, the
sequence of the replay. The plan goes to standard error; with --dry-run it is the output, and with
-o json an object with `river`, `run`, `count`, `first` and `last`, each with `sequence` and `stored`,
or null; `rules_known`, whether an instance has answered; how many packets are left out: `sent_before` by this run, `refused` by the river, `in_letters`
that wait, `unread` by the service; and `repetitions`, a list of `runs`, `once`, `memory` and `unknown`.")]
pub(crate) struct Replay {
    /// The river, such as `payment/charge`. If no instance of its service answers, its rules are not
    /// known, and --where must say which packets are meant
    #[arg(long, value_name = "SERVICE/RIVER")]
    river: RiverName,

    #[command(flatten)]
    range: Range,

    /// The name of this run, if the options are not to be its name: under another name, packets are
    /// sent that were sent before
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Only print what would be sent, and what the river would make of it
    #[arg(long)]
    dry_run: bool,

    /// Send without asking
    #[arg(short, long)]
    yes: bool,

    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    #[command(flatten)]
    author: Author,

    #[command(flatten)]
    pace: Pace,

    /// How to print what was done
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Replay {
    pub(crate) fn changes(&self) -> bool {
        !self.dry_run
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.interrupt.unless(session.rapids()).await?;
        let planning = Box::pin(self.plan(session, &rapids));
        let (plan, mut replays) = session.interrupt.unless(planning).await?;
        if self.dry_run {
            plan.print(session, self.output)?;
            return Ok(Answer::Yes);
        }
        let count = plan.picked.sequences.len();
        plan.note(session);
        if count == 0 {
            return Ok(Answer::Yes);
        }
        if !self.yes {
            let question = format!("replay {} to {}?", counted(count), self.river);
            if !session.interrupt.unless(confirm(session, &question)).await? {
                return Ok(Answer::No);
            }
        }
        let beat = self.pace.beat();
        sending::send(session, (&rapids, &mut replays), &plan.picked.sequences, (beat, self.output))
            .await
    }

    /// What would be sent, and the run to send it in.
    async fn plan(&self, session: &Session, rapids: &Rapids) -> Result<(Plan, Replays)> {
        let up = rapids.services(WAIT).await?;
        let done = done(session, rapids, self.river.service()).await?;
        let rivers = self.rivers(session, &up, done.is_some())?;
        let run = self.name.clone().unwrap_or_else(|| self.range.name());
        let replays = self.replays(session, &run).await?;
        let contents = rapids.contents().await?;
        let window = contents.map_or(Duration::ZERO, |it: StreamContents| it.duplicate_window);
        let done = done.unwrap_or_default();
        let failed = self.failed(session).await?;
        let picking = Picking { rapids, rivers: &rivers, range: &self.range, done, failed };
        let picked = Picked::of(session, picking, &replays).await?;
        let repetitions = plan::repetitions(&self.river, &up);
        let river = self.river.clone();
        let are_rules_known = !rivers.is_empty();
        Ok((Plan { river, run, picked, are_rules_known, repetitions, window }, replays))
    }

    /// The river in each version that runs; none if no instance answers and an expression says which
    /// packets are meant.
    ///
    /// # Errors
    /// As for [`announced::rules`].
    fn rivers(
        &self,
        session: &Session,
        up: &[ServiceInfo],
        has_position: bool,
    ) -> Result<Vec<River>> {
        let is_silent = has_position && announced::instances(&self.river, up).is_empty();
        if is_silent && self.range.has_expression() {
            return Ok(Vec::new());
        }
        let rules = announced::rules(&self.river, up).with_context(|| {
            let remedy = if is_silent { " (`--where` can say instead what is meant)" } else { "" };
            format!("it is not known what {} takes{remedy}", self.river)
        })?;
        if rules.len() > 1 {
            session.screen.warning(
                "instances of the service differ in their rules; only packets are sent that each \
                 version takes",
            );
        }
        Ok(rules.into_iter().cloned().map(River::from_rules).collect())
    }

    /// The ids of the packets on which the river has failed, and which wait for a decision.
    ///
    /// # Errors
    /// The errors of listing letters.
    async fn failed(&self, session: &Session) -> Result<HashSet<String>> {
        let mut failed = HashSet::new();
        let Some(letters) = Box::pin(DeadLetters::open(&session.config()?)).await? else {
            return Ok(failed);
        };
        let (service, river) = (self.river.service(), self.river.river());
        let mut listing = letters.list(&Filter::new().service(service).river(river)).await?;
        loop {
            match listing.next().await {
                Ok(None) => return Ok(failed),
                Ok(Some(stored)) => {
                    if matches!(stored.state, State::Waiting | State::Unfinished) {
                        failed.insert(stored.letter.packet_id);
                    }
                }
                Err(error @ Error::Stream { .. }) => session.screen.warning(error),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn replays(&self, session: &Session, run: &str) -> Result<Replays> {
        let (config, note) = (session.config()?, self.author.note(self.reason.as_deref()));
        let river = self.river.to_string();
        let opened = Box::pin(Replays::open(&config, &river, run, &note)).await?;
        opened.ok_or_else(|| {
            let words = format!(
                "there is no stream `REPLAYS` at {}; the first service that starts creates it",
                config.url()
            );
            Fault::NotFound(words).into()
        })
    }
}

/// Up to which sequence the service is done with everything, as far as this user may know; `None` if it
/// has no position.
///
/// # Errors
/// The other errors of [`Rapids::position`].
async fn done(session: &Session, rapids: &Rapids, service: &str) -> Result<Option<u64>> {
    match rapids.position(service).await {
        Err(error @ Error::NotPermitted { .. }) => {
            session.screen.warning(format_args!(
                "packets may be among them that the service has still to handle: {error}"
            ));
            Ok(Some(u64::MAX))
        }
        position => Ok(position?.map(|position| position.acknowledged)),
    }
}

/// `1 packet`, `2 packets`.
fn counted(count: usize) -> String {
    if count == 1 { "1 packet".to_owned() } else { format!("{count} packets") }
}
