//! Letters under one id: which of its editions is the one about a packet.
//!
//! A packet that already has a letter comes again where its service's position was moved back. A
//! stream that was made anew counts from 1 again. And anybody who may publish can put something under
//! the id of a letter before the letter is written.

use jiff::Timestamp;

use crate::Result;
use crate::connection::Connection;
use crate::dead_letters::{DeadLetter, LetterId, lookup};
use crate::jetstream::timestamp;

/// The edition of an id that is about a packet, or that is free for its letter.
pub(super) enum Edition {
    /// It is stored, and says this.
    Stored(Box<DeadLetter>),
    /// It is not stored, and nothing lies under this id.
    Free {
        id: LetterId,
        /// The last letter about the packet from another epoch.
        former: Option<LetterId>,
    },
}

/// Looks for the letter about a packet in an epoch, stored at this time or later. A replay belongs to
/// no epoch: it does not come again when a position is moved.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(super) async fn find(
    connection: &Connection,
    id: &LetterId,
    (packet_id, epoch): (&str, u64),
    since: Timestamp,
) -> Result<Edition> {
    let (mut id, mut former) = (id.clone(), None);
    loop {
        let Some(message) = lookup::letter(connection, &id).await? else {
            return Ok(Edition::Free { id, former });
        };
        let letter = DeadLetter::read(id.clone(), &message.headers, message.payload);
        let next = id.next_edition();
        if timestamp(message.time) >= since
            && let Ok(letter) = letter
            && letter.packet_id == packet_id
        {
            if letter.epoch == epoch || id.replay().is_some() {
                return Ok(Edition::Stored(Box::new(letter)));
            }
            former = Some(id);
        }
        id = next;
    }
}
