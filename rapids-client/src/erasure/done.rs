//! What services have handled, so that nothing of it comes again.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::connection::Connection;
use crate::jetstream::stored_message::first_since;
use crate::jetstream::stream;
use crate::memory::Floors;
use crate::names::{REPLAYS, STREAM};
use crate::position::{replay_consumer, status};
use crate::{Error, Result};

const ACTION: &str = "find what a service has handled";

/// By how much the clocks of servers of a cluster differ at most: each stream has the time of its leader.
const SKEW: Duration = Duration::from_secs(10);

/// Up to where each service is done, as of when it was first asked for.
pub(super) struct Done<'a> {
    pub(super) connection: &'a Connection,
    services: HashMap<String, Option<Reached>>,
}

/// How far a service is.
#[derive(Debug, Clone, Copy)]
struct Reached {
    floors: Floors,
    /// No replay for it waits or is in hand.
    has_no_replays: bool,
}

impl<'a> Done<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, services: HashMap::new() }
    }

    /// Up to where a service is done; `None` for one that has no position and is given no packet.
    pub(super) async fn floors(&mut self, service: &str) -> Result<Option<Floors>> {
        Ok(self.reached(service).await?.map(|reached| reached.floors))
    }

    /// Whether a service has handled all that was stored by this time.
    pub(super) async fn up_to(&mut self, service: &str, time: Timestamp) -> Result<bool> {
        let Some(reached) = self.reached(service).await? else { return Ok(true) };
        let connection = self.connection;
        let time = time.checked_add(SKEW).unwrap_or(time);
        if !reached.has_no_replays
            && first_since(connection, ACTION, REPLAYS, time)
                .await?
                .is_none_or(|first| reached.floors.replays + 1 < first)
        {
            return Ok(false);
        }
        let behind = match first_since(connection, ACTION, STREAM, time).await? {
            Some(first) => first,
            None => stream::present(connection).await?.state.last_sequence + 1,
        };
        Ok(reached.floors.rapids + 1 >= behind)
    }

    async fn reached(&mut self, service: &str) -> Result<Option<Reached>> {
        if let Some(reached) = self.services.get(service) {
            return Ok(*reached);
        }
        let position = match Box::pin(status::one(self.connection, service)).await {
            Ok(position) => position.map(|position| position.acknowledged),
            // It is lost, so that nobody knows.
            Err(Error::Position { .. }) => Some(0),
            Err(error) => return Err(error),
        };
        let replays = replay_consumer::existing(self.connection, service).await?;
        let has_no_replays =
            replays.as_ref().is_none_or(|info| info.num_pending == 0 && info.num_ack_pending == 0);
        let reached = position.map(|rapids| Reached {
            floors: Floors {
                rapids,
                replays: replays.map_or(0, |info| info.ack_floor.stream_sequence),
            },
            has_no_replays,
        });
        self.services.insert(service.to_owned(), reached);
        Ok(reached)
    }
}
