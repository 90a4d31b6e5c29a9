//! What a river could not handle.

use std::fmt;

use rapids_client::Kind;

/// A packet that a river could not handle: on a server, a dead letter. Or one on which it published what it
/// does not declare ([`River::publishes`](rapids_client::River::publishes)): a server would store that, and
/// the service warn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The service.
    pub service: String,
    /// The river.
    pub river: String,
    /// The packet's id.
    pub packet_id: String,
    /// The kind that the dead letter would have. What no dead letter would be is `undeclared`, or `untold`:
    /// what a river tells of a packet that it has given up or recovered cannot be written.
    pub kind: Kind,
    /// The reason: malformed, a loop, the error of the reaction, or what is not declared.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, river, packet_id, reason, .. } = self;
        write!(formatter, "{service}/{river} cannot handle `{packet_id}`: {reason}")
    }
}
