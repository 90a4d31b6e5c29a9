//! Where jobs wait for a worker on the caller's runtime, and their answers for the engine.
//!
//! Jobs begin in the order in which they were put. To wake a thread takes longer than most reactions,
//! so a worker does not wake the engine for each answer, but once before it waits for a job, and after
//! each time slice. A worker whose next job blocks its thread wakes nobody until that ends, so the
//! engine also looks for answers by itself.

use std::collections::VecDeque;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::timeout;

use super::{Answer, Job};
use crate::delivery::turn_id::TurnId;

/// After how long the engine looks for answers for which no worker has woken it.
const CHECK_EVERY: Duration = Duration::from_millis(1);

/// Shared by the engine, which puts jobs, and the workers, which take them.
#[derive(Debug)]
pub(crate) struct JobQueue {
    /// The most workers.
    most_workers: usize,
    // Threads of two runtimes lock it, and only to add or remove something.
    content: Mutex<Content>,
    /// One permit for each job that no worker has reserved; closed when there will be no more jobs.
    available: Semaphore,
    needs_worker: Notify,
    has_answers: Notify,
}

#[derive(Debug, Default)]
struct Content {
    jobs: VecDeque<Job>,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// Jobs that run and have not returned `Pending`: their worker may have to wait for them before it
    /// can wake the engine.
    first_poll: usize,
    /// Jobs that run and have returned `Pending`: each wakes the engine when it ends.
    slow: usize,
    /// Turns whose reaction occupies its thread, and since when.
    polled: Vec<(TurnId, Instant)>,
}

impl JobQueue {
    pub(crate) fn new(most_workers: usize) -> Self {
        Self {
            most_workers,
            content: Mutex::default(),
            available: Semaphore::new(0),
            needs_worker: Notify::new(),
            has_answers: Notify::new(),
        }
    }

    /// Puts a job behind the others; `false` if there are no workers any more.
    pub(crate) fn put(&self, job: Job) -> bool {
        {
            let mut content = self.content();
            if self.available.is_closed() {
                return false;
            }
            content.jobs.push_back(job);
        }
        self.available.add_permits(1);
        self.call_worker();
        true
    }

    /// Calls for one worker more if there is a job for which none waits: a worker that waits has its
    /// permit already.
    fn call_worker(&self) {
        if self.available.available_permits() > 0 {
            self.needs_worker.notify_one();
        }
    }

    /// Waits until there may be answers to deliver.
    pub(crate) async fn answered(&self) {
        let mut woken = pin!(self.has_answers.notified());
        if timeout(CHECK_EVERY, woken.as_mut()).await.is_err()
            && !self.content().may_have_answers(self.most_workers)
        {
            woken.await;
        }
    }

    /// Delivers the answers to the turns that wait for them.
    pub(crate) fn deliver_answers(&self) {
        let answers = mem::take(&mut self.content().answers);
        for (reply, answer) in answers {
            // The turn is dropped when the service stops without waiting for it.
            let _ = reply.send(answer);
        }
    }

    /// Waits for the next job, and returns it with the time at which it begins; `None` if there will be
    /// no more. Wakes the engine before it waits.
    pub(crate) async fn take(&self) -> Option<(Job, Instant)> {
        let permit = match self.available.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                self.wake_engine();
                self.available.acquire().await.ok()?
            }
        };
        permit.forget();
        // Again, since several calls at once start only one worker.
        self.call_worker();
        let mut content = self.content();
        let job = content.jobs.pop_front()?;
        content.first_poll += 1;
        let begun = Instant::now();
        content.polled.push((job.turn, begun));
        Some((job, begun))
    }

    /// A job has returned `Pending`. Wakes the engine for the answers so far, since the worker waits.
    pub(crate) fn set_slow(&self, turn: TurnId) {
        let mut content = self.content();
        content.first_poll -= 1;
        content.slow += 1;
        content.end_poll(turn);
        drop(content);
        self.wake_engine();
    }

    /// A slow job occupies its thread again.
    pub(crate) fn begin_poll(&self, turn: TurnId) {
        self.content().polled.push((turn, Instant::now()));
    }

    /// A slow job does not occupy its thread any more.
    pub(crate) fn end_poll(&self, turn: TurnId) {
        self.content().end_poll(turn);
    }

    /// The turns whose reactions occupy their threads, and for how long without a pause.
    pub(crate) fn polled(&self) -> Vec<(TurnId, Duration)> {
        let content = self.content();
        content.polled.iter().map(|&(turn, since)| (turn, since.elapsed())).collect()
    }

    /// Adds the answer of a job. The worker wakes the engine later.
    pub(crate) fn answer(&self, turn: TurnId, reply: oneshot::Sender<Answer>, answer: Answer) {
        let mut content = self.content();
        content.answers.push((reply, answer));
        content.first_poll -= 1;
        content.end_poll(turn);
    }

    /// Adds the answer of a slow job, and wakes the engine.
    pub(crate) fn answer_slow(&self, reply: oneshot::Sender<Answer>, answer: Answer) {
        let mut content = self.content();
        content.answers.push((reply, answer));
        content.slow -= 1;
        drop(content);
        self.wake_engine();
    }

    /// Wakes the engine if there are answers.
    pub(crate) fn wake_engine(&self) {
        if !self.content().answers.is_empty() {
            self.has_answers.notify_one();
        }
    }

    /// Waits until one worker more is needed, or the queue is closed.
    pub(crate) async fn worker_needed(&self) {
        self.needs_worker.notified().await;
    }

    /// Drops the jobs that have not begun.
    pub(crate) fn clear(&self) {
        let mut content = self.content();
        // A worker that has a permit already finds no job, and ends.
        self.available.forget_permits(content.jobs.len());
        content.jobs.clear();
    }

    /// Takes no more jobs, and drops those that have not begun.
    pub(crate) fn close(&self) {
        self.available.close();
        self.content().jobs.clear();
        self.needs_worker.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.available.is_closed()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the queue when the engine or the workers are gone.
pub(crate) struct CloseOnDrop(pub(crate) Arc<JobQueue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Content {
    /// The reaction of a turn does not occupy its thread any more.
    fn end_poll(&mut self, turn: TurnId) {
        self.polled.retain(|&(polled, _)| polled != turn);
    }

    /// Whether there are answers, or may be some before a worker wakes the engine.
    fn may_have_answers(&self, most_workers: usize) -> bool {
        let may_begin = !self.jobs.is_empty() && self.slow < most_workers;
        may_begin || self.first_poll > 0 || !self.answers.is_empty()
    }
}
