//! Reads the messages of a stream in their order by batched direct gets
//! ([ADR-31](https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md)).
//!
//! That needs no consumer. Who may create one chooses the subject that it delivers to, and so can have the
//! server write anywhere; a direct get answers to the one who asks.
//!
//! Any replica answers, also one that lags behind the leader: what it gives is right, but that it has no
//! more proves nothing. What follows from that is left to the users.

use std::time::{Duration, Instant};

use async_nats::header::{IntoHeaderName, NATS_LAST_SEQUENCE, NATS_SEQUENCE};
use async_nats::jetstream::message::StreamMessage;
use async_nats::{Message, Subscriber};
use futures::{FutureExt, StreamExt};
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::connection::Connection;
use crate::jetstream::resumed::Resumed;
use crate::{Error, Result};

/// How many messages and bytes one request brings at most. More are no faster, and what a slow reader leaves
/// unread the server has to keep.
const AT_ONCE: usize = 1_024;
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long nothing may come before it is asked once more.
const ANSWER: Duration = Duration::from_secs(3);
/// How long nothing may come, however often it is asked, before the server counts as gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait where nobody answers, as while a leader is elected.
const PAUSE: Duration = Duration::from_millis(500);

/// How many messages follow, set by the server.
const PENDING: &str = "Nats-Num-Pending";

/// The reading of the next batch, which is asked for once somebody waits for it.
pub(crate) struct DirectRead(Resumed<(Box<Reader>, Result<Batch>)>);

struct Reader {
    connection: Connection,
    action: String,
    request: String,
    /// The subjects of the messages that are wanted.
    subjects: String,
    /// The sequence to read next, or the next one that is there.
    next: u64,
    /// Where it began.
    from: u64,
    inbox: String,
    subscriber: Option<Subscriber>,
    /// The number of the last request; its answers come on the inbox of this number.
    number: u64,
}

/// What one request has brought.
pub(crate) struct Batch {
    /// In their order, none left out.
    pub(crate) messages: Vec<StreamMessage>,
    /// How many follow at the server that has answered; `None` if that is not known.
    pub(crate) pending: Option<u64>,
    /// The sequence to read next, or the next one that is there.
    pub(crate) next: u64,
}

impl DirectRead {
    /// Reads the messages of these subjects, such as `a.>`, from this sequence on. Asks for nothing yet.
    pub(crate) fn new(connection: &Connection, stream: &str, subjects: String, from: u64) -> Self {
        let mut reading = Resumed::default();
        reading.begin(Box::new(Reader::new(connection, stream, subjects, from)).reading());
        Self(reading)
    }

    /// The next messages: at least one, unless there are no more. Asks again for what was lost on its way,
    /// also over an outage. Dropping the future loses nothing: the next call goes on with the same request.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn batch(&mut self) -> Result<Batch> {
        let (reader, batch) = self.0.ended().await;
        self.0.begin(reader.reading());
        batch
    }
}

/// What it does, for messages: "cannot ...".
pub(crate) fn action(stream: &str) -> String {
    format!("read the stream `{stream}`")
}

impl Reader {
    fn new(connection: &Connection, stream: &str, subjects: String, from: u64) -> Self {
        // The server takes 0 for no request.
        let from = from.max(1);
        Self {
            action: action(stream),
            request: connection.api(&format!("DIRECT.GET.{stream}")),
            subjects,
            next: from,
            from,
            inbox: connection.client.new_inbox(),
            subscriber: None,
            number: 0,
            connection: connection.clone(),
        }
    }

    async fn reading(mut self: Box<Self>) -> (Box<Self>, Result<Batch>) {
        let batch = self.batch().await;
        (self, batch)
    }

