//! Reads a part of a stream once, from its beginning to its end, without a consumer.

use std::collections::VecDeque;

use async_nats::jetstream::message::StreamMessage;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::direct_read::{DirectRead, action};
use crate::jetstream::stored_message::next_of_leader;

/// The messages that a stream holds, oldest first. In a bucket these are the last ones of each key: one that is
/// saved while this reads may come in both states, and comes in its last.
pub(crate) struct Scan {
    connection: Connection,
    stream: String,
    subjects: String,
    read: DirectRead,
    /// What was read and is not given yet.
    messages: VecDeque<StreamMessage>,
    is_at_end: bool,
}

impl Scan {
    /// Reads the messages of these subjects, such as `a.>`.
    pub(crate) fn new(connection: &Connection, stream: &str, subjects: String) -> Self {
        Self::behind(connection, stream, subjects, 0)
    }

    /// Reads those behind a sequence.
    pub(crate) fn behind(
        connection: &Connection,
        stream: &str,
        subjects: String,
        sequence: u64,
    ) -> Self {
        Self {
            read: DirectRead::new(connection, stream, subjects.clone(), sequence + 1),
            connection: connection.clone(),
            stream: stream.to_owned(),
            subjects,
            messages: VecDeque::new(),
            is_at_end: false,
        }
    }

    /// The next message; `None` after the last. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn next(&mut self) -> Result<Option<StreamMessage>> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(Some(message));
            }
            if self.is_at_end {
                return Ok(None);
            }
            let batch = self.read.batch().await?;
            self.messages.extend(batch.messages);
            if batch.pending == Some(0) {
                self.ask_leader(batch.next).await?;
            }
        }
    }

    /// Asks the leader whether that was the end. A replica that lags has less than one that has answered before: a
    /// value that was saved meanwhile lay behind the end of the one, and not any more where the other has read.
    async fn ask_leader(&mut self, next: u64) -> Result<()> {
        let Self { connection, stream, subjects, .. } = self;
        match next_of_leader(connection, &action(stream), stream, (subjects, next)).await? {
            Some(message) => {
                let behind = message.sequence + 1;
                self.read = DirectRead::new(connection, stream, subjects.clone(), behind);
                self.messages.push_back(message);
            }
            None => self.is_at_end = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
