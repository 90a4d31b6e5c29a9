//! `rapids metrics`: what all instances count, and how the stream and its positions stand, for Prometheus.

mod families;
mod serve;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use rapids_client::{
    DeadLetters, Error, Filter, Position, Rapids, ServiceStats, State, StreamContents,
};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio::time::timeout;

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

    /// Serve them at http://ADDRESS/metrics, such as 127.0.0.1:9464, and ask anew for each scrape
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// What is asked.
#[derive(Debug)]
struct Source<'a> {
    session: &'a Session,
    rapids: Rapids,
    letters: OnceCell<DeadLetters>,
    wait: Duration,
}

/// Counts by service, river and kind.
type Waiting = BTreeMap<[String; 3], u64>;

/// Everything that is asked for, at one time.
#[derive(Debug, Default)]
struct Snapshot {
    stats: Vec<ServiceStats>,
    positions: Vec<Position>,
    contents: Option<StreamContents>,
    /// How many dead letters wait, by service, river and kind; `None` if there are too many to count in time.
    waiting: Option<Waiting>,
}

impl Metrics {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        let rapids = session.rapids().await?;
        let source = Source { session, rapids, letters: OnceCell::new(), wait: self.wait };
        let Some(address) = self.listen else {
            let counting = async { source.waiting_letters().await.map(Some) };
            let snapshot = source.ask(counting).await?;
            session.screen.bytes(families::text(&snapshot).as_bytes())?;
            return Ok(Answer::Yes);
        };
        // Not within the time of a scrape; where there are no letters yet, each scrape looks again.
        source.waiting_letters().await?;
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("cannot listen on `{address}`"))?;
        session.screen.note(format!("metrics are at http://{}/metrics", listener.local_addr()?));
        serve::serve(&source, &listener).await;
        Ok(Answer::Yes)
    }
}

impl Source<'_> {
    async fn ask(
        &self,
        letters: impl Future<Output = Result<Option<Waiting>>>,
    ) -> Result<Snapshot> {
        let (stats, positions, contents, waiting) = tokio::try_join!(
            async { Ok(self.rapids.stats(self.wait).await?) },
            self.session.positions(&self.rapids),
            async { Ok(self.rapids.contents().await?) },
            letters,
        )?;
        Ok(Snapshot { stats, positions, contents, waiting })
    }

    /// As [`waiting_letters`](Self::waiting_letters), or `None` with a warning, if there are too many to
    /// read within the time of a scrape.
    async fn waiting_letters_in_time(&self) -> Result<Option<Waiting>> {
        let words = match timeout(self.wait, self.waiting_letters()).await {
            Ok(Ok(waiting)) => return Ok(Some(waiting)),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("not within {:?}", self.wait),
        };
        self.session.screen.warning(format_args!("dead letters are not counted: {words}"));
        Ok(None)
    }

    /// The dead letters that wait. What is no letter is left out here; `rapids dead-letters list` warns
    /// of it.
    async fn waiting_letters(&self) -> Result<Waiting> {
        let mut waiting = BTreeMap::new();
        let letters = match self.letters.get_or_try_init(|| self.session.dead_letters()).await {
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
                    let key = [id.service().to_owned(), id.river().to_owned(), kind];
                    *waiting.entry(key).or_default() += 1;
                }
                Ok(None) => return Ok(waiting),
                Err(Error::Stream { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
