//! What a river makes of a packet.

/// What a river makes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The conditions are not met: not for this river.
    NotForMe,
    /// The conditions are met, the requirements are not: malformed, with the problems.
    Invalid(Vec<String>),
    /// The conditions are met, but the packet has passed through as many services as it may.
    /// Said by [`Service::judge`](crate::Service::judge), which knows the limit.
    Looped,
    /// To tell whether the rules are met takes more steps than there are for a packet. Names the
    /// rule that takes them.
    TooCostly(String),
    /// The river reacts.
    Matches,
}
