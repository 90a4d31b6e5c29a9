//! `rapids explain`: explains how a river or an expression judges a packet.
//!
//! Printing the explanation is left to `explain/report`.

mod report;

use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rapids_client::{Packet, Rapids, River, Rules, Start, Verdict};

use crate::clauses::split_rules;
use crate::exit::{Answer, Fault};
use crate::filter::Filter;
use crate::river_name::RiverName;
use crate::screen::Format;
use crate::session::Session;
use crate::times::duration;
use report::{Subject, json, lines};

/// Explain clause by clause how a river or an expression judges a packet
///
/// The rules of a river are those that its running service announces. With an expression and a packet
/// on the command line, no server is needed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids explain --river payment/charge --sequence 17
  rapids explain --where '@.total > 100 && @.customer' '{\"total\":7550}'

Exit code: 0 if the packet matches, 1 if it does not.

With -o json an object: `river` or `expression`; `packet`, its id; `matches`; `verdict`, one of
`matches`, `not_for_me`, `invalid`, `too_costly` and `looped`; `problems`; and `clauses`, each with
`expression`, `required`, `held`, `too_costly` and `found`, a list of `query` and `value` (JSON as
text, shortened, or null).
Of a clause that did not hold, `found` goes into the first five elements that a filter tested,
`left_out` counts the others, and `mismatches`, each with `query` and `mismatch`, names values of
another type than they are compared with.")]
pub(crate) struct Explain {
    #[command(flatten)]
    judge: Judge,

    #[command(flatten)]
    packet: Source,

    /// How to print the explanation
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,

    /// How long to wait for the answers of services
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

/// What judges the packet.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Judge {
    /// A river of a running service, such as `payment/charge`
    #[arg(long, value_name = "SERVICE/RIVER")]
    river: Option<RiverName>,

    /// An RFC 9535 filter expression, with the packet as `@`
    #[arg(long = "where", value_name = "EXPRESSION")]
    filter: Option<Filter>,
}

/// Where the packet comes from.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Source {
    /// The packet, a JSON object; `-` for standard input, which is also the default if it is not a
    /// terminal
    #[arg(value_name = "PACKET")]
    packet: Option<String>,

    /// The packet with this sequence
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
}

impl Explain {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        // Opened by the first step that needs it.
        let mut opened = None;
        let packet = self.packet.read(session, &mut opened).await?;
        let subjects = match (&self.judge.filter, &self.judge.river) {
            (Some(filter), _) => vec![Subject::Expression(filter.rules())],
            (None, Some(name)) => {
                let rapids = open(session, &mut opened).await?;
                let up = rapids.services(self.wait).await?;
                let subject = |rules: &Rules| Subject::River {
                    service: name.service.clone(),
                    rules: rules.clone(),
                };
                name.announced_rules(&up)?.into_iter().map(subject).collect()
            }
            (None, None) => Vec::new(),
        };
        if subjects.len() > 1 {
            session.screen.warning(
                "instances of the service differ in their rules; each version is explained",
            );
        }
        let mut matches = true;
        for subject in &subjects {
            let (river, explained) =
                (River::from_rules(split_rules(subject.rules())), packet.clone());
            // Runs on another thread, so that an interrupt is handled meanwhile.
            let explaining = tokio::task::spawn_blocking(move || river.explain(&explained));
            let explanation = explaining.await?;
            matches &= explanation.verdict == Verdict::Matches;
            match self.output {
                Format::Json => session.screen.json(&json(subject, &explanation)?)?,
                Format::Line => {
                    for line in lines(subject, &explanation, session.screen.data) {
                        session.screen.line(line)?;
                    }
                }
            }
        }
        Ok(Answer::from(matches))
    }
}

async fn open<'a>(session: &Session, opened: &'a mut Option<Rapids>) -> Result<&'a Rapids> {
    match opened {
        Some(rapids) => Ok(rapids),
        None => Ok(opened.insert(session.rapids().await?)),
    }
}

impl Source {
    async fn read(&self, session: &Session, opened: &mut Option<Rapids>) -> Result<Packet> {
        match (self.packet.as_deref(), self.sequence) {
            (_, Some(sequence)) => stored(open(session, opened).await?, sequence).await,
            (Some("-"), _) => from_input().await,
            (Some(text), _) => Ok(Packet::from_bytes(text.to_owned())?),
            (None, None) if io::stdin().is_terminal() => {
                let words = "there is no packet to explain: give one, `-` for standard input, or \
                             `--sequence`";
                Err(Fault::Usage(words.to_owned()).into())
            }
            (None, None) => from_input().await,
        }
    }
}

/// Reads one packet up to the end of standard input.
async fn from_input() -> Result<Packet> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut body = Vec::new();
        io::stdin().lock().read_to_end(&mut body).map(|_| body)
    });
    Ok(Packet::from_bytes(reading.await?.context("cannot read standard input")?)?)
}

async fn stored(rapids: &Rapids, sequence: u64) -> Result<Packet> {
    let mut tail = rapids.tail(Start::Sequence(sequence)).await?;
    let found = Box::pin(tail.next_stored()).await?;
    let is_it =
        |packet: &Packet| packet.arrival().is_some_and(|arrival| arrival.sequence == sequence);
    found.filter(is_it).ok_or_else(|| {
        let words = format!("there is no packet with sequence {sequence}, or it has expired");
        Fault::NotFound(words).into()
    })
}
