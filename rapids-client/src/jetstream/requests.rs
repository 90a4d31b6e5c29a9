//! Requests for messages of a consumer, and the server's notices about them.
//!
//! It counts what it asks for, so that no more messages arrive than can be handled. What they mean is left to
//! its users.

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::timeout;
use tracing::debug;

use crate::connection::Connection;
use crate::{Error, Result};

/// How long the server keeps a request that it cannot answer.
const EXPIRES: Duration = Duration::from_secs(30);
/// The most bytes that one request brings, unless a single packet may be larger. The server limits how
/// much may wait to be written to a connection, and closes one that falls behind.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// After as many heartbeats without any message, the requests count as lost.
const MISSED: u32 = 4;
/// How long the server may take for each step of `close`.
const CLOSING: Duration = Duration::from_secs(1);
/// How long to wait after a request that failed.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Requests {
    connection: Connection,
    /// The stream and the consumer, as the API names them.
    consumer: String,
    /// Where messages are asked for.
    subject: String,
    /// How often the server sends a heartbeat while a request waits.
    heartbeat: Duration,
    /// The group that requests name, where the consumer serves that one alone.
    group: Option<String>,
    inbox: String,
    subscriber: Subscriber,
    /// How many messages were asked for, and neither delivered nor refused.
    outstanding: usize,
    /// When the last message came, as of the last call of `reset_if_lost`.
    last_message: Instant,
    /// Whether a message has come since then. To read the clock for each packet would cost more than to
    /// handle most of them.
    has_message: bool,
    /// No request before this time, after one that failed.
    paused: Option<Instant>,
    /// How often the connection had been made when the requests were sent.
    connects: u64,
}

/// What the server has sent.
pub(crate) enum Answer {
    Message(Message),
    /// A request ended before it brought all its messages, and the caller may ask for more.
    Ended,
    /// A request failed for this reason. The consumer may be gone, and the caller has to check it.
    Doubtful(String),
}

impl Requests {
    /// To a consumer, named as `<stream>.<consumer>`.
    pub(crate) async fn open(
        connection: &Connection,
        consumer: String,
        heartbeat: Duration,
    ) -> Result<Self> {
        let inbox = connection.client.new_inbox();
        let subscriber = connection.client.subscribe(inbox.clone()).await.map_err(|error| {
            Error::Server { action: "subscribe to deliveries".to_owned(), source: error.into() }
        })?;
        Ok(Self {
            subject: connection.api(&format!("CONSUMER.MSG.NEXT.{consumer}")),
            consumer,
            connects: connection.connects(),
            connection: connection.clone(),
            heartbeat,
            group: None,
            inbox,
            subscriber,
            outstanding: 0,
            last_message: Instant::now(),
            has_message: false,
            paused: None,
        })
    }

