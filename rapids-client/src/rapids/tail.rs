//! Watching the rapids without a position of one's own.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::connection::Connection;
use crate::jetstream::follower::{Delivered, Followed, Follower, lost};
use crate::jetstream::stored_message::StoredMessage;
use crate::names::STREAM;
use crate::packet::Packet;
use crate::rapids::stored_packet::stored_packet;
use crate::start::Start;
use crate::{Error, Result};

const PACKETS: Followed = Followed {
    stream: Cow::Borrowed(STREAM),
    subjects: None,
    action: "watch the rapids",
    headers_only: false,
};

/// The packets of the rapids in stream order, from a point on, without end.
///
/// While the server is away it waits, and goes on behind the last packet that it gave.
pub struct Tail {
    follower: Follower,
}

impl Tail {
    pub(super) async fn open(connection: &Connection, from: Start) -> Result<Self> {
        if let Some(fault) = from.fault(Timestamp::now()) {
            return Err(Error::Definition { of: "the tail".to_owned(), faults: vec![fault] });
        }
        let follower = Follower::open(connection, PACKETS, from).await?;
        Ok(Self { follower: follower.ok_or_else(|| lost(STREAM, "it does not exist"))? })
    }

    /// Waits for the next packet. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a body that is no packet, with its sequence: go on with the next
    /// one. [`Error::Stream`] if the stream was deleted or made anew, and [`Error::NotPermitted`]:
    /// it ends there.
    pub async fn next(&mut self) -> Result<Packet> {
        let delivered = self.follower.next().await?;
        self.packet(delivered)
    }

    /// Waits for the next of the packets that were stored when the tail was opened; `None` once
    /// all of them have come. Where the last of them expired meanwhile, one stored later may come
    /// instead. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn next_stored(&mut self) -> Result<Option<Packet>> {
        let delivered = self.follower.next_stored().await?;
        delivered.map(|delivered| self.packet(delivered)).transpose()
    }

    /// As [`next`](Self::next), for who can tell from the bytes of most packets that they need not be read.
    pub(super) async fn next_message(&mut self) -> Result<Delivered> {
        self.follower.next().await
    }

    /// As [`next_stored`](Self::next_stored), for who can tell from the bytes of most packets that they
    /// need not be read.
    pub(crate) async fn next_stored_message(&mut self) -> Result<Option<Delivered>> {
        self.follower.next_stored().await
    }

    /// The last sequence that was stored when the tail was opened; 0 if nothing is to come.
    pub(crate) fn end(&self) -> u64 {
        self.follower.end()
    }

    /// Reads a message of this tail.
    ///
    /// # Errors
    /// `Malformed` if it is no packet.
    pub(crate) fn packet(
        &self,
        Delivered { message, sequence, stored }: Delivered,
    ) -> Result<Packet> {
        let message = StoredMessage::delivered(message, sequence, stored);
        stored_packet(message, self.follower.created())
    }
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tail").finish_non_exhaustive()
    }
}
