//! Packets that were taken from forged copies of the live feed: what they have come to counts for
//! nothing, and the real ones are handled in their place.
//!
//! What a forged packet has made a reaction do outside, or publish, cannot be undone.

use std::collections::BTreeMap;

use tracing::warn;

use crate::delivery::engine::Engine;
use crate::delivery::held::AckAction;
use crate::jetstream::message::RawPacket;
use crate::jetstream::sequence::{StreamName, StreamPlace};

/// Forged packets of which something is still under way, with the real ones that wait for its end,
/// where they are there.
#[derive(Default)]
pub(crate) struct Forgeries(BTreeMap<StreamPlace, Option<RawPacket>>);

impl Forgeries {
    /// Keeps a packet back until nothing of the forged one in its place is under way.
    pub(crate) fn keep_back(&mut self, delivered: RawPacket) {
        self.0.insert(delivered.place, Some(delivered));
    }
}

impl Engine {
    /// Takes a packet in whose place a forged one was taken.
    pub(crate) async fn take_instead(&mut self, delivered: RawPacket) {
        let sequence = delivered.place.sequence;
        warn!(sequence, "a forged copy of this packet was taken; the real one is handled now");
        self.disown(sequence, sequence).await;
        self.take(delivered).await;
    }

    /// What was taken of these is forged.
    pub(crate) async fn disown(&mut self, from: u64, to: u64) {
        self.held.undo(from, to);
        let place = |sequence| StreamPlace { stream: StreamName::Rapids, sequence };
        for place in self.held.between(place(from), place(to)) {
            self.forged.0.insert(place, None);
            self.forged_ended(place).await;
        }
    }

    /// Whether something of a forged packet is under way in this place.
    pub(crate) fn is_forged(&self, place: StreamPlace) -> bool {
        self.forged.0.contains_key(&place)
    }

    /// Takes a forged packet out of hand if nothing of it is under way any more, and the real one
    /// in its place.
    pub(crate) async fn forged_ended(&mut self, place: StreamPlace) {
        if !self.is_forged(place) {
            return;
        }
        if let Some(in_hand) = self.in_hand.get(&place) {
            // A river that has no turn, and is not done, has a letter under way.
            let is_writing = in_hand.open() > self.schedule.turns(place);
            if is_writing || !self.schedule.remove(place) {
                return;
            }
            self.in_hand.remove(&place);
            self.held.settle(place, AckAction::Release).await;
        }
        if self.held.holds(place) {
            // It is being recalled, and ends with that.
            return;
        }
        if let Some(delivered) = self.forged.0.remove(&place).flatten()
            && !self.is_closing
        {
            self.take(delivered).await;
        }
    }
}
