//! The packets in hand and the state of each of their turns.

use std::collections::HashMap;
use std::time::Instant;

use crate::jetstream::sequence::{StreamPlace, TurnId};

/// Every turn that is not done.
#[derive(Debug, Default)]
pub(super) struct Turns {
    packets: HashMap<StreamPlace, InHand>,
    len: usize,
}

/// A packet that some river still needs.
#[derive(Debug)]
struct InHand {
    key: Option<String>,
    parts: Vec<Part>,
}

/// A turn, as its packet keeps it.
#[derive(Debug)]
pub(super) struct Part {
    river: usize,
    pub(super) suspect: bool,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Behind the current packet of its key; not before this time even then.
    Behind(Option<Instant>),
    Later(Instant),
    /// In its river's lane, for a slot or for the river's gate.
    Ready,
    /// A suspect of which somebody finds out whether it may run.
    Clearing,
    /// A suspect that may run, and waits until nothing else does.
    Cleared,
    Running,
    /// Its reaction has ended, and what becomes of it is still to be told.
    Ended,
}

impl Turns {
    /// Takes in a packet, as if it were behind another one.
    pub(super) fn insert(
        &mut self,
        place: StreamPlace,
        key: Option<String>,
        rivers: impl IntoIterator<Item = usize>,
        suspect: bool,
    ) {
        let part = |river| Part { river, suspect, state: State::Behind(None) };
        let parts: Vec<_> = rivers.into_iter().map(part).collect();
        self.len += parts.len();
        self.packets.insert(place, InHand { key, parts });
    }

    pub(super) fn holds(&self, place: StreamPlace) -> bool {
        self.packets.contains_key(&place)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Those of one packet; none if it is not in hand.
    pub(super) fn of(&self, place: StreamPlace) -> Vec<TurnId> {
        let parts = self.packets.get(&place).into_iter().flat_map(|packet| &packet.parts);
        parts.map(|part| TurnId { place, river: part.river }).collect()
    }

    pub(super) fn part(&mut self, turn: TurnId) -> Option<&mut Part> {
        let packet = self.packets.get_mut(&turn.place)?;
        packet.parts.iter_mut().find(|part| part.river == turn.river)
    }

    pub(super) fn state(&self, turn: TurnId) -> Option<State> {
        let packet = self.packets.get(&turn.place)?;
        packet.parts.iter().find(|part| part.river == turn.river).map(|part| part.state)
    }

    pub(super) fn set(&mut self, turn: TurnId, state: State) {
        if let Some(part) = self.part(turn) {
            part.state = state;
        }
    }

    /// Strikes out a turn. True if that was the last one of its packet.
    pub(super) fn end(&mut self, turn: TurnId) -> bool {
        let Some(packet) = self.packets.get_mut(&turn.place) else { return false };
        let before = packet.parts.len();
        packet.parts.retain(|part| part.river != turn.river);
        self.len -= before - packet.parts.len();
        packet.parts.is_empty()
    }

    /// Forgets a packet of which no turn is left, and tells its order key.
    pub(super) fn forget(&mut self, place: StreamPlace) -> Option<String> {
        self.packets.remove(&place)?.key
    }
}
