//! One reaction that has run on a memory and is not written yet.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::records::Remembered;
use super::unwritten::Unwritten;
use crate::Result;
use crate::delivery::reaction::{Reaction, ReactionError};
use crate::delivery::turn_id::TurnId;
use crate::effects::Effects;
use crate::jetstream::publisher::Outgoing;
use crate::memory::{MemoryKey, Record};
use crate::packet::Packet;
use crate::river::River;

/// What a reaction led to, and its packets as they are sent to the server.
pub(super) type StepOutputs = (Effects, Vec<Outgoing>);

/// A step of a memory. Its turn waits for its end, and goes on with that.
pub(super) struct Step {
    pub(super) turn: TurnId,
    pub(super) river: Arc<River>,
    pub(super) packet: Packet,
    /// What came of the reaction when it ran last.
    outcome: RefCell<Result<StepOutputs, ReactionError>>,
    /// How long the reaction took when it ran first.
    pub(super) took: Duration,
    end: RefCell<Option<Result<Reaction, ReactionError>>>,
    unwritten: RefCell<Option<Unwritten>>,
}

impl Step {
    /// The step of a turn, of whose reaction this came.
    pub(super) fn new(
        (turn, river, packet): (TurnId, &Arc<River>, &Packet),
        outcome: Result<StepOutputs, ReactionError>,
        took: Duration,
        unwritten: Unwritten,
    ) -> Self {
        Self {
            turn,
            river: Arc::clone(river),
            packet: packet.clone(),
            outcome: RefCell::new(outcome),
            took,
            end: RefCell::default(),
            unwritten: RefCell::new(Some(unwritten)),
        }
    }

    /// Learns what came of the reaction when it ran again.
    pub(super) fn ran_again(&self, outcome: Result<StepOutputs, ReactionError>) {
        *self.outcome.borrow_mut() = outcome;
    }

    /// Whether it has failed, and leaves the memory as it is.
    pub(super) fn has_failed(&self) -> bool {
        self.outcome.borrow().is_err()
    }

    pub(super) fn is_of(&self, river: &str, packet: &Packet) -> bool {
        self.river.name() == river && self.packet.id() == packet.id()
    }

    /// Folds its packet into a record, with what is to be published, unless it has failed.
    pub(super) fn fold_into(&self, record: &mut Record) {
        let outcome = self.outcome.borrow();
        let Ok((effects, outgoing)) = outcome.as_ref() else { return };
        let body = |output: &Outgoing| {
            let json = String::from_utf8_lossy(&output.body).into_owned();
            RawValue::from_string(json).expect("a packet is written as JSON")
        };
        let bodies = outgoing.iter().map(body).collect();
        record.fold(self.river.name(), &self.packet, (bodies, effects.timers.clone()));
    }

    /// The record is written that it ran on, and that contains it: what came of it counts.
    pub(super) fn written(&self, key: &MemoryKey) {
        let outcome = self.outcome.replace(Ok(StepOutputs::default()));
        self.end(outcome.map(|(effects, outgoing)| {
            let remembered = (!effects.is_empty())
                .then(|| Remembered::new(key, self.river.name(), self.packet.id()));
            Reaction { effects, outgoing, took: self.took, remembered }
        }));
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
