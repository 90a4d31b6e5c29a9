//! Checks a position in shared delivery while its service runs.

use jiff::Timestamp;

use crate::Result;
use crate::jetstream::created::{DELETED, Identity, RESTORED, Replaced};
use crate::jetstream::stream;
use crate::jetstream::timestamp;
use crate::position::consumer::Consumer;
use crate::position::expired::PositionState;

pub(crate) enum PositionCheck {
    /// It is there; so many packets no instance was given yet.
    Exists(PositionState, u64),
    /// The position was deleted, or is another one: in which of these ways.
    Gone(&'static str),
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
    let anew = || {
        let reset_command = consumer.reset_command(remembers);
        format!("to begin anew in another one, run {reset_command} and start the service again")
    };
    let same_stream = async || {
        let Some(stream) = stream::info(consumer.connection).await? else {
            return Err(consumer.lost(format!("{DELETED}; {}", anew())));
        };
        match read.replaced_by(Identity::of(&stream)) {
            None => Ok(stream),
            Some(Replaced::Restored) => Err(consumer.lost(RESTORED.to_owned())),
            Some(Replaced::MadeAnew) => {
                Err(consumer.lost(format!("the stream was made anew while it ran; {}", anew())))
            }
        }
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
    let state = PositionState { first: stream.state.first_sequence, deliveries, delivered };
    Ok(PositionCheck::Exists(state, position.num_pending))
}
