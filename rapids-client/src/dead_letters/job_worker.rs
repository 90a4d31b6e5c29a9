//! Works on a job: takes it, acts on its letters one after the other at its rate, and writes down how far it
//! is.
//!
//! Who works on a job holds a [lease](crate::jetstream::lease) on it: its record, which is written each second.
//! One that stands unchanged while the server answers is taken over. That two work on one job for a moment
//! does no harm: a letter is acted on once.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::job::{Job, acts_on};
use super::jobs::{Jobs, next, progress};
use super::{Filter, LetterId, StoredLetter};
use crate::connection::Retry;
use crate::error::with_causes;
use crate::jetstream::lease::LONG_LEASE;
use crate::jetstream::revision_watch::RevisionWatch;
use crate::job_state::JobState;
use crate::letter_action::{Action, ActionKind, Note, Refusal, State};
use crate::position::replay_consumer;
use crate::{Error, Result};

/// How often the record of a job is written while somebody works on it.
const RENEWAL: Duration = Duration::from_secs(1);
/// How often a job that somebody else works on is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked whether a packet has been handled.
const POLL: Duration = Duration::from_millis(100);

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
    /// `holder` says who works, for people to read. `told` is called each time it is further: with the letter
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
        let holder = format!("{holder} {:08x}", fastrand::u32(..));
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
            let is_own = job.holder.as_deref().is_none_or(|it| it == holder);
            let stood = watch.look(revision, std::time::Instant::now());
            if !is_own && stood < LONG_LEASE {
                told(&job, None);
                sleep(LOOK).await;
                continue;
            }
            let mut held = Held::new(self, (job, revision), &holder);
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
    /// What is noted of each action.
    note: Note,
    /// When the record was written last; `None` before the first time.
    written: Option<Instant>,
    /// Whether it is somebody else's to work on, or paused or cancelled, for good as far as this is concerned.
    is_left: bool,
    /// When the next letter may be acted on.
    due: Instant,
}

/// Whether to go on with a job.
#[derive(PartialEq, Eq)]
enum Still {
    Held,
    /// It is paused or cancelled, or somebody else works on it.
    Left,
}

impl<'a> Held<'a> {
    fn new(jobs: &'a Jobs, (job, revision): (Job, u64), holder: &str) -> Self {
        let (note, holder) = (job.note(), holder.to_owned());
        let job = Job { holder: Some(holder.clone()), ..job };
        let due = Instant::now();
        Self { jobs, job, holder, revision, note, written: None, is_left: false, due }
    }

    /// Works on it until it ends, or is somebody else's to work on.
    async fn run(&mut self, told: &mut impl FnMut(&Job, Option<JobStep>)) -> Result<()> {
        if self.write().await? == Still::Left {
            return Ok(());
        }
        let still = match self.job.filter.clone() {
            Some(filter) => Box::pin(self.matching(&filter, told)).await?,
            None => Box::pin(self.named(told)).await?,
        };
        let notice = self.job.notice.clone();
        if still == Still::Held && self.leave(JobState::Done, notice).await? == Still::Held {
            let note = Note { job: None, ..self.note.clone() };
            self.jobs.log("finish_job", &self.job, &note, progress(&self.job)).await;
            self.jobs.expire_named(&self.job.id).await;
        }
        Ok(())
    }

