//! One reaction that has run on a memory and is not written yet.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::records::{Remembered, Unwritten};
use crate::Result;
use crate::delivery::reaction::{Reaction, ReactionError};
use crate::delivery::slot::Turn;
use crate::delivery::turn_id::TurnId;
use crate::jetstream::publisher::Outgoing;
use crate::memory::{MemoryKey, Record};
use crate::packet::Packet;
use crate::river::River;

/// A step of a memory. Its turn waits for its end, and goes on with that.
pub(super) struct Step {
    pub(super) turn: TurnId,
    pub(super) river: Arc<River>,
    pub(super) packet: Packet,
    /// What the reaction returned when it ran last.
    outputs: RefCell<Vec<Outgoing>>,
    /// How long the reaction took when it ran first.
    pub(super) took: Duration,
    end: RefCell<Option<Result<Reaction, ReactionError>>>,
    unwritten: RefCell<Option<Unwritten>>,
}

impl Step {
    /// The step of a turn, whose reaction returned this.
    pub(super) fn new(
        turn: &Turn,
        outputs: Vec<Outgoing>,
        took: Duration,
        unwritten: Unwritten,
    ) -> Self {
        Self {
            turn: turn.id,
            river: Arc::clone(&turn.river),
            packet: turn.packet.packet.clone(),
            outputs: RefCell::new(outputs),
            took,
            end: RefCell::default(),
            unwritten: RefCell::new(Some(unwritten)),
        }
    }

    /// Learns what the reaction returned when it ran again.
    pub(super) fn ran_again(&self, outputs: Vec<Outgoing>) {
        self.outputs.replace(outputs);
    }

    pub(super) fn is_of(&self, river: &str, packet: &Packet) -> bool {
        self.river.name() == river && self.packet.id() == packet.id()
    }

    /// Folds its packet into a record, with what is to be published.
    pub(super) fn fold_into(&self, record: &mut Record) {
        let body = |output: &Outgoing| {
            let json = String::from_utf8_lossy(&output.body).into_owned();
            RawValue::from_string(json).expect("a packet is written as JSON")
        };
        let bodies = self.outputs.borrow().iter().map(body).collect();
        record.fold(self.river.name(), &self.packet, bodies);
    }

    /// It is written: its outputs may be published.
    pub(super) fn written(&self, key: &MemoryKey) {
        let outgoing = self.outputs.take();
        let remembered = (!outgoing.is_empty())
            .then(|| Remembered::new(key, self.river.name(), self.packet.id()));
        let took = self.took;
        self.end(Ok(Reaction { packets: Vec::new(), outgoing, took, remembered }));
    }

    /// Ends it, in whatever way.
    pub(super) fn end(&self, end: Result<Reaction, ReactionError>) {
        self.end.replace(Some(end));
        self.unwritten.take();
    }

    /// How it has ended, once.
    pub(super) fn take_end(&self) -> Option<Result<Reaction, ReactionError>> {
        self.end.take()
    }
}
