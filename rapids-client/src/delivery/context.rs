//! What all turns of a service share.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::dead_letter_writer::DeadLetterWriter;
use super::done_before::DoneBefore;
use super::executor::{Executor, Work};
use super::in_flight::{Cause, InFlight};
use super::memory_step::{MemoryRecords, Trial};
use super::quarantine::Quarantine;
use super::reaction::{Reaction, ReactionError};
use super::slot::Turn;
use super::taken_ids::TakenIds;
use super::turn::TurnEnd;
use crate::Result;
use crate::connection::Connection;
use crate::dead_letters::DeadLetter;
use crate::effects::Effects;
use crate::error::with_causes;
use crate::jetstream::claims::Claims;
use crate::jetstream::output_sender::OutputSender;
use crate::jetstream::publish_fault::Patience;
use crate::jetstream::publisher::Outgoing;
use crate::jetstream::timers::TimerStore;
use crate::memory::Memory;
use crate::metrics::ServiceMetrics;
use crate::notices::Notices;
use crate::packet::Packet;
use crate::position::derivation::Derivation;
use crate::position::entry::Epochs;
use crate::printable::printable;
use crate::river::{GivenUp, River, Telling};
use crate::service::Service;
use crate::timer::TimerChange;

pub(super) struct Context {
    pub(super) connection: Connection,
    pub(super) service: Arc<Service>,
    /// The id of this instance.
    pub(super) instance: String,
    pub(super) executor: Executor,
    pub(super) outputs: OutputSender,
    pub(super) timers: TimerStore,
    pub(super) memories: Option<MemoryRecords>,
    pub(super) before: DoneBefore,
    /// With which keys ids are derived.
    pub(super) derivation: Derivation,
    pub(super) taken: TakenIds,
    /// Which of their values can be read.
    pub(super) trial: Trial,
    pub(super) claims: Option<Claims>,
    pub(super) quarantine: Quarantine,
    pub(super) letters: Rc<DeadLetterWriter>,
    pub(super) metrics: Arc<ServiceMetrics>,
    pub(super) notices: Notices,
    /// What rivers published without having declared it.
    pub(super) undeclared: Notices,
}

impl Context {
    /// Learns the epochs of the position that was acquired. Until then nothing is read.
    pub(super) fn set_epochs(&self, epochs: Epochs) {
        self.letters.set_epoch(epochs.position);
        self.quarantine.store.set_epoch(epochs.memory);
        if let Some(memories) = &self.memories {
            memories.set_epoch(epochs.memory);
        }
        self.before.set(epochs);
    }

    /// Whether a packet is read quietly: it moves memories and nothing else. The service was done with it, and
    /// was made to forget that since. A replay is sent for what is to come of it.
    pub(super) fn is_quiet(&self, packet: &Packet) -> bool {
        sequence(packet).is_some_and(|sequence| self.before.is_done(sequence))
    }

    /// Whether it is not known of a packet whether the service was done with it, before it was made to forget
    /// that.
    pub(super) fn is_doubtful(&self, packet: &Packet) -> bool {
        sequence(packet).is_some_and(|sequence| self.before.is_doubtful(sequence))
    }

    /// What is to be published of what a reaction led to, as it is sent to the server.
    ///
    /// # Errors
    /// `Refused` for what the server cannot take.
    pub(super) fn prepare(
        &self,
        packet: &Packet,
        effects: Effects,
    ) -> Result<(Effects, Vec<Outgoing>)> {
        let effects = match effects {
            _ if self.is_quiet(packet) => Effects::default(),
            effects if self.is_doubtful(packet) => self.before.without_published(packet, effects),
            effects => effects,
        };
        let outgoing = self.outputs.prepare(&effects)?;
        Ok((effects, outgoing))
    }

    /// Runs a reaction without memory.
    pub(super) async fn react(&self, turn: &Turn) -> Result<Reaction, ReactionError> {
        let work = Work::React { memory: Memory::default(), encodes: false };
        self.run(turn, work).await
    }

    /// Runs what says what is told.
    pub(super) async fn tell_others(
        &self,
        turn: &Turn,
        telling: &Arc<Telling>,
    ) -> Result<Reaction, ReactionError> {
        self.run(turn, Work::Tell(Arc::clone(telling))).await
    }

    /// Runs code of the user without a memory, and makes sure that the server can take what it returns.
    async fn run(&self, turn: &Turn, work: Work) -> Result<Reaction, ReactionError> {
        let packet = &turn.packet.packet;
        let (took, ran) = self.executor.run(turn.id, (&turn.river, packet), work).await;
        turn.took.set(Some(took));
        let (effects, outgoing) = self.prepare(packet, ran?.effects)?;
        Ok(Reaction { effects, outgoing, took, remembered: None })
    }

    /// Waits until no code of the user can run but this turn's; `false` if this turn is not to run any
    /// more. Reactions whose memories are not written may have to run again.
    pub(super) async fn wait_until_alone(&self, turn: &Turn) -> bool {
        if !turn.slot.wait_until_alone().await {
            return false;
        }
        if let Some(memories) = &self.memories {
            memories.all_written().await;
        }
        true
    }

