//! Makes a stream from its snapshot, by the JetStream API.

use std::time::Duration;

use async_nats::Request;
use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::connection::Connection;
use crate::jetstream::api::ask;
use crate::{Error, Result};

/// How large the parts are in which it is sent.
pub(crate) const CHUNK: usize = 128 * 1024;
/// How long the server may take for a part, and, at the end, to make the stream of them.
const PART: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(3_600);

/// A stream that is being made.
pub(crate) struct Restoring {
    connection: Connection,
    action: String,
    /// Where the parts are to be sent.
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
        let request = format!("STREAM.RESTORE.{stream}");
        match ask::<Begun>(connection, &action, &request, description).await? {
            Ok(Begun { deliver_subject: subject }) => {
                Ok(Some(Self { connection: connection.clone(), action, subject }))
            }
            Err(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST_RESTORE_FAILED => {
                Ok(None)
            }
            Err(error) => Err(Error::Server { action, source: error.into() }),
        }
    }

    /// Sends the next part of the snapshot.
    ///
    /// # Errors
    /// `NotPermitted`; `Server` if the server cannot restore it.
    pub(crate) async fn send(&self, part: Bytes) -> Result<()> {
        let answer = self.request(part, PART).await?;
        if answer.is_empty() { Ok(()) } else { self.read(&answer) }
    }

    /// Says that it was sent as a whole, and returns once the stream is there.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub(crate) async fn finish(self) -> Result<()> {
        let answer = self.request(Bytes::new(), WHOLE).await?;
        self.read(&answer)
    }

    async fn request(&self, part: Bytes, within: Duration) -> Result<Bytes> {
        let request = Request::new().payload(part).timeout(Some(within));
        let sending = self.connection.client.send_request(self.subject.clone(), request);
        let answer = self.connection.attempt(&self.action, &self.subject, sending).await?;
        Ok(answer.payload)
    }

    fn read(&self, answer: &[u8]) -> Result<()> {
        let failed = |source| Error::Server { action: self.action.clone(), source };
        match serde_json::from_slice(answer).map_err(|error| failed(error.into()))? {
            Response::<IgnoredAny>::Ok(_) => Ok(()),
            Response::Err { error } => Err(failed(jetstream::Error::into(error))),
        }
    }
}
