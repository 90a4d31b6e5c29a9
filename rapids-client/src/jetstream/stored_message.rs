//! One message of a stream, by its sequence or its subject, read without a consumer.

use std::sync::Arc;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{RequestError as ApiError, RequestErrorKind as ApiErrorKind};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    DirectGetError, DirectGetErrorKind, LastRawMessageError, LastRawMessageErrorKind,
};
use async_nats::{HeaderMap, Message, RequestError, RequestErrorKind};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::connection::Connection;
use crate::jetstream::form::publisher_of;
use crate::jetstream::{api, timestamp};
use crate::names::STREAM;
use crate::{Error, Result};

const ACTION: &str = "read a packet of the stream `RAPIDS`";

/// A message as the stream has it.
#[derive(Debug)]
pub(crate) struct StoredMessage {
    pub(crate) sequence: u64,
    pub(crate) stored: Timestamp,
    /// Who has published it, as the server says.
    pub(crate) publisher: Option<Arc<str>>,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) body: Bytes,
}

impl StoredMessage {
    /// One that a consumer delivered, with the facts of the stream.
    pub(crate) fn delivered(message: Message, sequence: u64, stored: Timestamp) -> Self {
        let Message { subject, headers, payload: body, .. } = message;
        Self { sequence, stored, publisher: publisher_of(&subject), headers, body }
    }
}

impl From<StreamMessage> for StoredMessage {
    fn from(message: StreamMessage) -> Self {
        Self {
            sequence: message.sequence,
            stored: timestamp(message.time),
            publisher: publisher_of(&message.subject),
            headers: Some(message.headers),
            body: message.payload,
        }
    }
}

/// The message of this sequence; `None` if the stream has none.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn of_rapids(
    connection: &Connection,
    sequence: u64,
) -> Result<Option<StoredMessage>> {
    // The server takes that for no request.
    if sequence == 0 {
        return Ok(None);
    }
    let subject = connection.api(&format!("DIRECT.GET.{STREAM}"));
    let reading = Box::pin(async {
        let stream = connection.jetstream.get_stream_no_info(STREAM).await?;
        found(stream.direct_get(sequence).await).map(|found| found.map(StoredMessage::from))
    });
    match connection.attempt(ACTION, &subject, reading).await? {
        Some(message) => Ok(Some(message)),
        // Any replica answers that, and one may be behind.
        None => of_leader(connection, sequence).await,
    }
}

/// The last message of a subject of a stream that exists; `None` if there is none. Any replica answers.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn last_of_subject(
    connection: &Connection,
    action: &str,
    stream: &str,
    subject: String,
) -> Result<Option<StreamMessage>> {
    let request = connection.api(&format!("DIRECT.GET.{stream}.{subject}"));
    let reading = Box::pin(async {
        let stream = connection.jetstream.get_stream_no_info(stream).await?;
        found(stream.direct_get_last_for_subject(subject).await)
    });
    connection.attempt(action, &request, reading).await
}

/// The last message whose subject matches, such as `a.>`, as the leader knows it; `None` if there is none.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn last_of_leader(
    connection: &Connection,
    action: &str,
    stream: &str,
    subjects: &str,
) -> Result<Option<StreamMessage>> {
    let request = connection.api(&format!("STREAM.MSG.GET.{stream}"));
    let reading = Box::pin(async {
        let stream = connection.jetstream.get_stream_no_info(stream).await?;
        found_by_leader(stream.get_last_raw_message_by_subject(subjects).await)
    });
    connection.attempt(action, &request, reading).await
}

/// What the leader of a stream has said, or why it was not asked.
pub(crate) enum OfLeader {
    Told(Option<StreamMessage>),
    /// The server is in no cluster, so whoever answers has everything.
    Alone,
    /// Nobody has heard the request, as where the account does not import it.
    Unheard,
    /// This login may not ask it.
    NotPermitted,
}

/// The last message of a subject, for a decision that nothing checks afterwards: in a cluster the leader is asked,
/// since the replica that answers others may be behind. Where it cannot be asked, [`last_of_subject`] has to do.
///
/// # Errors
/// `Server`; also while nobody leads.
pub(crate) async fn last_for_decision(
    connection: &Connection,
    action: &str,
    stream: &str,
    subject: &str,
) -> Result<OfLeader> {
    if !connection.is_clustered() {
        return Ok(OfLeader::Alone);
    }
    match Box::pin(last_of_leader(connection, action, stream, subject)).await {
        Ok(found) => Ok(OfLeader::Told(found)),
        Err(Error::NotPermitted { .. }) => Ok(OfLeader::NotPermitted),
        Err(error) if is_unheard(&error) => Ok(OfLeader::Unheard),
        Err(error) => Err(error),
    }
}

