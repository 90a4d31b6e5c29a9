//! Plans, begins, changes and lists jobs. Working on one is left to [`job_worker`](super::job_worker).

use std::time::Duration;

use tracing::warn;

use super::job::{Chosen, Job, NewJob, Plan, acts_on};
use super::{DeadLetters, LetterId, Listing};
use crate::error::with_causes;
use crate::jetstream::bucket::Keep;
use crate::job_state::{JobRefusal, JobState};
use crate::letter_action::Note;
use crate::names::OPERATIONS;
use crate::operations::Operation;
use crate::stored::{self, Stored};
use crate::{Error, Result};

/// What the keys of jobs begin with.
const JOB: &str = "job.";
/// What those of the letters begin with that were named one by one.
const LETTERS: &str = "job_letters.";
/// How long a job that has ended is kept.
const ENDED_AGE: Duration = Duration::from_secs(30 * 86_400);

/// The jobs: actions on many letters, each written down on the server with how far it is. Cloning is cheap
/// and shares the connection.
///
/// Whoever [works](Self::work) on a job can be replaced: if its process ends, another one goes on. A letter
/// is acted on once, whoever does it.
///
/// ```no_run
/// use rapids_client::{Config, DeadLetters, Filter, NewJob, Note};
///
/// # async fn example() -> rapids_client::Result<()> {
/// let Some(letters) = DeadLetters::open(&Config::from_env()?).await? else {
///     return Ok(());
/// };
/// let (jobs, note) = (letters.jobs(), Note::new("ada").why("the bank is back"));
/// let all = NewJob::replay(Filter::new().service("payment")).rate(20.0);
/// println!("{} letters", jobs.plan(&all).await?.letters);
/// let job = jobs.begin(&all, &note).await?;
/// let ended = jobs.work(&job.id, "ada's script", |_, _| ()).await?;
/// println!("{} of {} replayed", ended.done, ended.planned);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Jobs {
    pub(super) letters: DeadLetters,
}

/// The letters that a job names one by one.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Named(pub(super) Vec<LetterId>);

impl Stored for Named {}

impl Jobs {
    /// Counts the letters that a job would be about.
    ///
    /// # Errors
    /// As for [`DeadLetters::list`].
    pub async fn plan(&self, new: &NewJob) -> Result<Plan> {
        let mut plan = Plan::default();
        let mut count = |id: &LetterId| {
            plan.letters += 1;
            *plan.rivers.entry(id.river_name()).or_default() += 1;
        };
        match &new.letters {
            Chosen::These(ids) => {
                ids.iter().for_each(count);
                plan.until = plan.letters;
            }
            Chosen::Matching(filter) => {
                let filter = filter.clone().state(acts_on(new.kind));
                let mut listing = Box::pin(self.letters.list(&filter)).await?;
                let mut until = 0;
                while let Some(stored) = next(&mut listing).await? {
                    count(&stored.letter.id);
                    until = stored.sequence;
                }
                plan.until = until;
            }
        }
        for river in plan.rivers.keys() {
            if let Some(to) = self.letters.sends_to(new.kind, river).await? {
                plan.redirected.insert(river.clone(), to);
            }
        }
        Ok(plan)
    }

    /// Writes a job down, for whoever [works](Self::work) on it. Its plan is made anew.
    ///
    /// # Errors
    /// As for [`plan`](Self::plan); [`Error::Refused`] if more letters are named than are kept under one
    /// key, some ten thousand; [`Error::Full`].
    pub async fn begin(&self, new: &NewJob, note: &Note) -> Result<Job> {
        self.begin_as(new, note, None).await
    }

    /// As [`begin`](Self::begin), for whoever began it to [work](Self::work) on: nobody else does within the
    /// next six seconds. Its [holder](Job::holder) is to be given to `work`.
    ///
    /// # Errors
    /// As for [`begin`](Self::begin).
    pub async fn begin_held(&self, new: &NewJob, note: &Note) -> Result<Job> {
        self.begin_as(new, note, Some(unique(&note.who))).await
    }

    async fn begin_as(&self, new: &NewJob, note: &Note, holder: Option<String>) -> Result<Job> {
        let plan = Box::pin(self.plan(new)).await?;
        let operations = &self.letters.operations;
        loop {
            let job = Job { holder: holder.clone(), ..Job::new(new, &plan, note) };
            if let Chosen::These(ids) = &new.letters {
                let named = Named(ids.clone());
                operations.save(&letters_key(&job.id), &named, (0, Keep::Always)).await?;
            }
            // Another one may have this id.
            if operations.save(&key(&job.id), &job, (0, Keep::Always)).await?.is_some() {
                let outcome = format!("{} of {} letters", job.kind, job.planned);
                self.log("begin_job", &job, note, outcome).await;
                return Ok(job);
            }
        }
    }

    /// All jobs that run, and those that ended in the last 30 days, the oldest first.
    ///
    /// # Errors
    /// [`Error::Record`] if something else lies there, [`Error::NotPermitted`], [`Error::Server`].
    pub async fn all(&self) -> Result<Vec<Job>> {
        let found = self.letters.operations.all(JOB).await?.into_iter();
        let mut jobs: Vec<_> = found.map(|(id, job)| Job { id, ..job }).collect();
        jobs.sort_by_key(|job| job.begun);
        Ok(jobs)
    }

    /// One job; `None` if there is none of this id.
    ///
    /// # Errors
    /// As for [`all`](Self::all).
    pub async fn get(&self, id: &str) -> Result<Option<Job>> {
        Ok(self.load(id).await?.map(|(job, _)| job))
    }

