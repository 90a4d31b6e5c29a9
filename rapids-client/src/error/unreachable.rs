//! Why there is no connection, as the cause of an [`Error::Connect`](super::Error::Connect).

/// The reason, and what follows from it.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Unreachable {
    pub(crate) reason: String,
    /// Whether no server is there, or not yet.
    pub(crate) absent: bool,
    /// Whether the server, or the key, does not let this login in.
    pub(crate) turned_away: bool,
}
