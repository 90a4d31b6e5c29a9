//! Which letters there are and what has become of each, as far as it was read.
//!
//! Pure. Letters and records come in any order between the two streams that hold them; a change is told once
//! both are known. Reading them is left to [`letter_watch`](super::letter_watch).

use std::collections::HashMap;

use jiff::Timestamp;

use super::letter_change::LetterChange;
use super::state_record::StateRecord;
use super::stored::replayed_as;
use super::{LetterId, StoredLetter};
use crate::letter_action::State;

/// What is kept of a letter.
#[derive(Debug)]
struct Known {
    sequence: u64,
    written: Timestamp,
    packet_id: String,
}

/// The letters that are known, and the records of what was done with them.
#[derive(Debug, Default)]
pub(super) struct KnownLetters {
    letters: HashMap<LetterId, Known>,
    /// Also of letters that are not known yet.
    records: HashMap<LetterId, StateRecord>,
    /// Which letter was sent as a replay, by the id that the first letter about that replay would have.
    replayed: HashMap<LetterId, LetterId>,
    /// The letters about a replay, oldest first, by the same id.
    again: HashMap<LetterId, Vec<LetterId>>,
}

impl KnownLetters {
    /// Takes a letter, and adds what has become of it. Returns what that tells of the letter that was replayed
    /// before.
    pub(super) fn take(&mut self, stored: &mut StoredLetter) -> Option<LetterChange> {
        let id = stored.letter.id.clone();
        let (sequence, written) = (stored.sequence, stored.written);
        let packet_id = stored.letter.packet_id.clone();
        self.letters.insert(id.clone(), Known { sequence, written, packet_id });
        if let Some(LetterChange::Settled { state, actions, again, .. }) = self.settled(&id) {
            (stored.state, stored.actions, stored.again) = (state, actions, again);
        }
        let replay = LetterId::of_replay(id.service(), id.river(), id.replay()?);
        let again = self.again.entry(replay.clone()).or_default();
        if !again.contains(&id) {
            again.push(id);
        }
        let first = self.replayed.get(&replay)?;
        self.settled(first).filter(|change| {
            matches!(change, LetterChange::Settled { again: Some(again), .. } if *again == stored.letter.id)
        })
    }

    /// Takes the record of a letter, and returns what has become of that, if it is known.
    pub(super) fn record(&mut self, id: &LetterId, record: StateRecord) -> Option<LetterChange> {
        if let Some(replay) = id.again(&record.action) {
            self.replayed.insert(replay, id.clone());
        }
        // What is sent is of no interest here, and may be large.
        let record = StateRecord { packet: None, ..record };
        self.records.insert(id.clone(), record);
        self.settled(id)
    }

    /// Takes note that there is no record of a letter any more: it waits.
    pub(super) fn forget_record(&mut self, id: &LetterId) -> Option<LetterChange> {
        let record = self.records.remove(id)?;
        let Known { sequence, written, .. } = self.letters.get(id)?;
        record.is_about(*written).then(|| LetterChange::Settled {
            id: id.clone(),
            sequence: *sequence,
            state: State::Waiting,
            actions: Vec::new(),
            again: None,
        })
    }

    /// Takes note that all records are gone.
    pub(super) fn forget_records(&mut self) -> Vec<LetterChange> {
        self.replayed.clear();
        let ids: Vec<_> = self.records.keys().cloned().collect();
        ids.iter().filter_map(|id| self.forget_record(id)).collect()
    }

    /// Takes note that all letters are gone.
    pub(super) fn forget_letters(&mut self) {
        self.letters.clear();
        self.again.clear();
    }

    /// Forgets the letters before a sequence and what was done with those stored before a time, and returns
    /// whether there were such letters.
    pub(super) fn expire(&mut self, first: u64, since: Timestamp) -> bool {
        let before = self.letters.len();
        self.letters.retain(|_, known| known.sequence >= first);
        self.records.retain(|_, record| record.letter >= since);
        let Self { letters, records, replayed, again } = self;
        replayed.retain(|_, id| records.contains_key(id));
        again.retain(|_, ids| {
            ids.retain(|id| letters.contains_key(id));
            !ids.is_empty()
        });
        self.letters.len() < before
    }

