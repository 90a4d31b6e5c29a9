//! Watching the rapids without a position of one's own.

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use futures::StreamExt;
use jiff::Timestamp;

use super::start::{Start, timestamp};
use super::stream::StreamFacts;
use crate::connection::Connection;
use crate::names::{STREAM, SUBJECT};
use crate::packet::{Arrival, Packet};
use crate::{Error, Result};

const ACTION: &str = "watch the rapids";

/// The packets of the rapids in stream order, from a point on, without end.
pub struct Tail {
    messages: Ordered,
    connection: Connection,
    stream_created: Timestamp,
}

impl Tail {
    pub(super) async fn open(
        connection: &Connection,
        facts: &StreamFacts,
        from: Start,
    ) -> Result<Self> {
        let config = OrderedConfig { deliver_policy: from.deliver_policy(), ..Default::default() };
        let subject = connection.api(&format!("CONSUMER.CREATE.{STREAM}.>"));
        let opening = async {
            let consumer = connection.jetstream.create_consumer_on_stream(config, STREAM).await?;
            consumer.messages().await.map_err(Into::into)
        };
        let messages = connection
            .attempt::<_, Box<dyn std::error::Error + Send + Sync>>(ACTION, &subject, opening)
            .await?;
        Ok(Self { messages, connection: connection.clone(), stream_created: facts.created })
    }

    /// Waits for the next packet.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a body that is no packet, with its sequence: go on with the next
    /// one. [`Error::Server`] if the server fails; the tail ends there.
    pub async fn next(&mut self) -> Result<Packet> {
        let message = match self.messages.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => {
                return Err(self.connection.error(ACTION, SUBJECT, error).await);
            }
            None => {
                return Err(Error::Server {
                    action: ACTION.to_owned(),
                    source: "the server ended the feed".into(),
                });
            }
        };
        let sequence = message.info().map_or(0, |info| info.stream_sequence);
        read(&message, self.stream_created).map_err(|error| match error {
            Error::Malformed { reason } => {
                Error::Malformed { reason: format!("sequence {sequence}: {reason}") }
            }
            other => other,
        })
    }
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tail").finish_non_exhaustive()
    }
}

/// Reads a message that the stream delivered.
pub(crate) fn read(message: &Message, stream_created: Timestamp) -> Result<Packet> {
    let info = message.info().map_err(|error| Error::Malformed {
        reason: format!("the stream's own facts are missing: {error}"),
    })?;
    let headers = message.headers.as_ref();
    let message_id = headers.and_then(|headers| headers.get(NATS_MESSAGE_ID));
    let arrival = Arrival {
        sequence: info.stream_sequence,
        stored: timestamp(info.published),
        stream_created,
        message_id: message_id.map(|id| id.as_str().to_owned()),
    };
    Packet::arrived(message.payload.clone(), arrival)
}
