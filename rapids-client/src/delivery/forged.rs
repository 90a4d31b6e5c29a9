//! Packets that were read from forged copies of the live feed: they are dropped, and the real ones are
//! handled in their place.
//!
//! What reactions have done or published because of a forged packet cannot be undone.

use tracing::warn;

use super::engine::Engine;
use super::in_flight::{CopyState, Row};
use crate::jetstream::message::RawPacket;
use crate::jetstream::sequence::{StreamName, StreamPlace};

impl Engine {
    /// Receives a packet in whose place a forged one was received before.
    pub(super) async fn receive_real(&mut self, raw: RawPacket) {
        let sequence = raw.place.sequence;
        warn!(sequence, "a forged copy of this packet was read; the real one is handled now");
        self.mark_forged(sequence, sequence).await;
        self.receive(raw).await;
    }

    /// Learns that the packets that were received as these are forged.
    pub(super) async fn mark_forged(&mut self, from: u64, to: u64) {
        self.acks.unmark_done(from, to);
        let is_of_them = |place: &StreamPlace| {
            place.stream == StreamName::Rapids && (from..=to).contains(&place.sequence)
        };
        let places: Vec<_> =
            self.schedule.rows().map(|(place, _)| place).filter(is_of_them).collect();
        for place in places {
            if let Some(row) = self.schedule.row_mut(place) {
                row.copy = CopyState::Forged;
            }
            self.drop_forged(place).await;
        }
    }

    /// Removes a forged packet if no turn of it runs. One that is not admitted yet is removed when its
    /// admission is due.
    pub(super) async fn drop_forged(&mut self, place: StreamPlace) {
        let is_dropped = |row: &Row| row.is_forged() && row.packet.is_some();
        if self.schedule.row(place).is_some_and(is_dropped)
            && let Some(row) = self.schedule.remove_idle(place)
        {
            self.replace_forged(row.copy).await;
        }
    }

    /// Receives the real packet in the place of a forged one that was removed.
    pub(super) async fn replace_forged(&mut self, copy: CopyState) {
        if let CopyState::Replaced(raw) = copy
            && !self.is_closing
        {
            Box::pin(self.receive(*raw)).await;
        }
    }
}
