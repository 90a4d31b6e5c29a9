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

use crate::connection::Connection;
use crate::delivery::backoff;
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

    /// Hands a packet to the connection. Packets are stored in the order of these calls, as long
    /// as the server answers.
    pub(crate) async fn send(&self, packet: &Packet) -> Result<Sent> {
        packet.check()?;
        let (id, body) = (packet.id().to_owned(), packet.written());
        // The server counts the headers too: the id, its name, and the line ends.
        let size = body.len() + id.len() + 32;
        if size > self.limit {
            return Err(Error::Refused {
                id,
                reason: format!("it has {size} bytes, the limit is {}", self.limit),
            });
        }
        let mut sent = Sent { publisher: self.clone(), id, body, answer: None };
        sent.again().await;
        Ok(sent)
    }
}

/// A packet on its way to the stream.
#[derive(Debug)]
pub(crate) struct Sent {
    publisher: Publisher,
    id: String,
    body: Bytes,
    answer: Option<Result<PublishAckFuture, PublishError>>,
}

impl Sent {
    async fn again(&mut self) {
        let message = PublishMessage::build().payload(self.body.clone()).message_id(&self.id);
        let jetstream = &self.publisher.connection.jetstream;
        self.answer = Some(jetstream.send_publish(SUBJECT, message).await);
    }

    /// Waits until the packet is stored, and sends it again while that is not certain.
    pub(crate) async fn acknowledged(mut self, patience: Patience) -> Result<Published> {
        let begun = Instant::now();
        for attempt in 1.. {
            if self.answer.is_none() {
                self.again().await;
            }
            let fault = match self.answer().await {
                Ok(ack) => {
                    return Ok(Published {
                        id: self.id,
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
            warn!(packet = self.id, error = with_causes(&error), ?wait, "publishing again");
            tokio::time::sleep(wait).await;
        }
        unreachable!("the attempts do not end by themselves")
    }

    async fn answer(&mut self) -> Result<PublishAck, Fault> {
        let answer = self.answer.take();
        let answering = async {
            match answer {
                Some(Ok(answer)) => Ok(answer.await),
                Some(Err(error)) => Ok(Err(error)),
                None => Err("the packet was not sent"),
            }
        };
        let connection = &self.publisher.connection;
        match connection.attempt("publish", SUBJECT, answering).await {
            Ok(Ok(ack)) => Ok(ack),
            Ok(Err(error)) => Err(self.fault(error)),
            Err(error) => Err(Fault::Final(error)),
        }
    }

    fn fault(&self, error: PublishError) -> Fault {
        let refused = |reason| Error::Refused { id: self.id.clone(), reason };
        let limit = self.publisher.limit;
        let source = std::error::Error::source(&error);
        let answer = source.and_then(|source| source.downcast_ref::<JetStreamError>());
        match (error.kind(), answer) {
            (PublishErrorKind::MaxPayloadExceeded, _) => {
                Fault::Final(refused(format!("it is larger than the limit of {limit} bytes")))
            }
            (_, Some(answer)) => match answer.error_code() {
                ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
                    Fault::Final(refused(format!("it is larger than the limit of {limit} bytes")))
                }
                ErrorCode::STREAM_STORE_FAILED => Fault::Full(refused(format!(
                    "the stream has no room ({answer}); raise its limit with \
                     `nats stream edit {STREAM} --max-bytes`, or shorten `--max-age`"
                ))),
                _ => Fault::Unanswered(server_error(error)),
            },
            _ => Fault::Unanswered(server_error(error)),
        }
    }
}

fn server_error(error: PublishError) -> Error {
    Error::Server { action: "publish".to_owned(), source: error.into() }
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
