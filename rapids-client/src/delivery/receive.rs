//! From a delivery to the turns of the rivers that it concerns.
//!
//! A packet is judged: which rivers does it concern? Then it gets a row, and is admitted: it gets its
//! turns. A redelivered packet is admitted once its saved progress is loaded, and packets that are
//! delivered meanwhile wait behind it, so that they do not overtake it. What differs for replays is in
//! [`replays`](super::replays).

use std::rc::Rc;
use std::time::Duration;

use tracing::warn;

use super::acks::AckAction;
use super::engine::Engine;
use super::in_flight::{Cause, CopyState, InFlight, Row};
use super::progress::SavedProgress;
use crate::dead_letters::{Addressed, Kind};
use crate::delivery::turn_id::TurnId;
use crate::error::with_causes;
use crate::jetstream::message::RawPacket;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::trace_headers;
use crate::packet::{Arrival, Packet};
use crate::river::Verdict;
use crate::service::Service;
use crate::{Error, Result};

/// When a packet is redelivered whose saved progress could not be loaded.
const LOAD_AGAIN: Duration = Duration::from_secs(1);

/// What a packet is to each river that it concerns, by the river's position in the declaration.
type Verdicts = Vec<(usize, Verdict)>;

/// A packet that some river is to handle.
pub(super) struct Judged {
    pub(super) packet: Packet,
    /// To which river a replay is addressed; `None` if it is none.
    pub(super) addressed: Option<Addressed>,
    pub(super) verdicts: Verdicts,
}

/// A packet that is next to be admitted. With its saved progress, if it was redelivered.
pub(super) struct PendingAdmission {
    place: StreamPlace,
    judged: Judged,
    saved: Option<Result<SavedProgress>>,
    /// Whether it is known how the ids of what it leads to are derived.
    derivation: Result<()>,
}

impl Engine {
    /// Receives a packet: acknowledges one that is for no river, and admits any other.
    pub(super) async fn receive(&mut self, raw: RawPacket) {
        self.context.metrics.received.increment();
        let place = raw.place;
        self.read_derivation_ahead(&raw);
        let judged = match place.stream {
            StreamName::Rapids => {
                if let Some(row) = self.schedule.row_mut(place).filter(|row| row.is_forged()) {
                    // Received again once the forged one is removed.
                    row.copy = CopyState::Replaced(Box::new(raw));
                    return;
                }
                if self.acks.is_done(&raw) {
                    return;
                }
                self.maintenance.delivered(&raw);
                let candidates = self.matcher.candidates(&raw.body);
                if candidates.is_empty() {
                    return self.skip(raw).await;
                }
                judge(&self.service, self.rapids.facts(), &raw, candidates)
            }
            StreamName::Replays => self.judge_replay(&raw),
        };
        let judged = match judged {
            Ok(judged) => judged,
            Err(error @ Error::Record { is_newer: true, .. }) => {
                return self.hand_back_newer(raw, &error).await;
            }
            Err(error) => return self.skip_malformed(raw, &error).await,
        };
        self.report_oddities(&judged.packet);
        if judged.verdicts.is_empty() {
            return self.skip(raw).await;
        }
        self.demand.window.delivered(true);
        if !self.add_row(&raw) {
            return;
        }
        let may_have_begun =
            raw.is_again || self.active.as_ref().is_some_and(|active| active.may_have_begun(place));
        if may_have_begun {
            self.load_progress(place, judged, Duration::ZERO);
        } else if self.pending_admissions.is_empty() && self.is_derivation_known(&judged) {
            self.admit(place, judged, SavedProgress::default(), false).await;
        } else {
            let context = self.context.clone();
            self.pending_admissions.push_back(Box::pin(async move {
                let derivation = context.derivation.make_known(sequence_of(&judged)).await;
                PendingAdmission { place, judged, saved: None, derivation }
            }));
        }
    }

    /// Has it read how ids are derived, if that is to be known soon.
    fn read_derivation_ahead(&mut self, raw: &RawPacket) {
        let sequence = raw.place.sequence;
        if raw.place.stream != StreamName::Rapids || !self.context.derivation.is_due(sequence) {
            return;
        }
        let context = self.context.clone();
        context.derivation.put_off(sequence);
        // What is pending behind a packet that a consumer delivers is in the stream.
        let end = raw.answer.as_ref().map(|_| sequence.saturating_add(raw.pending));
        self.background.push(Box::pin(async move { context.derivation.read_ahead(end).await }));
    }

