//! Letters on their way to the dead letters, for as long as it takes.
//!
//! What a letter says is left to [`in_hand`](crate::delivery::in_flight).

use std::cell::Cell;

use tracing::error;

use crate::dead_letters::{DeadLetter, LetterId, LetterStore};
use crate::error::with_causes;
use crate::{Error, Result, backoff};

pub(crate) struct DeadLetterWriter {
    letters: LetterStore,
    /// Letters that could not be stored at the first try.
    waiting: Cell<usize>,
    /// How often the position of the service was moved.
    epoch: Cell<u64>,
}

impl DeadLetterWriter {
    pub(crate) fn new(letters: LetterStore) -> Self {
        Self { letters, waiting: Cell::new(0), epoch: Cell::new(0) }
    }

    /// Learns in which epoch the position was taken up.
    pub(crate) fn begin_epoch(&self, epoch: u64) {
        self.epoch.set(epoch);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Stores a letter, for as long as it takes: until then the packet is not acknowledged.
    ///
    /// # Errors
    /// What the server does not permit.
    pub(crate) async fn bury(&self, letter: &DeadLetter) -> Result<()> {
        let mut attempt = 0;
        let ended = loop {
            match self.letters.store(letter).await {
                Ok(()) => break Ok(()),
                Err(error @ Error::NotPermitted { .. }) => break Err(error),
                Err(error) => {
                    attempt += 1;
                    if attempt == 1 {
                        self.waiting.set(self.waiting.get() + 1);
                    }
                    let wait = backoff::exponential(attempt);
                    let id = &letter.id;
                    error!(%id, ?wait, "a dead letter is not stored yet: {}", with_causes(&error));
                    tokio::time::sleep(wait).await;
                }
            }
        };
        if attempt > 0 {
            self.waiting.set(self.waiting.get() - 1);
        }
        ended
    }

    /// Whether the letter of this id about a packet is stored in this epoch.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn holds(&self, id: &LetterId, packet_id: &str) -> Result<bool> {
        self.letters.holds(id, packet_id, self.epoch.get()).await
    }

    /// How many letters wait for the server, or for room there.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.get()
    }
}
