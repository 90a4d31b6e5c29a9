//! The one error type of the library.

mod unreachable;

use std::fmt;
use std::net::SocketAddr;

pub(crate) use unreachable::Unreachable;

use crate::job_state::JobRefusal;
use crate::letter_action::Refusal;
use crate::memory::Unreadable;

/// A [`Result`](std::result::Result) whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Everything that can go wrong between a service and the rapids.
///
/// Each message names the thing at fault and, where there is one, the remedy. The cause is
/// `source()` and is not repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting has a value that it cannot have.
    #[error("{name} is `{value}`, expected {expected}")]
    Config {
        /// The variable, or the file and key.
        name: String,
        /// The value found; masked if the setting is a secret.
        value: String,
        /// What is accepted, with an example.
        expected: String,
    },
    /// The server cannot be reached, or turns the client away.
    #[error("cannot connect to `{url}`")]
    Connect {
        /// The address, without credentials.
        url: String,
        /// What the client library says.
        source: Source,
    },
    /// Metrics and probes cannot be served at the address that was set.
    #[error(
        "metrics and probes cannot be served at `{address}`: choose another address for RAPIDS_HTTP"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server refuses an operation to this user.
    #[error("the server does not permit {violation}; grant it to this user")]
    NotPermitted {
        /// The server's own words, such as ``publish to `rapids` ``.
        violation: String,
    },
    /// A service or a river is declared wrongly; lists every fault.
    #[error("{of} is declared wrongly: {}", faults.join("; "))]
    Definition {
        /// Such as ``service `payment` ``.
        of: String,
        /// One sentence each.
        faults: Vec<String>,
    },
    /// A body is not a packet.
    #[error("body is not a packet: {reason}")]
    Malformed {
        /// What is wrong, with its place.
        reason: String,
    },
    /// A field cannot be set.
    #[error("field `{path}` {reason}")]
    Field {
        /// The path as it was given.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A packet, or one of its fields, is not what the reader expects. Final: no retry mends it.
    #[error("packet `{id}` does not parse as `{expected}`")]
    Parse {
        /// The packet's id.
        id: String,
        /// The Rust type that was asked for, or the path and the type.
        expected: String,
        /// Where and why, in serde's words.
        source: serde_json::Error,
    },
    /// A step of a fold over the past fails.
    #[error("the history cannot be folded beyond packet `{id}`, sequence {sequence}")]
    Fold {
        /// The packet's id.
        id: String,
        /// Its sequence in the stream.
        sequence: u64,
        /// What the step says.
        source: Source,
    },
    /// The rapids cannot work with the stream as it is.
    #[error("stream `{stream}` is not what is needed: {}", differences.join("; "))]
    Stream {
        /// The stream's name.
        stream: String,
        /// One per setting: found, needed, remedy.
        differences: Vec<String>,
    },
    /// The value of a key in a bucket was not written by this library, or by a newer version of it. It
    /// is not replaced.
    #[error("`{key}` in `{bucket}` {fault}")]
    Record {
        /// The bucket; of a replay, its stream.
        bucket: String,
        /// The key; of a replay, its sequence.
        key: String,
        /// What is wrong with it, and the remedy.
        fault: String,
        /// Whether a newer version of this library wrote it. What needs the value waits until this
        /// program is updated.
        is_newer: bool,
    },
    /// The rapids can never take a packet. Final: no retry mends it.
    #[error("packet `{id}` is refused: {reason}")]
    Refused {
        /// The packet's id.
        id: String,
        /// Why, with the limit and the remedy.
        reason: String,
    },
    /// There is no room for a packet, or for what is kept about one. Temporary: room comes when
    /// packets expire or a limit is raised.
    #[error("{what} finds no room: {full} is full; {remedy}")]
    Full {
        /// What was to be stored, such as ``packet `17` ``.
        what: String,
        /// What is full: a stream, the account or the server.
        full: String,
        /// How to make room.
        remedy: String,
        /// The server's words.
        source: Source,
    },
    /// A limit of the account or the server does not allow what is to be created there. Final: no
    /// retry mends it.
    #[error("cannot {action}: {reason}")]
    Limit {
        /// What was tried.
        action: String,
        /// Which limit, its value, what is needed, and the remedy.
        reason: String,
    },
    /// An action on a dead letter is not possible.
    #[error("dead letter `{id}` {refusal}")]
    Letter {
        /// The letter's id.
        id: String,
        /// Why not.
        refusal: Refusal,
    },
    /// What is asked of a job is not possible.
    #[error("job `{id}` {refusal}")]
    Job {
        /// The job's id.
        id: String,
        /// Why not.
        refusal: JobRefusal,
    },
    /// What a service remembers cannot be read as it was asked for.
    #[error("{of} {problem}")]
    Memory {
        /// Such as ``memory `orders` of service `order` ``.
        of: String,
        /// Why not.
        problem: Unreadable,
    },
    /// A service's position does not fit the stream.
    #[error("position of service `{service}` is lost: {reason}")]
    Position {
        /// The service.
        service: String,
        /// What was found, and the remedy.
        reason: String,
    },
    /// A service's position is not moved.
    #[error("position of service `{service}` is not moved: {reason}")]
    NotMoved {
        /// The service.
        service: String,
        /// Why not, and the remedy.
        reason: String,
    },
    /// A service is not retired.
    #[error("service `{service}` is not retired: {reason}; stop all instances first")]
    NotRetired {
        /// The service.
        service: String,
        /// Which instance still works.
        reason: String,
    },
    /// A backup is not made, or not restored.
    #[error("backup `{folder}` {fault}")]
    Backup {
        /// Its folder.
        folder: String,
        /// Why not, with the file or the stream at fault, and the remedy.
        fault: String,
    },
    /// The server failed an operation, or did not answer.
    #[error("cannot {action}")]
    Server {
        /// What was tried.
        action: String,
        /// What the client library says.
        source: Source,
    },
}

