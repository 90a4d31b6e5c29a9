//! `rapids position`: shows and moves the position of a service.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{Operation, Rapids, SeekReport, Start, Timestamp};
use rapids_views::{
    Rereading, ServiceStatus, move_outcome, moved, planned_move, rivers_again, since,
};
use serde::Serialize;

use crate::author::Reason;
use crate::exit::{Answer, Fault};
use crate::screen::Format;
use crate::service_line::{json, line};
use crate::session::Session;
use crate::times::duration;

/// Show the position of a service, or move it: to read past packets again, or to skip waiting ones
///
/// Instances may keep running: they finish what they have begun, and go on from the new position. In
/// exclusive delivery the active instance is replaced, which takes three seconds. Moving a position
/// repairs it if it was deleted or damaged, or if the stream was created anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids position payment
  rapids position payment --to-time 2d --dry-run
  rapids position payment --to-time 2d --reason 'the tax was missing'
  rapids position payment --to-beginning --forget

Memories take each packet once, and `once` reactions run once. They record what they have done, so
they skip packets that are read again. Plain reactions run again. What they publish is stored a second
time if the first was more than ten minutes ago.

With --forget the service makes its memories anew from the packets that it reads again. Up to where it
was, it reads them quietly: reactions run, but what they return is not published, `once` reactions do
not run, and packets that have a dead letter get no second one. `rapids services` shows how far it is.
From there on it works as before. With --publish it acts as if it had never seen the past: everything
is published again, and `once` reactions run again. If this program is ended halfway, running it once
more does the whole.

Output: a line. With -o json the object that `rapids services` prints for the service. For a position
that was moved, or with --dry-run would be, an object with `service`; `before`, up to where everything was
done, or null if that is not known; `next`, the sequence that is read next; `pending`, the number
of packets from there on; `again`, how many of them were read before; `quiet`, how many of them are
read quietly; `skipped`, how many unread packets are skipped; `mended`, why the old position could not be used; `replaced`, the instance that
was active; `forgotten`, how many memories were deleted. The last three are null if they do not apply.")]
pub(crate) struct Position {
    /// The service
    service: String,

    #[command(flatten)]
    to: To,

    /// Also delete the service's memories and its notes about packets, so that it makes its memories
    /// anew from what it reads again, and publishes nothing about that
    #[arg(long, requires = "to")]
    forget: bool,

    /// Also publish what reactions return to packets that are read again, and run `once` reactions again
    #[arg(long, requires = "forget")]
    publish: bool,

    /// Only print what the move would mean, and which rivers would run again
    #[arg(long, requires = "to")]
    dry_run: bool,

    #[command(flatten)]
    reason: Reason,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,

    /// How long to wait for the answers of instances
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

/// The new position.
#[derive(Debug, Args)]
#[group(id = "to", multiple = false)]
struct To {
    /// Go on with this sequence, which is read next
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    set: Option<u64>,

    /// Go on with the first packet stored since this time (`2026-11-21 09:30`, in UTC unless it
    /// says otherwise) or so long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", value_parser = |text: &str| since(text, Timestamp::now()))]
    to_time: Option<Timestamp>,

    /// Skip everything that is stored, and go on with the next packet
    #[arg(long)]
    to_end: bool,

    /// Go on with the oldest packet in the stream
    #[arg(long)]
    to_beginning: bool,
}

impl To {
    fn start(&self) -> Option<Start> {
        match (self.set, self.to_time) {
            (Some(sequence), _) => Some(Start::Sequence(sequence)),
            (_, Some(time)) => Some(Start::Time(time)),
            _ if self.to_end => Some(Start::Now),
            _ if self.to_beginning => Some(Start::Beginning),
            _ => None,
        }
    }
}

impl Position {
    pub(crate) fn changes(&self) -> bool {
        self.to.start().is_some() && !self.dry_run
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let interrupt = &session.interrupt;
        let rapids = interrupt.unless(session.rapids()).await?;
        match self.to.start() {
            None => interrupt.unless(self.show(&rapids, session)).await,
            Some(to) if self.dry_run => interrupt.unless(self.plan(&rapids, to, session)).await,
            // An interrupt is not to leave the rest to the instances.
            Some(to) if self.forget => self.set(&rapids, to, session).await,
            Some(to) => interrupt.unless(self.set(&rapids, to, session)).await,
        }
    }

