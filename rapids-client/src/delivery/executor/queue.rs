//! Where jobs lie until somebody on the caller's runtime is free to do them, and their answers until
//! the engine collects them.
//!
//! Keeps the order of the jobs. Doing them is left to the [`reactor`](crate::delivery::executor).
//!
//! To wake a thread takes longer than most reactions, so the engine is not told of each answer, but
//! of all that one worker has before it waits, or after some time. A worker whose next job blocks
//! its thread tells nothing until that ends: the engine looks by itself meanwhile.

use std::collections::VecDeque;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::timeout;

use crate::delivery::executor::{Answer, Job};

/// After how long the engine looks for answers that it was not told of.
const LOOK: Duration = Duration::from_millis(1);

/// Shared by the engine, which puts jobs down, and the workers, who take them up.
#[derive(Debug)]
pub(crate) struct JobQueue {
    /// How many jobs are done at once, at most.
    at_once: usize,
    // Held for no longer than it takes to add or remove something, on threads of two runtimes.
    content: Mutex<Content>,
    /// One permit for each job.
    there: Semaphore,
    is_short: Notify,
    is_answered: Notify,
}

#[derive(Debug, Default)]
struct Content {
    jobs: VecDeque<Job>,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// Jobs taken up and neither answered nor known to take their time.
    silent: usize,
    /// Jobs that take their time.
    late: usize,
}

impl JobQueue {
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            at_once,
            content: Mutex::default(),
            there: Semaphore::new(0),
            is_short: Notify::new(),
            is_answered: Notify::new(),
        }
    }

    /// Puts a job behind the others; `false` if nobody does jobs any more.
    pub(crate) fn put(&self, job: Job) -> bool {
        {
            let mut content = self.content();
            if self.there.is_closed() {
                return false;
            }
            content.jobs.push_back(job);
        }
        self.there.add_permits(1);
        self.call_for_more();
        true
    }

    /// Calls for one worker more where a job lies that nobody waits for: who had been waiting has
    /// its permit already.
    fn call_for_more(&self) {
        if self.there.available_permits() > 0 {
            self.is_short.notify_one();
        }
    }

    /// Waits until there may be answers to collect.
    pub(crate) async fn answered(&self) {
        let mut told = pin!(self.is_answered.notified());
        if timeout(LOOK, told.as_mut()).await.is_err()
            && !self.content().may_be_silent(self.at_once)
        {
            told.await;
        }
    }

    /// Hands the answers to those who wait for them.
    pub(crate) fn collect(&self) {
        let answers = mem::take(&mut self.content().answers);
        for (reply, answer) in answers {
            // Nobody waits any more when the service was told to stop.
            let _ = reply.send(answer);
        }
    }

    /// Waits for the next job; `None` if there will be no more. Tells of the answers first.
    pub(crate) async fn take(&self) -> Option<Job> {
        let permit = match self.there.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                self.tell();
                self.there.acquire().await.ok()?
            }
        };
        permit.forget();
        // Of several calls at once one is heard.
        self.call_for_more();
        let mut content = self.content();
        let job = content.jobs.pop_front()?;
        content.silent += 1;
        Some(job)
    }

    /// A job will take its time: it will be told of when it ends.
    pub(crate) fn take_time(&self) {
        let mut content = self.content();
        content.silent -= 1;
        content.late += 1;
        drop(content);
        self.tell();
    }

    /// Puts down what came of a job, without a word.
    pub(crate) fn answer(&self, reply: oneshot::Sender<Answer>, answer: Answer) {
        let mut content = self.content();
        content.answers.push((reply, answer));
        content.silent -= 1;
    }

    /// Puts down what came of a job that took its time.
    pub(crate) fn answer_late(&self, reply: oneshot::Sender<Answer>, answer: Answer) {
        let mut content = self.content();
        content.answers.push((reply, answer));
        content.late -= 1;
        drop(content);
        self.tell();
    }

    /// Tells the engine of the answers.
    pub(crate) fn tell(&self) {
        if !self.content().answers.is_empty() {
            self.is_answered.notify_one();
        }
    }

    /// Waits for a call for one worker more.
    pub(crate) async fn short(&self) {
        self.is_short.notified().await;
    }

    /// Drops the jobs that were not taken up.
    pub(crate) fn clear(&self) {
        let mut content = self.content();
        // Who has a permit already finds no job, and ends.
        self.there.forget_permits(content.jobs.len());
        content.jobs.clear();
    }

    /// Takes no more jobs, and drops those that were not taken up.
    pub(crate) fn close(&self) {
        self.there.close();
        self.content().jobs.clear();
        self.is_short.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.there.is_closed()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the desk when one of its sides is gone.
pub(crate) struct Attended(pub(crate) Arc<JobQueue>);

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Content {
    /// Whether there are answers that nobody told of, or will be before a word comes.
    fn may_be_silent(&self, at_once: usize) -> bool {
        let may_begin = !self.jobs.is_empty() && self.late < at_once;
        may_begin || self.silent > 0 || !self.answers.is_empty()
    }
}
