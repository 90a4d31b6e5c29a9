//! A packet in hand: what is known of it while its rivers handle it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::dead_letters::{Addressed, DeadLetter, Kind, LetterId};
use crate::delivery::progress::{PacketProgress, RiverProgress, SavedProgress};
use crate::error::chain;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::packet::Packet;
use crate::service::Service;

/// A packet that at least one river is to handle.
pub(crate) struct InHand {
    pub(crate) packet: Packet,
    /// By position in the service's declaration, the rivers that it concerns.
    pub(crate) rivers: BTreeMap<usize, RiverProgress>,
    /// What its replay says, if it is one.
    pub(crate) addressed: Option<Addressed>,
    /// What is written down about it.
    pub(crate) noted: SavedProgress,
}

/// Why a river gives a packet up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    pub(crate) reason: String,
    /// What led to it, one below the other.
    pub(crate) causes: Vec<String>,
}

impl Cause {
    pub(crate) fn new(kind: Kind, reason: String) -> Self {
        Self { kind, reason, causes: Vec::new() }
    }

    /// All of it in one line, for the log.
    pub(crate) fn told(&self) -> String {
        let lines: Vec<_> = std::iter::once(&self.reason).chain(&self.causes).cloned().collect();
        lines.join(": ")
    }

    pub(crate) fn of_error(kind: Kind, error: &anyhow::Error) -> Self {
        let mut said = chain(error.chain());
        let causes = said.split_off(1);
        Self { kind, reason: said.remove(0), causes }
    }
}

impl InHand {
    pub(crate) fn is_done(&self) -> bool {
        self.rivers.values().all(|progress| progress.is_done)
    }

    /// How many rivers are still to handle it.
    pub(crate) fn open(&self) -> usize {
        self.rivers.values().filter(|progress| !progress.is_done).count()
    }

    /// The name of a river that it concerns. A replay may be for one that the service has no more.
    pub(crate) fn river<'a>(&'a self, service: &'a Service, river: usize) -> &'a str {
        let addressed = || self.addressed.as_ref().map_or("", |addressed| &addressed.river);
        service.rivers().get(river).map_or_else(addressed, |river| river.name())
    }

    /// Learns what is written down about it now. How often each river was begun alone is counted
    /// there, over all instances.
    pub(crate) fn learn(&mut self, service: &Service, noted: SavedProgress) {
        for (position, progress) in &mut self.rivers {
            let known = service.rivers().get(*position).and_then(|it| noted.note.0.get(it.name()));
            progress.starts = known.map_or(0, |known| known.starts);
        }
        self.noted = noted;
    }

    /// Whether anything has happened to it that whoever gets it next is to know.
    pub(crate) fn has_begun(&self) -> bool {
        self.is_noted()
            || self.rivers.values().any(|progress| *progress != RiverProgress::default())
    }

    /// Whether something is written down about it, or was.
    pub(crate) fn is_noted(&self) -> bool {
        self.noted.revision > 0
    }

    /// What is to be written down when it is handed back, if that is not written down already.
    pub(crate) fn unnoted(&self, service: &Service) -> Option<SavedProgress> {
        let named = |(position, progress): (&usize, &RiverProgress)| {
            let river = service.rivers().get(*position)?;
            let has_begun = *progress != RiverProgress::default();
            has_begun.then(|| (river.name().to_owned(), progress.clone()))
        };
        let note = PacketProgress(self.rivers.iter().filter_map(named).collect());
        let revision = self.noted.revision;
        (note != self.noted.note).then_some(SavedProgress { note, revision })
    }

    /// The letter in which a river gives it up, in an epoch of the position.
    pub(crate) fn letter(
        &self,
        service: &Service,
        (instance, epoch): (&str, u64),
        (place, river): (StreamPlace, usize),
        cause: Cause,
    ) -> DeadLetter {
        let now = Timestamp::now();
        let name_of_river = self.river(service, river);
        let (packet, arrival) = (&self.packet, self.packet.arrival());
        let progress = self.rivers.get(&river).cloned().unwrap_or_default();
        let crashes = if cause.kind == Kind::Crashed { progress.starts } else { 0 };
        let needs = packet.need_names();
        let name = packet.event_name().or_else(|| packet.command_name());
        DeadLetter {
            id: letter_id(service, place, name_of_river),
            kind: cause.kind,
            reason: cause.reason,
            causes: cause.causes,
            attempts: progress.attempts + crashes,
            instance: instance.to_owned(),
            sequence: arrival.map_or(place.sequence, |arrival| arrival.sequence),
            stored: arrival.map_or(now, |arrival| arrival.stored),
            first_failure: progress.first_failure.unwrap_or(now),
            last_failure: now,
            packet_id: packet.id().to_owned(),
            name: name.or_else(|| (!needs.is_empty()).then(|| needs.join(", "))),
            correlation_id: packet.correlation_id().to_owned(),
            breadcrumbs: packet.breadcrumbs().to_vec(),
            first: self.addressed.as_ref().map(|addressed| addressed.first.clone()),
            epoch,
            former: None,
            body: packet.body(),
        }
    }
}

/// The id of the letter in which a river of the service gives a packet up.
pub(crate) fn letter_id(service: &Service, place: StreamPlace, river: &str) -> LetterId {
    let sequence = place.sequence;
    match place.stream {
        StreamName::Rapids => LetterId::of_packet(service.name(), river, sequence),
        StreamName::Replays => LetterId::of_replay(service.name(), river, sequence),
    }
}
