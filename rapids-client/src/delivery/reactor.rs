//! The caller's side: runs reactions, one at a time, in the order in which they come.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
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
        // A task of its own keeps a panic from taking the service along.
        let mut task = tokio::spawn(reaction.instrument(span));
        let reacted = match timeout(REACTION_TIMEOUT, &mut task).await {
            Ok(Ok(reacted)) => reacted,
            Ok(Err(ended)) => Err(panicked(ended)),
            Err(_) => {
                task.abort();
                Err(anyhow::anyhow!("timed out after {REACTION_TIMEOUT:?}"))
            }
        };
        // Nobody waits any more when the service was told to stop.
        let _ = reply.send(reacted);
    }
}

fn panicked(ended: tokio::task::JoinError) -> anyhow::Error {
    let Ok(payload) = ended.try_into_panic() else {
        return anyhow::anyhow!("the runtime ended");
    };
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    anyhow::anyhow!("panicked: {message}")
}
