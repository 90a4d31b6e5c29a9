//! What an instance keeps of one key: the record, the value, and the steps that are not written.
//!
//! Pure bookkeeping. The value is that of the record with all steps in `waiting` after it. Reactions
//! run in [`folding`](super::folding); records are saved by [`saving`](super::saving).

use std::collections::VecDeque;
use std::rc::Rc;

use super::step::Step;
use crate::memory::{Encoded, Floors, KeptAs, Memory, Record, Value};
use crate::packet::Packet;

/// More packets of one river than this make a record large. Those that cannot come again are forgotten.
const MANY_IDS: usize = 256;

#[derive(Default)]
pub(super) struct KeptRecord {
    /// The record as it was loaded or saved last, or as it is being saved; `None` if it has to be
    /// loaded.
    record: Option<Record>,
    /// Its revision, as far as it is saved.
    revision: u64,
    /// Counts how often the record was replaced: what is being saved may be outdated meanwhile.
    changes: u64,
    /// The value, decoded.
    value: Option<Box<dyn Value>>,
    /// Its JSON, if that is known and differs from the record's.
    encoded: Option<Encoded>,
    /// Steps in the record that is being saved.
    writing: Vec<Rc<Step>>,
    /// Steps that have run since, in their order.
    waiting: Vec<Rc<Step>>,
    /// Steps behind those that have to run again before any other.
    again: VecDeque<Rc<Step>>,
}

/// A record that is being saved.
pub(super) struct Save {
    /// The revision that it is to replace.
    pub(super) revision: u64,
    pub(super) kept: KeptAs,
    changes: u64,
}

impl KeptRecord {
    /// The revision at which the record was loaded or saved last.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Takes over a record that was loaded. All steps that are not written have to run again on it.
    pub(super) fn loaded(&mut self, record: Record, revision: u64) {
        self.outdated();
        self.record = Some(record);
        self.revision = revision;
    }

    /// Learns that the record is not, or may not be, what is stored.
    pub(super) fn outdated(&mut self) {
        self.record = None;
        self.changes += 1;
        let mut steps = std::mem::take(&mut self.writing);
        steps.append(&mut self.waiting);
        self.have_run_again(steps);
    }

    /// Has all steps run again that are in no record.
    pub(super) fn run_all_again(&mut self) {
        let steps = std::mem::take(&mut self.waiting);
        self.have_run_again(steps);
    }

    fn have_run_again(&mut self, steps: Vec<Rc<Step>>) {
        self.value = None;
        self.encoded = None;
        steps.into_iter().rev().for_each(|step| self.again.push_front(step));
    }

    /// The next step to run again.
    pub(super) fn next_again(&mut self) -> Option<Rc<Step>> {
        self.again.pop_front()
    }

    /// Puts a step back that is to run again after the next save.
    pub(super) fn again_later(&mut self, step: Rc<Step>) {
        self.again.push_front(step);
    }

    /// Whether a step has to run again before any other may run.
    pub(super) fn is_behind(&self) -> bool {
        !self.again.is_empty()
    }

    /// Whether the record takes a packet for done.
    pub(super) fn knows(&self, river: &str, packet: &Packet) -> bool {
        self.record.as_ref().is_some_and(|record| {
            record.holds(river, packet) || record.floor_above(river, packet).is_some()
        })
    }

    /// Whether the memory has ended, and that is saved, with nothing behind it.
    pub(super) fn has_ended(&self) -> bool {
        let has_ended = self.record.as_ref().is_some_and(|record| record.ended().is_some());
        has_ended && self.unwritten().next().is_none()
    }

    /// Whether the packet may have moved the memory so long ago that the record has forgotten it.
    pub(super) fn may_have_forgotten(&self, river: &str, packet: &Packet) -> bool {
        self.record.as_ref().is_some_and(|record| record.may_have_forgotten(river, packet))
    }

