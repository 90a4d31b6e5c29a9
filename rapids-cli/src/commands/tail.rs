//! `rapids tail`: prints packets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{Error, Packet, Rapids, Start, Tail as Packets, Timestamp};
use rapids_views::since;
use tokio::time::sleep;

use crate::exit::Answer;
use crate::filter::Filter;
use crate::line::Line;
use crate::packet_line::line;
use crate::screen::Format;
use crate::service_line;
use crate::session::Session;

/// How long to wait for the answers of instances.
const ANSWERS: Duration = Duration::from_millis(500);
/// How often the status of the services is read.
const POLL: Duration = Duration::from_secs(5);

/// Print the packets of the rapids
///
/// Prints the packets that are stored, from the oldest to the last; with --follow, prints packets as
/// they come, from the next one on. Each line has the end of its conversation's correlation id, as in
/// `~3f2a9c`. A body that is no packet, and a packet on which the expression is
/// too costly to evaluate, is skipped with a warning.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids tail --follow --services
  rapids tail --since 10m --where \"@.event == 'order_placed' && @.total > 100\"
  rapids tail --sequence 17 -o json | head -1")]
pub(crate) struct Tail {
    /// Print only packets that match this RFC 9535 filter expression, with the packet as `@`
    #[arg(long = "where", value_name = "EXPRESSION")]
    filter: Option<Filter>,

    /// Print only packets of the conversation with this correlation id; `rapids trace` prints it as a tree
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,

    #[command(flatten)]
    from: From,

    /// First print the status of each service to standard error; with --follow, also print changes
    /// every five seconds
    #[arg(long)]
    services: bool,

    /// Print packets as they come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// How to print packets; `json` prints each as it is stored, on one line
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

/// Where to begin.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct From {
    /// Begin with the oldest packet in the stream
    #[arg(long)]
    from_beginning: bool,

    /// Begin with the first packet stored since this time (`2026-11-21 09:30`, in UTC unless it
    /// says otherwise) or so long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", value_parser = |text: &str| since(text, Timestamp::now()))]
    since: Option<Timestamp>,

    /// Begin with the packet with this sequence
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
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        // Open the tail first, so that packets that come meanwhile are printed.
        let tail = rapids.tail(self.from.start(self.follow)).await?;
        if !self.services {
            return self.print(tail, session).await;
        }
        let mut printed = BTreeMap::new();
        print_changes(&rapids, &mut printed, session).await?;
        if !self.follow {
            return self.print(tail, session).await;
        }
        tokio::select! {
            answer = self.print(tail, session) => answer,
            never = keep_printing_changes(&rapids, printed, session) => match never {},
        }
    }

    async fn print(&self, mut tail: Packets, session: &Session) -> Result<Answer> {
        let mut has_warned = false;
        loop {
            let next = if self.follow {
                tail.next().await.map(Some)
            } else {
                Box::pin(tail.next_stored()).await
            };
            match next {
                Ok(None) => return Ok(Answer::Yes),
                Ok(Some(packet)) => {
                    if self.show(&packet, session).await? && !packet.has_kind() && !has_warned {
                        has_warned = true;
                        let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
                        session.screen.warning(format_args!(
                            "sequence {sequence} has neither `event`, `command` nor `need` (no \
                             warning for later ones)"
                        ));
                    }
                }
                Err(error @ Error::Malformed { .. }) => session.screen.warning(error),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Prints a packet if it is wanted; returns whether it does.
    async fn show(&self, packet: &Packet, session: &Session) -> Result<bool> {
        let screen = &session.screen;
        let wanted = self.conversation.as_deref();
        if wanted.is_some_and(|wanted| wanted != packet.correlation_id()) {
            return Ok(false);
        }
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

/// Prints the status of each service whose line has changed.
async fn print_changes(
    rapids: &Rapids,
    printed: &mut BTreeMap<String, String>,
    session: &Session,
) -> Result<()> {
    let screen = &session.screen;
    for (name, status) in session.service_statuses(rapids, ANSWERS).await? {
        let line = service_line::line(&name, &status);
        if printed.get(&name) != Some(&line) {
            screen.note(Line::new().styled(screen.messages.faint, &line));
            printed.insert(name, line);
        }
    }
    Ok(())
}

/// Prints changes until it is dropped.
async fn keep_printing_changes(
    rapids: &Rapids,
    mut printed: BTreeMap<String, String>,
    session: &Session,
) -> Infallible {
    loop {
        sleep(POLL).await;
        // While the server is away, packets are waited for too, so this goes on.
        if let Err(error) = print_changes(rapids, &mut printed, session).await {
            session.screen.warning(format_args!("{error:#}"));
        }
    }
}
