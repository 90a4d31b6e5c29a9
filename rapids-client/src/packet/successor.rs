//! Packets that another one led to: what a river publishes about it, what a timer brings, and what an operator
//! publishes in its place.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;

use super::{Packet, id};
use crate::id_key::IdKey;

impl Packet {
    /// This packet as the one at `position` that `river` of `service` publishes when it handles
    /// `cause`.
    #[must_use]
    pub(crate) fn caused_by(
        self,
        cause: &Self,
        service: &str,
        river: &str,
        position: impl fmt::Display,
    ) -> Self {
        Self {
            provenance: Arc::new(
                cause.provenance.effect(service, cause.effect_id(service, river, position)),
            ),
            is_as_read: false,
            arrival: None,
            id_key: None,
            trace: cause.trace.clone(),
            ..self
        }
    }

    /// The id of what `river` of `service` does at `position` when it handles this packet: derived, so that
    /// it is the same if the packet is handled twice.
    pub(crate) fn effect_id(
        &self,
        service: &str,
        river: &str,
        position: impl fmt::Display,
    ) -> ByteString {
        id::effect_id(self.deriving(), self.id(), service, river, position)
    }

    /// The packet `effect`, which this one led to, under the id that stands in for its own where others
    /// have used that, and as many that stood in for it, before.
    pub(crate) fn attempt(&self, effect: &Self, attempt: u32) -> Self {
        let id = id::attempt_id(self.deriving(), effect.id(), attempt);
        let provenance = Arc::new(effect.provenance.with_id(id));
        Self { provenance, is_as_read: false, arrival: None, ..effect.clone() }
    }

    /// Has the ids of what it leads to derived with this key.
    pub(crate) fn with_id_key(self, id_key: Option<IdKey>) -> Self {
        Self { id_key, ..self }
    }

    fn deriving(&self) -> id::Deriving<'_> {
        let key = self.id_key.as_ref()?;
        let stored = self.arrival.as_ref().map(|arrival| arrival.stored);
        Some((key, stored.unwrap_or(self.provenance.created)))
    }

    /// This packet as one that a timer brings.
    #[must_use]
    pub(crate) fn of_timer(self, timer: &str) -> Self {
        let provenance = Arc::new(self.provenance.of_timer(timer));
        Self { provenance, is_as_read: false, ..self }
    }

    /// This packet as the one of this id that an operator publishes in place of `original`.
    #[must_use]
    pub(crate) fn in_place_of(self, original: &Self, id: String, is_edited: bool) -> Self {
        Self {
            provenance: Arc::new(original.provenance.replacement(id, is_edited)),
            is_as_read: false,
            arrival: None,
            ..self
        }
    }
}
