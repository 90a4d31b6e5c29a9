//! The server's own snapshot of a stream, as it is sent by the JetStream API.
//!
//! The server fixes the end of the snapshot when it begins, and then reads message by message while others write. So
//! it holds all messages up to that end, but for those that are deleted or replaced before it gets to them: of a key
//! that is saved meanwhile it may hold no value at all. What to do about that is left to the users.

use std::time::{Duration, Instant};

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::jetstream::api::ask;
use crate::{Error, Result};

/// How large the parts are in which it comes, and how many bytes may be on their way.
const CHUNK: usize = 128 * 1024;
const WINDOW: usize = 8 * 1024 * 1024;
/// How long nothing may come before it counts as broken off. The server itself gives up after five seconds without
/// an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(30);
/// The status with which the server ends one that is whole.
const NO_CONTENT: u16 = 204;

/// A snapshot that the server sends.
pub(crate) struct Snapshot {
    connection: Connection,
    action: String,
    chunks: Subscriber,
    /// How many have come.
    count: u64,
    begun: Instant,
    pub(crate) description: Description,
}

/// What the server says of a stream at the beginning of its snapshot, in its own words: with them it is restored.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Description {
    pub(crate) config: Map<String, Value>,
    pub(crate) state: Map<String, Value>,
}

impl Description {
    /// A number of the state; 0 where the server leaves it out.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.state.get(name).and_then(Value::as_u64).unwrap_or_default()
    }
}

impl Snapshot {
    /// Begins one, without the stream's consumers.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn begin(connection: &Connection, stream: &str) -> Result<Self> {
        let action = format!("take a snapshot of the stream `{stream}`");
        let inbox = connection.client.new_inbox();
        let subscribing = connection.client.subscribe(inbox.clone()).await;
        let chunks = subscribing
            .map_err(|error| Error::Server { action: action.clone(), source: error.into() })?;
        let body = json!({
            "deliver_subject": inbox, "no_consumers": true, "chunk_size": CHUNK, "window_size": WINDOW,
        });
        let Value::Object(body) = body else { unreachable!("it is written as an object") };
        let request = format!("STREAM.SNAPSHOT.{stream}");
        let description = ask(connection, &action, &request, &body)
            .await?
            .map_err(|error| Error::Server { action: action.clone(), source: error.into() })?;
        let connection = connection.clone();
        Ok(Self { connection, action, chunks, count: 0, begun: Instant::now(), description })
    }

    /// The next part of it; `None` at its end.
    ///
    /// # Errors
    /// `NotPermitted`; `Server` if it is broken off.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let received = timeout(PATIENCE, self.chunks.next()).await;
        let Message { payload, reply, status, description, .. } =
            received.ok().flatten().ok_or_else(|| self.failed("nothing comes any more".into()))?;
        if payload.is_empty() {
            let is_whole = status.is_none_or(|status| status.as_u16() == NO_CONTENT);
            let words = description.unwrap_or_default();
            return if is_whole { Ok(None) } else { Err(self.failed(words.into())) };
        }
        self.count += 1;
        if let Some(reply) = reply {
            // The last token is the number of the chunk.
            let number = reply.rsplit('.').next().and_then(|number| number.parse().ok());
            if number != Some(self.count) {
                return Err(self.failed("a part of it was lost on its way".into()));
            }
            let acknowledging = self.connection.client.publish(reply, Bytes::new()).await;
            acknowledging.map_err(|error| self.failed(error.into()))?;
        }
        Ok(Some(payload))
    }

    fn failed(&self, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        // What it was not permitted to acknowledge the server does not go on with.
        let refused = self.connection.refusal("$JS.SNAPSHOT.ACK.>", self.begun);
        refused.unwrap_or_else(|| Error::Server { action: self.action.clone(), source })
    }
}
