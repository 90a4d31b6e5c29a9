//! What has become of a dead letter, and who did what with it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What has become of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has decided on it.
    Waiting,
    /// An action on it was begun and is not known to be finished: see
    /// [`DeadLetters::resume`](super::DeadLetters::resume).
    Unfinished,
    /// Its packet was sent again.
    Replayed,
    /// A corrected packet was sent in its place.
    Edited,
    /// Somebody decided that nothing is to come of it.
    Discarded,
    /// Its packet was sent again, corrected or not, and failed again: another letter tells how.
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

impl FromStr for State {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| Error::Config {
            name: "the state of a dead letter".to_owned(),
            value: text.to_owned(),
            expected: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

/// What an operator does with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Sends the packet again, to the river that failed and to no other.
    Replay,
    /// Sends the packet again, as a new one, to whoever takes it.
    ReplayToAll,
    /// Sends a corrected packet, to the river that failed and to no other.
    Edit,
    /// Decides that nothing is to come of it.
    Discard,
    /// Finishes what somebody had begun.
    Resume,
}

impl Deed {
    /// The word for it, such as `replay_to_all`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::ReplayToAll => "replay_to_all",
            Self::Edit => "edit",
            Self::Discard => "discard",
            Self::Resume => "resume",
        }
    }

    /// What a letter is once it is done.
    pub(super) fn outcome(self) -> State {
        match self {
            Self::Replay | Self::ReplayToAll => State::Replayed,
            Self::Edit => State::Edited,
            Self::Discard => State::Discarded,
            Self::Resume => State::Unfinished,
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Who acts on a dead letter, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Who, such as `ada@workstation`.
    pub who: String,
    /// Why, in their own words.
    pub why: Option<String>,
}

impl Note {
    /// A note of somebody who gives no reason.
    pub fn new(who: impl Into<String>) -> Self {
        Self { who: who.into(), why: None }
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
    pub deed: Deed,
    /// By whom.
    pub who: String,
    /// When it was begun, by the clock of whoever did it.
    pub at: Timestamp,
    /// Why, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
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
    pub(super) fn new(deed: Deed, note: &Note) -> Self {
        Self {
            deed,
            who: note.who.clone(),
            at: Timestamp::now(),
            why: note.why.clone(),
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
    /// Somebody was there before.
    Taken {
        /// What the letter is now.
        state: State,
        /// What they did.
        action: Box<Action>,
    },
    /// Nothing was begun on it that could be finished.
    NothingToResume,
}

/// Follows "dead letter `...` ".
impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("does not exist, or has expired"),
            Self::NothingToResume => formatter.write_str("has no unfinished action"),
            Self::Taken { state, action } => {
                let Action { deed, who, at, why, replay, .. } = &**action;
                match (state, replay) {
                    (State::Unfinished, _) => write!(
                        formatter,
                        "is being worked on: {deed} was begun by `{who}` at {at:.0}; `resume` \
                         finishes it if they do not"
                    )?,
                    (State::FailedAgain, Some(replay)) => write!(
                        formatter,
                        "was sent again ({deed}) by `{who}` at {at:.0} and failed again as letter \
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
