//! Reads the packets of a history, one by one.

use std::fmt;

use super::scan::Scan;
use crate::Result;
use crate::jetstream::follower::Delivered;
use crate::matcher::Matcher;
use crate::packet::Packet;
use crate::river::{River, Verdict};
use crate::start::Start;

/// The packets of a [`History`](crate::History), oldest first.
pub struct HistoryPackets {
    scan: Scan,
    /// Its conditions are the expression.
    river: River,
    matcher: Matcher,
    /// The sequence that comes next, if nothing has expired; `None` as long as that is not known.
    next: Option<u64>,
    packets: u64,
    malformed: u64,
    expired_before: Option<u64>,
    read_to: u64,
}

impl HistoryPackets {
    /// Of a stream that begins with the sequence `first`.
    pub(super) fn of(scan: Scan, river: River, from: Start, first: u64) -> Self {
        let next = match from {
            Start::Beginning => Some(1),
            Start::Sequence(sequence) => Some(sequence.max(1)),
            Start::Now | Start::Time(_) => None,
        };
        let matcher = Matcher::new([&river]);
        let expired_before = next.filter(|next| *next < first).map(|_| first);
        let (packets, malformed, read_to) = (0, 0, 0);
        Self { scan, river, matcher, next, packets, malformed, expired_before, read_to }
    }

    /// Marks that a time to begin at lies before the first packet that is left, behind others that have
    /// expired.
    pub(super) fn begins_late(self, first: u64) -> Self {
        Self { expired_before: Some(first), ..self }
    }

    /// The next packet that matches; `None` after the last. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Stream`](crate::Error::Stream) if the stream is deleted or made anew meanwhile,
    /// [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn next(&mut self) -> Result<Option<Packet>> {
        while let Some(delivered) = self.scan.next().await? {
            self.pass(delivered.sequence);
            self.read_to = delivered.sequence;
            self.next = Some(delivered.sequence + 1);
            if let Some(packet) = self.matching(delivered) {
                self.packets += 1;
                return Ok(Some(packet));
            }
        }
        self.pass(self.scan.end());
        Ok(None)
    }

    /// Notes whether packets before this sequence are missing.
    fn pass(&mut self, sequence: u64) {
        if self.next.is_some_and(|next| next < sequence) {
            self.expired_before = self.expired_before.max(Some(sequence));
        }
    }

    /// Reads a message, if its bytes do not tell that it cannot match.
    fn matching(&mut self, delivered: Delivered) -> Option<Packet> {
        if self.matcher.candidates(&delivered.message.payload).is_empty() {
            return None;
        }
        let Some(packet) = self.scan.packet(delivered) else {
            self.malformed += 1;
            return None;
        };
        match self.river.judge(&packet) {
            Verdict::Matches => return Some(packet),
            Verdict::NotForMe | Verdict::Looped => {}
            Verdict::Invalid(_) | Verdict::TooCostly(_) => self.malformed += 1,
        }
        None
    }

    /// How many packets have matched so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// How many bodies were passed over so far that may have been meant: those that are no packet, that
    /// repeat a key on a path of the expression, or that it takes too much to judge. What is damaged behind the
    /// place that rules a body out is not noticed.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// The first sequence behind packets that have expired, and that the history would have read: what
    /// they would have changed is missing. `None` if there are none, as far as was read.
    #[must_use]
    pub fn expired_before(&self) -> Option<u64> {
        self.expired_before
    }

    /// The sequence of the last packet that was read, whether it matched or not; 0 if there was none.
    #[must_use]
    pub fn read_to(&self) -> u64 {
        self.read_to
    }
}

impl fmt::Debug for HistoryPackets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let river = self.river.to_string();
        formatter.debug_struct("HistoryPackets").field("expression", &river).finish_non_exhaustive()
    }
}