    fn is_derivation_known(&self, judged: &Judged) -> bool {
        self.context.derivation.is_known(sequence_of(judged))
    }

    /// Adds the row of a delivered packet; `false` if it is in flight already, from an earlier delivery.
    pub(super) fn add_row(&mut self, raw: &RawPacket) -> bool {
        if let Some(row) = self.schedule.row_mut(raw.place) {
            row.answer.clone_from(&raw.answer);
            return false;
        }
        self.schedule.insert(raw.place, Row::new(raw.answer.clone()));
        true
    }

    /// Loads the saved progress of a redelivered packet, after a wait.
    fn load_progress(&mut self, place: StreamPlace, judged: Judged, wait: Duration) {
        let context = self.context.clone();
        self.pending_admissions.push_back(Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let saved = Some(context.quarantine.store.load(place).await);
            let derivation = context.derivation.make_known(sequence_of(&judged)).await;
            PendingAdmission { place, judged, saved, derivation }
        }));
    }

    pub(super) async fn on_admission(&mut self, pending: PendingAdmission) {
        let PendingAdmission { place, judged, saved, derivation } = pending;
        let Some(row) = self.schedule.row(place) else {
            return;
        };
        if row.is_forged() {
            if let Some(row) = self.schedule.remove_idle(place) {
                self.replace_forged(row.copy).await;
            }
            return;
        }
        if let Err(error) = derivation {
            self.fault = Some(error);
            return;
        }
        match saved {
            None => self.admit(place, judged, SavedProgress::default(), false).await,
            Some(Ok(saved)) => self.admit(place, judged, saved, true).await,
            Some(Err(error)) => self.load_later(place, judged, &error).await,
        }
    }

    async fn load_later(&mut self, place: StreamPlace, judged: Judged, error: &Error) {
        let is_lasting = matches!(error, Error::Record { .. });
        if !is_lasting || self.context.notices.is_new(&error.to_string()) {
            warn!(
                sequence = place.packet(),
                replay = place.replay(),
                "a redelivered packet has to wait: {}",
                with_causes(error)
            );
        }
        if self.active.is_some() {
            // In exclusive delivery the server does not redeliver it.
            return self.load_progress(place, judged, LOAD_AGAIN);
        }
        if let Some(row) = self.schedule.remove_idle(place) {
            self.acks.answer(place, row.answer, AckAction::RedeliverAfter(LOAD_AGAIN)).await;
        }
    }

    /// Adds the turns of a packet: rivers that match it are to run, the others write a dead letter. A
    /// redelivered packet is a suspect.
    async fn admit(
        &mut self,
        place: StreamPlace,
        judged: Judged,
        saved: SavedProgress,
        is_suspect: bool,
    ) {
        let key = self.context.derivation.key(sequence_of(&judged));
        let Judged { packet, addressed, verdicts } = judged;
        let packet = match key {
            Ok(None) => packet,
            Ok(key) => packet.with_id_key(key),
            // Whatever it published would have an id that other instances do not give it.
            Err(error) => {
                self.fault = Some(error);
                return;
            }
        };
        let rivers = verdicts.iter().map(|&(river, _)| river);
        let packet = (place, packet, addressed);
        let packet = InFlight::new(packet, &self.service, rivers, (saved, is_suspect));
        let packet = Rc::new(packet);
        let (mut to_run, mut causes) = (Vec::with_capacity(verdicts.len()), Vec::new());
        for (river, verdict) in verdicts {
            if packet.progress(river).is_done {
                continue;
            }
            match self.dead_letter_cause(&packet, river, verdict) {
                None => {
                    to_run.push(river);
                    self.context.metrics.river(river).taken.increment();
                }
                Some(cause) => {
                    self.context.metrics.river(river).given_up(&cause.reason);
                    causes.push((river, cause));
                }
            }
        }
        self.load_ahead(&packet, &to_run);
        let key = self.service.order_key(&packet.packet);
        let finishing: Vec<_> = causes.iter().map(|&(river, _)| river).collect();
        self.schedule.admit(place, key, (&to_run, &finishing), is_suspect);
        if let Some(row) = self.schedule.row_mut(place) {
            row.packet = Some(packet.clone());
        }
        for (river, cause) in causes {
            let (context, packet) = (self.context.clone(), packet.clone());
            self.turns.push((TurnId { place, river }, false), async move {
                context.dead_letter(&packet, river, cause).await
            });
        }
        // All rivers may have been done before the redelivery.
        self.settle(place).await;
    }

    /// Has the memories loaded that these rivers are going to need.
    fn load_ahead(&self, packet: &InFlight, rivers: &[usize]) {
        let Some(memories) = &self.context.memories else { return };
        let keys = rivers.iter().filter_map(|&river| self.rivers[river].memory_key(&packet.packet));
        for key in keys.filter(|key| !memories.has(key)) {
            let context = self.context.clone();
            self.background.push(Box::pin(async move {
                if let Some(memories) = &context.memories {
                    memories.load_ahead(key).await;
                }
            }));
        }
    }

    /// Why a river that the packet concerns cannot handle it; `None` if it can.
    fn dead_letter_cause(
        &self,
        packet: &InFlight,
        river: usize,
        verdict: Verdict,
    ) -> Option<Cause> {
        Some(match verdict {
            Verdict::Matches => return None,
            Verdict::Invalid(problems) => Cause::new(Kind::Invalid, problems.join("; ")),
            Verdict::Looped => {
                let way = packet.packet.breadcrumbs().join(" > ");
                Cause::new(Kind::Looped, format!("looped, by way of {way}"))
            }
            Verdict::TooCostly(problem) => Cause::new(Kind::TooCostly, problem),
            Verdict::NotForMe => self.not_taken(river),
        })
    }

    /// Acknowledges a packet that is for none of the rivers.
    async fn skip(&mut self, raw: RawPacket) {
        self.context.metrics.skipped.increment();
        self.demand.window.delivered(false);
        self.acks.answer(raw.place, raw.answer, AckAction::Acknowledge).await;
    }

    /// Marks packets as done of which the live feed knows that they are for none of the rivers.
    pub(super) fn skip_range(&mut self, from: u64, to: u64) {
        let packets = to - from + 1;
        self.context.metrics.received.add(packets);
        self.context.metrics.skipped.add(packets);
        self.acks.mark_done(from, to);
    }

    /// Acknowledges what is no packet.
    async fn skip_malformed(&mut self, raw: RawPacket, error: &Error) {
        self.context.metrics.malformed.increment();
        let malformed = self.context.metrics.malformed.get();
        let (sequence, replay) = (raw.place.packet(), raw.place.replay());
        warn!(sequence, replay, malformed, "{}", with_causes(error));
        self.acks.answer(raw.place, raw.answer, AckAction::Acknowledge).await;
    }

    /// Counts members of `rapids` of the wrong type. Warns if the body claims another id than the
    /// message has, once for each service that publishes such packets.
    fn report_oddities(&self, packet: &Packet) {
        let mistyped = u64::try_from(packet.mistyped()).unwrap_or_default();
        self.context.metrics.mistyped.add(mistyped);
        let Some(claimed) = packet.claimed_id() else {
            return;
        };
        let publisher = packet.shown_publisher().unwrap_or_default();
        if self.context.notices.is_new(&format!("ids of {publisher}")) {
            let id = packet.id();
            warn!(
                publisher,
                id,
                claimed,
                "a packet says in `rapids.id` what differs from its `Nats-Msg-Id`: that counts"
            );
        }
    }
}

