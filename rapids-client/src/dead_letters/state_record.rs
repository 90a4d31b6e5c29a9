//! The state of one dead letter, as it is stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::letter_action::{Action, State};
use crate::stored::Stored;

/// The state of one letter, and what was done with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateRecord {
    /// What has become of the letter.
    pub(super) state: State,
    /// When the letter was stored: one that was deleted and came again is another.
    pub(super) letter: Timestamp,
    /// How many letters of this id were acted on, this one included.
    pub(super) number: usize,
    /// Who did what; while the letter is waiting, what could not be done.
    pub(super) action: Action,
    /// Who finished it, if it was somebody else's to finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resumed: Option<Action>,
    /// While an action that publishes a packet of its own is unfinished: that packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) packet: Option<Box<RawValue>>,
}

impl Stored for StateRecord {}

impl StateRecord {
    /// Whether it is about the letter that was stored at this time.
    pub(super) fn is_about(&self, written: Timestamp) -> bool {
        self.letter == written
    }

    /// Who did what, oldest first.
    pub(super) fn actions(&self) -> Vec<Action> {
        std::iter::once(&self.action).chain(&self.resumed).cloned().collect()
    }

    /// Whether nothing came of what was begun, so that the letter waits as before.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }
}
