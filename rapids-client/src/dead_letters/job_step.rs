//! What a job does with one letter.

use super::job::{Job, acts_on};
use super::{DeadLetters, LetterId, StoredLetter};
use crate::letter_action::{Action, ActionKind, Note, Refusal, State};
use crate::{Error, Result};

/// What a job does with each of its letters.
pub(super) struct Acting<'a> {
    letters: &'a DeadLetters,
    job: String,
    kind: ActionKind,
    /// What is noted of each action.
    note: Note,
    /// Whether its letters are named one by one.
    names: bool,
}

/// What is to be done with a letter.
pub(super) enum Turn {
    /// Nothing: it is not meant.
    Past,
    /// Nothing more: this job did it, before it came to this process.
    Done(Box<Action>),
    Act,
}

impl<'a> Acting<'a> {
    pub(super) fn of(letters: &'a DeadLetters, job: &Job) -> Self {
        let (note, names) = (job.note(), job.filter.is_none());
        Self { letters, job: job.id.clone(), kind: job.kind, note, names }
    }

    pub(super) fn turn(&self, stored: &StoredLetter) -> Turn {
        let is_meant = stored.state == acts_on(self.kind);
        match self.own(stored) {
            Some(action) if !is_meant && stored.state != State::Unfinished => {
                Turn::Done(Box::new(action.clone()))
            }
            Some(_) => Turn::Act,
            // One that is named is tried, so that it is told why it cannot be.
            None if is_meant || self.names => Turn::Act,
            None => Turn::Past,
        }
    }

    /// Acts on a letter that is named.
    pub(super) async fn on_named(&self, id: &LetterId) -> Result<Action> {
        let stored = Box::pin(self.letters.get(id)).await?;
        let stored = stored.ok_or_else(|| id.refused(Refusal::Unknown))?;
        match self.turn(&stored) {
            Turn::Done(action) => Ok(*action),
            Turn::Past | Turn::Act => self.on(&stored).await,
        }
    }

    /// Acts on a letter whose [turn](Self::turn) it is.
    pub(super) async fn on(&self, stored: &StoredLetter) -> Result<Action> {
        let id = &stored.letter.id;
        let resumes = stored.state == State::Unfinished && self.own(stored).is_some();
        let outcome = Box::pin(self.act(id, resumes)).await;
        if !matches!(outcome, Err(Error::Letter { .. })) {
            return outcome;
        }
        // It may be this job that was quicker: a former holder, or an attempt that was not answered.
        let now = Box::pin(self.letters.get(id)).await?;
        match now.as_ref().and_then(|now| Some((now.state, self.own(now)?))) {
            Some((State::Unfinished, _)) => Box::pin(self.act(id, true)).await,
            Some((state, action)) if state != acts_on(self.kind) => Ok(action.clone()),
            _ => outcome,
        }
    }

    /// What this job did with a letter.
    fn own<'s>(&self, stored: &'s StoredLetter) -> Option<&'s Action> {
        stored.actions.iter().rev().find(|action| action.job.as_ref() == Some(&self.job))
    }

    async fn act(&self, id: &LetterId, is_unfinished: bool) -> Result<Action> {
        let (letters, note) = (self.letters, &self.note);
        match self.kind {
            _ if is_unfinished => letters.resume(id, note).await,
            ActionKind::ReplayToAll => letters.replay_to_all(id, note).await,
            ActionKind::Discard => letters.discard(id, note).await,
            ActionKind::Restore => letters.restore(id, note).await,
            ActionKind::Resume => letters.resume(id, note).await,
            ActionKind::Replay | ActionKind::Edit => letters.replay(id, note).await,
        }
    }
}

/// Whether an action failed for a reason that lies in its letter, so that a job goes on with the next one.
pub(super) fn is_of_letter(error: &Error) -> bool {
    matches!(error, Error::Letter { .. } | Error::Malformed { .. } | Error::Refused { .. })
}
