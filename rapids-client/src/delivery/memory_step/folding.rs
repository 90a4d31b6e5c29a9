//! Runs the reactions of one key, one after the other, on the value that each leaves to the next.

use std::cell::RefMut;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::kept_keys::KeptKey;
use super::kept_record::KeptRecord;
use super::records::{MemoryRecords, Remembered, Room};
use super::step::{Step, StepOutputs};
use super::trial;
use crate::Result;
use crate::delivery::context::Context;
use crate::delivery::executor::{JobOutput, Work};
use crate::delivery::reaction::{LATER, Reaction, ReactionError};
use crate::delivery::slot::Turn;
use crate::delivery::turn_id::TurnId;
use crate::memory::{Encoded, MemoryKey};
use crate::packet::Packet;
use crate::river::River;

/// After how long it is looked again whether a record that is full of packets has room.
const DONE_SOON: Duration = Duration::from_millis(20);

/// One key, as a turn uses it.
pub(super) struct Folding<'a> {
    pub(super) context: &'a Context,
    pub(super) memories: &'a MemoryRecords,
    pub(super) key: MemoryKey,
    pub(super) kept: Rc<KeptKey>,
}

/// What came of a turn on its memory.
pub(super) enum Reacted {
    /// Its packet had moved the memory before: this came of it.
    Before(Reaction),
    /// Its reaction has run, and is to be saved.
    Now(Rc<Step>),
}

impl<'a> Folding<'a> {
    pub(super) fn new(context: &'a Context, memories: &'a MemoryRecords, key: MemoryKey) -> Self {
        let kept = memories.enter(&key);
        Self { context, memories, key, kept }
    }

