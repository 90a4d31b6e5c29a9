//! With what a service was done before it was made to forget, or was restored from a backup: with everything up to a
//! sequence, and with some of what follows that. What it published about the latter is in the stream, though the
//! duplicate window may have passed by the time that the packets are handled once more.

use std::cell::Cell;
use std::collections::HashMap;

use tokio::sync::OnceCell;
use tracing::{info, warn};
use uuid::Uuid;

use super::origin::Origin;
use crate::Result;
use crate::connection::{Connection, Retry};
use crate::effects::Effects;
use crate::error::with_causes;
use crate::jetstream::message::message_id;
use crate::jetstream::scan::Scan;
use crate::jetstream::stored_message::StoredMessage;
use crate::names::STREAM;
use crate::packet::Packet;
use crate::position::entry::Epochs;

/// After so many failures it counts as unknown: the login of a service may not permit it.
const TRIES: u32 = 10;

/// The cause of each packet with a derived id; `None` for one that another service has published.
type Published = HashMap<Uuid, Option<String>>;

/// Up to where a service was done, and with what behind that.
#[derive(Default)]
pub(super) struct DoneBefore {
    quiet_until: Cell<u64>,
    doubtful_until: Cell<u64>,
    /// Nothing that was published about doubtful packets lies before this sequence.
    from: Cell<u64>,
    /// What has a derived id in the stream behind the first.
    ids: OnceCell<Published>,
}

impl DoneBefore {
    /// Learns the epochs of the position that was acquired.
    pub(super) fn set(&self, epochs: Epochs) {
        self.quiet_until.set(epochs.quiet_until);
        self.doubtful_until.set(epochs.doubtful_until);
        self.from.set(epochs.quiet_until.max(epochs.floor));
    }

    /// The last sequence that it may have been done with before it was made to forget; 0 if it was not.
    pub(super) fn last(&self) -> u64 {
        match self.quiet_until.get() {
            0 => 0,
            quiet => quiet.max(self.doubtful_until.get()),
        }
    }

    /// Whether it was done with the packet of this sequence.
    pub(super) fn is_done(&self, sequence: u64) -> bool {
        sequence <= self.quiet_until.get()
    }

    /// Whether it may have been.
    pub(super) fn is_doubtful(&self, sequence: u64) -> bool {
        !self.is_done(sequence) && sequence <= self.doubtful_until.get()
    }

    /// Reads from the stream what was published about packets that are doubtful, unless that is done.
    pub(super) async fn find_published(&self, connection: &Connection, service: &str) {
        self.ids.get_or_init(async || self.read(connection, service).await).await;
    }

    /// What of these effects of a packet was not in the stream.
    pub(super) fn without_published(&self, cause: &Packet, mut effects: Effects) -> Effects {
        if let Some(published) = self.ids.get() {
            effects.packets.retain(|effect| !is_published(published, cause, effect));
        }
        effects
    }

    async fn read(&self, connection: &Connection, service: &str) -> Published {
        let (from, to) = (self.from.get(), self.doubtful_until.get());
        info!(from, to, "looking for what was published about packets that may have been handled");
        let mut retry = Retry::new(connection, "read what was published before").at_most(TRIES);
        loop {
            match published_behind(connection, from, service).await {
                Ok(ids) => return ids,
                Err(error) => {
                    if let Err(error) = retry.again_if_passing(error).await {
                        warn!(
                            "what was published about the packets {} to {to} may be published once \
                             more: {}",
                            from + 1,
                            with_causes(&error)
                        );
                        return Published::new();
                    }
                }
            }
        }
    }
}

/// Whether an effect of a packet is among what was published: under its id, or, where others have used that
/// before, under one that stands in for it.
fn is_published(published: &Published, cause: &Packet, effect: &Packet) -> bool {
    let has = |packet: &Packet| {
        let found = packet.id().parse().ok().and_then(|id: Uuid| published.get(&id))?;
        Some(found.is_some() && found.as_deref() == effect.causation_id())
    };
    let attempts = (1..).map(|attempt| cause.attempt(effect, attempt));
    let mut ids = std::iter::once(effect.clone()).chain(attempts);
    ids.find_map(|packet| has(&packet).map_or(Some(false), |is_ours| is_ours.then_some(true)))
        .unwrap_or_default()
}

/// What has a derived id behind this sequence.
async fn published_behind(
    connection: &Connection,
    sequence: u64,
    service: &str,
) -> Result<Published> {
    let mut scan = Scan::behind(connection, STREAM, ">".to_owned(), sequence);
    let mut published = Published::new();
    while let Some(message) = scan.next().await? {
        let id = message_id(Some(&message.headers)).and_then(|id| id.parse::<Uuid>().ok());
        // Others are given by publishers, or by the stream.
        let Some(id) = id.filter(|id| matches!(id.get_version_num(), 5 | 8)) else { continue };
        let cause = Origin::of(&StoredMessage::from(message)).cause_for(service);
        // Should there be two, since one came long after the other, that of the service counts.
        let found = published.entry(id).or_default();
        *found = cause.or(found.take());
    }
    Ok(published)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_found_under_its_id_and_under_one_that_stands_in_for_it() {
        let cause = Packet::event("placed");
        let effect = Packet::event("paid").caused_by(&cause, "payment", "charge", 0);
        let id = |packet: &Packet| packet.id().parse::<Uuid>().unwrap();
        let own = || Some(cause.id().to_owned());
        let [first, second, third] =
            [id(&effect), id(&cause.attempt(&effect, 1)), id(&cause.attempt(&effect, 2))];
        let is_found = |published: &[(Uuid, Option<String>)]| {
            is_published(&published.iter().cloned().collect(), &cause, &effect)
        };
        assert!(!is_found(&[]) && is_found(&[(first, own())]));
        assert!(!is_found(&[(first, None)]) && !is_found(&[(first, Some("other".to_owned()))]));
        assert!(is_found(&[(first, None), (second, None), (third, own())]));
        assert!(!is_found(&[(first, None), (third, own())]));
    }
}
