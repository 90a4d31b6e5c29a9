//! Stores dead letters, for as long as it takes. What a letter contains is decided in
//! [`in_flight`](crate::delivery::in_flight).

use std::cell::Cell;

use crate::connection::{Connection, Retry};
use crate::dead_letters::{DeadLetter, LetterId, LetterStore};
use crate::{Error, Result};

pub(crate) struct DeadLetterWriter {
    connection: Connection,
    letters: LetterStore,
    /// Letters that could not be stored at the first try.
    waiting: Cell<usize>,
    /// How often the position of the service was moved.
    epoch: Cell<u64>,
}

impl DeadLetterWriter {
    pub(crate) fn new(connection: Connection, letters: LetterStore) -> Self {
        Self { connection, letters, waiting: Cell::new(0), epoch: Cell::new(0) }
    }

    /// Sets the epoch in which the position was acquired.
    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.epoch.set(epoch);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Stores a letter, for as long as it takes: until then the packet is not acknowledged. Returns the
    /// one that is stored, which may be of another instance.
    ///
    /// # Errors
    /// `NotPermitted`.
    pub(crate) async fn store(&self, letter: &DeadLetter) -> Result<DeadLetter> {
        let mut retry = Retry::new(&self.connection, "store a dead letter");
        let ended = loop {
            match self.letters.store(letter).await {
                Ok(stored) => break Ok(stored),
                Err(error @ Error::NotPermitted { .. }) => break Err(error),
                Err(error) => {
                    if retry.failures() == 0 {
                        self.waiting.set(self.waiting.get() + 1);
                    }
                    retry.again(error).await?;
                }
            }
        };
        if retry.failures() > 0 {
            self.waiting.set(self.waiting.get() - 1);
        }
        ended
    }

    /// The letter of this id about this packet, in this epoch; `None` if it is not stored.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn about(
        &self,
        id: &LetterId,
        packet_id: &str,
    ) -> Result<Option<Box<DeadLetter>>> {
        self.letters.about(id, packet_id, self.epoch.get()).await
    }

    /// Whether there is a letter about this packet, in any epoch.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn is_about(&self, id: &LetterId, packet_id: &str) -> Result<bool> {
        self.letters.is_about(id, packet_id, self.epoch.get()).await
    }

    /// How many letters wait for the server, or for room there.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.get()
    }
}
