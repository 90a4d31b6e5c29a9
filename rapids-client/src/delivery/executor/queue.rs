//! Where jobs wait for a worker on the caller's runtime, and their answers for the engine.
//!
//! Jobs begin in the order in which they were put. To wake a thread takes longer than most reactions,
//! so jobs come as many together as there are, and a worker does not wake the engine for each answer,
//! but once before it waits for a job, and after each time slice. A worker whose next job blocks its
//! thread wakes nobody until that ends, so the engine also looks for answers by itself.

use std::collections::VecDeque;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
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
    has_jobs: Notify,
    needs_worker: Notify,
    has_answers: Notify,
}

#[derive(Debug, Default)]
struct Content {
    jobs: VecDeque<Job>,
    answers: Vec<EndedJob>,
    /// There will be no more jobs.
    is_closed: bool,
    /// Workers that wait for a job.
    idle: usize,
    /// Jobs that run and have not returned `Pending`: their worker may have to wait for them before it
    /// can wake the engine.
    first_poll: usize,
    /// Jobs that run and have returned `Pending`: each wakes the engine when it ends.
    slow: usize,
    /// Turns whose reaction occupies its thread, and since when.
    polled: Vec<(TurnId, Instant)>,
}

/// A job that has ended.
#[derive(Debug)]
pub(crate) struct EndedJob {
    pub(super) turn: TurnId,
    pub(super) reply: oneshot::Sender<Answer>,
    pub(super) answer: Answer,
}

impl JobQueue {
    pub(crate) fn new(most_workers: usize) -> Self {
        Self {
            most_workers,
            content: Mutex::default(),
            has_jobs: Notify::new(),
            needs_worker: Notify::new(),
            has_answers: Notify::new(),
        }
    }

    /// Puts jobs behind the others. Drops them if there are no workers any more.
    pub(crate) fn put(&self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut content = self.content();
        if content.is_closed {
            jobs.clear();
            return;
        }
        content.jobs.extend(jobs.drain(..));
        self.call_worker(content);
    }

    /// Calls for one worker more if there is a job for it.
    fn call_worker(&self, content: MutexGuard<'_, Content>) {
        let (has_jobs, idle) = (!content.jobs.is_empty(), content.idle);
        drop(content);
        match idle {
            _ if !has_jobs => {}
            0 => self.needs_worker.notify_one(),
            _ => self.has_jobs.notify_one(),
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
        for EndedJob { reply, answer, .. } in answers {
            // The turn is dropped when the service stops without waiting for it.
            let _ = reply.send(answer);
        }
    }

    /// Answers the job that has ended, if one has, and takes the next one, which begins now; `None` if
    /// there is none. The engine is woken later.
    pub(crate) fn next(&self, ended: Option<EndedJob>, now: Instant) -> Option<Job> {
        let mut content = self.content();
        content.end(ended);
        let job = content.jobs.pop_front()?;
        content.first_poll += 1;
        content.polled.push((job.turn, now));
        if self.most_workers > 1 {
            self.call_worker(content);
        }
        Some(job)
    }

    /// Answers the job that has ended, if one has, and wakes the engine.
    pub(crate) fn answer(&self, ended: Option<EndedJob>) {
        self.content().end(ended);
        self.wake_engine();
    }

    /// Wakes the engine, and waits until there is a job; `false` if there will be no more.
    pub(crate) async fn wait(&self) -> bool {
        self.wake_engine();
        loop {
            let mut woken = pin!(self.has_jobs.notified());
            woken.as_mut().enable();
            {
                let mut content = self.content();
                if content.is_closed || !content.jobs.is_empty() {
                    return !content.is_closed;
                }
                content.idle += 1;
            }
            woken.await;
            self.content().idle -= 1;
        }
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

    /// Answers a slow job, and wakes the engine.
    pub(crate) fn answer_slow(&self, ended: EndedJob) {
        let mut content = self.content();
        content.slow -= 1;
        content.answers.push(ended);
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
        self.content().jobs.clear();
    }

    /// Takes no more jobs, and drops those that have not begun.
    pub(crate) fn close(&self) {
        let mut content = self.content();
        content.is_closed = true;
        content.jobs.clear();
        drop(content);
        self.has_jobs.notify_waiters();
        self.needs_worker.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.content().is_closed
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
    /// Takes note that a job has ended without a pause.
    fn end(&mut self, ended: Option<EndedJob>) {
        if let Some(ended) = ended {
            self.first_poll -= 1;
            self.end_poll(ended.turn);
            self.answers.push(ended);
        }
    }

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
