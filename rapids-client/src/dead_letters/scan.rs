//! Reads a part of a stream once, from its beginning to its end.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use futures::StreamExt;
use jiff::Timestamp;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::start::Start;
use crate::{Error, Result};

/// How long the next message may take before the server counts as gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which messages of a stream to read.
pub(super) struct Selection {
    subject: String,
    from: DeliverPolicy,
    headers_only: bool,
}

impl Selection {
    /// The last message of each subject that fits.
    pub(super) fn last_of_each(subject: String) -> Self {
        Self { subject, from: DeliverPolicy::LastPerSubject, headers_only: false }
    }

    /// The headers of all messages that fit, from a time on.
    pub(super) fn headers(subject: String, since: Option<Timestamp>) -> Self {
        let from = since.map_or(Start::Beginning, Start::Time).deliver_policy();
        Self { subject, from, headers_only: true }
    }
}

/// The messages that a stream held when this was opened, oldest first.
pub(super) struct Scan {
    action: String,
    messages: Ordered,
    is_at_end: bool,
}

impl Scan {
    pub(super) async fn open(
        connection: &Connection,
        stream: &str,
        selection: Selection,
    ) -> Result<Self> {
        let action = format!("read the stream `{stream}`");
        let request = connection.api(&format!("CONSUMER.CREATE.{stream}.>"));
        let config = OrderedConfig {
            filter_subject: selection.subject,
            deliver_policy: selection.from,
            headers_only: selection.headers_only,
            ..OrderedConfig::default()
        };
        let opening = Box::pin(async {
            let consumer = connection.jetstream.create_consumer_on_stream(config, stream).await?;
            let is_at_end = consumer.cached_info().num_pending == 0;
            Ok((consumer.messages().await?, is_at_end))
        });
        let (messages, is_at_end) = connection
            .attempt::<_, Box<dyn std::error::Error + Send + Sync>>(&action, &request, opening)
            .await?;
        Ok(Self { action, messages, is_at_end })
    }

    /// The next message; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Message>> {
        if self.is_at_end {
            return Ok(None);
        }
        let source = match timeout(PATIENCE, self.messages.next()).await {
            Ok(Some(Ok(message))) => match message.info().map(|info| info.pending) {
                Ok(pending) => {
                    self.is_at_end = pending == 0;
                    return Ok(Some(message));
                }
                Err(error) => error,
            },
            Ok(Some(Err(error))) => error.into(),
            Ok(None) => "the server ended the feed".into(),
            Err(_) => format!("nothing came for {PATIENCE:?}").into(),
        };
        Err(Error::Server { action: self.action.clone(), source })
    }
}