/// The sequence of a packet; of a replay that of the original.
fn sequence_of(judged: &Judged) -> u64 {
    judged.packet.arrival().map_or(0, |arrival| arrival.sequence)
}

/// Judges a packet for the rivers that the matcher has found.
fn judge(
    service: &Service,
    facts: &StreamFacts,
    raw: &RawPacket,
    candidates: &[usize],
) -> Result<Judged> {
    let arrival = Arrival {
        sequence: raw.place.sequence,
        replay: None,
        stored: raw.stored(),
        stream_created: facts.created,
        message_id: raw.message_id(),
        publisher: raw.publisher(),
    };
    let packet = read_packet(service, raw, arrival)?;
    let mut verdicts = service.verdicts(candidates, &packet);
    verdicts.retain(|(_, verdict)| *verdict != Verdict::NotForMe);
    Ok(Judged { packet, addressed: None, verdicts })
}

pub(super) fn read_packet(service: &Service, raw: &RawPacket, arrival: Arrival) -> Result<Packet> {
    // JSON beyond the limits becomes a packet all the same, which the rivers judge to be invalid.
    let packet = Packet::arrived_unjudged(raw.body.clone(), arrival)?;
    let trace = raw.headers.as_ref().and_then(trace_headers::read);
    Ok(packet.with_values_shown(service.config().show_values).with_trace(trace))
}
