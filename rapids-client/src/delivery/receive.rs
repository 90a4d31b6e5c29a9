//! From a delivery to the turns of the rivers that it concerns.

use std::time::Duration;

use tracing::{error, warn};

use crate::jetstream::message::RawPacket;

use crate::dead_letters::{Addressed, Kind};
use crate::delivery::engine::Engine;
use crate::delivery::held::AckAction;
use crate::delivery::in_flight::{Cause, InHand};
use crate::delivery::progress::SavedProgress;
use crate::delivery::turn::{Then, Work};
use crate::error::with_causes;
use crate::jetstream::sequence::{StreamName, StreamPlace, TurnId};
use crate::packet::{Arrival, Packet};
use crate::river::Verdict;
use crate::{Error, Result, rapids};

/// What a packet is to this service: for each river that it concerns, its position and its verdict.
type Verdicts = Vec<(usize, Verdict)>;

/// A packet that came again, with what was written down of it.
pub(crate) struct Recalled {
    place: StreamPlace,
    taken: Taken,
    noted: Result<SavedProgress>,
}

/// A packet that some river is to handle.
struct Taken {
    packet: Packet,
    addressed: Option<Addressed>,
    verdicts: Verdicts,
}

impl Engine {
    /// Decides what a delivered packet is to this service.
    pub(crate) async fn take(&mut self, delivered: RawPacket) {
        self.tally.received += 1;
        let place = delivered.place;
        let read = match place.stream {
            StreamName::Rapids => {
                if self.is_forged(place) {
                    return self.forged.keep_back(delivered);
                }
                if self.held.is_done(&delivered) {
                    return;
                }
                self.chores.delivered(&delivered);
                let candidates = self.matcher.candidates(&delivered.body).to_vec();
                if candidates.is_empty() {
                    return self.skip(delivered).await;
                }
                self.read(&delivered, &candidates)
            }
            StreamName::Replays => self.read_replay(&delivered),
        };
        let taken = match read {
            Ok(taken) => taken,
            Err(error @ Error::Record { is_newer: true, .. }) => {
                return self.hand_back_newer(&delivered, &error).await;
            }
            Err(error) => {
                self.tally.malformed += 1;
                let malformed = self.tally.malformed;
                warn!(
                    sequence = place.packet(),
                    replay = place.replay(),
                    malformed,
                    "{}",
                    with_causes(&error)
                );
                return self.held.skip(delivered).await;
            }
        };
        self.tally.mistyped += u64::try_from(taken.packet.mistyped()).unwrap_or_default();
        self.tell_of_claimed_id(&taken.packet);
        if taken.verdicts.is_empty() {
            return self.skip(delivered).await;
        }
        self.window.delivered(true);
        if !self.held.add(&delivered) {
            return;
        }
        let is_again = delivered.is_again
            || self.tenure.as_ref().is_some_and(|tenure| tenure.may_have_begun(place));
        if is_again {
            self.recall(place, taken, Duration::ZERO);
        } else {
            self.admit(place, taken, SavedProgress::default(), false);
        }
    }

    /// Hands a replay back that a newer version wrote: another instance may know it.
    async fn hand_back_newer(&mut self, delivered: &RawPacket, error: &Error) {
        if self.notices.is_new("newer replays") {
            warn!(place = %delivered.place, "it waits: {error}");
        }
        if self.held.add(delivered) {
            self.held.settle(delivered.place, AckAction::Again(NEWER_AGAIN)).await;
        }
    }

    /// Warns of a packet whose body claims another id than its message has, once for each service
    /// that publishes such.
    fn tell_of_claimed_id(&self, packet: &Packet) {
        let Some(claimed) = packet.claimed_id() else {
            return;
        };
        let publisher = packet.breadcrumbs().last().map_or("", String::as_str);
        if self.notices.is_new(&format!("ids of {publisher}")) {
            let id = packet.id();
            warn!(
                publisher,
                id,
                claimed,
                "a packet says in `rapids.id` what differs from its `Nats-Msg-Id`: that counts"
            );
        }
    }

    /// Is done with packets that were looked at elsewhere, and are for none of the rivers.
    pub(crate) fn passed(&mut self, from: u64, to: u64) {
        let packets = to - from + 1;
        self.tally.received += packets;
        self.tally.skipped += packets;
        self.held.pass(from, to);
    }

    /// Acknowledges a packet that is for none of the rivers.
    async fn skip(&mut self, delivered: RawPacket) {
        self.tally.skipped += 1;
        self.window.delivered(false);
        self.held.skip(delivered).await;
    }

    /// Reads a packet of which these rivers may be told that it concerns them.
    fn read(&self, delivered: &RawPacket, candidates: &[usize]) -> Result<Taken> {
        let arrival = Arrival {
            sequence: delivered.place.sequence,
            replay: None,
            stored: delivered.stored(),
            stream_created: self.rapids.facts().created,
            message_id: rapids::message_id(delivered.headers.as_ref()),
        };
        let packet = self.arrived(delivered, arrival)?;
        let mut verdicts = self.service.verdicts(candidates, &packet);
        verdicts.retain(|(_, verdict)| *verdict != Verdict::NotForMe);
        Ok(Taken { packet, addressed: None, verdicts })
    }

