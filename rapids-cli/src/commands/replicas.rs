//! `rapids replicas`: on how many servers of a cluster everything is kept, and changing that.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{Operation, Rapids, ReplicaState, Replication};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::author::Reason;
use crate::confirm::confirm;
use crate::exit::{Answer, Fault};
use crate::screen::Format;
use crate::session::Session;
use crate::table::{Cell, Column, Table};

/// How often a stream that is copied is looked at, and how often it is told how far that is.
const LOOK: Duration = Duration::from_millis(200);
const TELL: Duration = Duration::from_secs(2);

/// Show on how many servers of a cluster everything is kept, or change that
///
/// A stream or bucket that is kept on three servers goes on while one of them is away; its consumers follow it.
/// With a number, all streams and buckets of the bus are changed, one after the other, each once the one before
/// is on all its servers; services run meanwhile. What is broken off is finished by the same command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids replicas
  rapids replicas 3 --dry-run
  rapids replicas 3 --yes --tag region:eu

Output without a number: a line for each stream and bucket, with the server that leads and how the others stand. \
The exit code is 1 if one is not on all its servers, or if not all are kept on as many. With -o json an object for \
each: `stream`, `replicas`, `leader`, `current`, `tags`, and `followers`, each with `server`, `current`, `offline` \
and `lag`.

Output with a number: a line for each that is changed, once it is on all its servers.")]
pub(crate) struct Replicas {
    /// On how many servers everything is to be kept: 1, 3 or 5
    #[arg(value_parser = ["1", "3", "5"])]
    replicas: Option<String>,

    /// A tag that each of these servers must have (`server_tags` in its configuration); may be repeated
    #[arg(long = "tag", value_name = "TAG", requires = "replicas")]
    tags: Vec<String>,

    /// Let any server keep it, whatever its tags
    #[arg(long, conflicts_with = "tags", requires = "replicas")]
    no_tags: bool,

    /// Only print what would be changed
    #[arg(long, requires = "replicas")]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long, conflicts_with = "dry_run")]
    yes: bool,

    #[command(flatten)]
    reason: Reason,

    /// How to print what there is
    #[arg(short, long, value_name = "FORMAT", default_value = "line", conflicts_with = "replicas")]
    output: Format,
}

impl Replicas {
    pub(crate) fn changes(&self) -> bool {
        self.replicas.is_some() && !self.dry_run
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.interrupt.unless(session.rapids()).await?;
        let found = session.interrupt.unless(async { Ok(rapids.replication().await?) }).await?;
        match self.replicas.as_deref().and_then(|text| text.parse().ok()) {
            None => self.show(session, &found),
            Some(replicas) => self.change(session, &rapids, (replicas, &found)).await,
        }
    }

    fn show(&self, session: &Session, found: &[Replication]) -> Result<Answer> {
        match self.output {
            Format::Json => {
                for replication in found {
                    session.screen.json(&serde_json::to_string(&Json::from(replication))?)?;
                }
            }
            Format::Line => session.screen.table(&table(found))?,
        }
        let counts: BTreeSet<_> = found.iter().map(|it| it.replicas).collect();
        if let Some(most) = counts.last().filter(|_| counts.len() > 1) {
            session.screen.warning(format_args!(
                "not all are kept on as many servers; `rapids replicas {most}` changes that"
            ));
        }
        Ok(Answer::from(counts.len() < 2 && found.iter().all(Replication::is_current)))
    }

    async fn change(
        self,
        session: &Session,
        rapids: &Rapids,
        (replicas, found): (usize, &[Replication]),
    ) -> Result<Answer> {
        let differs = |it: &&Replication| {
            it.replicas != replicas || self.tags().is_some_and(|t| t != it.tags)
        };
        let to_change: Vec<_> = found.iter().filter(differs).collect();
        for it in &to_change {
            if self.dry_run || !self.yes {
                session.screen.line(format!("{}: {} -> {replicas}", it.stream, it.replicas))?;
            }
        }
        if self.dry_run {
            return Ok(Answer::Yes);
        }
        let question = format!("Change that ({} streams and buckets)?", to_change.len());
        if !to_change.is_empty() && !self.yes && !confirm(session, &question).await? {
            return Ok(Answer::No);
        }
        // Also what was changed by a call that was broken off.
        for it in found {
            let began = Instant::now();
            let is_changed = differs(&it);
            if is_changed {
                rapids.set_replicas(&it.stream, replicas, self.tags()).await?;
            } else if it.is_current() {
                continue;
            }
            wait_until_current(session, rapids, &it.stream).await?;
            let took = began.elapsed().as_secs_f64();
            session.screen.line(format!("{}: {replicas}, current ({took:.1} s)", it.stream))?;
        }
        // Last, so that a log that is created by that is kept where everything is.
        if !to_change.is_empty() {
            let operation = Operation::new("replicas", replicas.to_string(), &self.reason.note());
            let streams = to_change.len();
            let told = operation.outcome(format!("changed {streams} streams and buckets"));
            session.record(rapids, told).await;
        }
        Ok(Answer::Yes)
    }