    /// Goes through the letters that a filter means.
    async fn matching(
        &mut self,
        filter: &Filter,
        told: &mut impl FnMut(&Job, Option<JobStep>),
    ) -> Result<Still> {
        let opening = Box::pin(self.jobs.letters.list_behind(filter, self.job.cursor));
        let mut listing = self.renewed(opening).await?;
        loop {
            // Between two letters that are meant there may be very many others.
            let stored = match self.renewed(next(&mut listing)).await? {
                Some(stored) if stored.sequence <= self.job.until => stored,
                _ => return Ok(Still::Held),
            };
            if self.letter((&stored, stored.sequence), told).await? == Still::Left {
                return Ok(Still::Left);
            }
        }
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

    /// Goes through the letters that are named one by one.
    async fn named(&mut self, told: &mut impl FnMut(&Job, Option<JobStep>)) -> Result<Still> {
        let ids = self.jobs.named(&self.job.id).await?;
        let begin = usize::try_from(self.job.cursor).unwrap_or(usize::MAX);
        for (place, id) in (1..).zip(&ids).skip(begin) {
            let still = match Box::pin(self.jobs.letters.get(id)).await? {
                Some(stored) => self.letter((&stored, place), told).await?,
                None => {
                    self.count(id, Err(id.refused(Refusal::Unknown)), told);
                    self.past(place).await?
                }
            };
            if still == Still::Left {
                return Ok(Still::Left);
            }
        }
        Ok(Still::Held)
    }

    /// Acts on a letter, if it is to be acted on, once it is its turn, and goes past its place.
    async fn letter(
        &mut self,
        (stored, place): (&StoredLetter, u64),
        told: &mut impl FnMut(&Job, Option<JobStep>),
    ) -> Result<Still> {
        let id = &stored.letter.id;
        let is_meant = stored.state == acts_on(self.job.kind);
        let is_unfinished = stored.state == State::Unfinished;
        match self.own(stored) {
            // It was done before this process took the job over.
            Some(action) if !is_meant && !is_unfinished => {
                self.count(id, Ok(action.clone()), told);
                return self.past(place).await;
            }
            Some(_) => {}
            // One that is named is tried, so that it is told why it cannot be.
            None if is_meant || self.job.filter.is_none() => {}
            None => return self.past(place).await,
        }
        if self.until_due().await? == Still::Left {
            return Ok(Still::Left);
        }
        let resumes = is_unfinished && self.own(stored).is_some();
        let mut outcome = Box::pin(self.act(id, resumes)).await;
        if let Err(Error::Letter { .. }) = outcome {
            // It may be this job that was quicker: a former holder, or an attempt that was not answered.
            let now = Box::pin(self.jobs.letters.get(id)).await?;
            match now.as_ref().and_then(|now| Some((now.state, self.own(now)?))) {
                Some((State::Unfinished, _)) => outcome = Box::pin(self.act(id, true)).await,
                Some((state, action)) if state != acts_on(self.job.kind) => {
                    outcome = Ok(action.clone());
                }
                _ => {}
            }
        }
        match outcome {
            Err(
                error @ (Error::Letter { .. } | Error::Malformed { .. } | Error::Refused { .. }),
            ) => self.count(id, Err(error), told),
            Err(error) => return Err(error),
            Ok(action) => self.count(id, Ok(action), told),
        }
        self.past(place).await
    }

    /// What this job did with a letter.
    fn own<'s>(&self, stored: &'s StoredLetter) -> Option<&'s Action> {
        stored.actions.iter().rev().find(|action| action.job.as_ref() == Some(&self.job.id))
    }

    /// Goes past the place of a letter. What is written down has it counted and passed, or neither.
    async fn past(&mut self, place: u64) -> Result<Still> {
        self.job.cursor = place;
        self.keep().await
    }

    async fn act(&self, id: &LetterId, is_unfinished: bool) -> Result<Action> {
        let (letters, note) = (&self.jobs.letters, &self.note);
        match self.job.kind {
            _ if is_unfinished => letters.resume(id, note).await,
            ActionKind::ReplayToAll => letters.replay_to_all(id, note).await,
            ActionKind::Discard => letters.discard(id, note).await,
            ActionKind::Restore => letters.restore(id, note).await,
            ActionKind::Resume => letters.resume(id, note).await,
            ActionKind::Replay | ActionKind::Edit => letters.replay(id, note).await,
        }
    }

    fn count(
        &mut self,
        id: &LetterId,
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
        told(&self.job, Some(JobStep { id: id.clone(), outcome }));
    }

    /// Waits until the next letter may be acted on.
    async fn until_due(&mut self) -> Result<Still> {
        if self.keep().await? == Still::Left {
            return Ok(Still::Left);
        }
        loop {
            let left = self.due.saturating_duration_since(Instant::now());
            let wait = match left.is_zero() {
                false => left,
                true if self.is_free().await? => break,
                true => POLL,
            };
            sleep(wait.min(RENEWAL / 4)).await;
            if self.keep().await? == Still::Left {
                return Ok(Still::Left);
            }
        }
        if let Some(rate) = self.job.rate {
            self.due = self.due.max(Instant::now()) + Duration::from_secs_f64(1.0 / rate);
        }
        Ok(Still::Held)
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
    async fn keep(&mut self) -> Result<Still> {
        match self.written {
            Some(written) if written.elapsed() < RENEWAL && !self.is_left => Ok(Still::Held),
            _ => self.write().await,
        }
    }

    /// Has the job stand still, or end.
    async fn leave(&mut self, state: JobState, notice: Option<String>) -> Result<Still> {
        self.job.state = state;
        self.job.holder = None;
        self.job.notice = notice;
        self.write().await
    }

    /// Writes down how far it is, unless it is somebody else's to work on by now.
    async fn write(&mut self) -> Result<Still> {
        let mut is_stopped = false;
        while !self.is_left {
            if let Some(revision) = self.jobs.save(&self.job, self.revision).await? {
                self.revision = revision;
                self.written = Some(Instant::now());
                if !is_stopped {
                    return Ok(Still::Held);
                }
                self.is_left = true;
                continue;
            }
            let (found, revision) = self.jobs.existing(&self.job.id).await?;
            self.revision = revision;
            if found.holder.as_ref() != Some(&self.holder) {
                self.is_left = true;
            } else if found.state != JobState::Running {
                // Somebody paused or cancelled it, and does not know how far it is.
                let (state, notice) = (found.state, found.notice);
                self.job = Job { state, notice, holder: None, ..self.job.clone() };
                is_stopped = true;
            }
            // Otherwise an earlier attempt to write it was not answered.
        }
        Ok(Still::Left)
    }
}