    async fn batch(&mut self) -> Result<Batch> {
        let begun = Instant::now();
        loop {
            let mut messages = Vec::new();
            let end = self.ask(&mut messages).await?;
            if let Some(last) = messages.last() {
                self.next = last.sequence + 1;
            }
            let problem = match end {
                End::Complete { pending } if pending == 0 || !messages.is_empty() => {
                    return Ok(Batch { messages, pending: Some(pending), next: self.next });
                }
                // What was to come was deleted, as timers are that fire.
                End::Complete { .. } => continue,
                End::Cut(problem) => problem,
                End::Nobody => {
                    sleep(PAUSE).await;
                    "nobody answers"
                }
            };
            debug!(problem, next = self.next, "asking again for messages");
            if !messages.is_empty() {
                return Ok(Batch { messages, pending: None, next: self.next });
            }
            if begun.elapsed() >= PATIENCE {
                return Err(self.failed(problem.to_owned()));
            }
        }
    }

    fn failed(&self, problem: String) -> Error {
        Error::Server { action: self.action.clone(), source: problem.into() }
    }

    /// Asks once, and adds what comes without a gap.
    async fn ask(&mut self, messages: &mut Vec<StreamMessage>) -> Result<End> {
        // What is sent during an outage piles up, and arrives all at once later.
        let connected = self.connection.reconnected();
        if !self.connection.is_connected() && timeout(PATIENCE, connected).await.is_err() {
            return Err(self.failed(format!("there was no connection for {PATIENCE:?}")));
        }
        let mut reconnected = Box::pin(self.connection.reconnected());
        let since = Instant::now();
        let (mut subscriber, reply) = self.send().await?;
        let mut refused = Box::pin(self.connection.refused(&self.request, since));
        let mut last = 0;
        let end = loop {
            // Most have come already, and to wait for all that may happen costs more than to read one.
            let message = match subscriber.next().now_or_never() {
                Some(message) => message,
                None => tokio::select! {
                    message = subscriber.next() => message,
                    violation = &mut refused => return Err(Error::NotPermitted { violation }),
                    () = &mut reconnected => break End::Cut("the connection was made again"),
                    () = sleep(ANSWER) => break End::Cut("no answer came"),
                },
            };
            match message {
                // Others answer a request that was given up.
                Some(message) if *message.subject != *reply => {}
                Some(message) => match Answer::read(message) {
                    Answer::Message { message, behind } if behind == last => {
                        last = message.sequence;
                        messages.push(*message);
                    }
                    answer => break self.end(answer, last)?,
                },
                None => break End::Cut("the connection was closed"),
            }
        };
        drop(refused);
        self.subscriber = Some(subscriber);
        Ok(end)
    }

    /// The end of a batch whose last message had this sequence; 0 if it had none.
    fn end(&self, answer: Answer, last: u64) -> Result<End> {
        match answer {
            Answer::End { behind, pending } if behind == last => {
                Ok(End::Complete { pending })
            }
            Answer::Message { .. } | Answer::End { .. } => Ok(End::Cut("an answer was lost")),
            Answer::Nothing => Ok(End::Complete { pending: 0 }),
            // While a server starts, or a leader is elected.
            Answer::Nobody if self.next > self.from => Ok(End::Nobody),
            Answer::Nobody => Err(self.failed(format!(
                "nobody answers `{}`: the stream has to be there and to allow direct gets, and this \
                 account has to import that",
                self.request
            ))),
            Answer::Refused(reason) => Err(self.failed(reason)),
        }
    }

    /// Sends a request; returns where its answers come, and on which subject.
    async fn send(&mut self) -> Result<(Subscriber, String)> {
        let client = &self.connection.client;
        let subscriber = match self.subscriber.take() {
            Some(subscriber) => subscriber,
            None => client
                .subscribe(format!("{}.*", self.inbox))
                .await
                .map_err(|error| self.failed(error.to_string()))?,
        };
        self.number += 1;
        let request = serde_json::json!({
            "seq": self.next, "next_by_subj": self.subjects, "batch": AT_ONCE, "max_bytes": MAX_BYTES,
        });
        let reply = format!("{}.{}", self.inbox, self.number);
        client
            .publish_with_reply(self.request.clone(), reply.clone(), request.to_string().into())
            .await
            .map_err(|error| self.failed(error.to_string()))?;
        Ok((subscriber, reply))
    }
}

