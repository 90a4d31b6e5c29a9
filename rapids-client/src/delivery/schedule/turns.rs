//! The packets in flight, and the state of each of their turns.

use std::time::Instant;

use rustc_hash::FxHashMap;

use crate::delivery::turn_id::TurnId;
use crate::jetstream::sequence::StreamPlace;

/// Every packet in flight, and every turn of it that is not done.
#[derive(Debug)]
pub(crate) struct Turns<R> {
    packets: FxHashMap<StreamPlace, ScheduledPacket<R>>,
    len: usize,
}

/// A packet that some river still needs, or that is not admitted yet.
#[derive(Debug)]
struct ScheduledPacket<R> {
    row: R,
    key: Option<String>,
    is_admitted: bool,
    turns: Vec<ScheduledTurn>,
}

/// One river's turn on a packet.
#[derive(Debug)]
pub(super) struct ScheduledTurn {
    pub(crate) river: usize,
    pub(super) suspect: bool,
    pub(super) state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Waits behind another packet of its key, and then until this time.
    BehindKey(Option<Instant>),
    /// Waits until this time.
    Later(Instant),
    /// In its river's queue: waits for a slot, or for the river's breaker or throttle.
    Ready,
    /// A suspect. The quarantine decides whether it may run.
    Deciding,
    /// A suspect that may run as soon as nothing else does.
    MayRun,
    Running,
    /// Its reaction has ended. Its outputs or its dead letter are not stored yet.
    Finishing,
}

impl<R> Default for Turns<R> {
    fn default() -> Self {
        Self { packets: FxHashMap::default(), len: 0 }
    }
}

impl<R> Turns<R> {
    /// Adds a packet whose turns are not known yet.
    pub(crate) fn insert(&mut self, place: StreamPlace, row: R) {
        let packet = ScheduledPacket { row, key: None, is_admitted: false, turns: Vec::new() };
        self.packets.insert(place, packet);
    }

    /// Adds the turns of a packet; `false` if it has some already.
    pub(crate) fn admit(
        &mut self,
        place: StreamPlace,
        key: Option<String>,
        turns: impl IntoIterator<Item = ScheduledTurn>,
    ) -> bool {
        let Some(packet) = self.packets.get_mut(&place).filter(|packet| !packet.is_admitted) else {
            return false;
        };
        packet.is_admitted = true;
        packet.key = key;
        packet.turns = turns.into_iter().collect();
        self.len += packet.turns.len();
        true
    }

    pub(crate) fn row(&self, place: StreamPlace) -> Option<&R> {
        self.packets.get(&place).map(|packet| &packet.row)
    }

    pub(crate) fn row_mut(&mut self, place: StreamPlace) -> Option<&mut R> {
        self.packets.get_mut(&place).map(|packet| &mut packet.row)
    }

    /// All rows, in no order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (StreamPlace, &R)> {
        self.packets.iter().map(|(&place, packet)| (place, &packet.row))
    }

    /// How many turns there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The turn of a packet at this position; `None` behind the last one.
    pub(crate) fn nth(&self, place: StreamPlace, position: usize) -> Option<(TurnId, State)> {
        let turn = self.packets.get(&place)?.turns.get(position)?;
        Some((TurnId { place, river: turn.river }, turn.state))
    }

    /// Whether a turn of a packet is in such a state.
    pub(crate) fn any(&self, place: StreamPlace, is_such: impl Fn(State) -> bool) -> bool {
        self.packets
            .get(&place)
            .is_some_and(|packet| packet.turns.iter().any(|turn| is_such(turn.state)))
    }

    pub(crate) fn key(&self, place: StreamPlace) -> Option<&str> {
        self.packets.get(&place)?.key.as_deref()
    }

    pub(crate) fn turn_mut(&mut self, id: TurnId) -> Option<&mut ScheduledTurn> {
        let packet = self.packets.get_mut(&id.place)?;
        packet.turns.iter_mut().find(|turn| turn.river == id.river)
    }

    pub(crate) fn state(&self, id: TurnId) -> Option<State> {
        let packet = self.packets.get(&id.place)?;
        packet.turns.iter().find(|turn| turn.river == id.river).map(|turn| turn.state)
    }

    pub(crate) fn set(&mut self, id: TurnId, state: State) {
        if let Some(turn) = self.turn_mut(id) {
            turn.state = state;
        }
    }

    pub(crate) fn remove_turn(&mut self, id: TurnId) {
        let Some(packet) = self.packets.get_mut(&id.place) else { return };
        let before = packet.turns.len();
        packet.turns.retain(|turn| turn.river != id.river);
        self.len -= before - packet.turns.len();
    }

    /// Whether a packet is admitted, and no turn of it is left.
    pub(crate) fn is_done(&self, place: StreamPlace) -> bool {
        self.packets.get(&place).is_some_and(|packet| packet.is_admitted && packet.turns.is_empty())
    }

    /// Removes a packet, and returns its row and its order key.
    pub(crate) fn remove(&mut self, place: StreamPlace) -> Option<(R, Option<String>)> {
        let packet = self.packets.remove(&place)?;
        self.len -= packet.turns.len();
        Some((packet.row, packet.key))
    }
}
