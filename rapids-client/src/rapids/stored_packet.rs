//! Reads what the stream holds as packets.

use jiff::Timestamp;

use crate::jetstream::message::message_id;
use crate::jetstream::stored_message::StoredMessage;
use crate::jetstream::trace_headers;
use crate::packet::{Arrival, Packet};
use crate::{Error, Result};

/// Reads a message of a stream that was created then.
///
/// # Errors
/// `Malformed`, with its sequence, if it is no packet.
pub(super) fn stored_packet(message: StoredMessage, stream_created: Timestamp) -> Result<Packet> {
    let StoredMessage { sequence, stored, publisher, headers, body } = message;
    let arrival = Arrival {
        sequence,
        replay: None,
        stored,
        stream_created,
        message_id: message_id(headers.as_ref()),
        publisher,
    };
    let trace = headers.as_ref().and_then(trace_headers::read);
    let packet = Packet::arrived(body, arrival).map_err(|error| match error {
        Error::Malformed { reason } => {
            Error::Malformed { reason: format!("sequence {sequence}: {reason}") }
        }
        other => other,
    })?;
    Ok(packet.with_trace(trace))
}
