//! Reading what the stream has under single sequences, without a consumer.

use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::Result;
use crate::jetstream::stored_message::{StoredMessage, of_rapids};
use crate::packet::Packet;
use crate::rapids::Rapids;
use crate::rapids::stored_packet::stored_packet;

/// How many messages are asked for at once.
const AT_ONCE: usize = 64;

/// The headers that the server adds to its answer. The message itself has none of them.
const OF_THE_ANSWER: [&str; 4] =
    ["Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp"];

/// A message of the stream exactly as it is stored, be it a packet or not; see [`Rapids::raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawMessage {
    /// Its sequence.
    pub sequence: u64,
    /// When it was stored.
    pub stored: Timestamp,
    /// The headers that it is stored with: names and values, sorted by name. A name that is there several
    /// times comes several times, in the order of the message.
    pub headers: Vec<(String, String)>,
    /// Its bytes.
    pub body: Bytes,
    /// The same headers as they came, for the packet.
    received: Option<HeaderMap>,
    publisher: Option<Arc<str>>,
    stream_created: Timestamp,
}

impl Rapids {
    /// The packets with these sequences, in the order in which they are asked for. Left out are those that
    /// have expired or are not stored yet, and bodies that are no packet; for these there is
    /// [`raw`](Self::raw).
    ///
    /// Asks for up to 64 at once, with a request for each, so it is quicker than
    /// [`packet`](Self::packet) also for a single one. Many that stand side by side are read quicker with
    /// [`tail`](Self::tail). It does not notice that the stream was made anew since this was connected.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), also if there is no stream any more;
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn packets(&self, sequences: &[u64]) -> Result<Vec<Packet>> {
        let created = self.facts.created;
        let read = |sequence| of_rapids(&self.connection, sequence);
        let messages = stream::iter(sequences.iter().copied()).map(read).buffered(AT_ONCE);
        let packets = messages.try_filter_map(async |message| {
            Ok(message.and_then(|message| stored_packet(message, created).ok()))
        });
        packets.try_collect().await
    }

    /// What the stream has under this sequence, byte for byte, also if it is no packet; `None` if it has
    /// nothing there, because that has expired or is not stored yet. For people who want to see it.
    ///
    /// # Errors
    /// As for [`packets`](Self::packets).
    pub async fn raw(&self, sequence: u64) -> Result<Option<RawMessage>> {
        let message = of_rapids(&self.connection, sequence).await?;
        Ok(message.map(|message| RawMessage::of(message, self.facts.created)))
    }
}

impl RawMessage {
    /// The packet that it is.
    ///
    /// # Errors
    /// [`Error::Malformed`](crate::Error::Malformed) if it is none.
    pub fn packet(&self) -> Result<Packet> {
        let message = StoredMessage {
            sequence: self.sequence,
            stored: self.stored,
            publisher: self.publisher.clone(),
            headers: self.received.clone(),
            body: self.body.clone(),
        };
        stored_packet(message, self.stream_created)
    }

    fn of(message: StoredMessage, stream_created: Timestamp) -> Self {
        let StoredMessage { sequence, stored, publisher, headers: received, body } = message;
        let mut named = Vec::new();
        for (name, values) in received.iter().flat_map(|headers| headers.iter()) {
            if !OF_THE_ANSWER.contains(&name.as_ref()) {
                let named_value =
                    |value: &async_nats::HeaderValue| (name.to_string(), value.as_str().to_owned());
                named.extend(values.iter().map(named_value));
            }
        }
        // Stable, so the values of a name keep their order.
        named.sort_by(|(one, _), (other, _)| one.cmp(other));
        Self { sequence, stored, headers: named, body, received, publisher, stream_created }
    }
}
