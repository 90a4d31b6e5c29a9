//! The caller's side: runs reactions, one at a time, in the order in which they come.
//!
//! One that blocks its thread cannot be interrupted: its successors wait until it returns.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument, info_span};

use crate::memory::Record;
use crate::packet::Packet;
use crate::river::River;

/// After this a reaction that awaits something counts as failed.
const REACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// One packet for one river.
pub(crate) struct Job {
    pub(crate) river: River,
    pub(crate) packet: Packet,
    pub(crate) record: Record,
    pub(crate) reply: oneshot::Sender<Reacted>,
}

/// What came of a job: what is to be published, and the record to be kept before.
pub(crate) type Reacted = anyhow::Result<(Vec<Packet>, Record)>;

/// Runs jobs until nobody sends any.
pub(crate) async fn serve(service: String, mut jobs: mpsc::Receiver<Job>) {
    while let Some(Job { river, packet, mut record, reply }) = jobs.recv().await {
        let span = info_span!(
            "reaction",
            service,
            river = river.name(),
            packet = packet.id(),
            correlation = packet.correlation_id(),
        );
        let service = service.clone();
        let reaction = async move {
            let packets = river.handle(&service, &packet, &mut record).await?;
            Ok((packets, record))
        };
        // A task of its own keeps a panic from taking the service along; it ends with the set, if
        // this is dropped.
        let mut task = JoinSet::new();
        task.spawn(reaction.instrument(span));
        let reacted = match timeout(REACTION_TIMEOUT, task.join_next()).await {
            Ok(reacted) => ended(reacted),
            Err(_) => {
                task.abort_all();
                ended(task.join_next().await)
            }
        };
        // Nobody waits any more when the service was told to stop.
        let _ = reply.send(reacted);
    }
}

/// What came of a task. One that blocks its thread comes to its end in spite of being aborted, and
/// then its result counts.
fn ended(task: Option<Result<Reacted, JoinError>>) -> Reacted {
    let failed = match task {
        Some(Ok(reacted)) => return reacted,
        Some(Err(failed)) => failed,
        None => anyhow::bail!("the reaction was not started"),
    };
    let Ok(payload) = failed.try_into_panic() else {
        anyhow::bail!("no end within {REACTION_TIMEOUT:?}");
    };
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    anyhow::bail!("panicked: {message}")
}
