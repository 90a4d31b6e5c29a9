//! Reads a part of a stream once, from its beginning to its end.

use std::time::{Duration, Instant};

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use futures::StreamExt;
use jiff::Timestamp;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::start::Start;
use crate::{Error, Result};

/// How long nothing may come before it is asked whether anything is still to come: what was to come may
/// have been deleted since, as timers are that fire.
const LOOK: Duration = Duration::from_secs(1);
/// How long nothing may come, although there is more, before the server counts as gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which messages of a stream to read.
#[derive(Clone)]
pub(crate) struct Selection {
    subject: String,
    from: DeliverPolicy,
    headers_only: bool,
}

impl Selection {
    /// The last message of each subject that fits.
    pub(crate) fn last_of_each(subject: String) -> Self {
        Self { subject, from: DeliverPolicy::LastPerSubject, headers_only: false }
    }

    /// The headers of all messages that fit, from a time on.
    pub(crate) fn headers(subject: String, since: Option<Timestamp>) -> Self {
        let from = since.map_or(Start::Beginning, Start::Time).deliver_policy();
        Self { subject, from, headers_only: true }
    }

    /// The headers of all messages that fit, behind a sequence.
    pub(crate) fn headers_behind(subject: String, sequence: u64) -> Self {
        let from = Start::Sequence(sequence + 1).deliver_policy();
        Self { subject, from, headers_only: true }
    }
}

/// The messages that a stream held when this was opened, oldest first.
pub(crate) struct Scan {
    connection: Connection,
    stream: String,
    selection: Selection,
    messages: Ordered,
    /// The sequence of the last message that came.
    last: u64,
    is_at_end: bool,
}

impl Scan {
    pub(crate) async fn open(
        connection: &Connection,
        stream: &str,
        selection: Selection,
    ) -> Result<Self> {
        let subscribing = subscribe(connection, stream, &selection);
        let (messages, is_at_end) = Box::pin(subscribing).await?;
        let (connection, stream) = (connection.clone(), stream.to_owned());
        Ok(Self { connection, stream, selection, messages, last: 0, is_at_end })
    }

    /// The next message; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>> {
        let begun = Instant::now();
        while !self.is_at_end {
            let source = match timeout(LOOK, self.messages.next()).await {
                Ok(Some(Ok(message))) => match message.info() {
                    Ok(info) => {
                        let sequence = info.stream_sequence;
                        self.is_at_end = info.pending == 0;
                        // It came before the scan was begun anew.
                        if sequence <= self.last {
                            continue;
                        }
                        self.last = sequence;
                        return Ok(Some(message));
                    }
                    Err(error) => error,
                },
                Ok(Some(Err(error))) => error.into(),
                Ok(None) => "the server ended the feed".into(),
                Err(_) if begun.elapsed() < PATIENCE => {
                    let again = subscribe(&self.connection, &self.stream, &self.selection);
                    (self.messages, self.is_at_end) = Box::pin(again).await?;
                    continue;
                }
                Err(_) => format!("nothing came for {PATIENCE:?}").into(),
            };
            return Err(Error::Server { action: action(&self.stream), source });
        }
        Ok(None)
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
) -> Result<(Ordered, bool)> {
    let request = connection.api(&format!("CONSUMER.CREATE.{stream}.>"));
    let config = OrderedConfig {
        filter_subject: selection.subject.clone(),
        deliver_policy: selection.from,
        headers_only: selection.headers_only,
        ..OrderedConfig::default()
    };
    let opening = Box::pin(async {
        let consumer = connection.jetstream.create_consumer_on_stream(config, stream).await?;
        let is_at_end = consumer.cached_info().num_pending == 0;
        Ok((consumer.messages().await?, is_at_end))
    });
    connection
        .attempt::<_, Box<dyn std::error::Error + Send + Sync>>(&action(stream), &request, opening)
        .await
}
