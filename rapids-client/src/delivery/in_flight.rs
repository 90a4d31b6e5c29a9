//! A packet in flight: delivered, and not answered yet.
//!
//! It has a [`Row`] in the [`schedule`](super::schedule) from its delivery to its answer, and an
//! [`InFlight`] from its admission on, which its turns share.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use async_nats::subject::Subject;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::progress::{PacketProgress, RiverProgress, SavedProgress, is_of_telling, of_telling};
use crate::dead_letters::{Addressed, DeadLetter, Kind, LetterId, Letters};
use crate::error::chain;
use crate::jetstream::message::RawPacket;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::packet::Packet;
use crate::river::Telling;
use crate::service::Service;

/// What the engine keeps about a packet from its delivery to its answer.
pub(super) struct Row {
    /// Where its answer goes; `None` in exclusive delivery, where the server waits for none.
    pub(super) answer: Option<Subject>,
    /// The packet, once it is admitted.
    pub(super) packet: Option<Rc<InFlight>>,
    /// A suspect that may run, and waits here until nothing else does.
    pub(super) waiting_suspect: Option<oneshot::Sender<()>>,
    pub(super) copy: CopyState,
}

/// Whether a packet was read from a forged copy of the live feed, in exclusive delivery.
pub(super) enum CopyState {
    /// Nothing shows that it is forged.
    Trusted,
    /// It is forged. Its packet is not acknowledged.
    Forged,
    /// It is forged, and this is the real packet.
    Replaced(Box<RawPacket>),
}

impl Row {
    pub(super) fn new(answer: Option<Subject>) -> Self {
        Self { answer, packet: None, waiting_suspect: None, copy: CopyState::Trusted }
    }

    pub(super) fn is_forged(&self) -> bool {
        !matches!(self.copy, CopyState::Trusted)
    }
}

/// A packet that at least one river is to handle, shared by its row and its turns.
pub(super) struct InFlight {
    pub(super) place: StreamPlace,
    pub(super) packet: Packet,
    /// To which river a replay is addressed; `None` if it is none.
    pub(super) addressed: Option<Addressed>,
    /// How far the rivers are that it concerns, with their positions in the service's declaration. A
    /// replay for a river that the service has no more has the position behind the last one.
    rivers: RefCell<Vec<(usize, RiverProgress)>>,
    saved: RefCell<SavedProgress>,
    /// Whether it is delivered again, so that handling it may have ended a process.
    pub(super) is_again: bool,
    /// What is still to be told of it.
    tellings: RefCell<Vec<ToTell>>,
}

/// What a river is still to tell of a packet.
struct ToTell {
    river: usize,
    telling: Arc<Telling>,
    /// How often that was begun alone, and the process ended before it did.
    starts: u32,
}

/// Why a river writes a dead letter about a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) kind: Kind,
    pub(super) reason: String,
    /// The causes of the reason, the nearest first.
    pub(super) causes: Vec<String>,
}

impl Cause {
    pub(super) fn new(kind: Kind, reason: String) -> Self {
        Self { kind, reason, causes: Vec::new() }
    }

    pub(super) fn of_error(kind: Kind, error: &anyhow::Error) -> Self {
        let mut reasons = chain(error.chain());
        let causes = reasons.split_off(1);
        Self { kind, reason: reasons.remove(0), causes }
    }

    /// The reason and its causes in one line, for the log.
    pub(super) fn in_one_line(&self) -> String {
        let lines: Vec<_> = std::iter::once(&self.reason).chain(&self.causes).cloned().collect();
        lines.join(": ")
    }
}

