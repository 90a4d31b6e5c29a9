//! `rapids tail`: prints packets.

use anyhow::Result;
use clap::Args;
use rapids_client::{Error, Packet, Start, Timestamp};

use crate::ending::Ending;
use crate::filter::Filter;
use crate::packet_line::{compact, line};
use crate::screen::Format;
use crate::session::Session;
use crate::times::since;

/// Print the packets of the rapids
///
/// Begins with the oldest packet, or with the next one if it is to follow, and ends with the packet
/// that was the last when it began, unless it is to follow. A body that is no packet is told on
/// standard error, with its sequence, and skipped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids tail --follow
  rapids tail --since 10m --where \"@.event == 'order_placed' && @.total > 100\"
  rapids tail --sequence 17 -o json | head -1")]
pub(crate) struct Tail {
    /// Only packets that hold this RFC 9535 filter expression, with the packet as `@`
    #[arg(long = "where", value_name = "EXPRESSION")]
    filter: Option<Filter>,

    #[command(flatten)]
    from: From,

    /// Go on with packets as they come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// `line` is for people; `json` is each packet as it is stored, on one line
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

/// Where to begin.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct From {
    /// Begin with the oldest packet that the stream holds
    #[arg(long)]
    from_beginning: bool,

    /// Begin with the first packet stored since this time (`2026-11-21 09:30`, in UTC unless it
    /// says otherwise) or so long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", value_parser = |text: &str| since(text, Timestamp::now()))]
    since: Option<Timestamp>,

    /// Begin with the packet of this sequence
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
}

impl From {
    fn start(&self, follow: bool) -> Start {
        match (self.since, self.sequence) {
            (Some(time), _) => Start::Time(time),
            (_, Some(sequence)) => Start::Sequence(sequence),
            _ if follow && !self.from_beginning => Start::Now,
            _ => Start::Beginning,
        }
    }
}

impl Tail {
    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        let rapids = session.rapids().await?;
        let mut tail = rapids.tail(self.from.start(self.follow)).await?;
        loop {
            let next = if self.follow {
                tail.next().await.map(Some)
            } else {
                Box::pin(tail.next_stored()).await
            };
            match next {
                Ok(None) => return Ok(Ending::Yes),
                Ok(Some(packet)) => self.show(&packet, session)?,
                Err(error @ Error::Malformed { .. }) => session.screen.warning(error),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn show(&self, packet: &Packet, session: &Session) -> Result<()> {
        if self.filter.as_ref().is_some_and(|filter| !filter.takes(packet)) {
            return Ok(());
        }
        let screen = &session.screen;
        match self.output {
            Format::Line => screen.line(line(packet, screen.data)),
            Format::Json => screen.line(compact(packet)),
        }
    }
}
