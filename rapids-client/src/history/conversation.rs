//! One conversation, as it was read.

use crate::dead_letters::StoredLetter;
use crate::packet::Packet;

use super::scan::sequence;
use super::tree::{Node, tree};

/// All packets that the stream holds of one conversation, and the dead letters about them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Conversation {
    /// The correlation id.
    pub id: String,
    /// Its packets, in the order of the stream.
    pub packets: Vec<Packet>,
    /// The dead letters about its packets, oldest first, without their bodies.
    pub letters: Vec<StoredLetter>,
    /// The sequence up to which the stream was read.
    pub read_to: u64,
    /// Why it was read no further.
    pub end: ReadingEnd,
    /// Whether packets have expired in this stream, so that this conversation may have had some that
    /// are not here.
    pub has_expired: bool,
}

/// Why the stream was read no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadingEnd {
    /// The conversation was [quiet](crate::Conversations::quiet) for as long as was asked for, and by now every
    /// service has handled what was read of it. Later packets of it were not looked for, and there may be
    /// some: of a service that was down for longer, or of a reaction that was tried again later.
    Quiet,
    /// There was no more in the stream.
    Stream,
    /// What follows was stored after the [moment](crate::Conversations::until) that was asked for.
    Moment,
    /// There was more than is kept of a reading: 100,000 packets, 256 MiB of their bodies, or 10,000 dead
    /// letters. What goes beyond that was left out.
    Limit,
}

impl ReadingEnd {
    /// The word for it: `quiet`, `stream`, `moment` or `limit`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Stream => "stream",
            Self::Moment => "moment",
            Self::Limit => "limit",
        }
    }
}

impl Conversation {
    /// A conversation of which the packets and the letters are known already, from an index for instance:
    /// as if the stream had been [read](crate::Conversations::read) up to the last of the packets.
    ///
    /// Packets and letters are put into the order of their streams. `has_expired` tells whether packets have
    /// expired, so that some of these may be missing.
    ///
    /// ```
    /// use rapids_client::{Conversation, Packet, Subject};
    ///
    /// let placed = Packet::event("order_placed");
    /// let order = Conversation::of(placed.id().to_owned(), vec![placed], Vec::new(), false);
    /// assert!(matches!(order.tree()[0].subject, Subject::Packet(_)));
    /// ```
    pub fn of(
        id: impl Into<String>,
        mut packets: Vec<Packet>,
        mut letters: Vec<StoredLetter>,
        has_expired: bool,
    ) -> Self {
        packets.sort_by_key(sequence);
        letters.sort_by_key(|letter| letter.sequence);
        let read_to = packets.last().map_or(0, sequence);
        let (id, end) = (id.into(), ReadingEnd::Stream);
        Self { id, packets, letters, read_to, end, has_expired }
    }

    /// What caused what: packets and letters, each behind what caused it and before what is told of
    /// later, as the lines of a tree.
    ///
    /// A packet stands below the one that its causation id names, or below the letter by which it came to
    /// be. A letter stands below its packet or, if that was a replay, below the letter that was replayed.
    /// Whatever packets claim, each of them and each letter is there once.
    pub fn tree(&self) -> Vec<Node<'_>> {
        tree(&self.packets, &self.letters)
    }
}
