//! Deletes one message of a stream, and overwrites its bytes.

use async_nats::jetstream::ErrorCode;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::connection::Connection;
use crate::jetstream::api::ask;
use crate::{Error, Result};

/// Deletes the message of this sequence; `false` if there is none. The server overwrites it where it lies on disk.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn delete(connection: &Connection, stream: &str, sequence: u64) -> Result<bool> {
    #[derive(Deserialize)]
    struct Answer {
        success: bool,
    }
    let action = format!("delete the message {sequence} of the stream `{stream}`");
    let request = format!("STREAM.MSG.DELETE.{stream}");
    let body = Map::from_iter([("seq".to_owned(), json!(sequence))]);
    match ask::<Answer>(connection, &action, &request, &body).await? {
        Ok(answer) => Ok(answer.success),
        Err(error) if is_gone(error.error_code()) => Ok(false),
        Err(error) => Err(Error::Server { action, source: error.into() }),
    }
}

fn is_gone(code: ErrorCode) -> bool {
    [ErrorCode::NO_MESSAGE_FOUND, ErrorCode::SEQUENCE_NOT_FOUND].contains(&code)
}