    /// The tags that are to be set, if they are to be.
    fn tags(&self) -> Option<&[String]> {
        (self.no_tags || !self.tags.is_empty()).then_some(&self.tags)
    }
}

/// Waits until a stream is on all its servers, and tells now and then how far that is.
async fn wait_until_current(session: &Session, rapids: &Rapids, stream: &str) -> Result<()> {
    let mut told = Instant::now();
    loop {
        // A stream whose servers change may have no leader for a moment, who would answer.
        let replication = rapids.replication_of(stream).await?;
        let Some(replication) = replication else {
            return Err(Fault::NotFound(format!("the stream `{stream}` was deleted")).into());
        };
        if replication.is_current() {
            return Ok(());
        }
        if told.elapsed() >= TELL {
            told = Instant::now();
            session.screen.note(format_args!("{stream}: {}", standing(&replication)));
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            () = session.interrupt.received() => {
                let rest = "interrupted; the server goes on with this stream, and the same command with the rest";
                session.screen.note(rest);
                return Err(Fault::Interrupted.into());
            }
        }
    }
}

/// How a stream stands, in words.
fn standing(replication: &Replication) -> String {
    if replication.is_current() {
        return "current".to_owned();
    }
    let mut words = Vec::new();
    if replication.leader.is_none() {
        words.push("no server leads".to_owned());
    }
    let missing = replication.replicas.saturating_sub(replication.followers.len() + 1);
    if missing > 0 && replication.leader.is_some() {
        words.push(format!("{missing} to be added"));
    }
    words.extend(replication.followers.iter().filter_map(of_follower));
    words.join(", ")
}

/// What is to be said of a server that has not all; `None` for one that has.
fn of_follower(follower: &ReplicaState) -> Option<String> {
    let ReplicaState { server, is_current, is_offline, lag, .. } = follower;
    if *is_offline {
        return Some(format!("{server} is away"));
    }
    (!is_current).then(|| format!("{server} is {lag} behind"))
}

fn table(found: &[Replication]) -> Table {
    let columns = [
        Column::words("STREAM"),
        Column::numbers("REPLICAS"),
        Column::words("LEADER"),
        Column::words("STATE"),
        Column::words("TAGS"),
    ];
    let mut table = Table::new(columns);
    for it in found {
        let cells = [
            it.stream.clone(),
            it.replicas.to_string(),
            it.leader.clone().unwrap_or_else(|| "-".to_owned()),
            standing(it),
            it.tags.join(","),
        ];
        table.row(cells.map(Cell::new));
    }
    table
}

/// A stream or bucket as JSON.
#[derive(Serialize)]
struct Json<'a> {
    stream: &'a str,
    replicas: usize,
    leader: Option<&'a str>,
    current: bool,
    tags: &'a [String],
    followers: Vec<FollowerJson<'a>>,
}

#[derive(Serialize)]
struct FollowerJson<'a> {
    server: &'a str,
    current: bool,
    offline: bool,
    lag: u64,
}

impl<'a> From<&'a Replication> for Json<'a> {
    fn from(it: &'a Replication) -> Self {
        let follower = |follower: &'a ReplicaState| FollowerJson {
            server: &follower.server,
            current: follower.is_current,
            offline: follower.is_offline,
            lag: follower.lag,
        };
        Self {
            stream: &it.stream,
            replicas: it.replicas,
            leader: it.leader.as_deref(),
            current: it.is_current(),
            tags: &it.tags,
            followers: it.followers.iter().map(follower).collect(),
        }
    }
}
