//! Publishes one packet until the server has stored it.
//!
//! A packet whose publish was not answered is sent again under the same message id. The stream
//! recognises the id, and stores the packet once. The outputs of reactions come through
//! [`output_sender`](super::output_sender); packets that belong together are sent by [`batch`](super::batch).

use std::sync::Arc;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;
use tracing::Span;

use crate::connection::Connection;
use crate::jetstream::publish_acks::{Handed, PublishAck, PublishAcks};
use crate::jetstream::publish_fault::{Fault, Patience};
use crate::jetstream::resource::{TIMER_HEADROOM, largest_message};
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::timers::OutgoingTimer;
use crate::jetstream::trace_headers;
use crate::jetstream::validity::LeaseValidity;
use crate::packet::Packet;
use crate::timer::TimerChange;
use crate::trace::{TraceContext, Tracer, tracer};
use crate::{Error, Result};

/// The bytes that the server counts of a message beside its body and its id: names of headers, line
/// ends, and the headers of a batch, so that every packet fits into one.
const HEADERS: usize = 128;
/// The bytes of the header of a trace without state.
const LONGEST_PARENT: usize = "traceparent: ".len() + 55 + "\r\n".len();

/// The server's answer about a stored packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The packet's id.
    pub id: String,
    /// Its sequence in the stream.
    pub sequence: u64,
    /// Whether it had been stored before under this id.
    pub duplicate: bool,
}

/// Publishes over one connection to the one stream.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) connection: Connection,
    acks: Arc<PublishAcks>,
    /// The stream's largest message in bytes, as it was at the start.
    stream_limit: usize,
    /// Whether the stream takes batches.
    pub(crate) is_atomic: bool,
    /// Publishing waits while this lease is not valid.
    pub(crate) validity: LeaseValidity,
}

impl Publisher {
    /// # Errors
    /// `Server` if the connection is closed.
    pub(crate) async fn open(connection: Connection, facts: &StreamFacts) -> Result<Self> {
        Ok(Self {
            acks: Arc::new(PublishAcks::open(&connection).await?),
            connection,
            stream_limit: facts.max_message_size,
            is_atomic: facts.is_atomic,
            validity: LeaseValidity::endless(),
        })
    }

    /// One over the same connection that publishes only while this lease is valid, and waits otherwise.
    pub(crate) fn while_valid(&self, validity: LeaseValidity) -> Self {
        Self {
            connection: self.connection.clone(),
            acks: Arc::clone(&self.acks),
            stream_limit: self.stream_limit,
            is_atomic: self.is_atomic,
            validity,
        }
    }

    /// The largest packet in bytes that the stream takes and that fits into a dead letter on the present
    /// server.
    fn limit(&self) -> usize {
        self.stream_limit.min(largest_message(self.connection.max_payload()))
    }

    /// Writes a packet out and makes sure that the stream can take it.
    pub(crate) fn prepare(&self, packet: &Packet) -> Result<Outgoing> {
        packet.check()?;
        let (id, body) = (packet.id().to_owned(), packet.written());
        let outgoing = Outgoing { id, body, trace: OutgoingTrace::of(packet) };
        let (size, limit) = (outgoing.size(), self.limit());
        if size > limit {
            let reason = format!("it has {size} bytes, the limit is {limit}");
            return Err(Error::Refused { id: outgoing.id, reason });
        }
        Ok(outgoing)
    }

    /// Makes sure that the stream of timers can take what is done to one.
    pub(crate) fn check_timer(&self, change: &TimerChange) -> Result<()> {
        let (size, limit) =
            (OutgoingTimer::of(change).size(), self.limit().saturating_sub(TIMER_HEADROOM));
        if size > limit {
            let id = change.packet().map_or(change.id(), Packet::id).to_owned();
            let reason = format!(
                "it has {size} bytes, the limit for a packet that a timer brings is {limit}"
            );
            return Err(Error::Refused { id, reason });
        }
        Ok(())
    }

    /// Hands a packet to the connection. Packets are stored in the order of these calls, as long
    /// as the server answers.
    pub(crate) async fn send(self: &Arc<Self>, packet: Outgoing) -> Sent {
        let packet = packet.begun();
        let handed = self.hand_over(|| packet.message()).await;
        Sent { publisher: Arc::clone(self), packet, handed }
    }