    pub(super) fn record(&self) -> RefMut<'_, KeptRecord> {
        self.kept.record.borrow_mut()
    }

    /// Runs the reaction of a turn, unless its packet has moved the memory before. That is not believed
    /// of a record that is only kept.
    pub(super) async fn react(&self, turn: &Turn) -> Result<Reacted, ReactionError> {
        let (river, packet) = (&turn.river, &turn.packet.packet);
        let asked = Instant::now();
        loop {
            let value = self.kept.value.lock().await;
            let is_fresh = self.make_current().await?;
            // A publisher may repeat itself while its packet is being handled.
            let is_twice = self.record().has_unwritten(river.name(), packet);
            if is_twice || self.record().is_behind() {
                drop(value);
                self.save_all().await;
                continue;
            }
            if self.is_done(turn) {
                if is_fresh {
                    self.count_late(turn);
                    return self.recorded(river.name(), packet).await.map(Reacted::Before);
                }
                self.record().outdated();
                continue;
            }
            let has_room = self.record().check_room(river.name(), packet);
            if let Err(crowded) = has_room {
                drop(value);
                if asked.elapsed() >= LATER {
                    return Err(crowded.into());
                }
                self.make_room().await;
                continue;
            }
            // In the same job if the save can begin right behind it.
            let encodes = self.kept.saving.try_lock().is_ok();
            let (took, ran) = self.run(turn.id, (river, packet), encodes).await;
            turn.took.set(Some(took));
            let unwritten = self.memories.one_more_unwritten();
            let step =
                |outcome| Rc::new(Step::new((turn.id, river, packet), outcome, took, unwritten));
            let mut record = self.record();
            return match ran {
                Ok((outputs, output)) => {
                    let step = step(Ok(outputs));
                    record.ran(Rc::clone(&step), output.value, output.encoded);
                    Ok(Reacted::Now(step))
                }
                Err(error @ ReactionError::Failed(_)) if !is_fresh || record.folds() > 0 => {
                    let step = step(Err(error));
                    record.failed(Rc::clone(&step));
                    Ok(Reacted::Now(step))
                }
                Err(error @ ReactionError::Unreadable { .. }) => {
                    // It may be mended before the next try.
                    record.outdated();
                    Err(error)
                }
                Err(error) => {
                    record.lost_value();
                    Err(error)
                }
            };
        }
    }

    /// Whether the record takes the packet of a turn for done. A replay without a letter brings one that
    /// may have moved the memory long ago.
    fn is_done(&self, turn: &Turn) -> bool {
        let (river, packet) = (turn.river.name(), &turn.packet.packet);
        let record = self.record();
        let comes_late = turn.packet.is_replayed_without_letter();
        record.knows(river, packet)
            || (comes_late && record.may_have_forgotten(river, packet))
            || (record.has_ended() && turn.river.memory_use().is_some_and(|it| it.ignores_late))
    }

    /// Counts the packet of a turn if it counts as done only because the memory has ended.
    fn count_late(&self, turn: &Turn) {
        let river = &turn.river;
        let is_late =
            !self.record().knows(river.name(), &turn.packet.packet) && self.record().has_ended();
        if let Some(memory) = river.memory_use().filter(|_| is_late) {
            memory.late_packets.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until packets in the record are done, which may then be forgotten.
    async fn make_room(&self) {
        self.save_all().await;
        sleep(DONE_SOON).await;
        let floors = self.memories.read_floors().await;
        self.record().forget_below(floors);
    }

    /// Loads the record if that has to be, and runs steps again that have to. Returns whether it was
    /// loaded. Call it with the value locked.
    pub(super) async fn make_current(&self) -> Result<bool, ReactionError> {
        let mut is_fresh = false;
        loop {
            if self.record().record().is_none() {
                self.load().await?;
                is_fresh = true;
            }
            if self.run_again(is_fresh).await {
                return Ok(is_fresh);
            }
            self.record().outdated();
        }
    }

    async fn load(&self) -> Result<(), ReactionError> {
        let mut retry = super::reaching(self.context);
        loop {
            match self.memories.load(&self.key, &self.kept).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    retry.again_if_passing(error).await.map_err(|it| self.failed(it))?;
                }
            }
        }
    }

    /// Runs steps again, in their order, until one finds no room beside those in front of it. Each is
    /// written out, so that one that fails costs only itself. `false` if the record takes a step for
    /// done, and was not loaded just now.
    async fn run_again(&self, is_fresh: bool) -> bool {
        loop {
            let Some(step) = self.record().next_again() else { return true };
            if self.record().knows(step.river.name(), &step.packet) {
                if !is_fresh {
                    self.record().again_later(step);
                    return false;
                }
                step.end(self.recorded(step.river.name(), &step.packet).await);
                continue;
            }
            let before = self.record().encoded();
            if let Some(output) = self.run_step_again(&step).await {
                self.record().ran(Rc::clone(&step), output.value, output.encoded);
                if !self.keeps_in_room(step, before) {
                    return true;
                }
            }
        }
    }

    /// Runs a step again; `None` if that fails.
    async fn run_step_again(&self, step: &Rc<Step>) -> Option<JobOutput> {
        let has_room = self.record().check_room(step.river.name(), &step.packet);
        let ran = match has_room {
            Ok(()) => self.run(step.turn, (&step.river, &step.packet), true).await.1,
            Err(error) => Err(error.into()),
        };
        match ran {
            Ok((outputs, output)) => {
                step.ran_again(Ok(outputs));
                return Some(output);
            }
            Err(error @ ReactionError::Failed(_)) => {
                step.ran_again(Err(error));
                self.record().failed(Rc::clone(step));
            }
            Err(error) => {
                self.record().lost_value();
                step.end(Err(error));
            }
        }
        None
    }

    /// Takes the step back that has run last if the record has no room for it; `false` if it is to run
    /// again after the next save.
    fn keeps_in_room(&self, step: Rc<Step>, before: Option<Encoded>) -> bool {
        let mut record = self.record();
        let next = self.memories.next_record(&self.key, &record);
        match self.memories.room(&self.key, &record, &next) {
            Room::Enough => true,
            Room::Later if record.folds() == 1 => true,
            Room::Later => {
                record.take_back(before);
                record.again_later(step);
                false
            }
            Room::Never(reason) => {
                record.take_back(before);
                step.ran_again(Err(ReactionError::NoRoom(reason)));
                record.failed(step);
                true
            }
        }
    }

    /// Runs a reaction on the value, and makes sure that the stream takes what it returns; also tells
    /// how long it took. If it fails, the value is lost.
    async fn run(
        &self,
        turn: TurnId,
        (river, packet): (&Arc<River>, &Packet),
        encodes: bool,
    ) -> (Duration, Result<(StepOutputs, JobOutput), ReactionError>) {
        let work = Work::React { memory: self.record().take_memory(), encodes };
        let (took, ran) = self.context.executor.run(turn, (river, packet), work).await;
        if let Err(ReactionError::Unreadable { reason, is_newer }) = &ran {
            trial::tell(self.context, self.key.as_ref(), (reason, *is_newer));
        }
        let prepared = ran.and_then(|mut output| {
            let effects = mem::take(&mut output.effects);
            Ok((self.context.prepare(packet, effects)?, output))
        });
        (took, prepared)
    }

    /// What a packet led to that the record takes for done.
    async fn recorded(&self, river: &str, packet: &Packet) -> Result<Reaction, ReactionError> {
        let (known, floor) = {
            let kept = self.record();
            let Some(record) = kept.record() else { return Err(ReactionError::Later(LATER)) };
            (record.known(river, packet)?, record.floor_above(river, packet))
        };
        if let Some(floor) = floor {
            let reached = Box::pin(self.memories.reaches(&self.key, packet, floor)).await;
            reached.map_err(|error| self.failed(error))?;
        }
        let reaction = self.context.publish_again(packet, known.unwrap_or_default())?;
        let remembered =
            (!reaction.effects.is_empty()).then(|| Remembered::new(&self.key, river, packet.id()));
        Ok(Reaction { remembered, ..reaction })
    }

    /// What an error of the store means to a turn.
    pub(super) fn failed(&self, error: crate::Error) -> ReactionError {
        ReactionError::of_store(error, &self.context.connection, &self.context.notices)
    }
}
