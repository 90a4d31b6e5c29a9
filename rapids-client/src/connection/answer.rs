//! The server's answer behind an error of the client library.

use std::error::Error as StdError;

use async_nats::jetstream::Error as Answer;
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::stream::{
    ConsumerCreateStrictError, ConsumerCreateStrictErrorKind, ConsumerError, ConsumerErrorKind,
    ConsumerUpdateError, ConsumerUpdateErrorKind,
};

/// Finds the answer, if there was one.
pub(crate) fn server_answer(error: &(dyn StdError + 'static)) -> Option<Answer> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(answer) = error.downcast_ref::<Answer>() {
            return Some(answer.clone());
        }
        if let Some(answer) = in_kind(error) {
            return Some(answer);
        }
        next = error.source();
    }
    None
}

/// Finds the answer in the errors that keep it in their kind, and not as their source.
fn in_kind(error: &(dyn StdError + 'static)) -> Option<Answer> {
    if let Some(error) = error.downcast_ref::<CreateStreamError>()
        && let CreateStreamErrorKind::JetStream(answer) = error.kind()
    {
        return Some(answer);
    }
    if let Some(error) = error.downcast_ref::<ConsumerError>()
        && let ConsumerErrorKind::JetStream(answer) = error.kind()
    {
        return Some(answer);
    }
    if let Some(error) = error.downcast_ref::<ConsumerCreateStrictError>()
        && let ConsumerCreateStrictErrorKind::JetStream(answer) = error.kind()
    {
        return Some(answer);
    }
    if let Some(error) = error.downcast_ref::<ConsumerUpdateError>()
        && let ConsumerUpdateErrorKind::JetStream(answer) = error.kind()
    {
        return Some(answer);
    }
    None
}
