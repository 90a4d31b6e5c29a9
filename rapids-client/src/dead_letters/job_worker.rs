//! Works on a job: takes it, acts on its letters at its rate, and writes down how far it is.
//!
//! What is done with one letter is left to [`job_step`](super::job_step).
//!
//! Who works on a job holds a [lease](crate::jetstream::lease) on it: its record, which is written each second.
//! One that stands unchanged while the server answers is taken over. That two work on one job for a moment
//! does no harm: a letter is acted on once.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::time::{Instant, sleep, timeout};

use super::LetterId;
use super::job::Job;
use super::job_letters::{JobLetter, JobLetters};
use super::job_step::{Acting, Turn, is_of_letter};
use super::jobs::{Jobs, progress, unique};
use crate::connection::Retry;
use crate::error::with_causes;
use crate::jetstream::lease::LONG_LEASE;
use crate::jetstream::revision_watch::RevisionWatch;
use crate::job_state::JobState;
use crate::letter_action::{Action, ActionKind, Note};
use crate::position::replay_consumer;
use crate::{Error, Result};

/// How often the record of a job is written while somebody works on it.
const RENEWAL: Duration = Duration::from_secs(1);
/// How often a job that somebody else works on is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked whether a packet has been handled.
const POLL: Duration = Duration::from_millis(100);

/// So many letters are acted on at the same time, where nothing is sent and no rate is asked for.
const MOST: usize = 16;

/// What came of one letter of a job.
#[derive(Debug)]
#[non_exhaustive]
pub struct JobStep {
    /// The letter.
    pub id: LetterId,
    /// What was done, or why it was skipped.
    pub outcome: Result<Action>,
}