impl InFlight {
    /// A packet that concerns these rivers, with its saved progress, and whether it is delivered again.
    pub(super) fn new(
        (place, packet, addressed): (StreamPlace, Packet, Option<Addressed>),
        service: &Service,
        rivers: impl IntoIterator<Item = usize>,
        (saved, is_again): (SavedProgress, bool),
    ) -> Self {
        let progress = |river: usize| {
            let name = name_of(service, addressed.as_ref(), river);
            (river, saved.progress.0.get(name).cloned().unwrap_or_default())
        };
        let rivers = rivers.into_iter().map(progress).collect();
        Self {
            place,
            packet,
            addressed,
            rivers: RefCell::new(rivers),
            saved: RefCell::new(saved),
            is_again,
            tellings: RefCell::default(),
        }
    }

    /// How many rivers are still to handle it.
    pub(super) fn open_rivers(&self) -> usize {
        self.rivers.borrow().iter().filter(|(_, progress)| !progress.is_done).count()
    }

    /// The name of a river that it concerns. A replay may be for one that the service has no more.
    pub(super) fn river_name<'a>(&'a self, service: &'a Service, river: usize) -> &'a str {
        name_of(service, self.addressed.as_ref(), river)
    }

    /// How far a river has come with it.
    pub(super) fn progress(&self, river: usize) -> RiverProgress {
        let rivers = self.rivers.borrow();
        let found = rivers.iter().find(|(position, _)| *position == river);
        found.map(|(_, progress)| progress.clone()).unwrap_or_default()
    }

    /// Changes how far a river has come with it.
    pub(super) fn update<T>(
        &self,
        river: usize,
        change: impl FnOnce(&mut RiverProgress) -> T,
    ) -> T {
        let mut rivers = self.rivers.borrow_mut();
        let found = rivers.iter().position(|(position, _)| *position == river);
        let found = found.unwrap_or_else(|| {
            rivers.push((river, RiverProgress::default()));
            rivers.len() - 1
        });
        change(&mut rivers[found].1)
    }

    /// Takes over what is saved by now, with how often all instances have begun each river alone.
    pub(super) fn reload(&self, service: &Service, saved: SavedProgress) {
        for (river, progress) in self.rivers.borrow_mut().iter_mut() {
            let known = service.rivers().get(*river).and_then(|it| saved.progress.0.get(it.name()));
            progress.starts = known.map_or(0, |known| known.starts);
        }
        self.saved.replace(saved);
    }

    pub(super) fn set_saved(&self, saved: SavedProgress) {
        self.saved.replace(saved);
    }

    /// Whether anything has happened that the instance that gets it next has to know.
    pub(super) fn has_begun(&self) -> bool {
        let new = RiverProgress::default();
        self.has_saved()
            || !self.tellings.borrow().is_empty()
            || self.rivers.borrow().iter().any(|(_, progress)| *progress != new)
    }

    /// Whether its progress is saved, or was.
    pub(super) fn has_saved(&self) -> bool {
        self.saved.borrow().revision > 0
    }

    /// The progress to save for the instance that gets it next; `None` if it is saved already.
    pub(super) fn unsaved(&self, service: &Service) -> Option<SavedProgress> {
        let named = |(river, progress): &(usize, RiverProgress)| {
            let river = service.rivers().get(*river)?;
            let has_begun = *progress != RiverProgress::default();
            has_begun.then(|| (river.name().to_owned(), progress.clone()))
        };
        let saved = self.saved.borrow();
        let known = saved.progress.0.iter().filter(|(name, _)| is_of_telling(name));
        let known = known.map(|(name, progress)| (name.clone(), progress.clone()));
        let tellings = self.tellings.borrow();
        // That a replay was handled is known by nothing else.
        let is_news = |to_tell: &&ToTell| {
            to_tell.starts > 0 || matches!(*to_tell.telling, Telling::Recovered(_))
        };
        let told = tellings.iter().filter(is_news).filter_map(|to_tell| {
            let name = of_telling(service.rivers().get(to_tell.river)?.name());
            Some((name, RiverProgress { starts: to_tell.starts, ..RiverProgress::default() }))
        });
        let rivers = self.rivers.borrow();
        let named = rivers.iter().filter_map(named);
        let progress = PacketProgress(known.chain(told).chain(named).collect());
        let revision = saved.revision;
        (progress != saved.progress).then_some(SavedProgress { progress, revision })
    }

