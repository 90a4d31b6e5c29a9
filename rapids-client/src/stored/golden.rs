//! What an earlier revision has stored on a server, as it lay there. `just golden` writes these files; the tests of
//! each format read them, so that a change which an older program would not survive is noticed without it.

use std::path::Path;

use async_nats::HeaderMap;
use serde::Deserialize;

use super::{Stored, read};

/// A message of a stream.
#[derive(Deserialize)]
struct Written {
    subject: String,
    headers: Vec<[String; 2]>,
    body: String,
}

pub(crate) struct Message {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What a service in this delivery, `shared` or `exclusive`, has left in a stream.
pub(crate) fn messages(delivery: &str, stream: &str) -> Vec<Message> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(delivery);
    let lines = std::fs::read_to_string(folder.join(format!("{stream}.jsonl"))).unwrap();
    let messages = lines.lines().map(|line| {
        let Written { subject, headers: written, body } = serde_json::from_str(line).unwrap();
        let mut headers = HeaderMap::new();
        for [name, value] in written {
            headers.append(name, value);
        }
        Message { subject, headers, body }
    });
    Vec::from_iter(messages)
}

/// The values of a bucket, each with its text.
pub(crate) fn values<T: Stored>(delivery: &str, bucket: &str) -> Vec<(T, String)> {
    let messages = messages(delivery, &format!("KV_{bucket}")).into_iter();
    let values = messages.map(|Message { subject, body, .. }| {
        let key = subject.strip_prefix(&format!("$KV.{bucket}.")).unwrap();
        (read(bucket, key, body.as_bytes()).unwrap(), body)
    });
    Vec::from_iter(values)
}
