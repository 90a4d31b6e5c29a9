//! `rapids retire`: removing what is kept on the server for one service alone.

use anyhow::Result;
use clap::Args;
use rapids_client::{Retired, Retiring};
use serde::Serialize;

use crate::ending::{Ending, Fault};
use crate::screen::Format;
use crate::session::Session;

/// Remove what is kept for a service that is not to run any more
///
/// Its position, its consumer on the stream of replays, its notes about packets and its entry. Its
/// dead letters stay. All instances have to be stopped before. Should a service of the name be started
/// later, it is new.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids retire payment
  rapids retire payment --forget

Output: a line for each thing that was removed, and for each that was kept. With -o json an object with
`service`, `removed` and `kept`, each a list of texts.")]
pub(crate) struct Retire {
    /// The service
    service: String,

    /// Also remove the service's memories, and what its `once` reactions have done, for good
    #[arg(long)]
    forget: bool,

    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Format,
}

impl Retire {
    pub(crate) async fn run(self, session: &Session) -> Result<Ending> {
        let rapids = session.interrupt.unless(session.rapids()).await?;
        let how = if self.forget { Retiring::new().forget() } else { Retiring::new() };
        let Some(retired) = rapids.retire(&self.service, how).await? else {
            let fault = format!("nothing is known of a service `{}`", self.service);
            return Err(Fault::NotFound(fault).into());
        };
        let Retired { service, removed, kept, .. } = &retired;
        match self.output {
            Format::Line => {
                for (what, things) in [("removed", removed), ("kept", kept)] {
                    for thing in things {
                        session.screen.line(format!("{what}: {thing}"))?;
                    }
                }
            }
            Format::Json => {
                session.screen.line(serde_json::to_string(&Told { service, removed, kept })?)?;
            }
        }
        Ok(Ending::Yes)
    }
}

/// A service that was retired, as JSON.
#[derive(Serialize)]
struct Told<'a> {
    service: &'a str,
    removed: &'a [String],
    kept: &'a [String],
}
