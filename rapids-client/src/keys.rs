//! The keys that have a meaning on every packet. Everything else belongs to the publishers.

/// Name of a fact.
pub(crate) const EVENT: &str = "event";
/// Name, or list of names, of a question put to whoever can answer.
pub(crate) const NEED: &str = "need";
/// Name of a directive.
pub(crate) const COMMAND: &str = "command";
/// The object that the bus fills; see [`packet`](crate::packet).
pub(crate) const RAPIDS: &str = "rapids";
/// Members of the `rapids` object.
pub(crate) const ID: &str = "id";
pub(crate) const CREATED: &str = "created";
pub(crate) const CORRELATION_ID: &str = "correlation_id";
pub(crate) const CAUSATION_ID: &str = "causation_id";
pub(crate) const READ_COUNT: &str = "read_count";
pub(crate) const BREADCRUMBS: &str = "breadcrumbs";
/// Of a packet that arrived, for expressions: what the server says. It is never written.
pub(crate) const PUBLISHER: &str = "publisher";
/// Set on a packet that somebody publishes in place of a dead letter's: as it is, or edited.
pub(crate) const REPLAYED: &str = "replayed";
pub(crate) const EDITED: &str = "edited";
/// On a packet that a timer brings: which one.
pub(crate) const TIMER: &str = "timer";
/// On a packet that tells how a dead letter's packet ended: which letter.
pub(crate) const DEAD_LETTER: &str = "dead_letter";
