//! Merges the packets of the live feed and of the stream into one sequence: none is lost, and none is
//! delivered twice.
//!
//! Pure. It always delivers the next sequence, from either side. Packets of the live feed wait here while
//! those before them are read from the stream. When the live feed is left, delivered packets that are not
//! [confirmed](crate::live::unconfirmed_copies) are read from the stream once more.

use std::collections::VecDeque;

use tracing::debug;

use crate::live::leave_reason::LeaveReason;
use crate::live::unconfirmed_copies::SharedCopies;

/// The most packets of the live feed that wait.
const MOST_WAITING: usize = 8_192;
/// The most bytes that wait.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Merges packets `T` of both sides.
#[derive(Debug)]
pub(crate) struct SequenceMerger<T> {
    /// The sequence to be delivered next.
    next: u64,
    /// The live feed, while it is joined.
    live: Option<Live>,
    /// What it has brought and is not delivered, without a gap.
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    reread: Option<Reread>,
    /// Up to this sequence, all delivered packets were read from the stream, or confirmed by it.
    verified: u64,
    /// The stream itself has reported that it reached this sequence.
    reached: u64,
}

#[derive(Debug)]
struct Live {
    /// The live feed brings everything behind this sequence. Up to it, packets are read from the stream.
    after: u64,
    copies: SharedCopies,
}

/// Packets that were delivered from the live feed, and are read from the stream to be compared.
#[derive(Debug)]
struct Reread {
    from: u64,
    /// The copies of the feed from which they were delivered.
    copies: SharedCopies,
}

#[derive(Debug)]
struct Waiting<T> {
    first: u64,
    last: u64,
    size: usize,
    /// `None` if all of them are for none of the rivers.
    packet: Option<T>,
}

/// What is delivered next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<T> {
    Packet(T),
    /// Packets that are known to be for none of the rivers.
    Skipped {
        from: u64,
        to: u64,
    },
}

/// How a packet of the stream compares with what was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamPacket {
    /// It was not delivered yet.
    New,
    /// It was delivered already.
    Known,
    /// A different copy was delivered in its place, and so was forged.
    Forged,
}

impl<T> SequenceMerger<T> {
    /// Starts without a live feed. Everything up to `floor` is done, and the stream has reached `reached`.
    pub(crate) fn new(floor: u64, reached: u64) -> Self {
        Self {
            next: floor + 1,
            live: None,
            waiting: VecDeque::new(),
            bytes: 0,
            reread: None,
            verified: floor,
            reached,
        }
    }

    /// The sequence to be delivered next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The sequence to be read next from the stream, if that is read.
    pub(crate) fn to_read(&self) -> u64 {
        self.reread.as_ref().map_or(self.next, |reread| reread.from)
    }

    /// Whether the next packet has to be read from the stream.
    pub(crate) fn is_behind(&self) -> bool {
        self.reread.is_some() || self.live.as_ref().is_none_or(|live| self.next <= live.after)
    }

    /// The sequence that the live feed brings next.
    pub(crate) fn arriving(&self) -> u64 {
        let Some(live) = &self.live else {
            return u64::MAX;
        };
        let after = self.waiting.back().map_or(self.next, |last| last.last + 1);
        after.max(live.after + 1)
    }

    /// Up to this sequence, all delivered packets are those of the stream.
    pub(crate) fn confirmed(&self) -> u64 {
        match &self.live {
            Some(live) if !self.is_behind() => live.copies.borrow().confirmed().max(self.verified),
            _ => self.to_read() - 1,
        }
    }

    /// The stream itself has reported that it reached this sequence.
    pub(crate) fn reached(&self) -> u64 {
        let stream_end = self.live.as_ref().map_or(0, |live| live.copies.borrow().stream_end());
        self.reached.max(stream_end)
    }

    /// Learns that the stream has reached this sequence.
    pub(crate) fn stream_reaches(&mut self, sequence: u64) {
        self.reached = self.reached.max(sequence);
    }

    /// The highest sequence of a copy; 0 without a live feed.
    pub(crate) fn highest_copy(&self) -> u64 {
        self.live.as_ref().map_or(0, |live| live.copies.borrow().highest())
    }

    /// Confirms copies by where the stream ends. It was asked when the highest copy had the sequence
    /// `highest`.
    ///
    /// # Errors
    /// Why the live feed has to be left.
    pub(crate) fn confirm(&mut self, highest: u64, stream_end: u64) -> Result<(), LeaveReason> {
        match &self.live {
            Some(live) => live.copies.borrow_mut().confirm(highest, stream_end),
            None => Ok(()),
        }
    }

