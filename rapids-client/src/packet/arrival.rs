//! What the stream knows of a packet that it stored.

use std::sync::Arc;

use jiff::Timestamp;

use super::id::is_id;
use crate::names::STREAM;

/// Where and when a packet was stored: the source of the fall-backs for publishers that leave
/// the `rapids` object out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The packet's sequence in the stream.
    pub sequence: u64,
    /// The sequence of the replay that brings the packet once more; `None` from the rapids itself.
    pub replay: Option<u64>,
    /// When the stream stored it.
    pub stored: Timestamp,
    /// When the stream was created; keeps ids of different streams apart.
    pub stream_created: Timestamp,
    /// The `Nats-Msg-Id` header, if the publisher set one.
    pub message_id: Option<String>,
    /// Who has published it, as the server says: see [`Packet::publisher`](crate::Packet::publisher).
    pub publisher: Option<Arc<str>>,
}

impl Arrival {
    /// A packet of the rapids at this sequence and time, of which nothing else is known. It counts as
    /// stored when the stream was created, which only ids of packets that have none depend on.
    ///
    /// ```
    /// use rapids_client::{Arrival, Packet, Timestamp};
    ///
    /// let packet = Packet::arrived(r#"{"event":"paid"}"#, Arrival::at(17, Timestamp::UNIX_EPOCH))?;
    /// assert_eq!(packet.id(), "RAPIDS-0-17");
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    pub fn at(sequence: u64, stored: Timestamp) -> Self {
        Self {
            sequence,
            replay: None,
            stored,
            stream_created: stored,
            message_id: None,
            publisher: None,
        }
    }

    /// The message's own id, if it can be a packet's.
    pub(crate) fn own_id(&self) -> Option<&str> {
        self.message_id.as_deref().filter(|id| is_id(id))
    }

    /// The id of a packet that has no other.
    pub(crate) fn derived_id(&self) -> String {
        format!("{STREAM}-{}-{}", self.stream_created.as_second(), self.sequence)
    }
}
