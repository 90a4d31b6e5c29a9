//! `rapids publish`: publishes packets and prints where each is stored.
//!
//! Reading them is left to `publish/input`.

mod input;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use rapids_client::{Packet, Published, PutOff, Rapids, TimerId, Timestamp, When};
use serde::Serialize;

use crate::exit::{Answer, Fault};
use crate::screen::{Format, Screen};
use crate::session::Session;
use crate::times;
use input::{Input, Item, Origin};

/// How many packets are in flight at once.
const WINDOW: usize = 512;

/// Publish packets, and print where each is stored
///
/// Returns once the server has stored them. If the server does not answer, a packet is sent again for
/// 30 seconds under the same id, so that it is stored once. Missing fields of `rapids` are filled in.
/// Standard input holds one packet per line; blank lines are skipped, and up to 512 packets are in
/// flight at once. The first line that is not a packet, or cannot be stored, ends the command: packets
/// in flight are still waited for and printed, but no more lines are read. A packet that is neither an
/// event, a command nor a need is stored with a warning.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids publish '{\"event\":\"order_placed\",\"order_id\":\"o-1\",\"total\":7550}'
  rapids publish --count 1000 '{\"event\":\"tick\"}'
  rapids publish --in 30m '{\"event\":\"payment_due\",\"order_id\":\"o-1\"}'
  rapids publish - < packets.jsonl

Output: a line `SEQUENCE ID` per stored packet, followed by `duplicate` if a packet with this id was
stored before; with -o json an object with `sequence`, `id` and `duplicate`. With --in or --at the id of
the timer and the time at which it is due, or `duplicate` if this id was put off before, which changes
nothing; with -o json `timer`, `due` and `duplicate`.")]
pub(crate) struct Publish {
    /// The packet, a JSON object; `-` for standard input, which is also the default if it is not a
    /// terminal
    #[arg(value_name = "JSON")]
    packet: Option<String>,

    /// Publish each packet this many times, each time with an id of its own
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1,
          value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    count: u64,

    /// Publish the packets after this time, such as `30m`: the server keeps them until then
    #[arg(long = "in", value_name = "DURATION", value_parser = times::duration)]
    wait: Option<Duration>,

    /// Publish the packets at this time; at once if it is over
    #[arg(long, value_name = "TIME", value_parser = times::time, conflicts_with = "wait")]
    at: Option<Timestamp>,

    /// How to print where packets are stored
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Publish {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let input = Input::of(self.packet.as_deref())?;
        let rapids = session.interrupt.unless(session.rapids()).await?;
        let due = self.at.or(self.wait.map(|wait| When::from(wait).after(Timestamp::now())));
        let mut items = input::read(input, self.count);
        let mut in_flight = FuturesOrdered::new();
        let (mut failed, mut blank, mut ended) = (None, 0, false);
        let mut kindless = Kindless::default();
        loop {
            let goes_on = failed.is_none() && !ended;
            let step = tokio::select! {
                // Packets in flight are waited for and printed even if another one has failed.
                Some(stored) = in_flight.next() => self.report(&session.screen, stored),
                item = items.recv(), if goes_on && in_flight.len() < WINDOW => match item {
                    Some(Ok(Item { origin, packet: Some(packet) })) => {
                        kindless.check(&packet, origin, &session.screen);
                        let storing = begin(&rapids, packet, due).await;
                        storing
                            .map(|storing| in_flight.push_back(stored(storing, origin)))
                            .with_context(|| origin.to_string())
                    }
                    Some(Ok(Item { packet: None, .. })) => {
                        blank += 1;
                        Ok(())
                    }
                    Some(Err(error)) => Err(error),
                    None => {
                        ended = true;
                        Ok(())
                    }
                },
                () = session.interrupt.received(), if goes_on => Err(Fault::Interrupted.into()),
                else => break,
            };
            failed = failed.or(step.err());
        }
        kindless.sum_up(&session.screen);
        if blank > 0 {
            session.screen.note(format_args!("blank lines skipped: {blank}"));
        }
        failed.map_or(Ok(Answer::Yes), Err)
    }

    fn report(&self, screen: &Screen, stored: Result<Stored>) -> Result<()> {
        let stored = stored?;
        match (self.output, &stored) {
            (Format::Line, Stored::Now { sequence, id, duplicate: true }) => {
                screen.line(format_args!("{sequence} {id} duplicate"))
            }
            (Format::Line, Stored::Now { sequence, id, .. }) => {
                screen.line(format_args!("{sequence} {id}"))
            }
            (Format::Line, Stored::Later { timer, duplicate: true, .. }) => {
                screen.line(format_args!("{timer} duplicate"))
            }
            (Format::Line, Stored::Later { timer, due, .. }) => {
                screen.line(format_args!("{timer} {due}"))
            }
            (Format::Json, stored) => screen.json(&serde_json::to_string(stored)?),
        }
    }
}

/// Warns of packets without a kind, which few rivers will take: of the first one at once, of the
/// others together.
#[derive(Default)]
struct Kindless {
    others: u64,
    has_warned: bool,
}

impl Kindless {
    fn check(&mut self, packet: &Packet, origin: Origin, screen: &Screen) {
        if packet.has_kind() {
            return;
        }
        if self.has_warned {
            self.others += 1;
            return;
        }
        self.has_warned = true;
        screen.warning(format_args!("{origin} has neither `event`, `command` nor `need`"));
    }

    fn sum_up(&self, screen: &Screen) {
        if self.others > 0 {
            screen.warning(format_args!("{} more packets have none of these", self.others));
        }
    }
}

/// Where a packet is stored.
#[derive(Serialize)]
#[serde(untagged)]
enum Stored {
    Now { sequence: u64, id: String, duplicate: bool },
    Later { timer: TimerId, due: Timestamp, duplicate: bool },
}

/// Hands a packet to the server: to be published now, or at this time.
async fn begin(
    rapids: &Rapids,
    packet: Packet,
    due: Option<Timestamp>,
) -> rapids_client::Result<BoxFuture<'_, rapids_client::Result<Stored>>> {
    let Some(due) = due else {
        let sending = rapids.send(packet).await?;
        return Ok(Box::pin(async {
            let Published { id, sequence, duplicate } = sending.stored().await?;
            Ok(Stored::Now { sequence, id, duplicate })
        }));
    };
    Ok(Box::pin(async move {
        let PutOff { timer, duplicate, .. } = rapids.publish_later(packet, due).await?;
        Ok(Stored::Later { timer, due, duplicate })
    }))
}

async fn stored(
    storing: BoxFuture<'_, rapids_client::Result<Stored>>,
    origin: Origin,
) -> Result<Stored> {
    storing.await.with_context(|| origin.to_string())
}