    /// The result of a reaction that ran on this packet before and led to that.
    ///
    /// # Errors
    /// `Refused` if the stream takes less than it did.
    pub(super) fn publish_again(&self, cause: &Packet, effects: Effects) -> Result<Reaction> {
        let effects = effects.map_packets(|packet| packet.in_trace(cause.shared_trace()));
        let (effects, outgoing) = self.prepare(cause, effects)?;
        Ok(Reaction { effects, outgoing, took: Duration::ZERO, remembered: None })
    }

    /// Counts what a river has published without having declared it, and warns of each name once. What
    /// the stream had already, at these positions, was counted before.
    pub(super) fn check_declared(&self, river: &River, effects: &Effects, repeated: &[usize]) {
        // What timers bring stands behind the packets.
        for (position, packet) in effects.all_packets().enumerate() {
            if repeated.contains(&position) {
                continue;
            }
            let Some(undeclared) = river.undeclared(packet) else {
                continue;
            };
            self.metrics.undeclared.increment();
            if self.undeclared.is_new(&format!("{}: {undeclared}", river.name())) {
                let (undeclared, packet) = (printable(&undeclared), packet.id());
                let river = river.name();
                warn!(river, packet, "published {undeclared}, which the river does not declare");
            }
        }
    }

    /// Stores what a reaction did to timers, for as long as it takes, before its packets are published.
    ///
    /// # Errors
    /// What no further try would mend.
    pub(super) async fn store_timers(&self, changes: &[TimerChange]) -> Result<()> {
        let repeated = self.timers.store(changes, Patience::Endless).await?;
        for (position, change) in changes.iter().enumerate() {
            if !repeated.contains(&position) {
                match change.due() {
                    Some(_) => self.metrics.timers_set.increment(),
                    None => self.metrics.timers_cancelled.increment(),
                }
            }
        }
        Ok(())
    }

    /// Saves the progress of a suspect that has ended without a result, and releases its mark.
    pub(super) async fn save_and_release(&self, packet: &InFlight) {
        self.save_progress(packet).await;
        self.quarantine.mark.release().await;
    }

    /// Saves the progress of a packet, for the instance that gets it next.
    pub(super) async fn save_progress(&self, packet: &InFlight) {
        if let Err(error) = self.quarantine.save(packet).await {
            warn!(
                sequence = packet.place.packet(),
                replay = packet.place.replay(),
                "the progress of a packet is not saved: {}",
                with_causes(&error)
            );
        }
    }

    /// Writes a dead letter, for as long as it takes. All letters are written here, so that each is told of
    /// where the river tells of any.
    pub(super) async fn dead_letter(
        &self,
        packet: &InFlight,
        river: usize,
        cause: Cause,
    ) -> TurnEnd {
        if self.is_quiet(&packet.packet) && self.has_letter(packet, river).await {
            return TurnEnd::Done;
        }
        let kind = cause.kind.clone();
        error!(
            river = packet.river_name(&self.service, river),
            packet = packet.packet.id(),
            sequence = packet.place.packet(),
            replay = packet.place.replay(),
            "{kind}: {}",
            cause.in_one_line()
        );
        self.metrics.river(river).dead_letter(kind.as_str());
        let writer = (self.instance.as_str(), self.letters.epoch());
        let letter = packet.letter(&self.service, writer, river, cause);
        match self.letters.store(&letter).await {
            Ok(stored) => {
                if let Some(memories) = &self.memories {
                    memories.has_letters();
                }
                self.after_letter(packet, river, stored)
            }
            Err(error) => TurnEnd::NotPermitted(error),
        }
    }

    /// Whether there is a letter already about what a river has given up in an earlier epoch.
    async fn has_letter(&self, packet: &InFlight, river: usize) -> bool {
        let id = packet.letter_id(&self.service, river);
        match self.letters.is_about(&id, packet.packet.id()).await {
            Ok(is_there) => is_there,
            Err(error) => {
                // A second one tells too much, and none too little.
                self.connection.warn("it is not known whether there is a dead letter", &error);
                false
            }
        }
    }

    /// What follows from a dead letter that is stored, maybe since an earlier delivery: it is told of, or the
    /// river is done.
    pub(super) fn after_letter(
        &self,
        packet: &InFlight,
        river: usize,
        letter: DeadLetter,
    ) -> TurnEnd {
        self.tell(packet, river, || {
            // As it is read back after a crash, so that the same is told.
            let DeadLetter { id, kind, reason, attempts, .. } = letter.read_back();
            Telling::GivenUp(GivenUp::new(id, kind, reason, attempts))
        })
    }

    /// What follows where this is to be told, if the river tells any such thing.
    pub(super) fn tell(
        &self,
        packet: &InFlight,
        river: usize,
        telling: impl FnOnce() -> Telling,
    ) -> TurnEnd {
        let tells = self.service.rivers().get(river).filter(|river| river.has_tellers());
        let Some(tells) = tells.filter(|_| !self.is_quiet(&packet.packet)) else {
            return TurnEnd::Done;
        };
        let telling = telling();
        if !tells.tells(&packet.packet, &telling) {
            return TurnEnd::Done;
        }
        packet.set_telling(river, telling);
        TurnEnd::Tell
    }
}

/// The sequence of a packet of the rapids; `None` of a replay.
fn sequence(packet: &Packet) -> Option<u64> {
    let arrival = packet.arrival().filter(|arrival| arrival.replay.is_none());
    arrival.map(|arrival| arrival.sequence)
}
