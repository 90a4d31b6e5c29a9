//! Whose a packet is that the stream has: by that a service knows its own outputs again.

use crate::jetstream::stored_message::StoredMessage;
use crate::packet::Packet;

/// Who has published a stored packet, and which packet it names as its cause.
pub(super) struct Origin {
    /// As the server says; in the simple form the last breadcrumb. `None` if nothing tells.
    pub(super) publisher: Option<String>,
    cause: Option<String>,
}

impl Origin {
    pub(super) fn of(stored: &StoredMessage) -> Self {
        let packet = Packet::from_bytes(stored.body.clone()).ok();
        let told = || packet.as_ref()?.breadcrumbs().last().cloned();
        Self {
            publisher: stored.publisher.as_deref().map(str::to_owned).or_else(told),
            cause: packet.as_ref().and_then(Packet::causation_id).map(str::to_owned),
        }
    }

    /// The packet that led to it, if this service has published it.
    pub(super) fn cause_for(self, service: &str) -> Option<String> {
        self.cause.filter(|_| self.publisher.as_deref() == Some(service))
    }
}
