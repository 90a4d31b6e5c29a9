//! Publishing one packet until the server has stored it.
//!
//! A publish that was not answered is repeated under the same message id, which the stream
//! recognises, so it is stored once.

use std::time::Duration;

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::{Error as JetStreamError, ErrorCode};
use bytes::Bytes;
use tokio::time::Instant;
use tracing::warn;

use crate::backoff;
use crate::connection::Connection;
use crate::error::with_causes;
use crate::names::{STREAM, SUBJECT};
use crate::packet::Packet;
use crate::{Error, Result};

/// What the server says of a stored packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The packet's id.
    pub id: String,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Whether it had been stored before under this id.
    pub duplicate: bool,
}

/// How long to go on while the server does not answer or has no room.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// This long; a full stream is an error at once.
    For(Duration),
    /// Until the caller gives up waiting.
    Endless,
}

#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    connection: Connection,
    limit: usize,
}

impl Publisher {
    /// `limit` is the stream's largest message in bytes.
    pub(crate) fn new(connection: Connection, limit: usize) -> Self {
        Self { connection, limit }
    }

    /// Writes a packet out and makes sure that the stream can take it.
    pub(crate) fn prepare(&self, packet: &Packet) -> Result<Outgoing> {
        packet.check()?;
        let (id, body) = (packet.id().to_owned(), packet.written());
        // The server counts the headers too: the id, its name, and the line ends.
        let size = body.len() + id.len() + 32;
        if size > self.limit {
            let reason = format!("it has {size} bytes, the limit is {}", self.limit);
            return Err(Error::Refused { id, reason });
        }
        Ok(Outgoing { id, body })
    }

    /// Hands a packet to the connection. Packets are stored in the order of these calls, as long
    /// as the server answers.
    pub(crate) async fn send(&self, packet: Outgoing) -> Sent {
        let handed = self.hand_over(&packet).await;
        Sent { publisher: self.clone(), packet, handed }
    }

    async fn hand_over(&self, packet: &Outgoing) -> Handed {
        let message = PublishMessage::build().payload(packet.body.clone()).message_id(&packet.id);
        let at = std::time::Instant::now();
        Handed { at, answer: self.connection.jetstream.send_publish(SUBJECT, message).await }
    }
}

/// A packet as the server gets it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    id: String,
    body: Bytes,
}

/// A packet on its way to the stream.
#[derive(Debug)]
pub(crate) struct Sent {
    publisher: Publisher,
    packet: Outgoing,
    handed: Handed,
}

/// When a packet was handed to the connection, and what will be answered.
#[derive(Debug)]
struct Handed {
    at: std::time::Instant,
    answer: Result<PublishAckFuture, PublishError>,
}

impl Sent {
    /// Waits until the packet is stored, and sends it again while that is not certain.
    pub(crate) async fn acknowledged(self, patience: Patience) -> Result<Published> {
        let Self { publisher, packet, mut handed } = self;
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            let fault = match publisher.stored(&packet.id, handed).await {
                Ok(ack) => {
                    return Ok(Published {
                        id: packet.id,
                        sequence: ack.sequence,
                        duplicate: ack.duplicate,
                    });
                }
                Err(fault) => fault,
            };
            let goes_on = match (&fault, patience) {
                (Fault::Final(_), _) | (Fault::Full(_), Patience::For(_)) => false,
                (Fault::Unanswered(_), Patience::For(limit)) => begun.elapsed() < limit,
                (_, Patience::Endless) => true,
            };
            let error = fault.into_error();
            if !goes_on {
                return Err(error);
            }
            let wait = backoff::exponential(attempt);
            warn!(packet = packet.id, error = with_causes(&error), ?wait, "publishing again");
            tokio::time::sleep(wait).await;
            handed = publisher.hand_over(&packet).await;
            attempt = attempt.saturating_add(1);
        }
    }
}

impl Publisher {
    /// Waits for the answer about the packet of this id. A refusal by permission is none, but comes
    /// on the connection.
    async fn stored(&self, id: &str, Handed { at, answer }: Handed) -> Result<PublishAck, Fault> {
        let answering = async {
            let answer = match answer {
                Ok(answer) => answer.await,
                Err(error) => Err(error),
            };
            Ok::<_, PublishError>(answer)
        };
        match self.connection.attempt_since(at, "publish", SUBJECT, answering).await {
            Ok(answer) => answer.map_err(|error| self.fault(id, error)),
            Err(error) => Err(Fault::Final(error)),
        }
    }

    fn fault(&self, id: &str, error: PublishError) -> Fault {
        let limit = self.limit;
        let too_large = || {
            let reason = format!("it is larger than the limit of {limit} bytes");
            Fault::Final(Error::Refused { id: id.to_owned(), reason })
        };
        let source = std::error::Error::source(&error);
        let answer = source.and_then(|source| source.downcast_ref::<JetStreamError>());
        match (error.kind(), answer.map(JetStreamError::error_code)) {
            (PublishErrorKind::MaxPayloadExceeded, _)
            | (_, Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)) => too_large(),
            (_, Some(ErrorCode::STREAM_STORE_FAILED)) => {
                let (id, stream) = (id.to_owned(), STREAM.to_owned());
                Fault::Full(Error::Full { id, stream, source: error.into() })
            }
            _ => Fault::Unanswered(Error::Server {
                action: "publish".to_owned(),
                source: error.into(),
            }),
        }
    }
}

enum Fault {
    /// Would fail the same way again.
    Final(Error),
    /// The stream has no room at present.
    Full(Error),
    /// Stored or not, nobody knows.
    Unanswered(Error),
}

impl Fault {
    fn into_error(self) -> Error {
        match self {
            Self::Final(error) | Self::Full(error) | Self::Unanswered(error) => error,
        }
    }
}