    /// Reads a replay. It concerns the one river that it is addressed to, also if that does not
    /// take it any more, or if there is none of that name any more.
    fn read_replay(&self, delivered: &RawPacket) -> Result<Taken> {
        let headers = delivered.headers.as_ref().ok_or_else(|| Error::Malformed {
            reason: "a replay without headers names no river".to_owned(),
        })?;
        let addressed = Addressed::read(headers, delivered.place.sequence)?;
        let arrival = Arrival {
            sequence: addressed.sequence,
            replay: Some(delivered.place.sequence),
            stored: addressed.stored,
            stream_created: self.rapids.facts().created,
            message_id: Some(addressed.packet_id.clone()),
        };
        let packet = self.arrived(delivered, arrival)?;
        let rivers = self.service.rivers();
        let position = rivers.iter().position(|river| river.name() == addressed.river);
        let verdicts = match position {
            Some(river) => self.service.verdicts(&[river], &packet),
            None => vec![(rivers.len(), Verdict::NotForMe)],
        };
        Ok(Taken { packet, addressed: Some(addressed), verdicts })
    }

    fn arrived(&self, delivered: &RawPacket, arrival: Arrival) -> Result<Packet> {
        // What is JSON, but beyond the limits, is invalid rather than nothing.
        let packet = Packet::arrived_unjudged(delivered.body.clone(), arrival)?;
        Ok(packet.with_values_shown(self.service.config().show_values))
    }

    /// Reads what was written down of a packet that comes again.
    fn recall(&mut self, place: StreamPlace, taken: Taken, after: Duration) {
        let suspects = self.suspects.clone();
        self.recalling.push(Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            Recalled { place, taken, noted: suspects.notes.load(place).await }
        }));
    }

    pub(crate) async fn recalled(&mut self, recalled: Recalled) {
        let Recalled { place, taken, noted } = recalled;
        if self.is_forged(place) {
            self.held.settle(place, AckAction::Release).await;
            return self.forged_ended(place).await;
        }
        match noted {
            Ok(noted) => self.admit(place, taken, noted, true),
            Err(error) => {
                let is_lasting = matches!(error, Error::Record { .. });
                if !is_lasting || self.notices.is_new(&error.to_string()) {
                    warn!(
                        sequence = place.packet(),
                        replay = place.replay(),
                        "it has to wait: {}",
                        with_causes(&error)
                    );
                }
                if self.tenure.is_some() {
                    // Nobody would give it to this instance again.
                    return self.recall(place, taken, RECALL_AGAIN);
                }
                self.held.settle(place, AckAction::Again(RECALL_AGAIN)).await;
            }
        }
        self.settle(place).await;
    }

    /// Takes a packet in: its rivers' turns are scheduled, and what is no packet for them goes to
    /// the dead letters. One that came again is a suspect.
    fn admit(&mut self, place: StreamPlace, taken: Taken, noted: SavedProgress, is_suspect: bool) {
        let Taken { packet, addressed, verdicts } = taken;
        let mut known = noted.note.0.clone();
        let mut in_hand =
            InHand { packet, rivers: std::collections::BTreeMap::new(), addressed, noted };
        let (mut turns, mut causes) = (Vec::new(), Vec::new());
        for (river, verdict) in verdicts {
            let progress = known.remove(in_hand.river(&self.service, river)).unwrap_or_default();
            let is_done = progress.is_done;
            in_hand.rivers.insert(river, progress);
            if is_done {
                continue;
            }
            let cause = match verdict {
                Verdict::Matches => {
                    turns.push(river);
                    continue;
                }
                Verdict::Invalid(problems) => Cause::new(Kind::Invalid, problems.join("; ")),
                Verdict::Looped => {
                    let way = in_hand.packet.breadcrumbs().join(" > ");
                    Cause::new(Kind::Looped, format!("looped, by way of {way}"))
                }
                Verdict::TooCostly(problem) => Cause::new(Kind::TooCostly, problem),
                Verdict::NotForMe => {
                    let has_river = river < self.service.rivers().len();
                    let reason = if has_river { NOT_TAKEN } else { NO_RIVER };
                    Cause::new(Kind::Rejected, reason.to_owned())
                }
            };
            causes.push((river, cause));
        }
        let key = self.service.order_key(&in_hand.packet);
        self.in_hand.insert(place, in_hand);
        self.schedule.add(place, key, turns, is_suspect);
        for (river, cause) in causes {
            let turn = TurnId { place, river };
            let work = self.give_up(turn, cause);
            self.finish(turn, work, Then::Done);
        }
    }

    /// Puts a river's part of a packet to the dead letters.
    pub(crate) fn give_up(&mut self, turn: TurnId, cause: Cause) -> Work {
        let Some(in_hand) = self.in_hand.get(&turn.place) else {
            return Work::Nothing;
        };
        let river = in_hand.river(&self.service, turn.river);
        let (packet, place, kind) = (in_hand.packet.id(), turn.place, cause.kind.clone());
        error!(
            river,
            packet,
            sequence = place.packet(),
            replay = place.replay(),
            "{kind}: {}",
            cause.told()
        );
        self.tally.buried(kind);
        let by = (self.announcement.id(), self.burials.epoch());
        let letter = in_hand.letter(&self.service, by, (place, turn.river), cause);
        Work::Bury(Box::new(letter))
    }
}

/// Why a replay is no use any more.
const NOT_TAKEN: &str = "the river does not take the packet any more";
const NO_RIVER: &str = "the service has no such river any more";

/// When a packet comes again of which it could not be read what was written down.
const RECALL_AGAIN: Duration = Duration::from_secs(1);

/// When a replay comes again that a newer version wrote.
const NEWER_AGAIN: Duration = Duration::from_secs(10);
