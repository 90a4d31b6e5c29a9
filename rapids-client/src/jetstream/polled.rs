//! Follows a stream without a consumer: reads it by batched direct gets, and asks again where it ends.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use tokio::time::{Instant, sleep_until};

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::direct_read::DirectRead;

/// How long to wait at the end before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct Polled {
    read: DirectRead,
    /// What was read and is not given yet.
    messages: VecDeque<StreamMessage>,
    /// How many follow those.
    pending: Option<u64>,
    /// When to ask next.
    again: Instant,
}

impl Polled {
    /// Reads the messages of these subjects, such as `a.>`, from this sequence on. Asks for nothing yet.
    pub(crate) fn new(connection: &Connection, stream: &str, subjects: &str, from: u64) -> Self {
        Self {
            read: DirectRead::new(connection, stream, subjects.to_owned(), from),
            messages: VecDeque::new(),
            pending: None,
            again: Instant::now(),
        }
    }

    /// How many messages are still to come, as far as is known.
    pub(crate) fn pending(&self) -> Option<u64> {
        Some(self.pending? + self.messages.len() as u64)
    }

    /// Waits for the next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn next(&mut self) -> Result<StreamMessage> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(message);
            }
            sleep_until(self.again).await;
            let batch = self.read.batch().await?;
            if batch.pending == Some(0) {
                self.again = Instant::now() + PAUSE;
            }
            (self.messages, self.pending) = (batch.messages.into(), batch.pending);
        }
    }
}