    /// Learns, when no more is read and nothing forged has come, where the stream ends: this confirms
    /// all copies up to there.
    pub(crate) fn confirm_all(&mut self, stream_end: u64) {
        self.stream_reaches(stream_end);
        if let Some(live) = &self.live {
            let last_copy = live.copies.borrow().next() - 1;
            self.verified = self.verified.max(stream_end.min(last_copy));
        }
    }

    /// From now on the live feed brings everything behind this sequence.
    pub(crate) fn join(&mut self, after: u64, copies: SharedCopies) {
        self.clear();
        self.live = Some(Live { after, copies });
    }

    /// The live feed is left. Returns whether delivered packets have to be read again, since they are not
    /// confirmed.
    pub(crate) fn leave(&mut self) -> bool {
        let (was_behind, confirmed) = (self.is_behind(), self.confirmed());
        (self.reached, self.verified) = (self.reached(), confirmed);
        self.clear();
        let Some(Live { copies, .. }) = self.live.take() else {
            return false;
        };
        if was_behind || confirmed + 1 >= self.next {
            return false;
        }
        debug!(confirmed, "reading again what is not confirmed");
        self.reread = Some(Reread { from: confirmed + 1, copies });
        true
    }

    /// The stream ends with `last`, so packets that were delivered behind it were forged. Returns their
    /// first and last sequence.
    pub(crate) fn end(&mut self, last: u64) -> Option<(u64, u64)> {
        let (first, after) = (last + 1, self.next);
        if after <= first {
            return None;
        }
        self.next = first;
        self.reread_from(0);
        Some((first, after - 1))
    }

    /// Adds the next packet of the live feed; those between the last one and this are for none of the
    /// rivers. `false` if too many wait: reading the stream is too far behind the feed.
    pub(crate) fn arrived(&mut self, sequence: u64, size: usize, packet: T) -> bool {
        // It was read from the stream already.
        if sequence < self.arriving() {
            return true;
        }
        self.skip_live_to(sequence - 1);
        if self.waiting.len() >= MOST_WAITING || self.bytes + size > MOST_BYTES {
            return false;
        }
        self.bytes += size;
        let (first, last) = (sequence, sequence);
        self.waiting.push_back(Waiting { first, last, size, packet: Some(packet) });
        true
    }

    /// Learns that the packets of the live feed up to this sequence are for none of the rivers.
    pub(crate) fn skip_live_to(&mut self, to: u64) {
        let first = self.arriving();
        if first > to {
            return;
        }
        match self.waiting.back_mut() {
            Some(Waiting { last, packet: None, .. }) => *last = to,
            _ => self.waiting.push_back(Waiting { first, last: to, size: 0, packet: None }),
        }
    }

    /// Delivers what is next, if it waits.
    pub(crate) fn deliver(&mut self) -> Option<Item<T>> {
        if self.reread.is_some() {
            return None;
        }
        // These were read from the stream meanwhile.
        while self.waiting.front().is_some_and(|first| first.last < self.next) {
            self.pop();
        }
        let from = self.next;
        if self.waiting.front()?.first > from {
            return None;
        }
        let Waiting { last, packet, .. } = self.pop()?;
        self.next = last + 1;
        Some(packet.map_or(Item::Skipped { from, to: last }, Item::Packet))
    }

    /// Compares a packet of the stream with what was delivered. Those before it that were not read are
    /// not in the stream any more.
    pub(crate) fn read(
        &mut self,
        sequence: u64,
        fingerprint: impl FnOnce() -> u64,
    ) -> StreamPacket {
        self.stream_reaches(sequence);
        if sequence < self.to_read() {
            return StreamPacket::Known;
        }
        let packet = match &self.reread {
            Some(reread) if sequence < self.next => {
                match reread.copies.borrow().is_same(sequence, fingerprint()) {
                    true => StreamPacket::Known,
                    false => StreamPacket::Forged,
                }
            }
            _ => StreamPacket::New,
        };
        self.skip_to(sequence + 1);
        self.verified = self.verified.max(self.to_read() - 1);
        packet
    }

    /// Everything before this sequence was read, or is not in the stream any more.
    pub(crate) fn skip_to(&mut self, sequence: u64) {
        self.next = self.next.max(sequence);
        self.reread_from(sequence);
    }

    /// Reads again only from this sequence on.
    fn reread_from(&mut self, sequence: u64) {
        if let Some(reread) = &mut self.reread {
            reread.from = reread.from.max(sequence);
            if reread.from >= self.next {
                self.reread = None;
            }
        }
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }

    fn pop(&mut self) -> Option<Waiting<T>> {
        let first = self.waiting.pop_front()?;
        self.bytes -= first.size;
        Some(first)
    }
}

#[cfg(test)]
mod tests;
