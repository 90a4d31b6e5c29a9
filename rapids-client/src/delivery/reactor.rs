//! The caller's side: runs reactions on the caller's runtime, each as a task of its own.
//!
//! One that blocks its thread cannot be interrupted: its slot is taken until it returns. How many
//! run at once is the engine's decision.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument, info_span};

use crate::memory::Record;
use crate::packet::Packet;
use crate::river::River;

/// One packet for one river.
pub(crate) struct Job {
    pub(crate) river: River,
    pub(crate) packet: Packet,
    pub(crate) record: Record,
    pub(crate) reply: oneshot::Sender<Reacted>,
}

/// What came of a job: what is to be published, and the record to be kept before.
pub(crate) type Reacted = anyhow::Result<(Vec<Packet>, Record)>;

/// That a reaction took too long.
#[derive(Debug, thiserror::Error)]
#[error("no end within {0:?}")]
pub(crate) struct TimedOut(Duration);

/// Runs jobs until nobody sends any.
pub(crate) async fn serve(service: String, mut jobs: mpsc::Receiver<Job>) {
    let mut running = FuturesUnordered::new();
    let mut is_open = true;
    loop {
        tokio::select! {
            job = jobs.recv(), if is_open => match job {
                Some(job) => running.push(run(&service, job)),
                None => is_open = false,
            },
            Some(()) = running.next() => {}
            else => return,
        }
    }
}

async fn run(service: &str, Job { river, packet, mut record, reply }: Job) {
    let span = info_span!(
        "reaction",
        service,
        river = river.name(),
        packet = packet.id(),
        correlation = packet.correlation_id(),
    );
    let (service, limit) = (service.to_owned(), river.limits().timeout);
    let reaction = async move {
        let packets = river.handle(&service, &packet, &mut record).await?;
        Ok((packets, record))
    };
    // A task of its own keeps a panic from taking the service along; it ends with the set, if
    // this is dropped.
    let mut task = JoinSet::new();
    task.spawn(reaction.instrument(span));
    let reacted = match timeout(limit, task.join_next()).await {
        Ok(reacted) => ended(reacted, limit),
        Err(_) => {
            task.abort_all();
            ended(task.join_next().await, limit)
        }
    };
    // Nobody waits any more when the service was told to stop.
    let _ = reply.send(reacted);
}

/// What came of a task. One that blocks its thread comes to its end in spite of being aborted, and
/// then its result counts.
fn ended(task: Option<Result<Reacted, JoinError>>, limit: Duration) -> Reacted {
    let failed = match task {
        Some(Ok(reacted)) => return reacted,
        Some(Err(failed)) => failed,
        None => anyhow::bail!("the reaction was not started"),
    };
    let Ok(payload) = failed.try_into_panic() else {
        return Err(TimedOut(limit).into());
    };
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    anyhow::bail!("panicked: {message}")
}
