//! The state of one dead letter, as it is stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::letter_action::{Action, ActionKind, State};
use crate::stored::Stored;

/// How many earlier actions are kept.
const MOST_EARLIER: usize = 16;

/// The state of one letter, and what was done with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateRecord {
    /// Missing where the first version can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u64>,
    /// What has become of the letter.
    pub(super) state: State,
    /// When the letter was stored: one that was deleted and came again is another.
    pub(super) letter: Timestamp,
    /// How many times letters of this id were acted on, this one included.
    pub(super) number: usize,
    /// What was done with the letter before, oldest first, where that was taken back. Since version 2, as are
    /// origin, job and successor of an action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) earlier: Vec<Action>,
    /// Who did what; while the letter is waiting, what could not be done.
    pub(super) action: Action,
    /// Who finished it, if it was somebody else's to finish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resumed: Option<Action>,
    /// While an action that publishes a packet of its own is unfinished: that packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) packet: Option<Box<RawValue>>,
}

impl Stored for StateRecord {
    const VERSION: u64 = 2;
}

impl StateRecord {
    /// The record of an action on the letter that was stored at this time, which comes after those of a
    /// former record.
    pub(super) fn begun(
        state: State,
        letter: Timestamp,
        action: Action,
        former: Option<&Self>,
    ) -> Self {
        let mut earlier = former.map_or_else(Vec::new, |former| former.lasting_actions(letter));
        earlier.drain(..earlier.len().saturating_sub(MOST_EARLIER));
        let number = former.map_or(1, |former| former.number + 1);
        Self { version: None, state, letter, number, earlier, action, resumed: None, packet: None }
    }

    /// The same, with the version of what it has.
    pub(super) fn versioned(mut self) -> Self {
        let is_new = |action: &Action| {
            action.kind == ActionKind::Restore
                || action.origin.is_some()
                || action.job.is_some()
                || action.to.is_some()
        };
        let needs_second = !self.earlier.is_empty()
            || std::iter::once(&self.action).chain(&self.resumed).any(is_new);
        self.version = needs_second.then_some(2);
        self
    }

    /// What stays true of a letter whatever is done with it next.
    fn lasting_actions(&self, letter: Timestamp) -> Vec<Action> {
        match self.is_about(letter) {
            true if self.is_waiting() && self.action.kind != ActionKind::Restore => {
                self.earlier.clone()
            }
            true => self.actions(),
            false => Vec::new(),
        }
    }
    /// Whether it is about the letter that was stored at this time.
    pub(super) fn is_about(&self, written: Timestamp) -> bool {
        self.letter == written
    }

    /// Who did what, oldest first.
    pub(super) fn actions(&self) -> Vec<Action> {
        self.earlier.iter().chain([&self.action]).chain(&self.resumed).cloned().collect()
    }

    /// Whether the letter waits: nothing came of what was begun, or it was restored.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::LETTERS_BUCKET;
    use crate::stored::golden;

    #[test]
    fn what_an_earlier_revision_wrote_is_read_and_written_alike() {
        let records = golden::values::<StateRecord>("shared", LETTERS_BUCKET);
        let states: Vec<_> = records.iter().map(|(record, _)| record.state).collect();
        assert_eq!(states, [State::Discarded, State::Replayed, State::Replayed]);
        for (record, json) in records {
            assert_eq!(serde_json::to_string(&record.versioned()).unwrap(), json);
        }
    }
}
