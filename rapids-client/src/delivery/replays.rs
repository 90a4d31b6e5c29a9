//! What differs for a replay: it concerns the one river that it is addressed to, even if that does not
//! take the packet any more, or does not exist any more.

use std::time::Duration;

use tracing::warn;

use super::acks::AckAction;
use super::engine::Engine;
use super::in_flight::Cause;
use super::receive::{Judged, read_packet};
use crate::dead_letters::{Addressed, Kind};
use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::Pulled;
use crate::packet::Arrival;
use crate::river::Verdict;
use crate::{Error, Result};

/// Why a replay cannot be handled.
const NOT_TAKEN: &str = "the river does not take the packet any more";
const NO_RIVER: &str = "the service has no such river any more";

/// When a replay is redelivered that a newer version wrote.
const NEWER_AGAIN: Duration = Duration::from_secs(10);

impl Engine {
    /// Receives what has come from the stream of replays.
    pub(super) async fn on_replay(&mut self, first: Pulled) {
        let mut next = Some(first);
        while let Some(pulled) = next {
            match pulled {
                Pulled::Packet(raw) => self.receive(raw).await,
                Pulled::Doubtful(reason) => {
                    warn!("the server delivers no replays: {reason}");
                    self.maintenance.ensure_replay_consumer(self.service.config().ack_wait);
                }
                Pulled::RequestEnded => {}
            }
            next = self.replays.ready();
        }
    }

    /// Judges a replay.
    pub(super) fn judge_replay(&self, raw: &RawPacket) -> Result<Judged> {
        let headers = raw.headers.as_ref().ok_or_else(|| Error::Malformed {
            reason: "a replay without headers names no river".to_owned(),
        })?;
        let addressed = Addressed::read(headers, raw.place.sequence)?;
        let arrival = Arrival {
            sequence: addressed.sequence,
            replay: Some(raw.place.sequence),
            stored: addressed.stored,
            stream_created: self.rapids.facts().created,
            message_id: Some(addressed.packet_id.clone()),
            publisher: addressed.publisher.as_deref().map(Into::into),
        };
        let packet = read_packet(&self.service, raw, arrival)?;
        let rivers = self.service.rivers();
        let position = rivers.iter().position(|river| river.name() == addressed.river);
        let verdicts = match position {
            Some(river) => self.service.verdicts(&[river], &packet),
            None => vec![(rivers.len(), Verdict::NotForMe)],
        };
        Ok(Judged { packet, addressed: Some(addressed), verdicts })
    }

    /// Why a river cannot handle a replay that it does not match.
    pub(super) fn not_taken(&self, river: usize) -> Cause {
        let has_river = river < self.service.rivers().len();
        let reason = if has_river { NOT_TAKEN } else { NO_RIVER };
        Cause::new(Kind::Rejected, reason.to_owned())
    }

    /// Hands back a replay that a newer version wrote: a newer instance may be able to read it.
    pub(super) async fn hand_back_newer(&mut self, raw: RawPacket, error: &Error) {
        if self.context.notices.is_new("newer replays") {
            warn!(place = %raw.place, "a replay waits: {error}");
        }
        self.acks.answer(raw.place, raw.answer, AckAction::RedeliverAfter(NEWER_AGAIN)).await;
    }
}
