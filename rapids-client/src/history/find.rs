//! Finds conversations, and where in the stream they begin.

use std::collections::HashMap;

use jiff::Timestamp;

use super::mention::Mention;
use super::scan::{Scan, sequence};
use super::span::{Span, spans};
use super::{History, Reference};
use crate::Result;
use crate::packet::Packet;
use crate::start::Start;

/// A conversation that was found in the stream, and not read yet.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its correlation id.
    pub conversation: String,
    /// The first of its packets that the stream holds.
    pub first: Packet,
}

impl Found {
    fn beginning_with(first: Packet) -> Self {
        Self { conversation: first.correlation_id().to_owned(), first }
    }
}

impl History {
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
            Reference::Sequence(sequence) => self.packet_at(*sequence).await?,
            Reference::Id(id) => self.packet_of(id).await?,
        };
        match packet {
            Some(packet) => Ok(Some(self.first_of(packet).await?)),
            None => Ok(None),
        }
    }

    /// Finds the conversation of each packet that matches, in the order in which they begin. Reads the
    /// whole stream, and once more up to the last match if conversations began before their first match.
    ///
    /// # Errors
    /// As for [`find`](Self::find).
    pub async fn find_all(
        &self,
        mut matches: impl FnMut(&Packet) -> bool + Send,
    ) -> Result<Vec<Found>> {
        let mut found: HashMap<String, Packet> = HashMap::new();
        let mut scan = self.scan(Span::from(Start::Beginning)).await?;
        while let Some(delivered) = scan.next().await? {
            if let Some(packet) = scan.packet(delivered)
                && !found.contains_key(packet.correlation_id())
                && matches(&packet)
            {
                found.insert(packet.correlation_id().to_owned(), packet);
            }
        }
        let begun_before = found.iter().filter(|(id, packet)| packet.id() != **id);
        if let Some(end) = begun_before.map(|(_, packet)| sequence(packet)).max() {
            let mut scan = self.scan(Span::from(Start::Beginning).before(end)).await?;
            while let Some(delivered) = scan.next().await? {
                if let Some(packet) = scan.packet(delivered)
                    && let Some(first) = found.get_mut(packet.correlation_id())
                    && sequence(first) > sequence(&packet)
                {
                    *first = packet;
                }
            }
        }
        let mut found: Vec<_> = found.into_values().map(Found::beginning_with).collect();
        found.sort_by_key(|found| sequence(&found.first));
        Ok(found)
    }

    pub(super) async fn scan(&self, span: Span) -> Result<Scan> {
        Box::pin(Scan::open(&self.rapids, span, &self.progress)).await
    }

    async fn packet_at(&self, wanted: u64) -> Result<Option<Packet>> {
        let mut tail = self.rapids.tail(Start::Sequence(wanted)).await?;
        let found = Box::pin(tail.next_stored()).await?;
        Ok(found.filter(|packet| sequence(packet) == wanted))
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
    async fn first_of(&self, packet: Packet) -> Result<Found> {
        let mut found = Found::beginning_with(packet);
        let Found { conversation, first } = &mut found;
        if first.id() == conversation {
            return Ok(found);
        }
        let created = self.rapids.facts().created;
        let mention = Mention::of(conversation, created);
        for span in spans(conversation, created, Timestamp::now()) {
            let mut scan = self.scan(span.before(sequence(first))).await?;
            while let Some(packet) = scan.next_with(&mention).await? {
                if packet.correlation_id() != conversation {
                    continue;
                }
                let is_first = packet.id() == conversation;
                if is_first || sequence(&packet) < sequence(first) {
                    *first = packet;
                }
                if is_first {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}
