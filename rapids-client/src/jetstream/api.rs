//! Requests to JetStream that async-nats has no call for, or answers of which it drops what is needed here.

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::RequestError;
use async_nats::jetstream::response::Response;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Result;
use crate::connection::Connection;

/// Asks the server. A request without content has an empty object as its body: of all JSON, the server
/// takes only that for an empty request.
///
/// # Errors
/// `NotPermitted`, `Server` if no answer comes. What the server refuses is in the inner result.
pub(crate) async fn ask<T: DeserializeOwned>(
    connection: &Connection,
    action: &str,
    request: &str,
    body: &Map<String, Value>,
) -> Result<Result<T, jetstream::Error>> {
    let subject = connection.api(request);
    let asking = connection.jetstream.request(request.to_owned(), body);
    let answer = connection.attempt::<_, RequestError>(action, &subject, asking).await?;
    Ok(match answer {
        Response::Ok(answer) => Ok(answer),
        Response::Err { error } => Err(error),
    })
}

/// Whether there is no such consumer, or no such stream.
pub(crate) fn is_absent(error: &jetstream::Error) -> bool {
    [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND].contains(&error.error_code())
}
