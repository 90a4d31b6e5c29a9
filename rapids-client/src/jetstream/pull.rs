//! Asking the server for packets, and telling its notices from packets.
//!
//! Requests are kept by count, so that no more arrives than was asked for, and nothing waits
//! unseen in a buffer while its acknowledgement time runs out.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::{HeaderMap, StatusCode, Subscriber};
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tracing::{debug, warn};

use crate::connection::Connection;
use crate::jetstream::message::RawPacket;
use crate::jetstream::sequence::StreamName;
use crate::{Error, Result};

/// How long the server keeps a request that it cannot answer.
const EXPIRES: Duration = Duration::from_secs(30);
/// The most bytes that one request brings, unless a single packet may be larger: what the server
/// has to write to a connection is limited too, and it cuts one that falls behind.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Silence for as many heartbeats means that requests are lost.
const MISSED: u32 = 4;
/// How long to wait after a request that failed.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Pull {
    stream: StreamName,
    connection: Connection,
    subject: String,
    /// How often the server says that it is alive while a request waits.
    heartbeat: Duration,
    inbox: String,
    subscriber: Subscriber,
    /// Asked for and neither delivered nor refused.
    outstanding: usize,
    heard: Instant,
    /// Whether something was heard since that was looked at last: a look at the clock for each
    /// packet would cost more than most of them do.
    is_heard: bool,
    /// No request before this time, after one that failed.
    paused: Option<Instant>,
    connects: u64,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Pulled {
    Packet(RawPacket),
    /// What the stream holds in the place of a copy that was given before: that one is forged.
    Real(RawPacket),
    /// What was given of these is forged: the stream does not hold them.
    Forged {
        from: u64,
        to: u64,
    },
    /// A request ended without being filled.
    Ended,
    /// The consumer may be gone: to be looked at.
    Doubtful(String),
    /// Packets that are known to be for none of the rivers.
    Passed {
        from: u64,
        to: u64,
    },
    /// Packets that the stream does not hold any more.
    Gone {
        from: u64,
        to: u64,
    },
    /// What ends the service.
    Failed(Error),
}

impl Pull {
    /// For the consumer of the service's name on this stream.
    pub(crate) async fn open(
        connection: &Connection,
        (stream, name): (StreamName, &str),
        service: &str,
        heartbeat: Duration,
    ) -> Result<Self> {
        let inbox = connection.client.new_inbox();
        let subscriber = connection.client.subscribe(inbox.clone()).await.map_err(|error| {
            Error::Server { action: "subscribe to deliveries".to_owned(), source: error.into() }
        })?;
        Ok(Self {
            stream,
            subject: connection.api(&format!("CONSUMER.MSG.NEXT.{name}.{service}")),
            connects: connects(connection),
            connection: connection.clone(),
            heartbeat,
            inbox,
            subscriber,
            outstanding: 0,
            heard: Instant::now(),
            is_heard: false,
            paused: None,
        })
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Asks for up to this many packets more, unless a request failed just now.
    pub(crate) async fn request(&mut self, batch: usize) -> Result<()> {
        // Requests to a server that is away would pile up and come all at once.
        if !self.is_connected() || self.paused.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.paused = None;
        let (expires, heartbeat) = (EXPIRES.as_nanos(), self.heartbeat.as_nanos());
        let max_bytes = MAX_BYTES.max(self.connection.max_payload() * 2);
        let body = format!(
            r#"{{"batch":{batch},"max_bytes":{max_bytes},"expires":{expires},"idle_heartbeat":{heartbeat}}}"#
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
            self.heard = Instant::now();
        }
        self.outstanding += batch;
        Ok(())
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Pulled {
        loop {
            let Some(message) = self.subscriber.next().await else {
                // Only a connection that was closed for good ends its subscriptions.
                std::future::pending::<()>().await;
                continue;
            };
            self.is_heard = true;
            let Some(status) = message.status else {
                self.outstanding = self.outstanding.saturating_sub(1);
                match RawPacket::read(self.stream, message) {
                    Some(delivered) => return Pulled::Packet(delivered),
                    None => warn!("a message that no stream delivered is dropped"),
                }
                continue;
            };
            let text = message.description.as_deref().unwrap_or_default();
            match read_notice(status, text, message.headers.as_ref()) {
                Notice::Alive => {}
                Notice::Ended(unfilled) => {
                    self.outstanding = self.outstanding.saturating_sub(unfilled);
                    return Pulled::Ended;
                }
                Notice::Failed => {
                    self.outstanding = 0;
                    self.paused = Some(Instant::now() + PAUSE);
                    return Pulled::Doubtful(format!("{status} {text}"));
                }
            }
        }
    }

    /// What has come already.
    pub(crate) fn ready(&mut self) -> Option<Pulled> {
        self.next().now_or_never()
    }

    /// Whether requests were lost, by a reconnect or by silence; they count as ended then.
    pub(crate) fn lost(&mut self) -> Option<&'static str> {
        if !self.is_connected() {
            return None;
        }
        if std::mem::take(&mut self.is_heard) {
            self.heard = Instant::now();
        }
        let connects = connects(&self.connection);
        let reason = if connects != self.connects {
            "the connection was made anew"
        } else if self.outstanding > 0 && self.heard.elapsed() > self.heartbeat * MISSED {
            "the server has been silent"
        } else {
            return None;
        };
        debug!(reason, "asking for packets again");
        self.connects = connects;
        self.outstanding = 0;
        self.heard = Instant::now();
        Some(reason)
    }

    fn is_connected(&self) -> bool {
        self.connection.client.connection_state() == State::Connected
    }

    /// Stops the deliveries and returns what was under way.
    pub(crate) async fn close(&mut self) -> Vec<RawPacket> {
        let mut rest = Vec::new();
        if self.subscriber.drain().await.is_err() {
            return rest;
        }
        let stream = self.stream;
        let drained = async {
            while let Some(message) = self.subscriber.next().await {
                if message.status.is_none() {
                    rest.extend(RawPacket::read(stream, message));
                }
            }
        };
        // The end of a drained subscription comes with the server's answer, if it is there.
        let _ = tokio::time::timeout(Duration::from_secs(1), drained).await;
        rest
    }
}

/// How often the connection was made.
pub(crate) fn connects(connection: &Connection) -> u64 {
    connection.client.statistics().connects.load(Ordering::Relaxed)
}

/// What a status message means for the requests.
#[derive(Debug, PartialEq, Eq)]
enum Notice {
    Alive,
    /// Ended, with this many never delivered.
    Ended(usize),
    Failed,
}

/// How the server says that it has delivered as much as one request may bring.
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
    fn notices_are_told_apart() {
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
