//! Outputs whose ids somebody else has used before: they are published under other ids.
//!
//! The stream drops what comes under an id that it knows, as it must after a crash. Whether what it has is ours
//! is read then, so nothing of this costs anything where no id is repeated. After a crash the same comes of it,
//! since the same is read again.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use tokio::time::sleep;
use tracing::warn;

use super::context::Context;
use super::origin::Origin;
use crate::Result;
use crate::connection::Retry;
use crate::effects::Effects;
use crate::error::with_causes;
use crate::jetstream::output_sender::{Answered, SentOutputs};
use crate::jetstream::stored_message::{self, StoredMessage};
use crate::packet::Packet;
use crate::printable::printable;

/// How often it is told at most that an id was taken.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// When a batch is sent again that was refused for an id which the stream does not know.
const REFUSED: Duration = Duration::from_millis(100);

/// So many packets are read back at once.
const AT_ONCE: usize = 16;

/// After so many failures it counts as unknown whose a packet is: the login of a service may not permit to read
/// it.
const TRIES: u32 = 5;

/// For so long it is not tried again then.
const BLIND: Duration = Duration::from_secs(60);

/// What a service has found out about ids that others have used.
#[derive(Debug, Default)]
pub(super) struct TakenIds {
    told: Cell<Option<Instant>>,
    /// When packets could not be read back.
    blind_since: Cell<Option<Instant>>,
}

impl Context {
    /// Waits until everything that a packet led to is stored, for as long as that takes. Returns the positions of
    /// the outputs that the stream had already.
    ///
    /// # Errors
    /// What cannot be stored, or is not permitted.
    pub(super) async fn stored(
        &self,
        cause: &Packet,
        effects: &Effects,
        sent: &mut SentOutputs,
    ) -> Result<Vec<usize>> {
        let answered = sent.answered().await?;
        if answered.repeated.is_empty() && answered.unstored.is_empty() {
            return Ok(Vec::new());
        }
        Box::pin(self.store_rest(cause, &effects.packets, answered)).await
    }

    /// Stores what is not: under other ids where others have used its own.
    async fn store_rest(
        &self,
        cause: &Packet,
        outputs: &[Packet],
        mut answered: Answered,
    ) -> Result<Vec<usize>> {
        let mut tried: Vec<_> = outputs.iter().map(|packet| (packet.clone(), 0)).collect();
        let mut positions: Vec<usize> = (0..outputs.len()).collect();
        let mut repeated = Vec::new();
        loop {
            let mut again: Vec<_> =
                answered.unstored.iter().map(|place| positions[*place]).collect();
            let places =
                answered.repeated.iter().map(|(place, sequence)| (positions[*place], *sequence));
            let places: Vec<_> = places.collect();
            let reading =
                places.iter().map(|(position, it)| self.is_ours(&tried[*position].0, *it));
            let are_ours: Vec<_> = stream::iter(reading).buffered(AT_ONCE).collect().await;
            for (&(position, _), is_ours) in places.iter().zip(are_ours) {
                if is_ours {
                    repeated.push(position);
                    continue;
                }
                let (packet, attempt) = &mut tried[position];
                *attempt += 1;
                *packet = cause.attempt(&outputs[position], *attempt);
                again.push(position);
            }
            if again.is_empty() {
                return Ok(repeated);
            }
            if places.is_empty() {
                // The ids that it was refused for are not known any more, or not yet.
                sleep(REFUSED).await;
            }
            again.sort_unstable();
            let prepare = |position: &usize| self.outputs.prepare_packet(&tried[*position].0);
            let mut outgoing = again.iter().map(prepare).collect::<Result<_>>()?;
            answered = self.outputs.send(&mut outgoing).await.answered().await?;
            positions = again;
        }
    }

    /// Whether the packet at this sequence, which the stream has under the id of this output, is that. What is
    /// not there any more counts as ours, and so does what cannot be read.
    async fn is_ours(&self, output: &Packet, sequence: u64) -> bool {
        if self.taken.blind_since.get().is_some_and(|since| since.elapsed() < BLIND) {
            return true;
        }
        let mut retry = Retry::new(&self.connection, "read a packet with the id of an output");
        let mut failures = 0;
        let stored = loop {
            match stored_message::of_rapids(&self.connection, sequence).await {
                Ok(Some(stored)) => break stored,
                Ok(None) => return true,
                Err(error) => {
                    failures += u32::from(self.connection.is_connected());
                    if failures < TRIES && error.is_passing() {
                        // It tries without end.
                        let _ = retry.again(error).await;
                        continue;
                    }
                    self.taken.blind_since.set(Some(Instant::now()));
                    let notice = "others who use ids of this service first are not noticed";
                    if self.notices.is_new(notice) {
                        warn!("{notice}, for it cannot read packets back: {}", with_causes(&error));
                    }
                    return true;
                }
            }
        };
        let Err(publisher) = owner(&stored, output, self.service.name()) else { return true };
        self.metrics.ids_taken.increment();
        if self.taken.told.get().is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.taken.told.set(Some(Instant::now()));
            let publisher = printable(&publisher);
            warn!(
                id = output.id(),
                sequence,
                "somebody else (`{publisher}`) has published under an id of {}, whose packet is published \
                 under another one; with RAPIDS_ID_KEY nobody could have told the id",
                self.service.name()
            );
        }
        false
    }
}

/// Makes sure that a stored packet is this output of a service: that it was published by that, for the same cause.
///
/// # Errors
/// Who has published it, if it is not.
fn owner(stored: &StoredMessage, output: &Packet, service: &str) -> Result<(), String> {
    let origin = Origin::of(stored);
    let publisher = origin.publisher.clone().unwrap_or_else(|| "unknown".to_owned());
    match origin.cause_for(service) {
        Some(cause) if output.causation_id() == Some(cause.as_str()) => Ok(()),
        _ => Err(publisher),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(packet: &Packet) -> StoredMessage {
        let (stored, body) = (jiff::Timestamp::UNIX_EPOCH, packet.body());
        StoredMessage { sequence: 1, stored, publisher: None, headers: None, body }
    }

    #[test]
    fn a_packet_of_another_cause_or_another_publisher_is_not_ours() {
        let cause = Packet::event("placed");
        let of = |cause: &Packet, service: &str, event: &str| {
            Packet::event(event).caused_by(cause, service, "charge", 0)
        };
        let output = of(&cause, "payment", "paid");
        let whose = |packet: &Packet| owner(&stored(packet), &output, "payment");
        assert_eq!(whose(&of(&cause, "payment", "another run says it differently")), Ok(()));
        assert_eq!(whose(&of(&cause, "thief", "paid")), Err("thief".to_owned()));
        let other = Packet::event("placed");
        assert_eq!(whose(&of(&other, "payment", "paid")), Err("payment".to_owned()));
        assert_eq!(whose(&Packet::event("paid")), Err("unknown".to_owned()));
    }

    #[test]
    fn who_has_published_it_the_server_knows_better_than_its_body() {
        let cause = Packet::event("placed");
        let output = Packet::event("paid").caused_by(&cause, "payment", "charge", 0);
        let whose = |publisher: &str| {
            let stored = StoredMessage { publisher: Some(publisher.into()), ..stored(&output) };
            owner(&stored, &output, "payment")
        };
        assert_eq!(whose("payment"), Ok(()));
        assert_eq!(whose("thief"), Err("thief".to_owned()));
    }
}
