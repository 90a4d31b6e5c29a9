//! `rapids metrics`: what all instances count, and how the stream and its positions stand, for Prometheus.

mod families;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{Error, Filter, Position, Rapids, ServiceStats, State, StreamContents};

use crate::exit::{Answer, Fault};
use crate::session::Session;
use crate::times::duration;

/// Print what all services count, for Prometheus
///
/// Asks every instance over NATS, and the server about the stream, the positions and the dead letters that
/// wait. Counters of an instance begin at zero when it starts.
#[derive(Debug, Args)]
#[command(after_help = "\
The names are those of OpenTelemetry's conventions for messaging where one exists, such as
messaging_process_duration_seconds, and rapids_... for the rest. The label `instance` is an instance's
id: where Prometheus reads this text, set `honor_labels: true`. rapids_instances is 0 for a service that
has a position and does not answer.")]
pub(crate) struct Metrics {
    /// How long to wait for answers
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration)]
    wait: Duration,
}

/// Everything that is asked for, at one time.
#[derive(Debug, Default)]
struct Snapshot {
    stats: Vec<ServiceStats>,
    positions: Vec<Position>,
    contents: Option<StreamContents>,
    /// How many dead letters wait, by service, river and kind.
    waiting: BTreeMap<[String; 3], u64>,
}

impl Metrics {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let snapshot = Snapshot::take(session, &rapids, self.wait).await?;
        session.screen.bytes(families::text(&snapshot).as_bytes())?;
        Ok(Answer::Yes)
    }
}

impl Snapshot {
    async fn take(session: &Session, rapids: &Rapids, wait: Duration) -> Result<Self> {
        let (stats, positions, contents, waiting) = tokio::try_join!(
            async { Ok(rapids.stats(wait).await?) },
            session.positions(rapids),
            async { Ok(rapids.contents().await?) },
            letters(session),
        )?;
        Ok(Self { stats, positions, contents, waiting })
    }
}

/// The dead letters that wait. What is no letter is left out here; `rapids dead-letters list` warns of it.
async fn letters(session: &Session) -> Result<BTreeMap<[String; 3], u64>> {
    let mut waiting = BTreeMap::new();
    let letters = match session.dead_letters().await {
        Err(error) if matches!(error.downcast_ref(), Some(Fault::NotFound(_))) => {
            return Ok(waiting);
        }
        letters => letters?,
    };
    let mut listing = letters.list(&Filter::new().state(State::Waiting)).await?;
    loop {
        match listing.next().await {
            Ok(Some(stored)) => {
                let id = &stored.letter.id;
                let kind = stored.letter.kind.to_string();
                *waiting
                    .entry([id.service().to_owned(), id.river().to_owned(), kind])
                    .or_default() += 1;
            }
            Ok(None) => return Ok(waiting),
            Err(Error::Stream { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
