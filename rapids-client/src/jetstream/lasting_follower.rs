//! Follows a stream that may not be there yet, and may be deleted and made anew.
//!
//! What that means for what was read before is left to its users.

use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, Retry};
use crate::jetstream::follower::{Delivered, Followed, Follower, LOOK};
use crate::jetstream::resumed::Resumed;
use crate::start::Start;
use crate::{Error, Result};

/// What comes of a stream.
pub(crate) enum Received {
    Message(Box<Delivered>),
    /// Nothing more that was stored when the stream was opened, or there is no stream.
    End,
    /// The stream was deleted or made anew. What comes next is the first message of the new one.
    Lost,
}

/// The messages of a stream in order, whichever stream has its name.
///
/// While the server is away it waits, and goes on behind the last message that it gave.
pub(crate) struct LastingFollower {
    connection: Connection,
    followed: Followed,
    /// `None` while there is no stream.
    follower: Option<Follower>,
    /// When to look for the stream.
    look: Instant,
    appearing: Resumed<Result<Option<Follower>>>,
}

impl LastingFollower {
    /// Begins to follow a stream if there is one. One that appears later is read from its beginning.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn open(
        connection: &Connection,
        followed: Followed,
        from: Start,
    ) -> Result<Self> {
        let follower = Box::pin(Follower::open(connection, followed.clone(), from)).await?;
        let look = Instant::now() + LOOK;
        let (connection, appearing) = (connection.clone(), Resumed::default());
        Ok(Self { connection, followed, follower, look, appearing })
    }

    /// The stream at present, as far as is known.
    pub(crate) fn present(&self) -> Option<&Follower> {
        self.follower.as_ref()
    }

    /// Waits for the next message, and before that for the stream; `None` once if it was deleted or made
    /// anew. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `NotPermitted`
    pub(crate) async fn next(&mut self) -> Result<Option<Delivered>> {
        loop {
            let Some(follower) = &mut self.follower else {
                sleep_until(self.look).await;
                self.appear().await?;
                continue;
            };
            return match follower.next().await {
                Err(Error::Stream { .. }) => {
                    self.lose();
                    Ok(None)
                }
                received => received.map(Some),
            };
        }
    }

    /// As [`next`](Self::next), but waits for nothing that was not there when the stream was opened, nor for
    /// the stream.
    ///
    /// # Errors
    /// `NotPermitted`
    pub(crate) async fn next_stored(&mut self) -> Result<Received> {
        if self.follower.is_none() && !self.appear().await? {
            return Ok(Received::End);
        }
        let Some(follower) = &mut self.follower else {
            return Ok(Received::End);
        };
        match follower.next_stored().await {
            Ok(Some(delivered)) => Ok(Received::Message(Box::new(delivered))),
            Ok(None) => Ok(Received::End),
            Err(Error::Stream { .. }) => {
                self.lose();
                Ok(Received::Lost)
            }
            Err(error) => Err(error),
        }
    }

    fn lose(&mut self) {
        (self.follower, self.look) = (None, Instant::now());
    }

    /// Looks whether the stream is there by now, and begins with it.
    async fn appear(&mut self) -> Result<bool> {
        if !self.appearing.is_begun() {
            let (connection, followed) = (self.connection.clone(), self.followed.clone());
            self.appearing.begin(async move {
                let mut retry = Retry::new(&connection, followed.action);
                loop {
                    match Follower::open(&connection, followed.clone(), Start::Beginning).await {
                        Ok(follower) => return Ok(follower),
                        Err(error) => retry.again_if_passing(error).await?,
                    }
                }
            });
        }
        self.follower = self.appearing.ended().await?;
        self.look = Instant::now() + LOOK;
        Ok(self.follower.is_some())
    }
}
