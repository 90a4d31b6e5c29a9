//! Finds conversations, and where in the stream they begin.

use std::collections::HashMap;

use jiff::Timestamp;
use tracing::warn;

use super::conversations::Conversations;
use super::mention::Mention;
use super::reference::Reference;
use super::room::Room;
use super::scan::{Scan, sequence, stored};
use super::span::{Span, spans};
use crate::Result;
use crate::packet::Packet;
use crate::start::Start;

/// How many conversations are found at once, and how many bytes their ids have at most.
const MOST: Room = Room { count: 10_000, bytes: 16 * 1024 * 1024 };

/// A conversation that was found in the stream, and not read yet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// Its correlation id.
    pub conversation: String,
    /// The sequence of the first of its packets that the stream holds.
    pub sequence: u64,
    /// When that was stored.
    pub stored: Timestamp,
    /// Whether that is the packet which has the id of the conversation.
    pub(super) has_beginning: bool,
}

impl Found {
    pub(super) fn beginning_with(first: &Packet) -> Self {
        Self::of(first.correlation_id().to_owned(), &Place::of(first))
    }

    fn of(conversation: String, first: &Place) -> Self {
        let Place { sequence, stored, has_beginning } = *first;
        Self { conversation, sequence, stored, has_beginning }
    }
}

/// Where a packet of a conversation is.
struct Place {
    sequence: u64,
    stored: Timestamp,
    has_beginning: bool,
}

impl Place {
    fn of(packet: &Packet) -> Self {
        let has_beginning = packet.id() == packet.correlation_id();
        Self { sequence: sequence(packet), stored: stored(packet), has_beginning }
    }
}

impl Conversations {
    /// Finds the conversation of a packet, or of a correlation id; `None` if the stream holds no packet
    /// of it.
    ///
    /// A sequence, an id that the stream derived and a UUIDv7 say where to look, so these are found at
    /// once also in a long stream. Other ids take a reading of the stream up to where they are.
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) if the stream is deleted or made anew meanwhile,
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted);
    /// [`Error::Malformed`](crate::Error::Malformed) for the sequence of a body that is no packet.
    pub async fn find(&self, reference: &Reference) -> Result<Option<Found>> {
        let packet = match reference {
            Reference::Sequence(sequence) => self.rapids.packet(*sequence).await?,
            Reference::Id(id) => self.packet_of(id).await?,
        };
        match packet {
            Some(packet) => Ok(Some(self.first_of(&packet).await?)),
            None => Ok(None),
        }
    }

    /// Finds the conversation of each packet that matches, in the order in which they begin. Reads the
    /// whole stream, and once more up to the last match if conversations began before their first match.
    ///
    /// Of more than 10,000 conversations, or 16 MiB of their ids, those that match first are found, and the
    /// log warns that there are more.
    ///
    /// # Errors
    /// As for [`find`](Self::find).
    pub async fn find_all(
        &self,
        mut matches: impl FnMut(&Packet) -> bool + Send,
    ) -> Result<Vec<Found>> {
        let mut found: HashMap<String, Place> = HashMap::new();
        let mut room = MOST;
        let mut scan = self.scan(Span::from(Start::Beginning)).await?;
        while let Some(delivered) = scan.next().await? {
            if let Some(packet) = scan.packet(delivered)
                && !found.contains_key(packet.correlation_id())
                && matches(&packet)
            {
                if !room.take(packet.correlation_id().len()) {
                    warn!(
                        "{} conversations are found; those that match from sequence {} on are left out",
                        found.len(),
                        sequence(&packet)
                    );
                    break;
                }
                found.insert(packet.correlation_id().to_owned(), Place::of(&packet));
            }
        }
        let begun_before = found.values().filter(|first| !first.has_beginning);
        if let Some(end) = begun_before.map(|first| first.sequence).max() {
            let mut scan = self.scan(Span::from(Start::Beginning).before(end)).await?;
            while let Some(delivered) = scan.next().await? {
                if let Some(packet) = scan.packet(delivered)
                    && let Some(first) = found.get_mut(packet.correlation_id())
                    && first.sequence > sequence(&packet)
                {
                    *first = Place::of(&packet);
                }
            }
        }
        let found = found.into_iter().map(|(conversation, first)| Found::of(conversation, &first));
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|found| found.sequence);
        Ok(found)
    }

    pub(super) async fn scan(&self, span: Span) -> Result<Scan> {
        Box::pin(Scan::open(&self.rapids, span, &self.progress)).await
    }

    /// A packet that has this id, or a packet of the conversation that has it.
    async fn packet_of(&self, id: &str) -> Result<Option<Packet>> {
        let created = self.rapids.facts().created;
        let mention = Mention::of(id, created);
        for span in spans(id, created, Timestamp::now()) {
            let mut scan = self.scan(span).await?;
            while let Some(packet) = scan.next_with(&mention).await? {
                if packet.id() == id || packet.correlation_id() == id {
                    return Ok(Some(packet));
                }
            }
        }
        Ok(None)
    }

    /// The conversation of a packet, which begins with the packet that has its id. If that is not in the
    /// stream any more, it begins with the first one that is.
    async fn first_of(&self, packet: &Packet) -> Result<Found> {
        let mut found = Found::beginning_with(packet);
        if found.has_beginning {
            return Ok(found);
        }
        let created = self.rapids.facts().created;
        let mention = Mention::of(&found.conversation, created);
        for span in spans(&found.conversation, created, Timestamp::now()) {
            let mut scan = self.scan(span.before(found.sequence)).await?;
            while let Some(packet) = scan.next_with(&mention).await? {
                if packet.correlation_id() != found.conversation {
                    continue;
                }
                let earlier = Found::beginning_with(&packet);
                if earlier.has_beginning {
                    return Ok(earlier);
                }
                if earlier.sequence < found.sequence {
                    found = earlier;
                }
            }
        }
        Ok(found)
    }
}