    /// Has a river tell this, in a turn of its own.
    pub(super) fn set_telling(&self, river: usize, telling: Telling) {
        let telling = Arc::new(telling);
        self.tellings.borrow_mut().push(ToTell { river, telling, starts: 0 });
    }

    /// What a river is to tell of it; `None` if it has not come to an end with it, or has nothing to tell.
    pub(super) fn telling(&self, river: usize) -> Option<Arc<Telling>> {
        let tellings = self.tellings.borrow();
        let found = tellings.iter().find(|to_tell| to_tell.river == river);
        found.map(|to_tell| to_tell.telling.clone())
    }

    /// Changes how often what a river does with it now was begun alone: its reaction, or what it tells.
    pub(super) fn update_starts(&self, river: usize, change: impl FnOnce(&mut u32)) {
        let mut tellings = self.tellings.borrow_mut();
        match tellings.iter_mut().find(|to_tell| to_tell.river == river) {
            Some(to_tell) => change(&mut to_tell.starts),
            None => self.update(river, |progress| change(&mut progress.starts)),
        }
    }

    /// The dead letter that a river writes about it, in this epoch of the position.
    pub(super) fn letter(
        &self,
        service: &Service,
        (instance, epoch): (&str, u64),
        river: usize,
        cause: Cause,
    ) -> DeadLetter {
        let now = Timestamp::now();
        let (packet, arrival) = (&self.packet, self.packet.arrival());
        let progress = self.progress(river);
        let crashes = if cause.kind == Kind::Crashed { progress.starts } else { 0 };
        let needs = packet.need_names();
        let name = packet.event_name().or_else(|| packet.command_name());
        DeadLetter {
            id: self.letter_id(service, river),
            kind: cause.kind,
            reason: cause.reason,
            causes: cause.causes,
            attempts: progress.attempts + crashes,
            instance: instance.to_owned(),
            sequence: arrival.map_or(self.place.sequence, |arrival| arrival.sequence),
            stored: arrival.map_or(now, |arrival| arrival.stored),
            first_failure: progress.first_failure.unwrap_or(now),
            last_failure: now,
            packet_id: packet.id().to_owned(),
            name: name.or_else(|| (!needs.is_empty()).then(|| needs.join(", "))),
            correlation_id: packet.correlation_id().to_owned(),
            breadcrumbs: packet.breadcrumbs().to_vec(),
            publisher: packet.publisher().map(str::to_owned),
            first: self.letters().map(|letters| letters.first.clone()),
            epoch,
            former: None,
            trace: packet.trace().cloned(),
            body: packet.body(),
        }
    }

    /// The letters about it, if it is a replay of one.
    pub(super) fn letters(&self) -> Option<&Letters> {
        self.addressed.as_ref()?.letters.as_ref()
    }

    /// Whether it is a replay of a packet that its river was done with, and that has no letter.
    pub(super) fn is_replayed_without_letter(&self) -> bool {
        self.addressed.is_some() && self.letters().is_none()
    }

    /// The id of the dead letter that a river writes about it.
    pub(super) fn letter_id(&self, service: &Service, river: usize) -> LetterId {
        let (name, river) = (service.name(), self.river_name(service, river));
        match self.place.stream {
            StreamName::Rapids => LetterId::of_packet(name, river, self.place.sequence),
            StreamName::Replays => LetterId::of_replay(name, river, self.place.sequence),
        }
    }
}

fn name_of<'a>(service: &'a Service, addressed: Option<&'a Addressed>, river: usize) -> &'a str {
    let addressed = || addressed.map_or("", |addressed| &addressed.river);
    service.rivers().get(river).map_or_else(addressed, |river| river.name())
}
