//! What a service published before it was made to forget, about packets of which it is not known whether it was
//! done with them: the stream has it. The server's duplicate window may have passed by the time that they are
//! handled once more.

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
use crate::jetstream::scan::{Scan, Scanned, Selection};
use crate::names::{STREAM, SUBJECT};
use crate::position::entry::Epochs;

/// After so many failures it counts as unknown: the login of a service may not permit it.
const TRIES: u32 = 10;

/// The ids of what lies in the stream behind what the service was certainly done with.
#[derive(Default)]
pub(super) struct PublishedBefore {
    /// The service was done with everything up to here, and with some packets up to there.
    range: Cell<(u64, u64)>,
    ids: OnceCell<HashSet<Uuid>>,
}

impl PublishedBefore {
    /// Learns which packets it is about.
    pub(super) fn set_range(&self, epochs: Epochs) {
        self.range.set((epochs.quiet_until, epochs.doubtful_until));
    }

    /// The last sequence that it is about; 0 if there is none.
    pub(super) fn last(&self) -> u64 {
        self.range.get().1
    }

    /// Whether it is not known of a packet of this sequence what was published about it.
    pub(super) fn is_about(&self, sequence: u64) -> bool {
        let (from, to) = self.range.get();
        from < sequence && sequence <= to
    }

    /// Reads it from the stream, unless that is done.
    pub(super) async fn find(&self, connection: &Connection) {
        self.ids.get_or_init(async || self.read(connection).await).await;
    }

    /// What of these effects is not in the stream.
    pub(super) fn without_known(&self, mut effects: Effects) -> Effects {
        if let Some(ids) = self.ids.get() {
            effects
                .packets
                .retain(|packet| packet.id().parse().map_or(true, |id: Uuid| !ids.contains(&id)));
        }
        effects
    }

    async fn read(&self, connection: &Connection) -> HashSet<Uuid> {
        let (from, to) = self.range.get();
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
    let selection = Selection::headers_behind(SUBJECT.to_owned(), sequence);
    let mut scan = Scan::open(connection, STREAM, selection).await?;
    let mut ids = HashSet::new();
    while let Some(Scanned { message, .. }) = scan.next().await? {
        let id = message_id(message.headers.as_ref());
        ids.extend(id.and_then(|id| id.parse::<Uuid>().ok()));
    }
    Ok(ids)
}
