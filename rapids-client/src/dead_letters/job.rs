//! What a job is: one action on many letters, written down so that whoever works on it can be replaced.
//!
//! Plain data. Beginning and changing jobs is left to [`jobs`](super::jobs), working on one to
//! [`job_worker`](super::job_worker).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Filter, LetterId};
use crate::job_state::JobState;
use crate::letter_action::{ActionKind, Note, State};
use crate::river_name::RiverName;
use crate::stored::Stored;

/// A job that is to be begun: what is to be done, with which letters, and how fast.
///
/// ```
/// use rapids_client::{Filter, NewJob};
///
/// let job = NewJob::replay(Filter::new().service("payment")).rate(20.0).at_once(50);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub(super) kind: ActionKind,
    pub(super) letters: Chosen,
    pub(super) rate: Option<f64>,
    pub(super) at_once: Option<u32>,
}

/// Which letters a job is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// All that a filter means. The state that it names does not count, nor do letters that are written after
    /// the job is begun.
    Matching(Filter),
    /// These.
    These(Vec<LetterId>),
}

impl From<Filter> for Chosen {
    fn from(filter: Filter) -> Self {
        Self::Matching(filter)
    }
}

impl From<Vec<LetterId>> for Chosen {
    fn from(ids: Vec<LetterId>) -> Self {
        Self::These(ids)
    }
}

impl NewJob {
    /// To [replay](super::DeadLetters::replay) letters that wait.
    pub fn replay(letters: impl Into<Chosen>) -> Self {
        Self::of(ActionKind::Replay, letters)
    }

    /// To [replay to all](super::DeadLetters::replay_to_all) the packets of letters that wait.
    pub fn replay_to_all(letters: impl Into<Chosen>) -> Self {
        Self::of(ActionKind::ReplayToAll, letters)
    }

    /// To [discard](super::DeadLetters::discard) letters that wait.
    pub fn discard(letters: impl Into<Chosen>) -> Self {
        Self::of(ActionKind::Discard, letters)
    }

    /// To [restore](super::DeadLetters::restore) letters that were discarded.
    pub fn restore(letters: impl Into<Chosen>) -> Self {
        Self::of(ActionKind::Restore, letters)
    }

    /// To [finish](super::DeadLetters::resume) what is unfinished.
    pub fn resume(letters: impl Into<Chosen>) -> Self {
        Self::of(ActionKind::Resume, letters)
    }

    /// What is done with each letter.
    pub fn kind(&self) -> ActionKind {
        self.kind
    }

    fn of(kind: ActionKind, letters: impl Into<Chosen>) -> Self {
        Self { kind, letters: letters.into(), rate: None, at_once: None }
    }

    /// At most so many letters per second. Without a limit by default.
    ///
    /// # Panics
    /// If that is not above 0.
    #[must_use]
    pub fn rate(mut self, per_second: f64) -> Self {
        assert!(per_second.is_finite() && per_second > 0.0, "a rate is a number above 0");
        self.rate = Some(per_second);
        self
    }

    /// At most so many packets that are sent to their river and not handled by it yet, so that it is not
    /// overrun. Without a limit by default; of no effect where nothing is sent to one river.
    #[must_use]
    pub fn at_once(mut self, packets: u32) -> Self {
        self.at_once = Some(packets.max(1));
        self
    }
}

/// What a job would be about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// How many letters.
    pub letters: u64,
    /// How many of each river.
    pub rivers: BTreeMap<RiverName, u64>,
    /// The rivers among them whose packets go to another one now, and to which. See
    /// [`DeadLetters::redirect`](super::DeadLetters::redirect).
    pub redirected: BTreeMap<RiverName, RiverName>,
    /// The sequence of the newest letter in the stream of dead letters, or how many were named.
    pub(super) until: u64,
}

/// One action on many letters, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Job {
    /// Its id, such as `4f0c21aa`.
    #[serde(skip)]
    pub id: String,
    /// What is done with each letter.
    pub kind: ActionKind,
    /// Which letters; `None` for those that were named one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// How many letters it was about when it was begun.
    pub planned: u64,
    /// At most so many letters per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// At most so many packets that are sent and not handled yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
    /// Who began it.
    pub who: String,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// When.
    pub begun: Timestamp,
    /// How it stands.
    pub state: JobState,
    /// How many letters it has acted on.
    pub done: u64,
    /// How many it could not act on: somebody else was quicker, or the packet cannot be sent.
    pub skipped: u64,
    /// Who works on it at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Why it stands still, or what was wrong with the letter that was skipped last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// When this was written.
    pub written: Timestamp,
    /// Services and sequences of replays that may not be handled yet, where those are limited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) under_way: Vec<(String, u64)>,
    /// Up to where it has looked at letters: a sequence of their stream, or a place among those named.
    pub(super) cursor: u64,
    /// Up to where it is to look.
    pub(super) until: u64,
}

impl Stored for Job {}

impl Job {
    pub(super) fn new(new: &NewJob, plan: &Plan, note: &Note) -> Self {
        let Note { who, why, origin, .. } = note.clone();
        let filter = match &new.letters {
            Chosen::Matching(filter) => Some(filter.clone()),
            Chosen::These(_) => None,
        };
        let now = Timestamp::now();
        Self {
            id: format!("{:08x}", fastrand::u32(..)),
            kind: new.kind,
            filter,
            planned: plan.letters,
            rate: new.rate,
            at_once: new.at_once,
            who,
            why,
            origin,
            begun: now,
            state: JobState::Running,
            done: 0,
            skipped: 0,
            holder: None,
            notice: None,
            written: now,
            under_way: Vec::new(),
            cursor: 0,
            until: plan.until,
        }
    }

    /// The note of what it does with a letter.
    pub(super) fn note(&self) -> Note {
        let note = Note::new(&self.who);
        let Self { why, origin, id, .. } = self.clone();
        Note { why, origin, job: Some(id), ..note }
    }
}

/// In which state a letter must be to be acted on.
pub(super) fn acts_on(kind: ActionKind) -> State {
    match kind {
        ActionKind::Restore => State::Discarded,
        ActionKind::Resume => State::Unfinished,
        _ => State::Waiting,
    }
}
