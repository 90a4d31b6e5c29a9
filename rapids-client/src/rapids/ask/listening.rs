//! One ask among those that wait.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::waiting::{Place, Waiting};
use crate::Result;
use crate::packet::Packet;

/// A packet of the conversation.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) sequence: u64,
    pub(super) packet: Packet,
    /// Whether it was read from the stream, and so is no copy that somebody may have forged.
    pub(super) is_stored: bool,
}

/// Hears what is said in one conversation until it is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    waiting: Arc<Waiting>,
    place: Place,
}

impl Listening {
    /// For what is said in the conversation of a packet, but the packet itself.
    pub(super) fn new(waiting: &Arc<Waiting>, packet: &Packet) -> Self {
        let place = waiting.enter(packet.correlation_id(), packet.id());
        Self { waiting: Arc::clone(waiting), place }
    }

    /// Waits until everything that is stored from now on is heard. Returns the sequence from which on
    /// everything is. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why nothing can be read.
    pub(super) async fn begun(&mut self) -> Result<u64> {
        poll_fn(|context| {
            self.waiting.at(&self.place, |ask| match (ask.failure.take(), ask.from) {
                (Some(error), _) => Poll::Ready(Err(error)),
                (None, Some(from)) => Poll::Ready(Ok(from)),
                (None, None) => ask.wake_later(context),
            })
        })
        .await
    }

    /// Waits for the next packet. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why no more can be read.
    pub(super) async fn next(&mut self) -> Result<Heard> {
        poll_fn(|context| {
            self.waiting.at(&self.place, |ask| match (ask.heard.pop_front(), ask.failure.take()) {
                (Some(heard), failure) => {
                    ask.failure = failure;
                    Poll::Ready(Ok(heard))
                }
                (None, Some(error)) => Poll::Ready(Err(error)),
                (None, None) => ask.wake_later(context),
            })
        })
        .await
    }

    /// The next packet, if it has come.
    ///
    /// # Errors
    /// Why no more can be read.
    pub(super) fn ready(&mut self) -> Result<Option<Heard>> {
        self.waiting.at(&self.place, |ask| match (ask.heard.pop_front(), ask.failure.take()) {
            (None, Some(error)) => Err(error),
            (heard, failure) => {
                ask.failure = failure;
                Ok(heard)
            }
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.waiting.leave(&self.place);
    }
}