    /// With requests of one group.
    pub(crate) fn in_group(self, group: Option<String>) -> Self {
        Self { group, ..self }
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Asks for up to this many messages more, unless a request failed just now.
    pub(crate) async fn request(&mut self, batch: usize) -> Result<()> {
        // Requests to a server that is away would pile up, and arrive all at once later.
        if !self.connection.is_connected()
            || self.paused.is_some_and(|until| Instant::now() < until)
        {
            return Ok(());
        }
        self.paused = None;
        let (expires, heartbeat) = (EXPIRES.as_nanos(), self.heartbeat.as_nanos());
        let max_bytes = MAX_BYTES.max(self.connection.max_payload() * 2);
        let group = self.group.as_ref();
        let group = group.map(|group| format!(r#","group":"{group}""#)).unwrap_or_default();
        let body = format!(
            r#"{{"batch":{batch},"max_bytes":{max_bytes},"expires":{expires},"idle_heartbeat":{heartbeat}{group}}}"#
        );
        let client = &self.connection.client;
        client
            .publish_with_reply(self.subject.clone(), self.inbox.clone(), Bytes::from(body))
            .await
            .map_err(|error| Error::Server {
                action: "ask for packets".to_owned(),
                source: error.into(),
            })?;
        if self.outstanding == 0 {
            self.last_message = Instant::now();
        }
        self.outstanding += batch;
        Ok(())
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Answer {
        loop {
            let Some(message) = self.subscriber.next().await else {
                // Subscriptions end only when the connection is closed for good.
                std::future::pending::<()>().await;
                continue;
            };
            self.has_message = true;
            let Some(status) = message.status else {
                self.outstanding = self.outstanding.saturating_sub(1);
                return Answer::Message(message);
            };
            let text = message.description.as_deref().unwrap_or_default();
            match read_notice(status, text, message.headers.as_ref()) {
                Notice::Alive => {}
                Notice::Ended(unfilled) => {
                    self.outstanding = self.outstanding.saturating_sub(unfilled);
                    return Answer::Ended;
                }
                Notice::Failed => {
                    self.outstanding = 0;
                    self.paused = Some(Instant::now() + PAUSE);
                    return Answer::Doubtful(format!("{status} {text}"));
                }
            }
        }
    }

    /// Counts requests as ended that were lost, and returns the reason. To be called every now and then.
    pub(crate) fn reset_if_lost(&mut self) -> Option<&'static str> {
        if !self.connection.is_connected() {
            return None;
        }
        if std::mem::take(&mut self.has_message) {
            self.last_message = Instant::now();
        }
        let connects = self.connection.connects();
        let reason = if connects != self.connects {
            "the connection was made again"
        } else if self.outstanding > 0 && self.last_message.elapsed() > self.heartbeat * MISSED {
            "the server has been silent"
        } else {
            return None;
        };
        debug!(reason, "asking for packets again");
        self.connects = connects;
        self.outstanding = 0;
        self.last_message = Instant::now();
        Some(reason)
    }

    /// Stops the deliveries, and returns the messages that were on their way.
    pub(crate) async fn close(&mut self) -> Vec<Message> {
        let mut rest = Vec::new();
        if self.subscriber.drain().await.is_err() {
            return rest;
        }
        let drained = async {
            while let Some(message) = self.subscriber.next().await {
                if message.status.is_none() {
                    rest.push(message);
                }
            }
        };
        // A drained subscription ends when the server answers.
        let patience = if self.connection.is_connected() { CLOSING } else { Duration::ZERO };
        let _ = timeout(patience, drained).await;
        let _ = timeout(patience, self.forget_requests()).await;
        rest
    }

    /// Asks for the consumer's state: the server then drops requests that nobody waits for any more. A
    /// packet that is handed back while it still has one would be redelivered behind those that are
    /// handed back later.
    async fn forget_requests(&self) {
        let info = self.connection.api(&format!("CONSUMER.INFO.{}", self.consumer));
        // Without an answer packets may come out of order, and nothing is lost.
        let _ = self.connection.client.request(info, Bytes::new()).await;
    }
}

/// The meaning of a status message.
#[derive(Debug, PartialEq, Eq)]
enum Notice {
    Alive,
    /// A request ended, and so many of its packets are not delivered.
    Ended(usize),
    /// All requests failed.
    Failed,
}

/// The server's texts when it has delivered as much as one request may bring.
const FILLED: [&str; 2] = ["batch completed", "message size exceeds maxbytes"];

fn read_notice(status: StatusCode, text: &str, headers: Option<&HeaderMap>) -> Notice {
    let unfilled = headers
        .and_then(|headers| headers.get("Nats-Pending-Messages"))
        .and_then(|count| count.as_str().parse().ok());
    match (status, unfilled) {
        (StatusCode::IDLE_HEARTBEAT, _) => Notice::Alive,
        (StatusCode::TIMEOUT | StatusCode::NOT_FOUND, Some(unfilled)) => Notice::Ended(unfilled),
        (StatusCode::TIMEOUT | StatusCode::NOT_FOUND, None) => Notice::Ended(usize::MAX),
        (_, Some(unfilled)) if FILLED.iter().any(|filled| text.eq_ignore_ascii_case(filled)) => {
            Notice::Ended(unfilled)
        }
        _ => Notice::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(count: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Pending-Messages", count);
        headers
    }

    #[test]
    fn notices_have_their_meanings() {
        let read = |status, text, headers: Option<&HeaderMap>| read_notice(status, text, headers);
        assert_eq!(read(StatusCode::IDLE_HEARTBEAT, "Idle Heartbeat", None), Notice::Alive);
        let headers = pending("7");
        assert_eq!(read(StatusCode::TIMEOUT, "Request Timeout", Some(&headers)), Notice::Ended(7));
        assert_eq!(read(StatusCode::TIMEOUT, "", None), Notice::Ended(usize::MAX));
        let gone = StatusCode::REQUEST_TERMINATED;
        assert_eq!(read(gone, "Consumer Deleted", None), Notice::Failed);
        assert_eq!(read(gone, "Batch Completed", Some(&headers)), Notice::Ended(7));
        let large = "Message Size Exceeds MaxBytes";
        assert_eq!(read(gone, large, Some(&headers)), Notice::Ended(7));
        assert_eq!(read(StatusCode::NO_RESPONDERS, "", None), Notice::Failed);
    }
}
