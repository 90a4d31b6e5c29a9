//! Runs reactions: the engine puts jobs into a queue, and workers on the caller's runtime run them.

mod queue;
mod traced;
mod worker;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::reaction::ReactionError;
use crate::delivery::turn_id::TurnId;
use crate::effects::Effects;
use crate::jetstream::validity::LeaseValidity;
use crate::memory::{Encoded, Memory, Value};
use crate::metrics::ErrorType;
use crate::packet::Packet;
use crate::river::{River, Telling, is_final};

pub(crate) use queue::{CloseOnDrop, JobQueue};
pub(crate) use worker::serve;

/// When a turn runs again for which there are no workers any more. The engine is about to stop too; a
/// turn that ran again at once would keep it busy.
const WITHOUT_WORKERS: Duration = Duration::from_secs(1);

/// A call of the user's code.
#[derive(Debug)]
pub(crate) struct Job {
    turn: TurnId,
    river: Arc<River>,
    packet: Packet,
    work: Work,
    /// It begins only while this lease is valid.
    validity: LeaseValidity,
    reply: oneshot::Sender<Answer>,
}

/// What of the user's code is called.
#[derive(Debug)]
pub(crate) enum Work {
    /// The reaction, with its memory; and then, if that is wanted, what writes the memory as JSON.
    React { memory: Memory, encodes: bool },
    /// What writes a memory as JSON.
    Encode(Box<dyn Value>),
    /// What says that the packet is given up, or handled after all.
    Tell(Arc<Telling>),
}

/// How long a job took, and what came of it.
type Answer = (Duration, anyhow::Result<JobOutput>);

/// What a job returned.
#[derive(Debug)]
pub(crate) struct JobOutput {
    pub(super) effects: Effects,
    /// The memory after it, if the river has one.
    pub(super) value: Option<Box<dyn Value>>,
    /// Its JSON, if that was wanted.
    pub(super) encoded: Option<Encoded>,
}

/// The error of a reaction that took too long.
#[derive(Debug, thiserror::Error)]
#[error("no end within {0:?}")]
pub(crate) struct TimedOut(Duration);

/// The error of a reaction that panicked.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
struct Panicked(String);

/// The error of a job that has not begun, and never will: another instance is active by now.
#[derive(Debug, thiserror::Error)]
#[error("it has not begun, and this instance may not act any more")]
struct NotBegun;

/// What kind of failure a reaction's error is.
pub(super) fn error_type(error: &anyhow::Error) -> ErrorType {
    match error {
        error if error.is::<TimedOut>() => ErrorType::TimedOut,
        error if error.is::<Panicked>() => ErrorType::Panicked,
        error if is_final(error) => ErrorType::Rejected,
        _ => ErrorType::Failed,
    }
}

/// The engine's side of the queue.
pub(super) struct Executor {
    pub(super) queue: Arc<JobQueue>,
    /// Jobs that are put into the queue together.
    jobs: RefCell<Vec<Job>>,
    /// Reactions begin only while this lease is valid.
    validity: LeaseValidity,
}

impl Executor {
    pub(super) fn new(queue: Arc<JobQueue>, validity: LeaseValidity) -> Self {
        Self { queue, jobs: RefCell::default(), validity }
    }

    /// Hands the jobs to the workers that turns have made since the last call.
    pub(super) fn hand_over(&self) {
        self.queue.put(&mut self.jobs.borrow_mut());
    }

    /// Runs a job; also tells how long it took.
    pub(super) async fn run(
        &self,
        turn: TurnId,
        (river, packet): (&Arc<River>, &Packet),
        work: Work,
    ) -> (Duration, Result<JobOutput, ReactionError>) {
        let (reply, answer) = oneshot::channel();
        let (river, packet) = (Arc::clone(river), packet.clone());
        let job = Job { turn, river, packet, work, validity: self.validity.clone(), reply };
        self.jobs.borrow_mut().push(job);
        match answer.await {
            Ok((_, Err(error))) if error.is::<NotBegun>() => without_workers(),
            Ok((took, output)) => (took, output.map_err(ReactionError::from)),
            // A job is dropped only when there are no workers any more.
            Err(_) => without_workers(),
        }
    }
}

fn without_workers() -> (Duration, Result<JobOutput, ReactionError>) {
    (Duration::ZERO, Err(ReactionError::Later(WITHOUT_WORKERS)))
}
