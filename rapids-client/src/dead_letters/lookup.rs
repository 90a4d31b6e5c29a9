//! Looking a letter up in the stream `DEAD_LETTERS`.

use async_nats::jetstream::message::StreamMessage;

use super::LetterId;
use crate::Result;
use crate::connection::Connection;
use crate::jetstream::stored_message::{OfLeader, last_for_decision, last_of_subject};
use crate::names::DEAD_LETTERS;

/// The message of a letter; `None` if there is none.
pub(super) async fn letter(
    connection: &Connection,
    id: &LetterId,
) -> Result<Option<StreamMessage>> {
    let action = format!("read the dead letter `{id}`");
    // Whether there is one decides whether a packet is handled once more.
    let subject = id.subject();
    let told = last_for_decision(connection, &action, DEAD_LETTERS, &subject).await?;
    if let OfLeader::Told(letter) = told {
        return Ok(letter);
    }
    last_of_subject(connection, &action, DEAD_LETTERS, subject).await
}