impl Error {
    /// Whether the server refuses something to this login, or turns the login itself away: asking
    /// again will not help, another login may.
    pub fn is_refusal(&self) -> bool {
        let is_turned_away = self.unreachable().is_some_and(|reason| reason.turned_away);
        is_turned_away || matches!(self, Self::NotPermitted { .. })
    }

    /// Whether a connection failed because no server is there, or not yet.
    pub(crate) fn is_absent(&self) -> bool {
        self.unreachable().is_some_and(|reason| reason.absent)
    }

    fn unreachable(&self) -> Option<&Unreachable> {
        match self {
            Self::Connect { source, .. } => source.downcast_ref(),
            _ => None,
        }
    }

    /// Whether the same operation may succeed later, because the server was away or had no room.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Server { .. } | Self::Full { .. })
    }
}

/// An error with its causes, on one line, for the log.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    chain(std::iter::successors(Some(error), |error| error.source())).join(": ")
}

/// The texts of a chain of errors, the outermost first. Some errors repeat the text of their cause;
/// a text that an earlier one contains is left out.
pub(crate) fn chain(errors: impl Iterator<Item = impl fmt::Display>) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for error in errors {
        let words = error.to_string();
        if !said.iter().any(|before| before.contains(&words)) {
            said.push(words);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Said {
        words: &'static str,
        source: Option<Box<Said>>,
    }

    #[test]
    fn each_cause_is_said_once() {
        let chain = |words: &[&'static str]| {
            let of = |source: Option<Box<Said>>, words: &&'static str| {
                Some(Box::new(Said { words, source }))
            };
            with_causes(&*words.iter().rev().fold(None, of).unwrap())
        };
        assert_eq!(
            chain(&["cannot store", "request failed: timed out", "timed out"]),
            "cannot store: request failed: timed out"
        );
        assert_eq!(chain(&["a fails", "b fails", "c"]), "a fails: b fails: c");
        assert_eq!(chain(&["same", "same"]), "same");
    }
}
