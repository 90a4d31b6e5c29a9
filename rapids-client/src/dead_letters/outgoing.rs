//! Sends the message that an operator decided on, once.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use bytes::Bytes;
use jiff::Timestamp;

use crate::connection::{Connection, Retry};
use crate::jetstream::header_scan::{HeaderScan, Scanned, Selection};
use crate::jetstream::publish_once::publish_once;
use crate::jetstream::refusal::of_publish;
use crate::jetstream::trace_headers;
use crate::names::{REPLAYS, STREAM, SUBJECT, replay_subject};
use crate::trace::TraceContext;
use crate::{Error, Result};

/// How long to keep trying while the server does not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message that is to be stored once.
pub(super) struct Outgoing {
    stream: &'static str,
    subject: String,
    headers: HeaderMap,
    body: Bytes,
    message_id: String,
    packet_id: String,
}

/// What became of a message that was not acknowledged.
pub(super) struct Undelivered {
    pub(super) error: Error,
    /// Whether it is certain that nothing was stored.
    pub(super) is_certain: bool,
}

impl Outgoing {
    /// A message for one river of a service.
    pub(super) fn to_service(
        service: &str,
        mut headers: HeaderMap,
        message_id: String,
        packet_id: String,
        body: Bytes,
    ) -> Self {
        headers.insert(NATS_MESSAGE_ID, message_id.as_str());
        let subject = replay_subject(service);
        Self { stream: REPLAYS, subject, headers, body, message_id, packet_id }
    }

    /// A packet of this id, and of this trace, for everybody.
    pub(super) fn to_all(packet_id: String, trace: Option<&TraceContext>, body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(trace) = trace {
            trace_headers::write(trace, &mut headers);
        }
        headers.insert(NATS_MESSAGE_ID, packet_id.as_str());
        let (subject, message_id) = (SUBJECT.to_owned(), packet_id.clone());
        Self { stream: STREAM, subject, headers, body, message_id, packet_id }
    }

    /// Sends it and returns its sequence. Tries again for as long as the server does not answer.
    pub(super) async fn send(&self, connection: &Connection) -> Result<u64, Undelivered> {
        let mut retry = Retry::new(connection, "send a packet again").within(PATIENCE);
        loop {
            let error = match self.try_once(connection).await {
                Ok(sequence) => return Ok(sequence),
                Err(error) => error,
            };
            if !matches!(error, Error::Server { .. }) {
                return Err(Undelivered { error, is_certain: retry.failures() == 0 });
            }
            let unanswered = |error| Undelivered { error, is_certain: false };
            retry.again(error).await.map_err(unanswered)?;
        }
    }

    async fn try_once(&self, connection: &Connection) -> Result<u64> {
        let message = (self.headers.clone(), self.body.clone());
        let action = "send a packet again";
        let answer = publish_once(connection, action, self.subject.clone(), message).await?;
        let failed = |error| of_publish(action, self.stream, &self.packet_id, None, error);
        answer.map(|ack| ack.sequence).map_err(failed)
    }

    /// Looks for it in the stream from a time on. The stream by itself recognises only what it
    /// stored in the last minutes.
    pub(super) async fn find(
        &self,
        connection: &Connection,
        since: Timestamp,
    ) -> Result<Option<u64>> {
        // On the rapids it may lie under another subject than it was published to.
        let subject = if self.stream == STREAM { ">".to_owned() } else { self.subject.clone() };
        let selection = Selection::since(subject, Some(since));
        let mut scan = Box::pin(HeaderScan::open(connection, self.stream, selection)).await?;
        while let Some(Scanned { message, sequence, .. }) = scan.next().await? {
            let id = message.headers.as_ref().and_then(|headers| headers.get(NATS_MESSAGE_ID));
            if id.is_some_and(|id| id.as_str() == self.message_id) {
                return Ok(Some(sequence));
            }
        }
        Ok(None)
    }
}