    /// Makes sure that the record can take one more packet of a river.
    pub(super) fn check_room(&self, river: &str, packet: &Packet) -> anyhow::Result<()> {
        let count = self.waiting.iter().filter(|step| step.river.name() == river).count() + 1;
        let check = |record: &Record| record.check_room(river, packet, count);
        Ok(self.record.as_ref().map_or(Ok(()), check)?)
    }

    /// Forgets the packets that are done.
    pub(super) fn forget_below(&mut self, floors: Floors) {
        if let Some(record) = &mut self.record {
            record.forget_below(floors);
        }
    }

    /// Whether so many packets are in the record that it is worth asking which may be forgotten.
    pub(super) fn has_many_ids(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.held() > MANY_IDS)
    }

    /// Takes the value for the next reaction. Call [`ran`](Self::ran) or [`failed`](Self::failed).
    pub(super) fn take_memory(&mut self) -> Memory {
        match self.value.take() {
            Some(value) => Memory::Decoded(value),
            None => Memory::Encoded(self.json()),
        }
    }

    /// The JSON of the value, if that is known.
    fn json(&self) -> Option<Encoded> {
        let stored = || self.record.as_ref().and_then(Record::memory);
        self.encoded.clone().or_else(stored)
    }

    /// A reaction has left this value, of which this is the JSON if that was wanted.
    pub(super) fn ran(
        &mut self,
        step: Rc<Step>,
        value: Option<Box<dyn Value>>,
        encoded: Option<Encoded>,
    ) {
        self.waiting.push(step);
        self.value = value;
        self.encoded = encoded;
    }

    /// A reaction has failed, and left nothing. Its step waits like others: it counts if those in front
    /// of it are written, or if nothing was.
    pub(super) fn failed(&mut self, step: Rc<Step>) {
        self.waiting.push(step);
        self.lost_value();
    }

    /// The value is lost. If it is not known as JSON, the steps that led to it have to run again.
    pub(super) fn lost_value(&mut self) {
        self.value = None;
        if self.encoded.is_none() && self.folds() > 0 {
            self.run_all_again();
        }
    }

    /// Takes the last step back, before which the value had this JSON.
    pub(super) fn take_back(&mut self, before: Option<Encoded>) -> Option<Rc<Step>> {
        self.value = None;
        self.encoded = before;
        self.waiting.pop()
    }

    /// How many steps wait that have moved the value.
    pub(super) fn folds(&self) -> usize {
        self.waiting.iter().filter(|step| !step.has_failed()).count()
    }

    /// Takes all steps that wait, if they have all failed, so that there is nothing to save.
    pub(super) fn take_failures(&mut self) -> Vec<Rc<Step>> {
        if self.folds() > 0 {
            return Vec::new();
        }
        std::mem::take(&mut self.waiting)
    }

    /// The JSON of the value, if it was written out since the last save.
    pub(super) fn encoded(&self) -> Option<Encoded> {
        self.encoded.clone()
    }

    /// The steps whose reactions have led to the value.
    pub(super) fn waiting(&self) -> &[Rc<Step>] {
        &self.waiting
    }

    /// This record with the value and the steps that wait.
    pub(super) fn with_waiting(&self, mut record: Record) -> Record {
        if let Some(encoded) = self.encoded() {
            record.set_memory(encoded);
        }
        self.waiting.iter().for_each(|step| step.fold_into(&mut record));
        record
    }

    /// This next record without anything to publish but by the last step in it.
    pub(super) fn with_last_alone(&self, next: &Record) -> Record {
        let last = self.waiting.iter().rev().find(|step| !step.has_failed());
        next.publishing_only(last.map(|step| (step.river.name(), step.packet.id())))
    }

    /// The steps that are not written.
    pub(super) fn unwritten(&self) -> impl Iterator<Item = &Rc<Step>> {
        self.writing.iter().chain(&self.waiting).chain(&self.again)
    }

    /// Whether the reaction of a river to this packet is among the steps that are not written.
    pub(super) fn has_unwritten(&self, river: &str, packet: &Packet) -> bool {
        self.unwritten().any(|step| step.is_of(river, packet))
    }

    /// Takes the decoded value, to write it out; [`set_encoded`](Self::set_encoded) puts it back.
    pub(super) fn take_value(&mut self) -> Option<Box<dyn Value>> {
        self.value.take()
    }

    pub(super) fn set_encoded(&mut self, value: Option<Box<dyn Value>>, encoded: Option<Encoded>) {
        self.value = value;
        self.encoded = encoded;
    }

    /// Begins to save this record, which contains all steps that wait.
    pub(super) fn begin_save(&mut self, record: Record) -> Save {
        let kept = record.kept_as();
        self.record = Some(record);
        self.changes += 1;
        self.writing = std::mem::take(&mut self.waiting);
        self.encoded = None;
        Save { revision: self.revision, kept, changes: self.changes }
    }

    /// The record is saved, at this revision. Returns the steps that are written by that; `None` if the
    /// record was replaced meanwhile. The value is dropped if nothing waits.
    pub(super) fn saved(&mut self, save: &Save, revision: u64) -> Option<Vec<Rc<Step>>> {
        if self.changes != save.changes {
            return None;
        }
        self.revision = revision;
        if self.waiting.is_empty() {
            self.value = None;
        }
        Some(std::mem::take(&mut self.writing))
    }

    /// Forgets everything, and returns the steps that were not written.
    pub(super) fn give_up(&mut self) -> VecDeque<Rc<Step>> {
        self.outdated();
        std::mem::take(&mut self.again)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::delivery::memory_step::step::StepOutputs;
    use crate::delivery::memory_step::unwritten::UnwrittenSteps;
    use crate::delivery::reaction::ReactionError;
    use crate::delivery::turn_id::TurnId;
    use crate::jetstream::sequence::{StreamName, StreamPlace};
    use crate::memory::{Found, Types};
    use crate::packet::Arrival;
    use crate::river::River;

    fn packet(sequence: u64) -> Packet {
        let stored = "2026-11-21T09:30:00Z".parse().unwrap();
        let arrival = Arrival::at(sequence, stored);
        Packet::arrived(r#"{"event":"x"}"#, arrival).unwrap()
    }

    fn step(sequence: u64, succeeds: bool) -> Rc<Step> {
        let river = Arc::new(River::new("count").event("x"));
        let turn = TurnId { place: StreamPlace { stream: StreamName::Rapids, sequence }, river: 0 };
        let failed = || ReactionError::Failed(anyhow::anyhow!("no"));
        let outcome = if succeeds { Ok(StepOutputs::default()) } else { Err(failed()) };
        let unwritten = Rc::new(UnwrittenSteps::default()).one_more();
        let (packet, took) = (packet(sequence), Duration::ZERO);
        Rc::new(Step::new((turn, &river, &packet), outcome, took, unwritten))
    }

    fn boxed(value: u64) -> Option<Box<dyn Value>> {
        Some(Types::default().typed(value))
    }

    fn json(value: u64) -> Option<Encoded> {
        boxed(value).map(|value| value.encoded().unwrap())
    }

    /// One that was loaded with this value.
    fn loaded(value: u64) -> KeptRecord {
        let mut kept = KeptRecord::default();
        let mut record = Record::default();
        record.set_memory(json(value).unwrap());
        kept.loaded(record, 7);
        kept
    }

    fn value(kept: &mut KeptRecord) -> u64 {
        match Types::default().find(kept.take_memory()).unwrap() {
            Found::Value(value) => value.value,
            Found::Ended(_) => panic!("it has not ended"),
        }
    }

    fn save(kept: &mut KeptRecord) -> Save {
        let record = kept.with_waiting(kept.record().cloned().unwrap());
        kept.begin_save(record)
    }

    fn again(kept: &mut KeptRecord) -> Vec<u64> {
        let steps = std::iter::from_fn(|| kept.next_again());
        steps.map(|step| step.turn.place.sequence).collect()
    }

    #[test]
    fn each_reaction_gets_what_the_one_before_left_and_nothing_is_kept_once_all_is_saved() {
        let mut kept = loaded(1);
        assert_eq!(value(&mut kept), 1);
        kept.ran(step(1, true), boxed(2), json(2));
        let first = save(&mut kept);
        assert_eq!(value(&mut kept), 2);
        kept.ran(step(2, true), boxed(3), None);
        assert_eq!(kept.saved(&first, 8).unwrap().len(), 1);
        assert_eq!(value(&mut kept), 3);
        kept.set_encoded(boxed(3), json(3));
        let second = save(&mut kept);
        assert_eq!(second.revision, 8);
        assert!(kept.record().unwrap().holds("count", &packet(2)));
        assert_eq!(kept.saved(&second, 9).unwrap().len(), 1);
        assert!(kept.value.is_none());
        assert_eq!(value(&mut kept), 3, "from the record");
    }

    #[test]
    fn a_failure_makes_those_in_front_of_it_run_again_from_what_is_being_saved() {
        let mut kept = loaded(1);
        kept.ran(step(1, true), boxed(2), json(2));
        let first = save(&mut kept);
        kept.ran(step(2, true), boxed(3), None);
        kept.take_memory();
        kept.failed(step(3, false));
        assert_eq!(again(&mut kept), [2, 3]);
        assert_eq!(value(&mut kept), 2);
        assert!(kept.saved(&first, 8).is_some());
    }

    #[test]
    fn a_failure_behind_a_value_that_is_known_as_json_costs_only_itself() {
        let mut kept = loaded(1);
        kept.ran(step(1, true), boxed(2), json(2));
        kept.take_memory();
        kept.failed(step(2, false));
        assert!(!kept.is_behind());
        assert_eq!((value(&mut kept), kept.folds(), kept.waiting().len()), (2, 1, 2));
        let save = save(&mut kept);
        assert!(!kept.record().unwrap().holds("count", &packet(2)));
        assert_eq!(kept.saved(&save, 8).unwrap().len(), 2, "what it led to counts now");
    }

    #[test]
    fn failures_alone_are_nothing_to_save() {
        let mut kept = loaded(1);
        kept.take_memory();
        kept.failed(step(1, false));
        assert!(!kept.is_behind());
        assert_eq!(kept.take_failures().len(), 1);
        assert_eq!(value(&mut kept), 1);
    }

    #[test]
    fn after_a_conflict_all_run_again_in_their_order_on_what_is_loaded() {
        let mut kept = loaded(1);
        kept.ran(step(1, true), boxed(2), json(2));
        let first = save(&mut kept);
        kept.ran(step(2, true), boxed(3), None);
        kept.outdated();
        assert!(kept.record().is_none());
        assert!(kept.saved(&first, 8).is_none(), "the answer comes too late");
        let mut record = Record::default();
        record.set_memory(json(5).unwrap());
        kept.loaded(record, 9);
        assert_eq!(kept.unwritten().count(), 2);
        assert_eq!(again(&mut kept), [1, 2]);
        assert_eq!(value(&mut kept), 5);
    }

    #[test]
    fn a_step_that_finds_no_room_is_taken_back() {
        let mut kept = loaded(1);
        kept.ran(step(1, true), boxed(2), json(2));
        let before = kept.encoded();
        kept.ran(step(2, true), boxed(3), json(3));
        let last = kept.take_back(before).unwrap();
        kept.again_later(last);
        assert_eq!((value(&mut kept), kept.folds()), (2, 1));
        assert!(kept.has_unwritten("count", &packet(2)));
        assert_eq!(kept.give_up().len(), 2);
    }
}