    async fn show(&self, rapids: &Rapids, session: &Session) -> Result<Answer> {
        let position = rapids.position(&self.service).await?;
        let instances = session.services(rapids, self.wait).await?;
        let is_its = |name: &str| name == self.service;
        let instances: Vec<_> = instances.into_iter().filter(|it| is_its(&it.name)).collect();
        if position.is_none() && instances.is_empty() {
            return Err(self.unknown(rapids).await?.into());
        }
        let status = ServiceStatus { instances, position };
        match self.output {
            Format::Line => session.screen.line(line(&self.service, &status))?,
            Format::Json => session.screen.json(&json(&self.service, &status)?)?,
        }
        Ok(Answer::Yes)
    }

    fn how(&self) -> Rereading {
        Rereading::of(self.forget, self.publish)
    }

    async fn plan(&self, rapids: &Rapids, to: Start, session: &Session) -> Result<Answer> {
        let how = self.how();
        let Some(plan) = rapids.plan_move(&self.service, to, how.seek()).await? else {
            return Err(self.unknown(rapids).await?.into());
        };
        let mut lines = planned_move(&plan);
        if plan.again > 0 || plan.mended.is_some() {
            let instances = session.services(rapids, self.wait).await?;
            let instances = instances.iter().filter(|it| it.name == self.service);
            let rivers = rivers_again(instances, how);
            if rivers.is_empty() {
                lines.push(
                    "  no instance answers, so it is not known what its rivers do".to_owned(),
                );
            }
            lines.extend(rivers.iter().map(|(river, words)| format!("  {river} {words}")));
        }
        self.print(&plan, lines, session)
    }

    async fn set(&self, rapids: &Rapids, to: Start, session: &Session) -> Result<Answer> {
        let moving = rapids.move_position(&self.service, to, self.how().seek());
        let Some(report) = moving.await? else {
            return Err(self.unknown(rapids).await?.into());
        };
        let operation = Operation::new("move_position", &self.service, &self.reason.note());
        session.record(rapids, operation.outcome(move_outcome(&report))).await;
        self.print(&report, moved(&report), session)
    }

    fn print(&self, report: &SeekReport, lines: Vec<String>, session: &Session) -> Result<Answer> {
        match self.output {
            Format::Line => lines.into_iter().try_for_each(|line| session.screen.line(line))?,
            Format::Json => session.screen.json(&serde_json::to_string(&MovedJson::of(report))?)?,
        }
        Ok(Answer::Yes)
    }

    async fn unknown(&self, rapids: &Rapids) -> Result<Fault> {
        let positions = rapids.positions().await?;
        let names: Vec<_> = positions.into_iter().map(|position| position.service).collect();
        let known = match names.is_empty() {
            true => "no service has one".to_owned(),
            false => format!("there are {}", names.join(", ")),
        };
        Ok(Fault::NotFound(format!("service `{}` has no position; {known}", self.service)))
    }
}

/// A position that was moved or would be, as JSON.
#[derive(Serialize)]
struct MovedJson<'a> {
    service: &'a str,
    before: Option<u64>,
    next: u64,
    pending: u64,
    again: u64,
    quiet: u64,
    skipped: u64,
    mended: Option<&'a str>,
    replaced: Option<&'a str>,
    forgotten: Option<u64>,
}

impl<'a> MovedJson<'a> {
    fn of(moved: &'a SeekReport) -> Self {
        Self {
            service: &moved.service,
            before: moved.before,
            next: moved.next,
            pending: moved.pending,
            again: moved.again,
            quiet: moved.quiet,
            skipped: moved.skipped,
            mended: moved.mended.as_deref(),
            replaced: moved.replaced.as_deref(),
            forgotten: moved.forgotten,
        }
    }
}
