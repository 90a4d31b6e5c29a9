//! What has become of a dead letter, and who did what with it.
//!
//! Plain data, which [`Error`](crate::Error) carries, too. Acting on letters is left to
//! [`dead_letters`](crate::dead_letters).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::river_name::RiverName;

/// What has become of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has acted on it.
    Waiting,
    /// An action on it was begun and is not known to be finished: see
    /// [`DeadLetters::resume`](crate::DeadLetters::resume).
    Unfinished,
    /// Its packet was sent again.
    Replayed,
    /// A corrected packet was sent in its place.
    Edited,
    /// Somebody discarded it.
    Discarded,
    /// Its packet was sent again, corrected or not, and failed again. Another letter tells how.
    FailedAgain,
}

impl State {
    /// Every state, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Unfinished,
        Self::Replayed,
        Self::Edited,
        Self::Discarded,
        Self::FailedAgain,
    ];

    /// The word for it, such as `failed_again`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Unfinished => "unfinished",
            Self::Replayed => "replayed",
            Self::Edited => "edited",
            Self::Discarded => "discarded",
            Self::FailedAgain => "failed_again",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What an operator does with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Sends the packet again, to the river that failed and to no other.
    Replay,
    /// Sends the packet again, as a new one, to whoever takes it.
    ReplayToAll,
    /// Sends a corrected packet, to the river that failed and to no other.
    Edit,
    /// Discards the letter.
    Discard,
    /// Takes back that the letter was discarded: it waits again.
    Restore,
    /// Finishes an action that was interrupted.
    Resume,
}

impl ActionKind {
    /// The word for it, such as `replay_to_all`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::ReplayToAll => "replay_to_all",
            Self::Edit => "edit",
            Self::Discard => "discard",
            Self::Restore => "restore",
            Self::Resume => "resume",
        }
    }

    /// The state of a letter once the action is done.
    pub(crate) fn outcome(self) -> State {
        match self {
            Self::Replay | Self::ReplayToAll => State::Replayed,
            Self::Edit => State::Edited,
            Self::Discard => State::Discarded,
            Self::Restore => State::Waiting,
            Self::Resume => State::Unfinished,
        }
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Who acts, why, and from where, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// Who, such as `ada@workstation`.
    pub who: String,
    /// Why, in their own words.
    pub why: Option<String>,
    /// From where: the tool, and the address that its user came from, such as `console 10.1.2.3`.
    pub origin: Option<String>,
    /// The job that acts, if it is one.
    pub(crate) job: Option<String>,
}

impl Note {
    /// A note of somebody who gives no reason.
    pub fn new(who: impl Into<String>) -> Self {
        Self { who: who.into(), why: None, origin: None, job: None }
    }

    /// Adds from where it is done.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Adds the reason.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }
}

/// The record of what somebody did with a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// What was done.
    #[serde(rename = "deed")]
    pub kind: ActionKind,
    /// By whom.
    pub who: String,
    /// When it was begun, by the clock of whoever did it.
    pub at: Timestamp,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// From where, such as `console 10.1.2.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The [job](crate::Job) that did it, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Of a replay and an edit that went to another river than the letter's: that river. See
    /// [`DeadLetters::redirect`](crate::DeadLetters::redirect).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<RiverName>,
    /// Of a replay and an edit, once it is sent: the sequence of the replay. If it fails again, its
    /// letter has this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<u64>,
    /// Of an edit and a replay to all: the id of the new packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_id: Option<String>,
    /// Of a replay to all, once it is sent: the new packet's sequence on the rapids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

impl Action {
    pub(crate) fn new(kind: ActionKind, note: &Note) -> Self {
        Self {
            kind,
            who: note.who.clone(),
            at: Timestamp::now(),
            why: note.why.clone(),
            origin: note.origin.clone(),
            job: note.job.clone(),
            to: None,
            replay: None,
            packet_id: None,
            sequence: None,
        }
    }
}

/// Why an action on a dead letter is not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such letter (any more).
    Unknown,
    /// Somebody has acted on it already.
    Taken {
        /// What the letter is now.
        state: State,
        /// What they did.
        action: Box<Action>,
    },
    /// It has no unfinished action.
    NothingToResume,
    /// It is not discarded, so there is nothing to restore.
    NotDiscarded,
}

/// Follows "dead letter `...` ".
impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("does not exist, or has expired"),
            Self::NothingToResume => formatter.write_str("has no unfinished action"),
            Self::NotDiscarded => formatter.write_str("is not discarded"),
            Self::Taken { state, action } => {
                let Action { kind, who, at, why, replay, .. } = &**action;
                match (state, replay) {
                    (State::Unfinished, _) => write!(
                        formatter,
                        "is being worked on: {kind} was begun by `{who}` at {at:.0}; `resume` \
                         finishes it if they do not"
                    )?,
                    (State::FailedAgain, Some(replay)) => write!(
                        formatter,
                        "was sent again ({kind}) by `{who}` at {at:.0} and failed again as letter \
                         `r{replay}`"
                    )?,
                    (state, _) => write!(formatter, "was {state} by `{who}` at {at:.0} already")?,
                }
                match why {
                    Some(why) => write!(formatter, " ({why})"),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_action_keeps_the_key_that_stored_records_have() {
        let json = r#"{"deed":"replay_to_all","who":"ada","at":"2026-11-21T09:30:00Z"}"#;
        let action: Action = serde_json::from_str(json).unwrap();
        assert_eq!(action.kind, ActionKind::ReplayToAll);
        assert_eq!(serde_json::to_string(&action).unwrap(), json);
    }
}
