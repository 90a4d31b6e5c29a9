//! Which dead letter a packet tells of.

use std::sync::Arc;

use super::Packet;

impl Packet {
    /// Which dead letter it tells of, such as `payment.charge.17`: that a river has given its packet up
    /// ([`River::on_give_up`](crate::River::on_give_up)), or has handled it after all
    /// ([`River::on_recovered`](crate::River::on_recovered)). `None` if it tells of none. Expressions find it
    /// at `@.rapids.dead_letter`.
    #[must_use]
    pub fn dead_letter(&self) -> Option<String> {
        self.provenance.dead_letter()
    }

    /// This packet as one that tells what became of a dead letter's packet.
    #[must_use]
    pub(crate) fn of_letter(self, letter: &str) -> Self {
        let provenance = Arc::new(self.provenance.of_letter(letter));
        Self { provenance, is_as_read: false, ..self }
    }
}