/// How the answers to a request ended.
enum End {
    Complete {
        pending: u64,
    },
    /// For this reason some may be missing.
    Cut(&'static str),
    /// There is nobody to answer for now.
    Nobody,
}

/// What the server has sent.
#[derive(Debug)]
enum Answer {
    /// A message, behind that of this sequence in the same batch, which is 0 for the first.
    Message {
        message: Box<StreamMessage>,
        behind: u64,
    },
    /// The end of a batch, behind that of this sequence, when so many followed.
    End {
        behind: u64,
        pending: u64,
    },
    /// There is no message.
    Nothing,
    /// There is no such stream, or nothing answers for it.
    Nobody,
    Refused(String),
}

impl Answer {
    fn read(message: Message) -> Self {
        let behind = number(&message, NATS_LAST_SEQUENCE);
        // A publisher may choose the status of its message. But the server adds the sequence to all that it
        // has stored, and to nothing else.
        if number(&message, NATS_SEQUENCE).is_some() {
            return match (behind, StreamMessage::try_from(message)) {
                (Some(behind), Ok(message)) => Self::Message { message: Box::new(message), behind },
                (None, _) => Self::Refused("the server knows no batches of direct gets".to_owned()),
                (_, Err(error)) => Self::Refused(error.to_string()),
            };
        }
        let status = message.status.map(|status| status.as_u16()).unwrap_or_default();
        match (status, behind, number(&message, PENDING)) {
            (204, Some(behind), Some(pending)) => Self::End { behind, pending },
            (404, ..) => Self::Nothing,
            (503, ..) => Self::Nobody,
            _ => {
                let text = message.description.unwrap_or_default();
                Self::Refused(format!("the server answers `{status} {text}`"))
            }
        }
    }
}

/// A number that the server has set: it adds its headers behind those of the publisher.
fn number(message: &Message, name: impl IntoHeaderName) -> Option<u64> {
    message.headers.as_ref()?.get_last(name)?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use async_nats::{HeaderMap, StatusCode};

    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> String {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.append(*name, *value));
        let message = Message {
            subject: "_INBOX.a.1".into(),
            reply: None,
            payload: "body".into(),
            headers: Some(map),
            status: StatusCode::from_u16(status).ok(),
            description: Some("text".into()),
            length: 0,
        };
        match Answer::read(message) {
            Answer::Message { message, behind } => format!("{} behind {behind}", message.sequence),
            other => format!("{other:?}"),
        }
    }

    const STORED: [(&str, &str); 3] = [
        ("Nats-Subject", "a.b"),
        ("Nats-Sequence", "7"),
        ("Nats-Time-Stamp", "2026-11-22T10:00:00.5Z"),
    ];

    #[test]
    fn answers_have_their_meanings() {
        let behind = ("Nats-Last-Sequence", "5");
        assert_eq!(answer(0, &[&STORED[..], &[behind]].concat()), "7 behind 5");
        let end = [("Nats-Num-Pending", "3"), behind];
        assert_eq!(answer(204, &end), "End { behind: 5, pending: 3 }");
        assert_eq!(answer(404, &[]), "Nothing");
        assert_eq!(answer(503, &[]), "Nobody");
        let refused = r#"Refused("the server answers `408 text`")"#;
        assert_eq!(answer(408, &[]), refused);
        assert!(answer(0, &STORED).contains("knows no batches"));
    }

    #[test]
    fn what_a_publisher_has_set_counts_for_nothing() {
        let forged =
            [("Nats-Sequence", "1"), ("Nats-Last-Sequence", "1"), ("Nats-Num-Pending", "0")];
        let stored = [&forged[..], &STORED, &[("Nats-Last-Sequence", "5")]].concat();
        for status in [0, 100, 204, 404, 503] {
            assert_eq!(answer(status, &stored), "7 behind 5");
        }
    }
}
