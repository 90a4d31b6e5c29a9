//! What a turn consists of, and the messages that it sends to the engine before it ends: that it is a
//! suspect which may run, and that its slot is free. What it does is in [`turn`](super::turn).

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::in_flight::InFlight;
use super::progress::of_telling;
use super::publish_order::PublishTicket;
use super::schedule::Health;
use crate::delivery::turn_id::TurnId;
use crate::river::River;

/// One packet for one river.
pub(super) struct Turn {
    pub(super) id: TurnId,
    pub(super) river: Arc<River>,
    pub(super) packet: Rc<InFlight>,
    pub(super) slot: Slot,
    /// Its place in the order of publishing, where the service handles one packet at a time.
    pub(super) publish_ticket: Option<PublishTicket>,
    /// Whether the packet is delivered again, so that handling it may have ended a process.
    pub(super) is_suspect: bool,
    /// How long its reaction took, without the waits for a worker and for its memory; `None` if it did
    /// not run.
    pub(super) took: Cell<Option<Duration>>,
}

impl Turn {
    /// Whether only something is told in this turn: the river has handled the packet, or given it up.
    pub(super) fn tells(&self) -> bool {
        self.packet.telling(self.id.river).is_some()
    }

    /// What its starts alone are counted under: what tells is counted apart from the reaction, which may have
    /// used up its starts.
    pub(super) fn name_alone(&self) -> Cow<'_, str> {
        let river = self.river.name();
        if self.tells() { of_telling(river).into() } else { river.into() }
    }
}

/// What a turn sends to the engine before it ends.
#[derive(Debug)]
pub(super) enum Step {
    /// It is a suspect that may run. It waits for the engine's signal that nothing else does.
    MayRun(TurnId, oneshot::Sender<()>),
    /// Its reaction has ended with this result after this time, and its slot is free.
    SlotFree(TurnId, Health, Duration),
}

/// A turn's right to run its reaction.
#[derive(Debug)]
pub(super) struct Slot {
    turn: TurnId,
    steps: mpsc::UnboundedSender<Step>,
    is_free: Cell<bool>,
}

impl Slot {
    pub(super) fn new(turn: TurnId, steps: mpsc::UnboundedSender<Step>) -> Self {
        Self { turn, steps, is_free: Cell::new(false) }
    }

    /// Waits until nothing else runs; `false` if this turn is not to run any more.
    pub(super) async fn wait_until_alone(&self) -> bool {
        let (go, is_alone) = oneshot::channel();
        self.send(Step::MayRun(self.turn, go));
        is_alone.await.is_ok()
    }

    /// Lets another reaction begin, while this turn goes on. Only the first call counts.
    pub(super) fn free(&self, health: Health, took: Duration) {
        if !self.is_free.replace(true) {
            self.send(Step::SlotFree(self.turn, health, took));
        }
    }

    fn send(&self, step: Step) {
        // The engine is there for as long as it runs turns.
        let _ = self.steps.send(step);
    }
}
