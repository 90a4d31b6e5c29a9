//! `rapids retire`: removes what the server keeps for one service.

use anyhow::Result;
use clap::Args;
use rapids_client::{Operation, Retired, Retiring};
use serde::Serialize;

use crate::author::Reason;
use crate::exit::{Answer, Fault};
use crate::screen::Format;
use crate::session::Session;

/// Remove what the server keeps for a service that will not run any more
///
/// Removes its position, its consumer on the stream of replays, its notes about packets and its entry.
/// Its dead letters stay. Stop all instances first. If a service of this name is started later, it is
/// a new service.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids retire payment
  rapids retire payment --forget

Output: a line for each thing that was removed, and for each that was kept. With -o json an object with
`service`, `removed` and `kept`; the last two are lists of texts.")]
pub(crate) struct Retire {
    /// The service
    service: String,

    /// Also remove the service's memories, the records of its `once` reactions and its timers, for good
    #[arg(long)]
    forget: bool,

    #[command(flatten)]
    reason: Reason,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Retire {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.interrupt.unless(session.rapids()).await?;
        let how = if self.forget { Retiring::new().forget() } else { Retiring::new() };
        let Some(retired) = rapids.retire(&self.service, how).await? else {
            let fault = format!("there is nothing of a service `{}`", self.service);
            return Err(Fault::NotFound(fault).into());
        };
        let Retired { service, removed, kept, .. } = &retired;
        let operation = Operation::new("retire", service, &self.reason.note());
        session.record(&rapids, operation.outcome(format!("removed {}", removed.join(", ")))).await;
        match self.output {
            Format::Line => {
                for (what, things) in [("removed", removed), ("kept", kept)] {
                    for thing in things {
                        session.screen.line(format!("{what}: {thing}"))?;
                    }
                }
            }
            Format::Json => {
                session.screen.line(serde_json::to_string(&RetiredJson {
                    service,
                    removed,
                    kept,
                })?)?;
            }
        }
        Ok(Answer::Yes)
    }
}

/// A service that was retired, as JSON.
#[derive(Serialize)]
struct RetiredJson<'a> {
    service: &'a str,
    removed: &'a [String],
    kept: &'a [String],
}
