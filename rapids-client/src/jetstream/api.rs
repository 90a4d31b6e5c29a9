//! Requests to JetStream that async-nats has no call for, or answers of which it drops what is needed here.

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::RequestError;
use async_nats::jetstream::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::connection::Connection;
use crate::{Error, Result};

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

/// All consumers of a stream; none if there is no such stream.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn consumers<T: DeserializeOwned>(
    connection: &Connection,
    action: &str,
    stream: &str,
) -> Result<Vec<T>> {
    #[derive(Deserialize)]
    struct Page<T> {
        total: usize,
        consumers: Option<Vec<T>>,
    }
    let (request, mut all) = (format!("CONSUMER.LIST.{stream}"), Vec::new());
    loop {
        let from = Map::from_iter([("offset".to_owned(), json!(all.len()))]);
        let page: Page<T> = match ask(connection, action, &request, &from).await? {
            Ok(page) => page,
            Err(error) if is_absent(&error) => return Ok(all),
            Err(error) => {
                return Err(Error::Server { action: action.to_owned(), source: error.into() });
            }
        };
        let consumers = page.consumers.unwrap_or_default();
        let is_last = consumers.is_empty();
        all.extend(consumers);
        if is_last || all.len() >= page.total {
            return Ok(all);
        }
    }
}

/// Whether there is no such consumer, or no such stream.
pub(crate) fn is_absent(error: &jetstream::Error) -> bool {
    [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND].contains(&error.error_code())
}