    /// What has become of a letter, if it and a record about it are known.
    fn settled(&self, id: &LetterId) -> Option<LetterChange> {
        let Known { sequence, written, packet_id } = self.letters.get(id)?;
        let record = self.records.get(id).filter(|record| record.is_about(*written))?;
        let actions = record.actions();
        let again = replayed_as(id, packet_id, &actions).and_then(|(replay, packet_id)| {
            let is_about =
                |known: &Known| known.written >= *written && known.packet_id == packet_id;
            let ids = self.again.get(&replay)?;
            ids.iter().find(|id| self.letters.get(id).is_some_and(is_about)).cloned()
        });
        let state = if again.is_some() { State::FailedAgain } else { record.state };
        Some(LetterChange::Settled { id: id.clone(), sequence: *sequence, state, actions, again })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::{DeadLetter, testing};
    use crate::letter_action::{Action, ActionKind, Note};

    fn second(second: u64) -> Timestamp {
        Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
    }

    /// A letter that was written at the second of its sequence.
    fn letter(sequence: u64, id: &str) -> StoredLetter {
        let letter = DeadLetter { id: id.parse().unwrap(), ..testing::letter() };
        let (written, state, actions) = (second(sequence), State::Waiting, Vec::new());
        StoredLetter { letter, written, sequence, size: 2, state, actions, again: None }
    }

    /// The record of what was done with the letter of a sequence.
    fn record(letter: u64, kind: ActionKind, replay: Option<u64>) -> StateRecord {
        let action = Action { replay, ..Action::new(kind, &Note::new("ada")) };
        StateRecord::begun(kind.outcome(), second(letter), action, None)
    }

    fn replayed(letter: u64, replay: u64) -> StateRecord {
        record(letter, ActionKind::Replay, Some(replay))
    }

    fn told(change: Option<LetterChange>) -> String {
        match change {
            Some(LetterChange::Settled { id, state, again, .. }) => {
                let again = again.map_or(String::new(), |again| format!(" as {again}"));
                format!("{id} {state}{again}")
            }
            None => String::new(),
            other => panic!("{other:?}"),
        }
    }

    fn id(id: &str) -> LetterId {
        id.parse().unwrap()
    }

    #[test]
    fn a_replay_that_failed_again_is_told_in_whatever_order_it_is_read() {
        let mut known = KnownLetters::default();
        let (mut first, mut second) = (letter(1, "a.b.17"), letter(2, "a.b.r3"));
        assert_eq!(told(known.take(&mut first)), "");
        assert_eq!(told(known.record(&id("a.b.17"), replayed(1, 3))), "a.b.17 replayed");
        assert_eq!(told(known.take(&mut second)), "a.b.17 failed_again as a.b.r3");

        let mut known = KnownLetters::default();
        known.take(&mut first);
        assert_eq!(told(known.take(&mut second)), "");
        let change = known.record(&id("a.b.17"), replayed(1, 3));
        assert_eq!(told(change), "a.b.17 failed_again as a.b.r3");

        let mut known = KnownLetters::default();
        assert_eq!(told(known.record(&id("a.b.17"), replayed(1, 3))), "");
        assert_eq!(told(known.take(&mut first)), "");
        assert_eq!((first.state, first.actions.len()), (State::Replayed, 1));
        assert_eq!(told(known.take(&mut second)), "a.b.17 failed_again as a.b.r3");
    }

    #[test]
    fn only_a_later_letter_about_the_packet_that_was_sent_tells_of_it() {
        let mut known = KnownLetters::default();
        known.record(&id("a.b.17"), replayed(5, 3));
        for (sequence, of, packet_id) in [(4, "a.b.r3", None), (6, "a.b.r3-2", Some("another"))] {
            let mut other = letter(sequence, of);
            if let Some(packet_id) = packet_id {
                other.letter.packet_id = packet_id.to_owned();
            }
            assert_eq!(told(known.take(&mut other)), "");
        }
        let mut first = letter(5, "a.b.17");
        known.take(&mut first);
        assert_eq!(first.state, State::Replayed);
        assert_eq!(told(known.take(&mut letter(7, "a.c.r3"))), "", "another river");
        let change = known.take(&mut letter(8, "a.b.r3-3"));
        assert_eq!(told(change), "a.b.17 failed_again as a.b.r3-3");
        assert_eq!(told(known.take(&mut letter(9, "a.b.r3-4"))), "", "that is known already");
    }

    #[test]
    fn a_record_about_an_earlier_letter_of_the_same_id_tells_nothing() {
        let mut known = KnownLetters::default();
        known.record(&id("a.b.17"), record(1, ActionKind::Discard, None));
        let mut anew = letter(2, "a.b.17");
        known.take(&mut anew);
        assert_eq!(anew.state, State::Waiting);
        assert_eq!(told(known.forget_record(&id("a.b.17"))), "");
        let discarded = record(2, ActionKind::Discard, None);
        assert_eq!(told(known.record(&id("a.b.17"), discarded)), "a.b.17 discarded");
        assert_eq!(told(known.forget_records().pop()), "a.b.17 waiting");
    }

    #[test]
    fn nothing_is_kept_of_letters_that_are_gone() {
        let mut known = KnownLetters::default();
        known.take(&mut letter(1, "a.b.17"));
        known.record(&id("a.b.17"), replayed(1, 3));
        known.take(&mut letter(2, "a.b.r3"));
        assert!(!known.expire(1, second(1)));
        assert!(known.expire(2, second(2)));
        assert_eq!((known.letters.len(), known.again.len()), (1, 1));
        assert!(known.records.is_empty() && known.replayed.is_empty());
        assert!(known.expire(3, second(3)));
        assert!(known.letters.is_empty() && known.again.is_empty());
    }
}
