//! Names on the server: streams, subjects, buckets.

/// The stream of all packets.
pub(crate) const STREAM: &str = "RAPIDS";
/// What everybody publishes to; in the simple form, its one subject.
pub(crate) const SUBJECT: &str = "rapids";
/// In the secured form, what its subjects begin with, before who has published the packet.
pub(crate) const PUBLISHER_PREFIX: &str = "rapids.from.";
/// Its subjects there.
pub(crate) const PUBLISHER_SUBJECTS: &str = "rapids.from.*";
/// Who has published what people and their tools publish.
pub(crate) const OPERATORS: &str = "operators";

/// There, the subject of what somebody publishes.
pub(crate) fn published_by(name: &str) -> String {
    format!("{PUBLISHER_PREFIX}{name}")
}

/// The subject to which the server copies every packet once it is stored.
pub(crate) const LIVE: &str = "rapids.live";

/// The same of this stream: of the rapids, or of a mirror.
pub(crate) fn live_of(stream: &str) -> String {
    if stream == STREAM { LIVE.to_owned() } else { format!("{LIVE}.{stream}") }
}

/// The key-value bucket of the positions of services in exclusive delivery.
pub(crate) const POSITIONS: &str = "RAPIDS_POSITIONS";

/// The stream of the packets that are published later, by the server's scheduler. In the secured form it holds
/// those of operators, and each service has one of its own; see
/// [`TimerPlace`](crate::jetstream::timers::TimerPlace).
pub(crate) const LATER: &str = "LATER";
/// What the subject of a timer begins with, before its id.
pub(crate) const LATER_PREFIX: &str = "later.";
/// The subjects of timers.
pub(crate) const LATER_SUBJECTS: &str = "later.*.*";
/// The subject of what timers have brought, from which the rapids take it.
pub(crate) const LATER_DUE: &str = "later_due";

/// The stream of the timers of one service, in the secured form of the rapids.
pub(crate) fn later_of(service: &str) -> String {
    format!("{LATER}_{service}")
}

/// The stream of the packets that rivers could not handle.
pub(crate) const DEAD_LETTERS: &str = "DEAD_LETTERS";
/// Its subjects: service, river, and what tells the letters of a river apart.
pub(crate) const DEAD_LETTER_SUBJECTS: &str = "dead_letters.*.*.*";
/// What its subjects begin with, before a letter's id.
pub(crate) const DEAD_LETTER_PREFIX: &str = "dead_letters.";

/// The stream of packets that are to reach one river again.
pub(crate) const REPLAYS: &str = "REPLAYS";
/// Its subjects: the services.
pub(crate) const REPLAY_SUBJECTS: &str = "replays.*";

/// The subject of what is replayed to a service.
pub(crate) fn replay_subject(service: &str) -> String {
    format!("replays.{service}")
}

/// The key-value bucket that tells what was done with each dead letter.
pub(crate) const LETTERS_BUCKET: &str = "RAPIDS_LETTERS";

/// The key-value bucket of what operators do: the log, and the jobs.
pub(crate) const OPERATIONS: &str = "RAPIDS_OPERATIONS";

/// Marks the services of the rapids among those of the NATS service API, beside the names of their
/// rivers: none of them can be this.
pub(crate) const ON_RAPIDS: &str = "rapids.stream";
/// Beside it, the rules of all rivers as JSON.
pub(crate) const RULES: &str = "rapids.rules";
/// What ends the key of what a river declares to publish, as JSON, behind its name.
pub(crate) const PUBLISHES: &str = ".publishes";
/// In the metadata of a river's endpoint, whether its reaction runs once: `true` or `false`.
pub(crate) const RUNS_ONCE: &str = "rapids.once";
/// Beside it, the name of the river's memory, if it has one.
pub(crate) const REMEMBERS: &str = "rapids.memory";
/// Beside the rules, begins what is said of the moment, such as `state:paused`.
pub(crate) const STATE: &str = "state:";

/// In the metadata of a stream that was restored from a backup, and of a mirror, when the one was created that it is
/// the copy of.
pub(crate) const CREATED: &str = "rapids.created";
/// In the metadata of a mirror, when the server made the rapids that it is of. After a restore that is another time.
pub(crate) const MADE: &str = "rapids.made";

/// In the metadata of a service's consumer, the epoch of its position.
pub(crate) const EPOCH: &str = "rapids.epoch";
/// Beside it, how the service was to start when it was new.
pub(crate) const STARTS: &str = "rapids.starts";

/// The key-value bucket in which it is written down for each service which stream it reads, and how
/// far it was.
pub(crate) const SERVICES: &str = "RAPIDS_SERVICES";

/// Whether a stream of this name is one of the bus: one of its streams, or a bucket.
pub(crate) fn is_of_the_bus(stream: &str) -> bool {
    [STREAM, LATER, DEAD_LETTERS, REPLAYS].contains(&stream)
        || stream.starts_with(&later_of(""))
        || stream.starts_with("KV_RAPIDS_")
}

/// The key-value bucket in which a service keeps its memory.
pub(crate) fn memory_bucket(service: &str) -> String {
    format!("RAPIDS_MEMORY_{service}")
}

/// In the metadata of that bucket's stream, the names of the memories that the service has, or had.
pub(crate) const MEMORIES: &str = "rapids.memories";

/// The key-value bucket in which services note what they have not finished.
pub(crate) const HANDLING: &str = "RAPIDS_HANDLING";

/// The key-value bucket of the reactions that are to run once.
pub(crate) const ONCE: &str = "RAPIDS_ONCE";

/// What a name must be, as the end of a sentence about a service or a river.
pub(crate) const RULE: &str = "its name is not 1 to 32 characters of a-z, 0-9, `_` and `-`";

/// Whether a text can name a service or a river: it becomes a consumer name and a subject token.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// A text as one token of a subject, or as part of a key.
pub(crate) fn encoded(text: &str) -> String {
    encoded_bytes(text.as_bytes())
}

/// As [`encoded`], of a text whose bytes are not all UTF-8.
pub(crate) fn encoded_bytes(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "=".to_owned();
    }
    let mut key = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => key.push((*byte).into()),
            _ => key.push_str(&format!("={byte:02X}")),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_bus_is_known_by_its_name() {
        for name in ["RAPIDS", "LATER", "LATER_order", "DEAD_LETTERS", "REPLAYS", "KV_RAPIDS_ONCE"]
        {
            assert!(is_of_the_bus(name), "{name}");
        }
        for name in ["ORDERS", "KV_OTHERS", "RAPIDS_EU", "RAPIDS_ONCE"] {
            assert!(!is_of_the_bus(name), "{name}");
        }
    }
}
