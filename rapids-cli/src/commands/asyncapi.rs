//! `rapids asyncapi`: the rapids as an AsyncAPI document.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::map::asyncapi;

use crate::exit::Answer;
use crate::observing::WindowArgument;
use crate::session::Session;
use crate::times::duration;

/// Print an AsyncAPI 3.0 document of the rapids
///
/// One channel, `rapids`; a message for each name that is published, declared or taken, with a JSON Schema
/// of the packets of the window (see `rapids schema`); and of each service what it receives and sends, with
/// the rules of its rivers under `x-rapids-rivers`. A service that takes packets of any name receives all
/// messages.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids asyncapi > rapids.asyncapi.json
  rapids asyncapi --since 1d > rapids.asyncapi.json")]
pub(crate) struct Asyncapi {
    #[command(flatten)]
    window: WindowArgument,

    /// How long to wait for the answers of services
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

impl Asyncapi {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let up = session.services_if_known(&rapids, self.wait).await?;
        let (map, shapes) = self.window.map_and_shapes(session, &rapids, up.as_deref()).await?;
        let document = asyncapi(&up.unwrap_or_default(), &map, &shapes);
        session.screen.json(&serde_json::to_string(&document)?)?;
        Ok(Answer::Yes)
    }
}
