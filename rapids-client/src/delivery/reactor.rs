//! The caller's side: runs reactions on the caller's runtime, each as a task of its own.
//!
//! One that blocks its thread cannot be interrupted: its slot is taken until it returns. Jobs begin
//! in the order in which they come; which come, and when, is the engine's decision.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{Instrument, info_span};

use super::exclusive::Permit;
use crate::memory::Record;
use crate::packet::Packet;
use crate::river::River;

/// One packet for one river.
pub(crate) struct Job {
    pub(crate) river: Arc<River>,
    pub(crate) packet: Packet,
    pub(crate) record: Record,
    /// Whether it may begin.
    pub(crate) permit: Permit,
    pub(crate) reply: oneshot::Sender<Reacted>,
}

/// What came of a job: what is to be published, and the record to be kept before.
pub(crate) type Reacted = anyhow::Result<(Vec<Packet>, Record)>;

/// That a reaction took too long.
#[derive(Debug, thiserror::Error)]
#[error("no end within {0:?}")]
pub(crate) struct TimedOut(Duration);

/// Runs jobs until nobody sends any, at most so many at once. What has not begun when the service
/// is told to stop is dropped.
pub(crate) async fn serve(
    service: String,
    at_once: usize,
    mut jobs: mpsc::Receiver<Job>,
    mut stop: watch::Receiver<bool>,
) {
    let mut running = FuturesUnordered::new();
    let (mut is_open, mut is_stopping) = (true, false);
    while is_open || !running.is_empty() {
        tokio::select! {
            job = jobs.recv(), if is_open && (is_stopping || running.len() < at_once) => match job {
                Some(job) if !is_stopping => running.push(run(&service, job)),
                Some(_) => {}
                None => is_open = false,
            },
            Some(()) = running.next() => {}
            // Who could tell to stop may be gone, which tells the same.
            _ = stop.wait_for(|stop| *stop), if !is_stopping => is_stopping = true,
        }
    }
}

async fn run(service: &str, Job { river, packet, mut record, permit, mut reply }: Job) {
    tokio::select! {
        biased;
        () = permit.held() => {}
        // Nobody wants to know any more.
        () = reply.closed() => return,
    }
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
