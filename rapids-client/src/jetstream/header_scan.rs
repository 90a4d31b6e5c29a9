//! Reads the headers of a part of a stream once, from its beginning to its end: for operators' tools, to whom the
//! bodies of letters are nothing, however large.
//!
//! Only a consumer leaves bodies on the server, and a service may create none. A service reads by a
//! [`Scan`](crate::jetstream::scan::Scan).

use std::time::{Duration, Instant};

use async_nats::Message;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use jiff::Timestamp;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::jetstream::message::Facts;
use crate::jetstream::requests::{Answer, Requests};
use crate::start::Start;
use crate::{Error, Result};

/// How long nothing may come before it is asked whether anything is still to come: what was to come may
/// have been deleted since, as timers are that fire.
const LOOK: Duration = Duration::from_secs(1);
/// How long nothing may come, although there is more, before the server counts as gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many messages are asked for at once: the more, the less each takes.
const AT_ONCE: usize = 4_096;
/// How often the server sends a heartbeat while it has no messages.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// The server deletes the consumer if nobody asks for so long.
const INACTIVE: Duration = Duration::from_secs(10);

/// Which messages of a stream to read.
#[derive(Clone)]
pub(crate) struct Selection {
    subject: String,
    from: DeliverPolicy,
}

impl Selection {
    /// All messages that fit, from a time on.
    pub(crate) fn since(subject: String, since: Option<Timestamp>) -> Self {
        Self { subject, from: since.map_or(Start::Beginning, Start::Time).deliver_policy() }
    }

    /// All messages that fit, behind a sequence.
    pub(crate) fn behind(subject: String, sequence: u64) -> Self {
        Self { subject, from: Start::Sequence(sequence + 1).deliver_policy() }
    }
}

/// A message without its body, with the facts of the stream.
pub(crate) struct Scanned {
    pub(crate) message: Message,
    pub(crate) sequence: u64,
    pub(crate) stored: Timestamp,
}

/// The headers of the messages that a stream held when this was opened, oldest first.
pub(crate) struct HeaderScan {
    connection: Connection,
    stream: String,
    selection: Selection,
    requests: Requests,
    /// How many messages have come of the present consumer. If a number is missing, one was lost.
    number: u64,
    /// The sequence of the last message that came.
    last: u64,
    is_at_end: bool,
}

impl HeaderScan {
    pub(crate) async fn open(
        connection: &Connection,
        stream: &str,
        selection: Selection,
    ) -> Result<Self> {
        let subscribing = subscribe(connection, stream, &selection);
        let (requests, is_at_end) = Box::pin(subscribing).await?;
        let (connection, stream) = (connection.clone(), stream.to_owned());
        Ok(Self { connection, stream, selection, requests, number: 0, last: 0, is_at_end })
    }

    /// The next message; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Scanned>> {
        let begun = Instant::now();
        while !self.is_at_end {
            let outstanding = self.requests.outstanding();
            if outstanding <= AT_ONCE / 2 {
                self.requests.request(AT_ONCE - outstanding).await?;
            }
            let problem = match timeout(LOOK, self.requests.next()).await {
                Ok(Answer::Message(message)) => match self.take(message) {
                    Ok(Some(scanned)) => return Ok(Some(scanned)),
                    Ok(None) => continue,
                    Err(problem) => problem,
                },
                Ok(Answer::Ended) => continue,
                Ok(Answer::Doubtful(problem)) => problem,
                Err(_) => format!("nothing came for {PATIENCE:?}"),
            };
            if begun.elapsed() >= PATIENCE {
                let action = action(&self.stream);
                return Err(Error::Server { action, source: problem.into() });
            }
            let again = subscribe(&self.connection, &self.stream, &self.selection);
            (self.requests, self.is_at_end) = Box::pin(again).await?;
            self.number = 0;
        }
        Ok(None)
    }

    /// Takes a message; `None` if it came before the scan was begun anew.
    fn take(&mut self, message: Message) -> Result<Option<Scanned>, String> {
        let facts = message.reply.as_ref().and_then(|reply| Facts::read(reply));
        let facts = facts.ok_or("a message does not come from a stream")?;
        self.number += 1;
        if facts.number != self.number {
            return Err("a delivery was lost".to_owned());
        }
        self.is_at_end = facts.pending == 0;
        if facts.sequence <= self.last {
            return Ok(None);
        }
        self.last = facts.sequence;
        Ok(Some(Scanned { message, sequence: facts.sequence, stored: facts.stored }))
    }
}

fn action(stream: &str) -> String {
    format!("read the stream `{stream}`")
}

/// Subscribes to a part of a stream, and tells whether that is empty.
async fn subscribe(
    connection: &Connection,
    stream: &str,
    selection: &Selection,
) -> Result<(Requests, bool)> {
    // A consumer without a name is created on the subject of the stream itself.
    let request = connection.api(&format!("CONSUMER.CREATE.{stream}"));
    let config = Config {
        filter_subject: selection.subject.clone(),
        deliver_policy: selection.from,
        headers_only: true,
        ack_policy: AckPolicy::None,
        inactive_threshold: INACTIVE,
        memory_storage: true,
        num_replicas: 1,
        ..Config::default()
    };
    let creating = connection.jetstream.create_consumer_on_stream(config, stream);
    let consumer = connection.attempt(&action(stream), &request, creating).await?;
    let info = consumer.cached_info();
    let consumer = format!("{stream}.{}", info.name);
    Ok((Requests::open(connection, consumer, HEARTBEAT).await?, info.num_pending == 0))
}
