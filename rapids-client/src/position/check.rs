//! Looking how a position in shared delivery stands, while its service runs.

use jiff::Timestamp;

use crate::Result;
use crate::jetstream::stream;
use crate::position::consumer::Consumer;
use crate::position::expired::PositionState;
use crate::start::timestamp;

/// What was found.
pub(crate) enum PositionCheck {
    Stands(PositionState),
    /// The position is gone, or is another one.
    Gone(&'static str),
}

/// How the position, which had reached this sequence, stands to the stream. It is of a stream and a
/// consumer that were created then.
///
/// # Errors
/// `Position` if the stream is gone, another one, or shorter than it was; `NotPermitted`, `Server`.
pub(crate) async fn look(
    consumer: &Consumer<'_>,
    (created, consumer_created): (Timestamp, Timestamp),
    reached: u64,
    remembers: bool,
) -> Result<PositionCheck> {
    let anew = || {
        let reset_command = consumer.reset_command(remembers);
        format!("to begin anew in another one, run {reset_command} and start the service again")
    };
    // The stream before the position: what is beyond the position then, expired before.
    let same_stream = async || {
        let Some(stream) = stream::info(consumer.connection).await? else {
            return Err(consumer.lost(format!("the stream was deleted while it ran; {}", anew())));
        };
        if timestamp(stream.created) != created {
            return Err(consumer.lost(format!("the stream was made anew while it ran; {}", anew())));
        }
        Ok(stream)
    };
    let stream = same_stream().await?;
    let Some(position) = consumer.info().await? else {
        // The stream may have taken it along just now.
        same_stream().await?;
        return Ok(PositionCheck::Gone("was deleted"));
    };
    if timestamp(position.created) != consumer_created {
        return Ok(PositionCheck::Gone("was made anew"));
    }
    let (deliveries, delivered) =
        (position.delivered.consumer_sequence, position.delivered.stream_sequence);
    // The server moves a position back together with a stream that has lost its end.
    let reached = reached.max(delivered);
    if reached > stream.state.last_sequence {
        // Others may have published and read meanwhile.
        let last = consumer.last_sequence().await?;
        if reached > last {
            return Err(consumer.lost(format!(
                "it was at sequence {reached}, but the stream ends at {last} now: the server has \
                 lost packets, or has older ones from a backup; start the service again to go on \
                 with what comes"
            )));
        }
    }
    Ok(PositionCheck::Stands(PositionState {
        first: stream.state.first_sequence,
        deliveries,
        delivered,
    }))
}
