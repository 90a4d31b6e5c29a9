//! Follows the dead letters as services write them.

use std::borrow::Cow;

use tracing::warn;

use crate::Result;
use crate::config::Config;
use crate::connection::{Connection, Retry};
use crate::dead_letters::stored::Message;
use crate::dead_letters::{DeadLetters, Filter, StoredLetter};
use crate::jetstream::follower::{Delivered, Followed};
use crate::jetstream::lasting_follower::LastingFollower;
use crate::names::DEAD_LETTERS;
use crate::start::Start;

/// The letters, to be followed.
pub(super) const LETTERS: Followed = Followed {
    stream: Cow::Borrowed(DEAD_LETTERS),
    subjects: None,
    action: "watch the dead letters",
    headers_only: true,
};

/// Dead letters in the order in which they are written, each once, without end; see
/// [`DeadLetters::follow`].
///
/// Their bodies stay on the server. While the server is away it waits, and goes on behind the last
/// letter. A stream of letters that was made anew is read from its beginning.
pub struct LetterTail {
    letters: DeadLetters,
    filter: Filter,
    follower: LastingFollower,
    /// The letter to give next, until it is known what has become of it.
    unsettled: Option<StoredLetter>,
    given: usize,
}

impl LetterTail {
    pub(super) async fn open(config: &Config, filter: &Filter) -> Result<Self> {
        filter.parts()?;
        let connection = Box::pin(Connection::open(config, "dead-letters")).await?;
        let from = filter.since.map_or(Start::Now, Start::Time);
        let follower = Box::pin(LastingFollower::open(&connection, LETTERS, from)).await?;
        if follower.present().is_none() {
            warn!(
                "there is no stream {DEAD_LETTERS} at {} yet; waiting for the first service that \
                 starts, which creates it",
                config.url()
            );
        }
        let letters = DeadLetters::over(connection);
        Ok(Self { letters, filter: filter.clone(), follower, unsettled: None, given: 0 })
    }

    /// Waits for the next letter that the filter means, and gives it with what has become of it by
    /// then: a letter that was just written waits. `None` once the filter's limit is reached. Dropping
    /// the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) for a message that is no letter, with its sequence: go on with the next
    /// one. [`Error::Record`](crate::Error::Record) if it cannot be read what has become of a letter, and
    /// [`Error::NotPermitted`](crate::Error::NotPermitted): it ends there.
    pub async fn next(&mut self) -> Result<Option<StoredLetter>> {
        while self.filter.limit.is_none_or(|limit| self.given < limit) {
            if self.unsettled.is_none() {
                let Delivered { message, sequence, stored } = Box::pin(self.receive()).await?;
                if !self.filter.takes_subject(&message.subject) {
                    continue;
                }
                let message = Message::delivered(&message, sequence, stored);
                self.unsettled = Some(StoredLetter::read(&message)?);
            }
            let settled = Box::pin(self.settle()).await?;
            if let Some(stored) = settled.filter(|stored| self.filter.takes(stored)) {
                self.given += 1;
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    /// Waits for the next message, and before that for the stream.
    async fn receive(&mut self) -> Result<Delivered> {
        loop {
            if let Some(delivered) = self.follower.next().await? {
                return Ok(delivered);
            }
            warn!("the stream {DEAD_LETTERS} was deleted or made anew; what it will hold is new");
        }
    }

    /// Finds out what has become of the letter at hand, and takes it.
    async fn settle(&mut self) -> Result<Option<StoredLetter>> {
        let mut retry = Retry::new(&self.letters.connection, LETTERS.action);
        while let Some(stored) = &mut self.unsettled
            && let Err(error) = self.letters.settle(stored).await
        {
            retry.again_if_passing(error).await?;
        }
        Ok(self.unsettled.take())
    }
}

impl std::fmt::Debug for LetterTail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LetterTail").field("filter", &self.filter).finish_non_exhaustive()
    }
}
