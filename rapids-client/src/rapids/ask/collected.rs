//! What one ask has heard, and which of it ends the wait.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::confirm::confirmed;
use super::correlation::{Named, named};
use super::listening::Heard;
use crate::Result;
use crate::jetstream::message::message_id;
use crate::packet::Packet;
use crate::rapids::Rapids;
use crate::river::{River, Verdict};
use crate::start::Start;

pub(super) struct Collected<'a> {
    rapids: &'a Rapids,
    ends: &'a [River],
    /// The packet that is asked, and its sequence: what stands before it did not come of it.
    asked: &'a Packet,
    sequence: u64,
    /// How many packets end the wait.
    count: usize,
    packets: BTreeMap<u64, Packet>,
    /// Those of them that match.
    matching: BTreeSet<u64>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(
        rapids: &'a Rapids,
        ends: &'a [River],
        asked: &'a Packet,
        sequence: u64,
        count: usize,
    ) -> Self {
        let (packets, matching) = (BTreeMap::new(), BTreeSet::new());
        Self { rapids, ends, asked, sequence, count, packets, matching }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.matching.len() >= self.count
    }

    /// Reads what is stored behind the packet that is asked, up to this sequence.
    ///
    /// # Errors
    /// As for [`Rapids::tail`].
    pub(super) async fn read(&mut self, last: u64) -> Result<()> {
        let mut tail = self.rapids.tail(Start::Sequence(self.sequence + 1)).await?;
        while !self.is_complete()
            && let Some(delivered) = Box::pin(tail.next_stored_message()).await?
            && delivered.sequence <= last
        {
            let message = &delivered.message;
            let own = message_id(message.headers.as_ref());
            let is_one = |id: &str| id == self.asked.correlation_id();
            if named(own.as_deref(), &message.payload, is_one) == Named::Nothing {
                continue;
            }
            let sequence = delivered.sequence;
            if let Ok(packet) = tail.packet(delivered) {
                self.take(Heard { sequence, packet, is_stored: true }).await?;
            }
        }
        Ok(())
    }

    /// Takes a packet, if it came of the one that is asked. A copy that matches is compared with the stream.
    ///
    /// # Errors
    /// Why it cannot be compared.
    pub(super) async fn take(&mut self, heard: Heard) -> Result<()> {
        if !self.is_news(&heard) {
            return Ok(());
        }
        let Heard { sequence, is_stored, .. } = heard;
        let is_match = self.is_match(&heard.packet);
        self.keep(heard);
        if !is_match {
            return Ok(());
        }
        if is_stored {
            self.matching.insert(sequence);
            return Ok(());
        }
        match Box::pin(confirmed(self.rapids, sequence)).await? {
            Some(packet) => {
                let is_match = self.is_match(&packet);
                self.packets.remove(&sequence);
                self.keep(Heard { sequence, packet, is_stored: true });
                if is_match && self.packets.contains_key(&sequence) {
                    self.matching.insert(sequence);
                }
            }
            // It was forged, or has expired already.
            None => {
                self.packets.remove(&sequence);
            }
        }
        Ok(())
    }

    /// Keeps a packet, if it came of the one that is asked, without a look at whether it ends the wait.
    pub(super) fn keep(&mut self, heard: Heard) {
        if self.is_news(&heard) {
            self.packets.insert(heard.sequence, heard.packet);
        }
    }

    /// Whether a packet belongs to what came, and is not known. One of the stream is more certain than a
    /// copy.
    fn is_news(&self, Heard { sequence, packet, is_stored }: &Heard) -> bool {
        *sequence > self.sequence
            && packet.correlation_id() == self.asked.correlation_id()
            && packet.id() != self.asked.id()
            && !self.matching.contains(sequence)
            && (*is_stored || !self.packets.contains_key(sequence))
    }

    fn is_match(&self, packet: &Packet) -> bool {
        self.ends.iter().any(|end| match end.judge(packet) {
            Verdict::Matches => true,
            Verdict::TooCostly(problem) => {
                warn!(packet = packet.id(), "it is not known whether it ends an ask: {problem}");
                false
            }
            _ => false,
        })
    }

    /// Those that match, in the order of the stream.
    pub(super) fn into_matching(self) -> Vec<Packet> {
        let Self { packets, matching, .. } = self;
        packets.into_iter().filter(|(at, _)| matching.contains(at)).map(|(_, it)| it).collect()
    }

    /// All of them, in the order of the stream.
    pub(super) fn into_all(self) -> Vec<Packet> {
        self.packets.into_values().collect()
    }
}
