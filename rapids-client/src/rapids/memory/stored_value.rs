//! How a message that is stored under a key of a memory becomes the value of a reaction.

use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::HeaderMap;
use async_nats::header::{NATS_MARKER_REASON, NATS_MESSAGE_TTL};

use crate::Result;
use crate::memory::{Json, Record};
use crate::stored::{self, Stored};

/// What tells deletions from values in a bucket.
const OPERATION: &str = "KV-Operation";

/// The value that a message holds; `None` if there is none any more, and if it is of an earlier epoch of the
/// service's memory than this one, which is raised to that of the newest record that was read.
///
/// # Errors
/// `Record` for what is no record of this library, or a newer one.
pub(super) fn value(
    (bucket, key): (&str, &str),
    (headers, body): (Option<&HeaderMap>, &[u8]),
    epoch: &AtomicU64,
) -> Result<Option<Json>> {
    if is_gone(headers) {
        return Ok(None);
    }
    // A record knows its version, so that one which is read without a fault is no newer one.
    let record = match serde_json::from_slice::<Record>(body) {
        Ok(record) if record.fault(key).is_none() => record,
        _ => stored::read::<Record>(bucket, key, body)?,
    };
    let is_current = record.epoch() >= epoch.fetch_max(record.epoch(), Ordering::Relaxed);
    Ok(record.current().filter(|_| is_current))
}

/// Whether a message says that its key was deleted or purged, or has expired, or that its memory has ended: of
/// records, only those have an age.
pub(super) fn is_gone(headers: Option<&HeaderMap>) -> bool {
    headers.is_some_and(|headers| {
        headers.get(NATS_MESSAGE_TTL).is_some()
            || headers.get(OPERATION).is_some_and(|operation| operation.as_str() != "PUT")
            || headers.get(NATS_MARKER_REASON).is_some()
    })
}
