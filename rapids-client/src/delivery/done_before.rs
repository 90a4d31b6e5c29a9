//! With what a service was done before it was made to forget: with everything up to a sequence, and with some of
//! what follows that. What it published about the latter is in the stream, though the duplicate window may have
//! passed by the time that the packets are handled once more.

use std::cell::Cell;
use std::collections::HashSet;

use tokio::sync::OnceCell;
use tracing::{info, warn};
use uuid::Uuid;

use crate::Result;
use crate::connection::{Connection, Retry};
use crate::effects::Effects;
use crate::error::with_causes;
use crate::jetstream::message::message_id;
use crate::jetstream::scan::Scan;
use crate::names::{STREAM, SUBJECT};
use crate::position::entry::Epochs;

/// After so many failures it counts as unknown: the login of a service may not permit it.
const TRIES: u32 = 10;

/// Up to where a service was done, and with what behind that.
#[derive(Default)]
pub(super) struct DoneBefore {
    quiet_until: Cell<u64>,
    doubtful_until: Cell<u64>,
    /// The ids of everything in the stream behind the first.
    ids: OnceCell<HashSet<Uuid>>,
}

impl DoneBefore {
    /// Learns the epochs of the position that was acquired.
    pub(super) fn set(&self, epochs: Epochs) {
        self.quiet_until.set(epochs.quiet_until);
        self.doubtful_until.set(epochs.doubtful_until);
    }

    /// The last sequence that it may have been done with; 0 if there is none.
    pub(super) fn last(&self) -> u64 {
        self.quiet_until.get().max(self.doubtful_until.get())
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
    pub(super) async fn find_published(&self, connection: &Connection) {
        self.ids.get_or_init(async || self.read(connection).await).await;
    }

    /// What of these effects was not in the stream.
    pub(super) fn without_published(&self, mut effects: Effects) -> Effects {
        if let Some(ids) = self.ids.get() {
            effects
                .packets
                .retain(|packet| packet.id().parse().map_or(true, |id: Uuid| !ids.contains(&id)));
        }
        effects
    }

    async fn read(&self, connection: &Connection) -> HashSet<Uuid> {
        let (from, to) = (self.quiet_until.get(), self.doubtful_until.get());
        info!(from, to, "looking for what was published about packets that were in hand");
        let mut retry = Retry::new(connection, "read what was published before").at_most(TRIES);
        loop {
            match ids_behind(connection, from).await {
                Ok(ids) => return ids,
                Err(error) => {
                    if let Err(error) = retry.again_if_passing(error).await {
                        warn!(
                            "what was published about the packets {} to {to} may be published once \
                             more: {}",
                            from + 1,
                            with_causes(&error)
                        );
                        return HashSet::new();
                    }
                }
            }
        }
    }
}

/// The ids of all packets behind this sequence.
async fn ids_behind(connection: &Connection, sequence: u64) -> Result<HashSet<Uuid>> {
    let mut scan = Scan::behind(connection, STREAM, SUBJECT.to_owned(), sequence);
    let mut ids = HashSet::new();
    while let Some(message) = scan.next().await? {
        let id = message_id(Some(&message.headers));
        ids.extend(id.and_then(|id| id.parse::<Uuid>().ok()));
    }
    Ok(ids)
}
