//! What the server's refusals to store something mean: that there is no room, or that a message is too
//! large.

use std::error::Error as StdError;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};

use crate::connection::server_answer;
use crate::error::Error;

/// The error for what finds no room in a stream; `None` if the server refused it for another
/// reason, or did not answer.
pub(crate) fn no_room(what: &str, stream: &str, error: &(dyn StdError + 'static)) -> Option<Error> {
    let answer = server_answer(error)?;
    let is_limit_of_stream = answer.to_string().starts_with("maximum");
    let (full, remedy) = match answer.error_code() {
        ErrorCode::STREAM_STORE_FAILED if is_limit_of_stream => (
            format!("the stream `{stream}`"),
            format!(
                "raise its limit with `nats stream edit {stream} --max-bytes`{}",
                // A bucket keeps its values whatever their age.
                if stream.starts_with("KV_") { "" } else { ", or shorten `--max-age`" }
            ),
        ),
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => (
            "the account".to_owned(),
            "raise its limit of storage (`nats account info` shows it), or make room in another \
             stream"
                .to_owned(),
        ),
        ErrorCode::STREAM_STORE_FAILED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::MEMORY_RESOURCES_EXCEEDED => (
            "the server".to_owned(),
            "raise `max_file_store` in its configuration, make room on its disk, or in another \
             stream"
                .to_owned(),
        ),
        _ => return None,
    };
    Some(Error::Full { what: what.to_owned(), full, remedy, source: answer.into() })
}

/// The error for a packet that could not be published to a stream, which takes messages of `limit`
/// bytes, if that is known.
pub(crate) fn of_publish(
    action: &str,
    stream: &str,
    id: &str,
    limit: Option<usize>,
    error: PublishError,
) -> Error {
    let code = server_answer(&error).map(|answer| answer.error_code());
    let is_too_large = error.kind() == PublishErrorKind::MaxPayloadExceeded
        || code == Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM);
    if is_too_large {
        let reason = match limit {
            Some(limit) => format!("it is larger than the limit of {limit} bytes"),
            None => format!("with its headers it is too large for the stream `{stream}`"),
        };
        return Error::Refused { id: id.to_owned(), reason };
    }
    no_room(&format!("packet `{id}`"), stream, &error)
        .unwrap_or_else(|| Error::Server { action: action.to_owned(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::Error as Answer;

    use super::*;

    fn answered(code: u64, description: &str) -> PublishError {
        let json = format!(r#"{{"code":503,"err_code":{code},"description":"{description}"}}"#);
        let answer: Answer = serde_json::from_str(&json).unwrap();
        PublishError::with_source(PublishErrorKind::Other, answer)
    }

    #[test]
    fn each_refusal_for_lack_of_room_says_what_is_full() {
        for (code, description, full) in [
            (10_077, "maximum bytes exceeded", "the stream `RAPIDS` is full; raise its limit"),
            (10_077, "maximum messages exceeded", "the stream `RAPIDS` is full"),
            (10_077, "no space left on device", "the server is full"),
            (10_023, "insufficient resources", "the server is full; raise `max_file_store`"),
            (10_047, "insufficient storage resources available", "the server is full"),
            (10_028, "insufficient memory resources available", "the server is full"),
            (10_002, "resource limits exceeded for account", "the account is full; raise"),
        ] {
            let error = of_publish("publish", "RAPIDS", "17", None, answered(code, description));
            assert!(matches!(error, Error::Full { .. }), "{code}: {error}");
            assert!(error.to_string().contains(full), "{code}: {error}");
        }
        let bucket = answered(10_077, "maximum bytes exceeded");
        let error = no_room("`17`", "KV_RAPIDS_ONCE", &bucket).unwrap().to_string();
        assert!(error.ends_with("`nats stream edit KV_RAPIDS_ONCE --max-bytes`"), "{error}");
    }

    #[test]
    fn other_refusals_are_what_they_are() {
        let error = of_publish("publish", "RAPIDS", "17", Some(9), answered(10_054, "too large"));
        assert_eq!(
            error.to_string(),
            "packet `17` is refused: it is larger than the limit of 9 bytes"
        );
        let error = of_publish("publish", "RAPIDS", "17", None, answered(10_008, "no leader"));
        assert!(matches!(error, Error::Server { .. }), "{error}");
        let silent = PublishError::new(PublishErrorKind::TimedOut);
        let error = of_publish("publish", "RAPIDS", "17", None, silent);
        assert!(matches!(error, Error::Server { .. }), "{error}");
    }
}
