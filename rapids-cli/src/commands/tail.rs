//! `rapids tail`: prints packets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{Error, Packet, Rapids, Start, Tail as Packets, Timestamp};
use tokio::time::sleep;

use crate::ending::Ending;
use crate::filter::Filter;
use crate::line::Line;
use crate::packet_line::line;
use crate::screen::Format;
use crate::session::Session;
use crate::standing::Standing;
use crate::times::since;

/// How long to wait for the answers of instances.
const ANSWERS: Duration = Duration::from_millis(500);
/// How often it is looked how far the services are.
const LOOK: Duration = Duration::from_secs(5);

/// Print the packets of the rapids
///
/// Begins with the oldest packet, or with the next one if it is to follow, and ends with the packet
/// that was the last when it began, unless it is to follow. A body that is no packet is told on
/// standard error, with its sequence, and skipped; so is a packet on which the expression is too
/// costly to evaluate.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids tail --follow --services
  rapids tail --since 10m --where \"@.event == 'order_placed' && @.total > 100\"
  rapids tail --sequence 17 -o json | head -1")]
pub(crate) struct Tail {
    /// Only packets that hold this RFC 9535 filter expression, with the packet as `@`
    #[arg(long = "where", value_name = "EXPRESSION")]
    filter: Option<Filter>,

    #[command(flatten)]
    from: From,

    /// Tell first, on standard error, how far each service is; with --follow also what has changed
    /// of that, every five seconds
    #[arg(long)]
    services: bool,

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
        // Before it is told how far they are, so that what comes meanwhile is printed.
        let tail = rapids.tail(self.from.start(self.follow)).await?;
        if !self.services {
            return self.print(tail, session).await;
        }
        let mut told = BTreeMap::new();
        tell(&rapids, &mut told, session).await?;
        if !self.follow {
            return self.print(tail, session).await;
        }
        tokio::select! {
            printed = self.print(tail, session) => printed,
            never = tell_changes(&rapids, told, session) => match never {},
        }
    }

    async fn print(&self, mut tail: Packets, session: &Session) -> Result<Ending> {
        let mut is_told = false;
        loop {
            let next = if self.follow {
                tail.next().await.map(Some)
            } else {
                Box::pin(tail.next_stored()).await
            };
            match next {
                Ok(None) => return Ok(Ending::Yes),
                Ok(Some(packet)) => {
                    if self.show(&packet, session).await? && !packet.has_kind() && !is_told {
                        is_told = true;
                        let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
                        session.screen.warning(format_args!(
                            "sequence {sequence} has neither `event`, `command` nor `need` (later \
                             ones are not told)"
                        ));
                    }
                }
                Err(error @ Error::Malformed { .. }) => session.screen.warning(error),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Prints a packet, if it is asked for.
    async fn show(&self, packet: &Packet, session: &Session) -> Result<bool> {
        let screen = &session.screen;
        if let Some(filter) = &self.filter {
            match filter.takes(packet).await {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    screen.warning(error);
                    return Ok(false);
                }
            }
        }
        match self.output {
            Format::Line => screen.line(line(packet, screen.data))?,
            Format::Json => screen.json(&packet.to_string())?,
        }
        Ok(true)
    }
}

/// Tells how far the services are of which something else was told before.
async fn tell(
    rapids: &Rapids,
    told: &mut BTreeMap<String, String>,
    session: &Session,
) -> Result<()> {
    let screen = &session.screen;
    for (name, standing) in Standing::of_all(session, rapids, ANSWERS).await? {
        let line = standing.line(&name);
        if told.get(&name) != Some(&line) {
            screen.note(Line::new().styled(screen.words.faint, &line));
            told.insert(name, line);
        }
    }
    Ok(())
}

/// Tells what changes, for ever.
async fn tell_changes(
    rapids: &Rapids,
    mut told: BTreeMap<String, String>,
    session: &Session,
) -> Infallible {
    loop {
        sleep(LOOK).await;
        // The packets wait for a server that is away, too.
        if let Err(error) = tell(rapids, &mut told, session).await {
            session.screen.warning(format_args!("{error:#}"));
        }
    }
}