/// Whether nobody has heard a request. The client library tells that in two ways, by what the request is for.
pub(crate) fn is_unheard(error: &Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |it| it.source());
    causes.any(|cause| {
        let plain = cause.downcast_ref::<RequestError>().map(RequestError::kind);
        let of_jetstream = cause.downcast_ref::<ApiError>().map(ApiError::kind);
        plain == Some(RequestErrorKind::NoResponders)
            || of_jetstream == Some(ApiErrorKind::NoResponders)
    })
}

/// The first message from a sequence on whose subject matches, such as `a.>`; `None` if there is none. Any
/// replica answers.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn next_of_subject(
    connection: &Connection,
    action: &str,
    stream: &str,
    (subjects, from): (&str, u64),
) -> Result<Option<StreamMessage>> {
    let request = connection.api(&format!("DIRECT.GET.{stream}"));
    let reading = Box::pin(async {
        let stream = connection.jetstream.get_stream_no_info(stream).await?;
        found(stream.direct_get_next_for_subject(subjects, Some(from.max(1))).await)
    });
    connection.attempt(action, &request, reading).await
}

/// The first message from a sequence on whose subject matches, as the leader knows it; `None` if there is none.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn next_of_leader(
    connection: &Connection,
    action: &str,
    stream: &str,
    (subjects, from): (&str, u64),
) -> Result<Option<StreamMessage>> {
    let request = connection.api(&format!("STREAM.MSG.GET.{stream}"));
    let reading = Box::pin(async {
        let stream = connection.jetstream.get_stream_no_info(stream).await?;
        found_by_leader(stream.get_first_raw_message_by_subject(subjects, from).await)
    });
    connection.attempt(action, &request, reading).await
}

/// The sequence of the first message that was stored at this time or later, as the leader knows it; `None` if
/// there is none.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn first_since(
    connection: &Connection,
    action: &str,
    stream: &str,
    time: Timestamp,
) -> Result<Option<u64>> {
    #[derive(Deserialize)]
    struct Answer {
        message: Found,
    }
    #[derive(Deserialize)]
    struct Found {
        seq: u64,
    }
    // The server has no numbers for times long before.
    let since = json!(time.max(Timestamp::UNIX_EPOCH));
    let body = [("start_time".to_owned(), since), ("next_by_subj".to_owned(), json!(">"))];
    let request = format!("STREAM.MSG.GET.{stream}");
    match api::ask::<Answer>(connection, action, &request, &Map::from_iter(body)).await? {
        Ok(Answer { message: Found { seq } }) => Ok(Some(seq)),
        Err(error) if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
        Err(error) => Err(Error::Server { action: action.to_owned(), source: error.into() }),
    }
}

/// A message that may not be there, or why that is not known.
type Found = Result<Option<StreamMessage>, Box<dyn std::error::Error + Send + Sync>>;

fn found(answer: Result<StreamMessage, DirectGetError>) -> Found {
    match answer {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn found_by_leader(answer: Result<StreamMessage, LastRawMessageError>) -> Found {
    match answer {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn of_leader(connection: &Connection, sequence: u64) -> Result<Option<StoredMessage>> {
    let subject = connection.api(&format!("STREAM.MSG.GET.{STREAM}"));
    let reading = Box::pin(async {
        let stream = connection.jetstream.get_stream_no_info(STREAM).await?;
        let answer = stream.get_raw_message(sequence).await;
        found_by_leader(answer).map(|found| found.map(StoredMessage::from))
    });
    connection.attempt(ACTION, &subject, reading).await
}

#[cfg(test)]
mod tests {
    use rapids_test::NatsServer;
    use std::time::Duration;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::Config;

    /// An account that reaches JetStream, and imports no more.
    const ACCOUNTS: &str = r#"accounts {
        HUB { jetstream: enabled, users: [{user: hub, password: x}], exports: [{service: "$JS.API.INFO"}] }
        SHOP {
            users: [{user: shop, password: x}]
            imports: [{service: {account: HUB, subject: "$JS.API.INFO"}}]
        }
    }"#;

    #[tokio::test]
    async fn a_leader_that_an_account_cannot_ask_is_no_server_that_is_away() {
        let servers = NatsServer::cluster(3, ACCOUNTS).unwrap();
        let config = Config::new(servers[0].url()).user_and_password("shop", "x");
        let deadline = Instant::now() + Duration::from_secs(60);
        let connection = loop {
            match Connection::open(&config, "test").await {
                Ok(connection) => break connection,
                // The cluster has no leader yet.
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            sleep(Duration::from_millis(50)).await;
        };
        let asked = last_for_decision(&connection, "look", "DEAD_LETTERS", "dead_letters.a.b.1");
        assert!(matches!(asked.await, Ok(OfLeader::Unheard)));
    }
}
