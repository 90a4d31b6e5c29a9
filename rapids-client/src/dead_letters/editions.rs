//! Letters under one id: which of its editions is the one about a packet.
//!
//! A stream that was made anew counts from 1 again, and anybody who may publish can put something
//! under the id of a letter before it is written.

use jiff::Timestamp;

use super::{DeadLetter, LetterId, streams};
use crate::Result;
use crate::connection::Connection;
use crate::rapids::timestamp;

/// Where the letter about a packet lies, or is to lie.
pub(super) enum Place {
    /// It is stored under this id.
    Taken(LetterId),
    /// It is not stored, and nothing lies under this id.
    Free(LetterId),
}

/// Looks for the letter about a packet that was stored at this time or later.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(super) async fn find(
    connection: &Connection,
    id: &LetterId,
    packet_id: &str,
    since: Timestamp,
) -> Result<Place> {
    let mut id = id.clone();
    loop {
        let Some(message) = streams::letter(connection, &id).await? else {
            return Ok(Place::Free(id));
        };
        let letter = DeadLetter::read(id.clone(), &message.headers, message.payload);
        let is_about = letter.is_ok_and(|letter| letter.packet_id == packet_id);
        if is_about && timestamp(message.time) >= since {
            return Ok(Place::Taken(id));
        }
        id = id.next_edition();
    }
}