    /// Has a job stand still, within a second, until it is [resumed](Self::resume).
    ///
    /// # Errors
    /// [`Error::Job`] if there is none, or it does not run; otherwise as for [`all`](Self::all).
    pub async fn pause(&self, id: &str, note: &Note) -> Result<Job> {
        let pausing = self.change(id, JobState::Paused, |state| state == JobState::Running, note);
        let job = pausing.await?;
        self.log("pause_job", &job, note, progress(&job)).await;
        Ok(job)
    }

    /// Has a job that stands still go on, once somebody [works](Self::work) on it.
    ///
    /// # Errors
    /// [`Error::Job`] if there is none, or it has ended; otherwise as for [`all`](Self::all).
    pub async fn resume(&self, id: &str, note: &Note) -> Result<Job> {
        let job = self.change(id, JobState::Running, |state| !state.is_final(), note).await?;
        self.log("resume_job", &job, note, progress(&job)).await;
        Ok(job)
    }

    /// Ends a job, within a second. What it has done stays done.
    ///
    /// # Errors
    /// [`Error::Job`] if there is none, or it has ended; otherwise as for [`all`](Self::all).
    pub async fn cancel(&self, id: &str, note: &Note) -> Result<Job> {
        let job = self.change(id, JobState::Cancelled, |state| !state.is_final(), note).await?;
        self.log("cancel_job", &job, note, progress(&job)).await;
        Ok(job)
    }

    async fn change(
        &self,
        id: &str,
        state: JobState,
        may: impl Fn(JobState) -> bool,
        note: &Note,
    ) -> Result<Job> {
        loop {
            let (job, revision) = self.existing(id).await?;
            if !may(job.state) {
                let refusal = JobRefusal::Is(job.state);
                return Err(Error::Job { id: id.to_owned(), refusal });
            }
            let notice = (state != JobState::Running).then(|| match &note.why {
                Some(why) => format!("{state} by {}: {why}", note.who),
                None => format!("{state} by {}", note.who),
            });
            // Whoever works on it keeps it, and adds how far it is before letting go of it.
            let changed = Job { state, notice, ..job };
            if self.save(&changed, revision).await?.is_some() {
                if state.is_final() {
                    self.expire_named(id).await;
                }
                return Ok(changed);
            }
        }
    }

    /// A job and the revision to save it against.
    pub(super) async fn existing(&self, id: &str) -> Result<(Job, u64)> {
        let missing = || Error::Job { id: id.to_owned(), refusal: JobRefusal::Unknown };
        self.load(id).await?.ok_or_else(missing)
    }

    async fn load(&self, id: &str) -> Result<Option<(Job, u64)>> {
        if !is_id(id) {
            return Ok(None);
        }
        let (job, revision) = self.letters.operations.load::<Job>(&key(id)).await?;
        Ok(job.map(|job| (Job { id: id.to_owned(), ..job }, revision)))
    }

    /// Saves a job unless another version of it was saved after this revision: then `None`, else the new
    /// revision.
    pub(super) async fn save(&self, job: &Job, revision: u64) -> Result<Option<u64>> {
        let keep = if job.state.is_final() { Keep::For(ENDED_AGE) } else { Keep::Always };
        let job = Job { written: jiff::Timestamp::now(), ..job.clone() };
        self.letters.operations.save(&key(&job.id), &job, (revision, keep)).await
    }

    /// The letters that a job names one by one.
    ///
    /// # Errors
    /// `Record` if they are gone; otherwise as for [`all`](Self::all).
    pub(super) async fn named(&self, id: &str) -> Result<Vec<LetterId>> {
        let key = letters_key(id);
        match self.letters.operations.load::<Named>(&key).await? {
            (Some(Named(ids)), _) => Ok(ids),
            (None, _) => Err(stored::foreign(OPERATIONS, &key, "it is missing")),
        }
    }

    /// Has the letters that a job names expire with it, now that it has ended.
    pub(super) async fn expire_named(&self, id: &str) {
        let (operations, key) = (&self.letters.operations, letters_key(id));
        let expiring = async {
            if let (Some(named), revision) = operations.load::<Named>(&key).await? {
                operations.save(&key, &named, (revision, Keep::For(ENDED_AGE))).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = expiring.await {
            warn!("the letters of the job `{id}` stay: {}", with_causes(&error));
        }
    }

    /// Writes into the log what somebody did with a job.
    pub(super) async fn log(&self, what: &str, job: &Job, note: &Note, outcome: String) {
        let operation = Operation::new(what, &job.id, note).outcome(outcome);
        self.letters.record(&operation).await;
    }
}

/// The next letter of a listing, without what is none.
pub(super) async fn next(listing: &mut Listing) -> Result<Option<super::StoredLetter>> {
    loop {
        match listing.next().await {
            Err(Error::Stream { .. }) => {}
            next => return next,
        }
    }
}

/// How far a job is, in words.
pub(super) fn progress(job: &Job) -> String {
    let Job { done, planned, skipped, .. } = job;
    match skipped {
        0 => format!("{done} of {planned} done"),
        skipped => format!("{done} of {planned} done, {skipped} skipped"),
    }
}

/// A holder of a job that no other process is.
pub(super) fn unique(holder: &str) -> String {
    format!("{holder} {:08x}", fastrand::u32(..))
}

fn is_id(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn key(id: &str) -> String {
    format!("{JOB}{id}")
}

fn letters_key(id: &str) -> String {
    format!("{LETTERS}{id}")
}
