//! What a person may publish and subscribe to. People are users of the account with the streams.
//!
//! This protects against mistakes. It is no wall: a request names the subject to which the server sends
//! its answer, and no permission covers that.

use super::declared::{Access, Role};
use crate::names::{
    DEAD_LETTERS, HANDLING, LATER, LETTERS_BUCKET, ONCE, OPERATIONS, OPERATORS, POSITIONS,
    REPLAY_SUBJECTS, REPLAYS, SERVICES, later_of, memory_bucket, published_by,
};

/// What reading takes: requests alone.
const READING: [&str; 13] = [
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.DELETE.>",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.API.CONSUMER.LIST.*",
    "$JS.API.CONSUMER.MSG.NEXT.>",
    "$JS.API.DIRECT.GET.>",
    "$JS.API.INFO",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.STREAM.NAMES",
    "$SRV.>",
    "$SYS.REQ.USER.INFO",
];

/// What changing takes, beside the keys of services: moving positions, creating what services need, and backups, which
/// name the subjects themselves on which their parts are acknowledged, and sent back.
const CHANGING: [&str; 8] = [
    "$JS.API.CONSUMER.PAUSE.>",
    "$JS.API.STREAM.CREATE.*",
    "$JS.API.STREAM.RESTORE.*",
    "$JS.API.STREAM.SNAPSHOT.*",
    "$JS.API.STREAM.UPDATE.*",
    "$JS.SNAPSHOT.ACK.>",
    "$JS.SNAPSHOT.RESTORE.>",
    // Timers of services, and of people.
    "later.*.*",
];

/// The subjects that a user may publish and subscribe to; all others are denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Sorted.
    pub publish: Vec<String>,
    /// Sorted.
    pub subscribe: Vec<String>,
}

impl Access {
    /// What a person of this role may do.
    ///
    /// The server maps what people publish to `rapids` before it looks at permissions, so the subject
    /// here is `rapids.from.operators`, and no other publisher's.
    pub fn permissions(&self, role: Role) -> Permissions {
        let mut publish: Vec<String> = READING.map(str::to_owned).into();
        if role == Role::Operator {
            publish.extend(CHANGING.map(str::to_owned));
            publish.extend([published_by(OPERATORS), REPLAY_SUBJECTS.to_owned()]);
            // With the outcomes of `once` reactions, of which an erasure leaves less, and the notes of services,
            // which a restore writes.
            let buckets = [HANDLING, LETTERS_BUCKET, ONCE, OPERATIONS, POSITIONS, SERVICES];
            publish.extend(buckets.map(|bucket| format!("$KV.{bucket}.>")));
            let notes = [HANDLING, ONCE].map(|bucket| format!("KV_{bucket}"));
            publish.extend(notes.iter().map(String::as_str).chain([LATER]).map(purging));
            publish.extend(self.services.values().flat_map(|service| service.answers.clone()));
            publish.extend([DEAD_LETTERS, LATER, REPLAYS].map(erasing));
            let timers = self.services.iter().filter(|(_, service)| service.timers);
            publish.extend(timers.flat_map(|(name, _)| {
                let stream = later_of(name);
                removing(&stream).into_iter().chain([erasing(&stream)])
            }));
            let remembers = self.services.iter().filter(|(_, it)| !it.memories.is_empty());
            publish.extend(remembers.flat_map(|(name, _)| {
                let bucket = memory_bucket(name);
                removing(&format!("KV_{bucket}")).into_iter().chain([format!("$KV.{bucket}.>")])
            }));
        }
        publish.sort();
        Permissions { publish, subscribe: vec!["_INBOX.>".to_owned()] }
    }
}

/// To empty a stream that is one service's, and to delete it with the service.
fn removing(stream: &str) -> [String; 2] {
    [format!("$JS.API.STREAM.DELETE.{stream}"), purging(stream)]
}

/// To delete single messages.
fn erasing(stream: &str) -> String {
    format!("$JS.API.STREAM.MSG.DELETE.{stream}")
}

fn purging(stream: &str) -> String {
    format!("$JS.API.STREAM.PURGE.{stream}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_publishes_requests_alone_and_an_operator_in_nobody_else_s_name() {
        let access: Access =
            serde_json::from_str(r#"{"services": {"a": {"memories": ["m"], "timers": true}}}"#)
                .unwrap();
        let viewer = access.permissions(Role::Viewer).publish;
        assert!(viewer.iter().all(|it| it.starts_with('$')), "{viewer:?}");
        assert!(!viewer.iter().any(|it| it.starts_with("$KV")), "{viewer:?}");
        let operator = access.permissions(Role::Operator).publish;
        assert!(viewer.iter().all(|it| operator.contains(it)));
        let published: Vec<_> = operator.iter().filter(|it| it.starts_with("rapids")).collect();
        assert_eq!(published, ["rapids.from.operators"]);
        for right in [
            "$KV.RAPIDS_MEMORY_a.>",
            "$JS.API.STREAM.PURGE.LATER_a",
            "$JS.API.STREAM.MSG.DELETE.DEAD_LETTERS",
            "later.*.*",
            "replays.*",
        ] {
            assert!(operator.iter().any(|it| it == right), "{right} in {operator:?}");
        }
        assert!(!operator.iter().any(|it| it.ends_with("MSG.DELETE.RAPIDS")), "{operator:?}");
    }
}
