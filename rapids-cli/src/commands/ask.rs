//! `rapids ask`: publishes a packet and prints what comes of it.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rapids_client::{Answer as Came, Packet};

use crate::exit::Answer;
use crate::filter::Filter;
use crate::packet_argument::given;
use crate::packet_line::line;
use crate::screen::{Format, Screen};
use crate::session::Session;
use crate::times::{duration, shown};

/// Publish a packet, and print what comes of it
///
/// Waits for a packet of the same conversation that is one of the events, or matches one of the
/// expressions, and prints it. If the time is up before, prints all packets of the conversation that came
/// until then, and the exit code is 1. What came is in the stream; of what is printed when the time is up,
/// a packet may be forged by whoever may publish to `rapids.live`.
///
/// The packet is published as `rapids publish` does it. If it has an id under which it is stored already,
/// it is not stored again, and what has come of it since then counts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids ask '{\"command\":\"place_order\",\"customer\":\"ada\"}' --event order_placed --event order_refused --within 2s
  rapids ask '{\"need\":\"offer\"}' --until '@.solutions.offer' --collect 3 --within 500ms -o json

Output: a line per packet, as `rapids tail` prints it; with -o json the packet as it is stored.
Exit code: 0 if it came, 1 when the time is up.")]
pub(crate) struct Ask {
    /// The packet, a JSON object; `-` for standard input, which is also the default if it is not a
    /// terminal
    #[arg(value_name = "JSON")]
    packet: Option<String>,

    #[command(flatten)]
    ends: Ends,

    /// How long to wait at most, the publishing included: `500ms`, `2s`, `1m30s`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    within: Duration,

    /// Wait for so many packets that match, instead of one
    #[arg(long, value_name = "N", default_value = "1")]
    collect: NonZeroUsize,

    /// How to print packets; `json` prints each as it is stored, on one line
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

/// What ends the wait.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Ends {
    /// End with a packet that states this event; may be repeated
    #[arg(long = "event", value_name = "NAME")]
    events: Vec<String>,

    /// End with a packet that matches this RFC 9535 filter expression, with the packet as `@`; may be
    /// repeated
    #[arg(long = "until", value_name = "EXPRESSION", value_parser = expression)]
    expressions: Vec<String>,
}

impl Ask {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let screen = &session.screen;
        let packet = given(self.packet.as_deref(), "give one, or `-` for standard input").await;
        let packet = packet.context("the packet given")?;
        if !packet.has_kind() {
            screen.warning("the packet given has neither `event`, `command` nor `need`");
        }
        let mut ask = session.rapids().await?.ask(packet);
        if !self.ends.events.is_empty() {
            ask = ask.until_event(self.ends.events);
        }
        for expression in &self.ends.expressions {
            ask = ask.until(expression);
        }
        let print = |packets: Vec<Packet>| {
            packets.iter().try_for_each(|packet| print(packet, self.output, screen))
        };
        match ask.collect(self.collect.get()).within(self.within).await? {
            Came::Came(packets) => {
                print(packets)?;
                Ok(Answer::Yes)
            }
            Came::TimedOut(so_far) => {
                let (count, time) = (so_far.len(), shown(self.within));
                print(so_far)?;
                screen.note(format_args!(
                    "the time of {time} is up; packets of the conversation until then: {count}"
                ));
                Ok(Answer::No)
            }
        }
    }
}

fn print(packet: &Packet, output: Format, screen: &Screen) -> Result<()> {
    match output {
        Format::Line => screen.line(line(packet, screen.data)),
        Format::Json => screen.json(&packet.to_string()),
    }
}

/// Checks an expression before anything is published.
fn expression(text: &str) -> Result<String, String> {
    text.parse::<Filter>().map(|_| text.to_owned())
}
