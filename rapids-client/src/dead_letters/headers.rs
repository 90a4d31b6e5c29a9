//! The headers of dead letters and replays: their names, and how to read them.
//!
//! Which of them a message carries is left to [`letter`](super::letter) and
//! [`replay`](super::replay).

use std::str::FromStr;

use async_nats::HeaderMap;

use super::text::unescape;

/// Why the packet became a dead letter, in one word.
pub(crate) const KIND: &str = "Rapids-Kind";
/// Why, in the words of what failed.
pub(crate) const REASON: &str = "Rapids-Reason";
/// What led to the reason; once for each cause, outermost first.
pub(crate) const CAUSE: &str = "Rapids-Cause";
/// How often the reaction was tried.
pub(crate) const ATTEMPTS: &str = "Rapids-Attempts";
/// The service whose river failed.
pub(crate) const SERVICE: &str = "Rapids-Service";
/// The river that failed, or that a replay is meant for.
pub(crate) const RIVER: &str = "Rapids-River";
/// The instance of the service that gave up.
pub(crate) const INSTANCE: &str = "Rapids-Instance";
/// The packet's sequence on the rapids.
pub(crate) const SEQUENCE: &str = "Rapids-Sequence";
/// When the rapids stored the packet.
pub(crate) const STORED: &str = "Rapids-Stored";
/// When the first attempt failed.
pub(crate) const FIRST_FAILURE: &str = "Rapids-First-Failure";
/// When the last attempt failed.
pub(crate) const LAST_FAILURE: &str = "Rapids-Last-Failure";
/// The packet's id.
pub(crate) const PACKET_ID: &str = "Rapids-Packet-Id";
/// The name of the packet's event, need or command.
pub(crate) const NAME: &str = "Rapids-Name";
/// The id of the first packet of the conversation.
pub(crate) const CORRELATION_ID: &str = "Rapids-Correlation-Id";
/// A service that the packet's ancestors passed; once for each, newest last.
pub(crate) const BREADCRUMB: &str = "Rapids-Breadcrumb";
/// Who has published the packet, as the server says.
pub(crate) const PUBLISHER: &str = "Rapids-Publisher";
/// The version of a letter's or a replay's headers; 1 where it is missing.
pub(crate) const VERSION: &str = "Rapids-Version";
/// The dead letter that is replayed.
pub(crate) const LETTER: &str = "Rapids-Letter";
/// The first dead letter of a packet that was replayed and failed again.
pub(crate) const FIRST: &str = "Rapids-First";
/// The epoch of the service's position in which the packet failed; the first where it is missing.
pub(crate) const EPOCH: &str = "Rapids-Epoch";
/// The dead letter about the same packet from an earlier epoch.
pub(crate) const FORMER: &str = "Rapids-Former";
/// Marks a replay whose packet somebody edited.
pub(crate) const EDITED: &str = "Rapids-Edited";
/// Of a replay without a letter: the run that sent it.
pub(crate) const RUN: &str = "Rapids-Run";
/// Of a replay without a letter: who sent it.
pub(crate) const WHO: &str = "Rapids-Who";
/// Of a replay without a letter: why, if they said so.
pub(crate) const WHY: &str = "Rapids-Why";

/// The sequence of the packet that a letter or a replay is about, if its headers say it.
pub(crate) fn sequence_of(headers: &HeaderMap) -> Option<u64> {
    Reader(headers).parsed(SEQUENCE).ok()
}

/// Reads headers, or says which of them is missing or wrong.
pub(crate) struct Reader<'a>(pub(crate) &'a HeaderMap);

impl Reader<'_> {
    /// A text that must be there.
    pub(crate) fn text(&self, name: &str) -> Result<String, String> {
        self.optional(name).ok_or_else(|| format!("header `{name}` is missing"))
    }

    pub(crate) fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| unescape(value.as_str()))
    }

    /// Every value of a name, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.0.get_all(name).map(|value| unescape(value.as_str())).collect()
    }

    /// A number, a time, an id, ...
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<T, String> {
        let text = self.text(name)?;
        text.parse().map_err(|_| format!("header `{name}` is `{text}`"))
    }
}
