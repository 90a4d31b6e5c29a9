//! `rapids explain`: explains how a river or an expression judges a packet.
//!
//! Printing the explanation is left to [`explanation`](crate::explanation).

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::map::AnnouncedRiver;
use rapids_client::{RiverName, ServiceInfo, Verdict};

use crate::announced;
use crate::exit::Answer;
use crate::explanation::{Subject, json, lines};
use crate::filter::Filter;
use crate::packet_argument::{PacketArgument, open};
use crate::screen::Format;
use crate::session::Session;
use crate::times::duration;

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
    packet: PacketArgument,

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

impl Explain {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        // Opened by the first step that needs it.
        let mut opened = None;
        let packet = self.packet.read(session, &mut opened).await?;
        let subjects = match (&self.judge.filter, &self.judge.river) {
            (Some(filter), _) => vec![Subject::Expression(filter.rules())],
            (None, Some(name)) => {
                let rapids = open(session, &mut opened).await?;
                announced(&rapids.services(self.wait).await?, name)?
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
            let explanation = subject.explain(&packet).await?;
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

/// What the instances of a river announce; several if they differ.
///
/// # Errors
/// As for [`announced::rules`].
fn announced(up: &[ServiceInfo], name: &RiverName) -> Result<Vec<Subject>> {
    announced::rules(name, up)?;
    let found = AnnouncedRiver::all(up).into_iter();
    let found = found.filter(|it| it.service() == name.service() && it.name() == name.river());
    Ok(found.map(Subject::from).collect())
}
