//! The stored packet of a copy that would end a wait.
//!
//! Whoever may publish to `rapids.live` can send copies of what is not stored, or differs. The stream is
//! believed.

use crate::Result;
use crate::connection::Retry;
use crate::jetstream::stored_message;
use crate::packet::Packet;
use crate::rapids::Rapids;
use crate::rapids::stored_packet::stored_packet;

/// The packet of this sequence as the stream has it; `None` if it has none. While the server is away it is
/// asked again.
///
/// # Errors
/// `NotPermitted`
pub(super) async fn confirmed(rapids: &Rapids, sequence: u64) -> Result<Option<Packet>> {
    let (connection, created) = (rapids.connection(), rapids.facts().created);
    let mut retry = None;
    loop {
        match stored_message::of_rapids(connection, sequence).await {
            Ok(message) => {
                // A body that is no packet ends no wait.
                return Ok(message.and_then(|message| stored_packet(message, created).ok()));
            }
            Err(error) => {
                let retry = retry.get_or_insert_with(|| Retry::new(connection, "confirm a packet"));
                retry.again_if_passing(error).await?;
            }
        }
    }
}