impl Jobs {
    /// Works on a job until it is through, paused or cancelled, and returns how it stands then. While somebody
    /// else works on it, this waits, and goes on in their place once they have stopped without a word.
    ///
    /// `holder` says who works, for people to read; or it is the holder of a job that was
    /// [begun as held](Self::begin_held). `told` is called each time it is further: with the letter
    /// that was acted on, or without one where others work.
    ///
    /// While the server is away it waits. What does not pass pauses the job, with a
    /// [notice](Job::notice). Dropping the future leaves the job to others, who wait for some seconds first.
    ///
    /// # Errors
    /// [`Error::Job`] if there is no such job; [`Error::Record`], [`Error::NotPermitted`] if it cannot be
    /// read or written.
    pub async fn work(
        &self,
        id: &str,
        holder: &str,
        mut told: impl FnMut(&Job, Option<JobStep>),
    ) -> Result<Job> {
        let (given, unique) = (holder, unique(holder));
        let mut watch = RevisionWatch::new(LOOK * 3);
        let mut retry = Retry::new(self.letters.operations.connection(), "work on a job");
        loop {
            let (job, revision) = match self.existing(id).await {
                Ok(found) => found,
                Err(error) => {
                    retry.again_if_passing(error).await?;
                    continue;
                }
            };
            if job.state != JobState::Running {
                return Ok(job);
            }
            // One that was begun for whoever calls is held by them already.
            let is_begun = job.holder.as_deref() == Some(given);
            let holder = if is_begun { given } else { &unique };
            let is_own = is_begun || job.holder.as_ref().is_none_or(|it| *it == unique);
            let stood = watch.look(revision, std::time::Instant::now());
            if !is_own && stood < LONG_LEASE {
                told(&job, None);
                sleep(LOOK).await;
                continue;
            }
            let mut held = Held::new(self, (job, revision), holder);
            match Box::pin(held.run(&mut told)).await {
                Ok(()) => {}
                Err(error @ Error::Server { .. }) => retry.again(error).await?,
                Err(error) => {
                    let notice = Some(with_causes(&error));
                    // If that cannot be written either, whoever called is told.
                    if held.leave(JobState::Paused, notice).await.is_err() {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// A job that this process works on.
struct Held<'a> {
    jobs: &'a Jobs,
    job: Job,
    /// Who works, as the record says it.
    holder: String,
    revision: u64,
    /// When the record was written last; `None` before the first time.
    written: Option<Instant>,
    /// Why it is not to be gone on with.
    left: Option<Left>,
    /// When the next letter may be acted on.
    due: Instant,
}

/// Why a job is not to be gone on with.
#[derive(PartialEq, Eq)]
enum Left {
    /// Somebody paused or cancelled it, and does not know how far it is.
    Stopped,
    /// Somebody else works on it.
    TakenOver,
}

/// What became of the letter at a place; `None` if nothing was to be done with it.
type Acted = (u64, Option<(LetterId, Result<Action>)>);

impl<'a> Held<'a> {
    fn new(jobs: &'a Jobs, (job, revision): (Job, u64), holder: &str) -> Self {
        let holder = holder.to_owned();
        let job = Job { holder: Some(holder.clone()), ..job };
        let due = Instant::now();
        Self { jobs, job, holder, revision, written: None, left: None, due }
    }

    /// Works on it until it ends, or is not to be gone on with.
    async fn run(&mut self, told: &mut impl FnMut(&Job, Option<JobStep>)) -> Result<()> {
        self.write().await?;
        let acting = Acting::of(&self.jobs.letters, &self.job);
        let jobs = self.jobs;
        let job = self.job.clone();
        let letters = self.renewed(JobLetters::open(jobs, &job)).await?;
        Box::pin(self.go_through(letters, &acting, told)).await?;
        let notice = self.job.notice.clone();
        self.leave(JobState::Done, notice).await?;
        if self.left.is_none() {
            let note = Note { job: None, ..self.job.note() };
            self.jobs.log("finish_job", &self.job, &note, progress(&self.job)).await;
            self.jobs.expire_named(&self.job.id).await;
        }
        Ok(())
    }

    /// Acts on letters until there are no more, or it is not to be gone on with. What is begun is waited for.
    async fn go_through(
        &mut self,
        mut letters: JobLetters,
        acting: &Acting<'_>,
        told: &mut impl FnMut(&Job, Option<JobStep>),
    ) -> Result<()> {
        let (mut under_way, mut is_last, mut failed) = (FuturesOrdered::new(), false, None);
        let most = if self.is_in_order() { 1 } else { MOST };
        loop {
            while under_way.len() < most && !is_last && self.left.is_none() && failed.is_none() {
                // Between two letters that are meant there may be very many others.
                match self.renewed(letters.next(self.job.until)).await? {
                    Some((place, letter)) => match self.begin(acting, place, letter).await {
                        Ok(acted) => under_way.extend(acted),
                        Err(error) => failed = Some(error),
                    },
                    None => is_last = true,
                }
            }
            let Some((place, outcome)) = self.renewed(under_way.next()).await else {
                return failed.map_or(Ok(()), Err);
            };
            match outcome {
                _ if failed.is_some() => continue,
                Some((_, Err(error))) if !is_of_letter(&error) => {
                    // What was done behind it is counted once this letter is passed.
                    failed = Some(error);
                    continue;
                }
                Some((id, outcome)) => self.count(id, outcome, told),
                None => {}
            }
            // What is written down has it counted and passed, or neither.
            self.job.cursor = place;
            self.keep().await?;
        }
    }

    /// Begins to act on a letter, once it is its turn; `None` if the job is not to be gone on with.
    async fn begin<'f>(
        &mut self,
        acting: &'f Acting<'_>,
        place: u64,
        letter: JobLetter,
    ) -> Result<Option<BoxFuture<'f, Acted>>> {
        let turn = match &letter {
            JobLetter::Stored(stored) => acting.turn(stored),
            JobLetter::Named(_) => Turn::Act,
        };
        if matches!(turn, Turn::Act) {
            self.until_due().await?;
        }
        if self.left.is_some() {
            return Ok(None);
        }
        Ok(Some(Box::pin(async move {
            let (id, outcome) = match (letter, turn) {
                (_, Turn::Past) => return (place, None),
                (JobLetter::Stored(stored), Turn::Done(action)) => (stored.letter.id, Ok(*action)),
                (JobLetter::Stored(stored), _) => {
                    let outcome = acting.on(&stored).await;
                    (stored.letter.id, outcome)
                }
                (JobLetter::Named(id), _) => {
                    let outcome = acting.on_named(&id).await;
                    (id, outcome)
                }
            };
            (place, Some((id, outcome)))
        })))
    }

    /// Waits for something and writes down how far it is meanwhile.
    async fn renewed<T>(&mut self, running: impl Future<Output = T>) -> T {
        let mut running = pin!(running);
        loop {
            match timeout(RENEWAL, &mut running).await {
                Ok(ended) => return ended,
                // If it is left by that, or cannot be written, whoever writes it next is told.
                Err(_) => drop(self.write().await),
            }
        }
    }

    fn count(
        &mut self,
        id: LetterId,
        outcome: Result<Action>,
        told: &mut impl FnMut(&Job, Option<JobStep>),
    ) {
        match &outcome {
            Ok(action) => {
                self.job.done += 1;
                if let (Some(_), Some(replay)) = (self.job.at_once, action.replay) {
                    let to = id.sent_to(action);
                    self.job.under_way.push((to.service().to_owned(), replay));
                }
            }
            Err(error) => {
                self.job.skipped += 1;
                self.job.notice = Some(error.to_string());
            }
        }
        told(&self.job, Some(JobStep { id, outcome }));
    }

    /// Whether its letters are acted on one after the other: packets reach their river in the order of their
    /// letters.
    fn is_in_order(&self) -> bool {
        let sends = !matches!(self.job.kind, ActionKind::Discard | ActionKind::Restore);
        sends || self.job.rate.is_some()
    }

    /// Waits until the next letter may be acted on, or the job is not to be gone on with.
    async fn until_due(&mut self) -> Result<()> {
        self.keep().await?;
        while self.left.is_none() {
            let left = self.due.saturating_duration_since(Instant::now());
            let wait = match left.is_zero() {
                false => left,
                true if self.is_free().await? => break,
                true => POLL,
            };
            sleep(wait.min(RENEWAL / 4)).await;
            self.keep().await?;
        }
        if let Some(rate) = self.job.rate {
            self.due = self.due.max(Instant::now()) + Duration::from_secs_f64(1.0 / rate);
        }
        Ok(())
    }

    /// Whether another packet may be sent.
    async fn is_free(&mut self) -> Result<bool> {
        let Some(most) = self.job.at_once else { return Ok(true) };
        if self.job.under_way.len() < most as usize {
            return Ok(true);
        }
        let connection = self.jobs.letters.operations.connection();
        let services = self.job.under_way.iter().map(|(service, _)| service.clone());
        for service in services.collect::<BTreeSet<_>>() {
            let floor = replay_consumer::floor(connection, &service).await?;
            self.job.under_way.retain(|(of, replay)| *of != service || *replay > floor);
        }
        Ok(self.job.under_way.len() < most as usize)
    }

    /// Writes down how far it is, from time to time.
    async fn keep(&mut self) -> Result<()> {
        match self.written {
            Some(written) if written.elapsed() < RENEWAL => Ok(()),
            _ => self.write().await,
        }
    }

    /// Writes down how far it is, unless it is not to be gone on with.
    async fn write(&mut self) -> Result<()> {
        while self.left.is_none() {
            if let Some(revision) = self.jobs.save(&self.job, self.revision).await? {
                self.revision = revision;
                self.written = Some(Instant::now());
                return Ok(());
            }
            let (found, revision) = self.jobs.existing(&self.job.id).await?;
            self.revision = revision;
            if found.holder.as_ref() != Some(&self.holder) {
                self.left = Some(Left::TakenOver);
            } else if found.state != JobState::Running {
                self.left = Some(Left::Stopped);
            }
            // Otherwise an earlier attempt to write it was not answered.
        }
        Ok(())
    }

    /// Has the job stand still, or end; or leaves it as somebody else wants it, with how far it is.
    async fn leave(&mut self, state: JobState, notice: Option<String>) -> Result<()> {
        if self.left.is_none() {
            let job = self.job.clone();
            self.job = Job { state, notice, holder: None, ..job };
            self.write().await?;
        }
        while self.left == Some(Left::Stopped) {
            let (found, revision) = self.jobs.existing(&self.job.id).await?;
            if found.holder.as_ref() != Some(&self.holder) {
                return Ok(());
            }
            let (state, notice) = (found.state, found.notice);
            self.job = Job { state, notice, holder: None, ..self.job.clone() };
            if self.jobs.save(&self.job, revision).await?.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }
}
