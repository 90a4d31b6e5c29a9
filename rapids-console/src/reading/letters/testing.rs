//! Letters for tests.

use jiff::Timestamp;
use rapids_client::{DeadLetter, Kind, LetterChange, State, StoredLetter};

use super::LetterIndex;

/// A letter that was written at the second of its sequence, about packet `p-1` or `p-2` of `c-1` or `c-2`.
pub(super) fn letter(sequence: u64, id: &str) -> StoredLetter {
    let time = Timestamp::from_second(sequence.cast_signed()).unwrap();
    let which = 2 - sequence % 2;
    let letter = DeadLetter {
        id: id.parse().unwrap(),
        kind: Kind::Rejected,
        reason: format!("bank {sequence} says no"),
        causes: Vec::new(),
        attempts: 1,
        instance: "i".to_owned(),
        sequence,
        stored: time,
        first_failure: time,
        last_failure: time,
        packet_id: format!("p-{which}"),
        name: Some("order_placed".to_owned()),
        correlation_id: format!("c-{which}"),
        breadcrumbs: Vec::new(),
        publisher: None,
        first: None,
        epoch: 0,
        former: None,
        trace: None,
        body: Default::default(),
    };
    let state = State::Waiting;
    StoredLetter { letter, written: time, sequence, size: 2, state, actions: vec![], again: None }
}

/// So many letters: the odd ones of `payment.charge`, the even ones of `order.place`.
pub(super) fn index(most: usize, letters: u64) -> LetterIndex {
    let index = LetterIndex::new(most);
    for sequence in 1..=letters {
        let river = if sequence % 2 == 1 { "payment.charge" } else { "order.place" };
        let stored = letter(sequence, &format!("{river}.{sequence}"));
        index.take(LetterChange::Letter(Box::new(stored)));
    }
    index
}

/// Takes note of a state, as the watch would tell it.
pub(super) fn settle(index: &LetterIndex, sequence: u64, state: State) {
    index.write().settle(sequence, state, 0);
}
