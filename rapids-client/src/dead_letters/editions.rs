//! Letters under one id: which of its editions is the one about a packet.
//!
//! A position that was moved back gives packets again that have a letter. A stream that was made anew counts from 1 again, and anybody who may publish can put something
//! under the id of a letter before it is written.

use jiff::Timestamp;

use crate::Result;
use crate::connection::Connection;
use crate::dead_letters::{DeadLetter, LetterId, streams};
use crate::start::timestamp;

/// Where the letter about a packet lies, or is to lie.
pub(super) enum Place {
    /// It is stored under this id.
    Taken(LetterId),
    /// It is not stored, and nothing lies under this id.
    Free {
        id: LetterId,
        /// The last letter about the packet from another epoch.
        former: Option<LetterId>,
    },
}

/// Looks for the letter about a packet in an epoch that was stored at this time or later. A replay
/// is of none: moving a position does not give it again.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(super) async fn find(
    connection: &Connection,
    id: &LetterId,
    (packet_id, epoch): (&str, u64),
    since: Timestamp,
) -> Result<Place> {
    let (mut id, mut former) = (id.clone(), None);
    loop {
        let Some(message) = streams::letter(connection, &id).await? else {
            return Ok(Place::Free { id, former });
        };
        let letter = DeadLetter::read(id.clone(), &message.headers, message.payload);
        let next = id.next_edition();
        if timestamp(message.time) >= since
            && let Ok(letter) = letter
            && letter.packet_id == packet_id
        {
            if letter.epoch == epoch || id.replay().is_some() {
                return Ok(Place::Taken(id));
            }
            former = Some(id);
        }
        id = next;
    }
}
