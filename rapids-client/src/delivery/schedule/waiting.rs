//! Turns that wait, in their order.
//!
//! Nearly every turn comes behind all others and leaves in front of them, which costs a queue less than
//! a tree.

use std::collections::VecDeque;

use crate::delivery::turn_id::TurnId;

#[derive(Debug, Default)]
pub(crate) struct WaitingTurns(VecDeque<TurnId>);

impl WaitingTurns {
    /// Adds a turn, unless it is in already.
    pub(crate) fn insert(&mut self, turn: TurnId) {
        if self.0.back().is_none_or(|last| *last < turn) {
            self.0.push_back(turn);
        } else if let Err(position) = self.0.binary_search(&turn) {
            self.0.insert(position, turn);
        }
    }

    pub(crate) fn remove(&mut self, turn: TurnId) {
        if self.0.front() == Some(&turn) {
            self.0.pop_front();
        } else if let Ok(position) = self.0.binary_search(&turn) {
            self.0.remove(position);
        }
    }

    pub(crate) fn first(&self) -> Option<TurnId> {
        self.0.front().copied()
    }

    /// The first turn behind this one.
    pub(crate) fn after(&self, turn: TurnId) -> Option<TurnId> {
        self.0.get(self.0.partition_point(|other| *other <= turn)).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::sequence::{StreamName, StreamPlace};

    fn turn(sequence: u64) -> TurnId {
        TurnId { place: StreamPlace { stream: StreamName::Rapids, sequence }, river: 0 }
    }

    #[test]
    fn turns_are_kept_once_and_in_order_however_they_come() {
        let mut waiting = WaitingTurns::default();
        for sequence in [5, 9, 7, 1, 9, 1] {
            waiting.insert(turn(sequence));
        }
        let order: Vec<_> = waiting.0.iter().map(|turn| turn.place.sequence).collect();
        assert_eq!(order, [1, 5, 7, 9]);
        assert_eq!(waiting.after(turn(5)), Some(turn(7)));
        assert_eq!((waiting.after(turn(6)), waiting.after(turn(9))), (Some(turn(7)), None));
        for sequence in [7, 8, 1] {
            waiting.remove(turn(sequence));
        }
        assert_eq!((waiting.first(), waiting.len()), (Some(turn(5)), 2));
        assert!(!waiting.is_empty());
    }
}
