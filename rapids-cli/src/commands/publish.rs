//! `rapids publish`: stores packets, and tells where.
//!
//! Reading them is left to `publish/reading`.

mod reading;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use rapids_client::{Published, Sending};
use serde::Serialize;

use crate::ending::{Ending, Fault};
use crate::screen::{Format, Screen};
use crate::session::Session;
use reading::{Input, Item, Place};

/// How many packets are under way at once.
const WINDOW: usize = 512;

/// Publish packets, and print where each is stored
///
/// Returns once the server has stored them; a publish that it does not answer is repeated for 30
/// seconds under the same id, so that it is stored once. What a packet lacks of `rapids` is filled
/// in. From standard input it takes one packet per line, many under way at once, and passes over
/// blank lines. The first line that is no packet, or that cannot be stored, ends it: no more lines are
/// read, and those under way, at most 512, are waited for and printed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids publish '{\"event\":\"order_placed\",\"order_id\":\"o-1\",\"total\":7550}'
  rapids publish --count 1000 '{\"event\":\"tick\"}'
  rapids publish - < packets.jsonl

Output: a line `SEQUENCE ID` per stored packet, with `duplicate` behind it if the packet of this id
had been stored before; with -o json an object of `sequence`, `id` and `duplicate`.")]
pub(crate) struct Publish {
    /// The packet, a JSON object, or `-` for one per line of standard input, which is also read
    /// when nothing is given and it is no terminal
    #[arg(value_name = "JSON")]
    packet: Option<String>,

    /// Publish each packet so many times, each time with an id of its own
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1,
          value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    count: u64,

    /// How to print where packets are stored
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Publish {
    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        let input = Input::of(self.packet.as_deref())?;
        let rapids = session.interrupt.unless(session.rapids()).await?;
        let mut items = reading::read(input, self.count);
        let mut under_way = FuturesOrdered::new();
        let (mut failed, mut blank, mut ended) = (None, 0, false);
        loop {
            let goes_on = failed.is_none() && !ended;
            let step = tokio::select! {
                // What is under way is waited for and printed, whatever became of the others.
                Some(stored) = under_way.next() => self.report(&session.screen, stored),
                item = items.recv(), if goes_on && under_way.len() < WINDOW => match item {
                    Some(Ok(Item { place, packet: Some(packet) })) => {
                        let sending = rapids.send(packet).await;
                        sending
                            .map(|sending| under_way.push_back(stored(sending, place)))
                            .with_context(|| place.to_string())
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
                () = session.interrupt.came(), if goes_on => Err(Fault::Interrupted.into()),
                else => break,
            };
            failed = failed.or(step.err());
        }
        if blank > 0 {
            session.screen.note(format_args!("blank lines passed over: {blank}"));
        }
        failed.map_or(Ok(Ending::Yes), Err)
    }

    fn report(&self, screen: &Screen, stored: Result<Published>) -> Result<()> {
        let Published { id, sequence, duplicate } = stored?;
        match self.output {
            Format::Line if duplicate => screen.line(format_args!("{sequence} {id} duplicate")),
            Format::Line => screen.line(format_args!("{sequence} {id}")),
            Format::Json => {
                screen.json(&serde_json::to_string(&Stored { sequence, id: &id, duplicate })?)
            }
        }
    }
}

/// Where a packet is stored, as JSON.
#[derive(Serialize)]
struct Stored<'a> {
    sequence: u64,
    id: &'a str,
    duplicate: bool,
}

async fn stored(sending: Sending, place: Place) -> Result<Published> {
    Box::pin(sending.stored()).await.with_context(|| place.to_string())
}
