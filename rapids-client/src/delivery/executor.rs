//! Runs reactions: the engine puts jobs into a queue, and workers on the caller's runtime run them.

mod queue;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::reaction::{Reaction, ReactionError};
use super::slot::Turn;
use crate::Result;
use crate::delivery::turn_id::TurnId;
use crate::jetstream::outputs::Outputs;
use crate::jetstream::validity::LeaseValidity;
use crate::memory::Record;
use crate::packet::Packet;
use crate::river::River;

pub(crate) use queue::{CloseOnDrop, JobQueue};
pub(crate) use worker::serve;

/// When a turn runs again for which there are no workers any more. The engine is about to stop too; a
/// turn that ran again at once would keep it busy.
const WITHOUT_WORKERS: Duration = Duration::from_secs(1);

/// One reaction to run.
#[derive(Debug)]
pub(crate) struct Job {
    turn: TurnId,
    river: Arc<River>,
    packet: Packet,
    record: Record,
    /// The reaction begins only while this lease is valid.
    validity: LeaseValidity,
    reply: oneshot::Sender<Answer>,
}

type Answer = anyhow::Result<JobOutput>;

/// What a reaction returned.
#[derive(Debug)]
pub(crate) struct JobOutput {
    packets: Vec<Packet>,
    /// The memory after it, which is saved before the packets are published.
    record: Record,
    took: Duration,
}

/// The error of a reaction that took too long.
#[derive(Debug, thiserror::Error)]
#[error("no end within {0:?}")]
pub(crate) struct TimedOut(Duration);

/// The engine's side of the queue.
pub(super) struct Executor {
    pub(super) queue: Arc<JobQueue>,
    /// Reactions begin only while this lease is valid.
    pub(super) validity: LeaseValidity,
}

impl Executor {
    /// Runs one reaction, and makes sure that the stream can take all packets that it returns.
    pub(super) async fn react(
        &self,
        turn: &Turn,
        outputs: &Outputs,
        record: Record,
    ) -> Result<Reaction, ReactionError> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            turn: turn.id,
            river: Arc::clone(&turn.river),
            packet: turn.packet.packet.clone(),
            record,
            validity: self.validity.clone(),
            reply,
        };
        // A job is refused or dropped only when there are no workers any more.
        if !self.queue.put(job) {
            return Err(ReactionError::Later(WITHOUT_WORKERS));
        }
        let JobOutput { packets, record, took } =
            answer.await.map_err(|_| ReactionError::Later(WITHOUT_WORKERS))??;
        let outgoing = outputs.prepare(&packets)?;
        Ok(Reaction { packets, outgoing, record, took, remembered: None })
    }
}
