//! `rapids position`: how far a service is, and moving that.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{Moved, Moving, Rapids, Start, Timestamp};
use serde::Serialize;

use crate::ending::{Ending, Fault};
use crate::screen::Format;
use crate::session::Session;
use crate::standing::Standing;
use crate::times::{duration, since};

/// Show how far a service is, or move that: to read the past again, or to skip what waits
///
/// Only services in exclusive delivery can be moved, and only while no instance of them is active,
/// which takes up to three seconds to find out where one has ended by force. A position that was
/// deleted, garbled, or in a stream that was made anew is mended by moving it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids position payment
  rapids position payment --to-time 2d --forget
  rapids position payment --set 17 --force

What a service has seen is not done twice: memories take each packet once, and keep up to where they
have taken all; `once` reactions keep what they have done. Packets that are read again pass them by,
unless --forget clears both, for good. Plain reactions run again in any case. What they publish is
stored again if it is more than ten minutes since it was stored.

Output: a line. With -o json it is the object that `rapids services` prints of the service; of a
position that was moved, an object with `service`; `next`, the sequence it goes on with; `pending`,
how many packets there are to read from there on; `again`, how many of them were read before;
`skipped`, how many are not read any more that were not done; `mended`, why the position before could
not be used; `replaced`, the instance that was active; `forgotten`, how many memories were cleared;
the last three are null where there was nothing to do.")]
pub(crate) struct Position {
    /// The service
    service: String,

    #[command(flatten)]
    to: To,

    /// Also while an instance is active: it stops within a second, and three seconds later it or
    /// another goes on from the new position
    #[arg(long, requires = "to")]
    force: bool,

    /// Clear the service's memories too, what its `once` reactions have done, and its notes about
    /// packets
    #[arg(long, requires = "to")]
    forget: bool,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,

    /// How long to wait for the answers of instances
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

/// Where to move it.
#[derive(Debug, Args)]
#[group(id = "to", multiple = false)]
struct To {
    /// Go on with this sequence: it is read next
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    set: Option<u64>,

    /// Go on with the first packet stored since this time (`2026-11-21 09:30`, in UTC unless it
    /// says otherwise) or so long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", value_parser = |text: &str| since(text, Timestamp::now()))]
    to_time: Option<Timestamp>,

    /// Skip all that is stored, and go on with the next packet
    #[arg(long)]
    to_end: bool,

    /// Go on with the oldest packet that the stream holds
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
        self.to.start().is_some()
    }

    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        let interrupt = &session.interrupt;
        let rapids = interrupt.unless(session.rapids()).await?;
        match self.to.start() {
            None => interrupt.unless(self.show(&rapids, session)).await,
            // What is forgotten by half is seen by half.
            Some(to) if self.forget => self.set(&rapids, to, session).await,
            Some(to) => interrupt.unless(self.set(&rapids, to, session)).await,
        }
    }

    async fn show(&self, rapids: &Rapids, session: &Session) -> Result<Ending> {
        let position = rapids.position(&self.service).await?;
        let instances = rapids.services(self.wait).await?;
        let is_its = |name: &str| name == self.service;
        let instances: Vec<_> = instances.into_iter().filter(|it| is_its(&it.name)).collect();
        if position.is_none() && instances.is_empty() {
            return Err(self.unknown(rapids).await?.into());
        }
        let standing = Standing { instances, position };
        match self.output {
            Format::Line => session.screen.line(standing.line(&self.service))?,
            Format::Json => session.screen.json(&standing.json(&self.service)?)?,
        }
        Ok(Ending::Yes)
    }

    async fn set(&self, rapids: &Rapids, to: Start, session: &Session) -> Result<Ending> {
        let mut how = Moving::new();
        if self.force {
            how = how.force();
        }
        if self.forget {
            how = how.forget();
        }
        let Some(moved) = rapids.move_position(&self.service, to, how).await? else {
            return Err(self.unknown(rapids).await?.into());
        };
        match self.output {
            Format::Line => {
                for line in lines(&moved) {
                    session.screen.line(line)?;
                }
            }
            Format::Json => session.screen.json(&serde_json::to_string(&Told::of(&moved))?)?,
        }
        Ok(Ending::Yes)
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

fn lines(moved: &Moved) -> Vec<String> {
    let Moved { service, next, pending, again, skipped, .. } = moved;
    let mut line = format!("{service} goes on with sequence {next}: {} to read", packets(*pending));
    if *again > 0 {
        line += &format!(", {again} of them again");
    }
    if *skipped > 0 {
        line += &format!("; {} skipped", packets(*skipped));
    }
    let mut lines = vec![line];
    lines.extend(moved.mended.as_ref().map(|fault| format!("  mended: {fault}")));
    lines.extend(moved.replaced.as_ref().map(|id| format!("  replaced: the active instance {id}")));
    lines.extend(moved.forgotten.map(|count| {
        let memories = if count == 1 { "memory" } else { "memories" };
        format!("  forgotten: {count} {memories}, and what was noted of packets")
    }));
    lines
}

/// `1 packet`, `2 packets`.
fn packets(count: u64) -> String {
    if count == 1 { "1 packet".to_owned() } else { format!("{count} packets") }
}

/// A position that was moved, as JSON.
#[derive(Serialize)]
struct Told<'a> {
    service: &'a str,
    next: u64,
    pending: u64,
    again: u64,
    skipped: u64,
    mended: Option<&'a str>,
    replaced: Option<&'a str>,
    forgotten: Option<u64>,
}

impl<'a> Told<'a> {
    fn of(moved: &'a Moved) -> Self {
        Self {
            service: &moved.service,
            next: moved.next,
            pending: moved.pending,
            again: moved.again,
            skipped: moved.skipped,
            mended: moved.mended.as_deref(),
            replaced: moved.replaced.as_deref(),
            forgotten: moved.forgotten,
        }
    }
}
