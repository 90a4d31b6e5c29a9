//! Checks a position in shared delivery while its service runs.

use async_nats::jetstream::stream::Info;
use jiff::Timestamp;

use crate::jetstream::created::{DELETED, Identity, RESTORED, Replaced};
use crate::jetstream::stream;
use crate::jetstream::timestamp;
use crate::position::consumer::{Consumer, reset_command};
use crate::position::expired::PositionState;
use crate::{Error, Result};

pub(crate) enum PositionCheck {
    /// It is there; so many packets no instance was given yet.
    Exists(PositionState, u64),
    /// The position was deleted, or is another one: in which of these ways.
    Gone(&'static str),
}

/// Makes sure that the rapids are those that a service reads, itself or a mirror of them.
///
/// # Errors
/// `Position`, with what to do.
pub(crate) fn same(
    found: Option<Info>,
    read: Identity,
    (service, remembers): (&str, bool),
) -> Result<Info> {
    let anew = || {
        let reset_command = reset_command(service, remembers);
        format!("to begin anew in another one, run {reset_command} and start the service again")
    };
    let reason = match found {
        None => format!("{DELETED}; {}", anew()),
        Some(found) => match read.replaced_by(Identity::of(&found)) {
            None => return Ok(found),
            Some(Replaced::Restored) => RESTORED.to_owned(),
            Some(Replaced::MadeAnew) => {
                format!("the stream was made anew while it ran; {}", anew())
            }
        },
    };
    Err(Error::Position { service: service.to_owned(), reason })
}

/// Looks for the position, which had reached this sequence, and for its stream. `read` says which stream the
/// service reads from, and when its consumer was created.
///
/// # Errors
/// `Position` if the stream is gone, another one, or shorter than it was; `NotPermitted`, `Server`.
pub(crate) async fn look(
    consumer: &Consumer<'_>,
    read: (Identity, Timestamp),
    reached: u64,
    remembers: bool,
) -> Result<PositionCheck> {
    let (read, consumer_created) = read;
    consumer.connection.known_end().reaches(reached);
    let same_stream = async || {
        same(stream::info(consumer.connection).await?, read, (consumer.service, remembers))
    };
    // Before the position: what the stream does not hold then, and the position has not reached
    // later, has expired unread.
    let stream = same_stream().await?;
    let Some(position) = consumer.info().await? else {
        // The stream may have been deleted just now, and the position with it.
        same_stream().await?;
        return Ok(PositionCheck::Gone("was deleted"));
    };
    if timestamp(position.created) != consumer_created {
        return Ok(PositionCheck::Gone("was made anew"));
    }
    let (deliveries, delivered) =
        (position.delivered.consumer_sequence, position.delivered.stream_sequence);
    // The server moves a position back if the stream has lost its end, so what was reached before
    // counts too.
    let reached = reached.max(delivered);
    if reached > stream.state.last_sequence {
        // Others may have published and read meanwhile.
        consumer.connection.known_end().reaches(reached);
        let last = consumer.last_sequence().await?;
        if reached > last {
            return Err(consumer.lost(format!(
                "it was at sequence {reached}, but the stream ends at {last} now: the server has \
                 lost packets, or has older ones from a backup; start the service again to go on \
                 with what comes"
            )));
        }
    }
    let first = match consumer.read_from.mirror() {
        // What it does not hold cannot be read, also if the rapids do.
        Some(_) => consumer.read_from.facts().await?.first_sequence,
        None => stream.state.first_sequence,
    };
    let state = PositionState { first, deliveries, delivered };
    // What a mirror does not have yet is to be read, too.
    let behind = stream.state.last_sequence.saturating_sub(delivered);
    let pending = consumer.read_from.mirror().map_or(position.num_pending, |_| behind);
    Ok(PositionCheck::Exists(state, pending))
}