    /// Hands a message to the connection, once the lease is valid.
    pub(crate) async fn hand_over(&self, message: impl Fn() -> (HeaderMap, Bytes)) -> Handed {
        self.validity.wait().await;
        self.acks.publish(message).await
    }

    /// Waits for the answer about the packet of this id.
    pub(crate) async fn answer(&self, id: &str, handed: &mut Handed) -> Result<PublishAck, Fault> {
        handed.answer(id, self.limit()).await
    }
}

/// A packet in the form in which the server gets it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: String,
    pub(crate) body: Bytes,
    /// Boxed, since most have none.
    trace: Option<Box<OutgoingTrace>>,
}

/// What travels with a packet about its trace.
#[derive(Debug)]
enum OutgoingTrace {
    /// It is not sent yet; with a tracer, this is to get a span then.
    Prepared(Packet),
    /// It is on its way, or there is no tracer. The span ends with this value, once the packet is stored.
    Sent { context: Arc<TraceContext>, _span: Option<Span> },
}

impl OutgoingTrace {
    fn of(packet: &Packet) -> Option<Box<Self>> {
        let trace = match tracer() {
            Some(_) => Self::Prepared(packet.clone()),
            None => Self::Sent { context: packet.shared_trace()?, _span: None },
        };
        Some(Box::new(trace))
    }

    fn begun(packet: &Packet, tracer: &dyn Tracer) -> Option<Box<Self>> {
        let span = tracer.publish(packet);
        let context = tracer.context(&span).map(Arc::new).or_else(|| packet.shared_trace())?;
        Some(Box::new(Self::Sent { context, _span: Some(span) }))
    }

    /// How many bytes the server counts.
    fn size(&self) -> usize {
        match self {
            // The span's context has the state of the packet's.
            Self::Prepared(packet) => packet.trace().map_or(LONGEST_PARENT, TraceContext::size),
            Self::Sent { context, .. } => context.size(),
        }
    }
}

impl Outgoing {
    /// How many bytes the server counts.
    pub(crate) fn size(&self) -> usize {
        let trace = self.trace.as_ref().map_or(0, |trace| trace.size());
        self.body.len() + self.id.len() + HEADERS + trace
    }

    /// It is about to be sent: with a tracer, its span begins.
    pub(super) fn begun(self) -> Self {
        match (self.trace.as_deref(), tracer()) {
            (Some(OutgoingTrace::Prepared(packet)), Some(tracer)) => {
                Self { trace: OutgoingTrace::begun(packet, tracer), ..self }
            }
            _ => self,
        }
    }

    /// Its headers and its body.
    pub(super) fn message(&self) -> (HeaderMap, Bytes) {
        (self.headers(), self.body.clone())
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, self.id.as_str());
        if let Some(OutgoingTrace::Sent { context, .. }) = self.trace.as_deref() {
            trace_headers::write(context, &mut headers);
        }
        headers
    }
}

/// A packet on its way to the stream.
#[derive(Debug)]
pub(crate) struct Sent {
    publisher: Arc<Publisher>,
    packet: Outgoing,
    handed: Handed,
}

impl Sent {
    /// How many bytes the server counts.
    pub(crate) fn size(&self) -> usize {
        self.packet.size()
    }

    /// Waits until the packet is stored, and sends it again as long as that is not certain.
    pub(crate) async fn acknowledged(mut self, patience: Patience) -> Result<Published> {
        let ack = match self.answer().await {
            Ok(ack) => ack,
            Err(fault) => self.send_again(fault, patience).await?,
        };
        Ok(self.published(ack))
    }

    /// Waits for the answer to the first attempt.
    pub(crate) async fn answer(&mut self) -> Result<PublishAck, Fault> {
        self.publisher.answer(&self.packet.id, &mut self.handed).await
    }

    /// Sends the packet again, after this fault, until it is stored.
    pub(crate) async fn send_again(
        &mut self,
        mut fault: Fault,
        patience: Patience,
    ) -> Result<PublishAck> {
        let mut retry = patience.retry(&self.publisher.connection);
        loop {
            fault.again(patience, &mut retry).await?;
            self.handed = self.publisher.hand_over(|| self.packet.message()).await;
            match self.answer().await {
                Ok(ack) => return Ok(ack),
                Err(next) => fault = next,
            }
        }
    }

    /// What is known of the packet, once it is acknowledged.
    pub(crate) fn published(self, PublishAck { sequence, duplicate }: PublishAck) -> Published {
        Published { id: self.packet.id, sequence, duplicate }
    }
}
