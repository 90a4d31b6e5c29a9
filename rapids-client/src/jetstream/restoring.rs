//! Makes a stream from its snapshot, by the JetStream API.

use std::time::{Duration, Instant};

use async_nats::Request;
use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use tokio::time::sleep;

use crate::connection::{Connection, Retry};
use crate::jetstream::ensure::info_of;
use crate::jetstream::stored_message::is_unheard;
use crate::{Error, Result};

/// How large the parts are in which it is sent.
pub(crate) const CHUNK: usize = 128 * 1024;
/// How long the server may take for a part, and, at the end, to make the stream of them.
const PART: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(3_600);
/// How long the servers of a cluster may take to tell each other that one of them waits for parts.
const HEARD: Duration = Duration::from_secs(10);
/// How long a cluster may take to elect a leader for it, and how often it is looked for one.
const ELECTION: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// A stream that is being made.
pub(crate) struct Restoring {
    connection: Connection,
    stream: String,
    action: String,
    /// Where the request is to be sent, and then the parts.
    subject: String,
}

impl Restoring {
    /// Begins with the settings of the stream, and its state, in the server's words; `None` if there is a stream of
    /// the name.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn begin(
        connection: &Connection,
        stream: &str,
        description: &Map<String, Value>,
    ) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Begun {
            deliver_subject: String,
        }
        let action = format!("restore the stream `{stream}`");
        let subject = connection.api(&format!("STREAM.RESTORE.{stream}"));
        let body = serde_json::to_vec(description).expect("what was JSON can be written as JSON");
        let begin =
            Self { connection: connection.clone(), stream: stream.to_owned(), action, subject };
        // A cluster first decides which servers are to have it.
        let answer = begin.request(body.into(), PART).await?;
        match begin.read::<Begun>(&answer)? {
            Ok(Begun { deliver_subject }) => Ok(Some(Self { subject: deliver_subject, ..begin })),
            Err(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST_RESTORE_FAILED => {
                Ok(None)
            }
            Err(error) => Err(begin.failed(error.into())),
        }
    }

    /// Sends the next part of the snapshot.
    ///
    /// # Errors
    /// `NotPermitted`; `Server` if the server cannot restore it.
    pub(crate) async fn send(&self, part: Bytes) -> Result<()> {
        let answer = self.deliver(part, PART).await?;
        if answer.is_empty() { Ok(()) } else { self.accepted(&answer) }
    }

    /// Says that it was sent as a whole, and returns once the stream is there.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub(crate) async fn finish(self) -> Result<()> {
        let answer = self.deliver(Bytes::new(), WHOLE).await?;
        self.accepted(&answer)?;
        self.wait_for_leader().await
    }

    /// Waits until the servers of a cluster have a leader for the stream. On a single server it is there at once.
    async fn wait_for_leader(&self) -> Result<()> {
        let begun = Instant::now();
        let mut retry = Retry::new(&self.connection, "wait for a restored stream");
        loop {
            match info_of(&self.connection, &self.stream).await {
                Ok(found) => {
                    let cluster = found.and_then(|found| found.cluster);
                    // Should it have none for too long, who needs the stream says so.
                    if cluster.is_none_or(|cluster| cluster.leader.is_some())
                        || begun.elapsed() >= ELECTION
                    {
                        return Ok(());
                    }
                    sleep(LOOK).await;
                }
                Err(error) if begun.elapsed() >= ELECTION => return Err(error),
                Err(error) => retry.again_if_passing(error).await?,
            }
        }
    }

    /// Sends a part, and again while the server that waits for it cannot be reached from here yet.
    async fn deliver(&self, part: Bytes, within: Duration) -> Result<Bytes> {
        let begun = Instant::now();
        loop {
            match self.request(part.clone(), within).await {
                Err(error) if is_unheard(&error) && begun.elapsed() < HEARD => sleep(LOOK).await,
                answered => return answered,
            }
        }
    }

    async fn request(&self, part: Bytes, within: Duration) -> Result<Bytes> {
        let request = Request::new().payload(part).timeout(Some(within));
        let sending = self.connection.client.send_request(self.subject.clone(), request);
        let answer = self.connection.attempt(&self.action, &self.subject, sending).await?;
        Ok(answer.payload)
    }

    fn accepted(&self, answer: &[u8]) -> Result<()> {
        match self.read::<IgnoredAny>(answer)? {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(error.into())),
        }
    }

    /// What the server has answered, or why it refuses.
    fn read<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<Result<T, jetstream::Error>> {
        match serde_json::from_slice(answer).map_err(|error| self.failed(error.into()))? {
            Response::Ok(answer) => Ok(Ok(answer)),
            Response::Err { error } => Ok(Err(error)),
        }
    }

    fn failed(&self, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Server { action: self.action.clone(), source }
    }
}
