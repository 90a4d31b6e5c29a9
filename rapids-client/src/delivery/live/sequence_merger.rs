//! Where the live feed and the stream meet: no packet is lost there, and none is given twice.
//!
//! Pure. What is given is always the next sequence, wherever it comes from. Packets of the live feed
//! wait here until their turn comes; those before them have to be read from the stream. So have
//! those that were given from the live feed and were not confirmed when that was left
//! ([`copies`](crate::delivery::live::copies)).

use std::collections::VecDeque;

/// The most packets that wait.
pub(crate) const MOST_WAITING: usize = 8_192;
/// The most bytes that wait.
pub(crate) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Joins packets `T` that come from both sides.
#[derive(Debug)]
pub(crate) struct SequenceMerger<T> {
    next: u64,
    /// What was given from here on has to be read once more from the stream, if anything has.
    again: Option<u64>,
    /// Up to here packets have to be read from the stream; all, while nothing is live.
    meet: u64,
    /// Of the live feed, without a gap.
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    first: u64,
    last: u64,
    size: usize,
    /// None where nobody is interested in any of them.
    packet: Option<T>,
}

/// What is next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given<T> {
    Packet(T),
    /// Packets that are known to be for nobody here.
    Passed {
        from: u64,
        to: u64,
    },
}

/// What a packet is that was read from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// To be given.
    New,
    /// To be compared with the copy that was given.
    Again,
    Old,
}

impl<T> SequenceMerger<T> {
    /// Nothing is live, and `next` is to be given next.
    pub(crate) fn new(next: u64) -> Self {
        Self { next, again: None, meet: u64::MAX, waiting: VecDeque::new(), bytes: 0 }
    }

    /// The sequence to be given next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The sequence that is to be read next, where the stream is read.
    pub(crate) fn to_read(&self) -> u64 {
        self.again.unwrap_or(self.next)
    }

    /// Whether the next packet has to be read from the stream.
    pub(crate) fn is_behind(&self) -> bool {
        self.again.is_some() || self.next <= self.meet
    }

    /// The sequence that the live feed is to bring next.
    pub(crate) fn arriving(&self) -> u64 {
        let after = self.waiting.back().map_or(self.next, |last| last.last + 1);
        after.max(self.meet.saturating_add(1))
    }

    /// From now on everything above `last` comes live.
    pub(crate) fn join(&mut self, last: u64) {
        self.clear();
        self.meet = last;
    }

    /// Nothing comes live any more; what was given is confirmed up to this sequence. True if other
    /// packets are to be read now than before.
    pub(crate) fn leave(&mut self, confirmed: u64) -> bool {
        let is_new = self.again.is_none() && !self.is_behind() && confirmed + 1 < self.next;
        if is_new {
            self.again = Some(confirmed + 1);
        }
        self.clear();
        is_new
    }

    /// Nothing above `last` is in the stream: what was given of that counts for nothing, and is
    /// told as first and last sequence.
    pub(crate) fn end(&mut self, last: u64) -> Option<(u64, u64)> {
        let (first, after) = (last + 1, self.next);
        if after <= first {
            return None;
        }
        self.next = first;
        self.again = self.again.filter(|again| *again < first);
        Some((first, after - 1))
    }

    /// Takes the next packet of the live feed; `false` if so many wait that that is of no use any
    /// more.
    pub(crate) fn arrived(&mut self, sequence: u64, size: usize, packet: T) -> bool {
        // One that was read from the stream before the feed was joined.
        if sequence < self.arriving() {
            return true;
        }
        if self.waiting.len() >= MOST_WAITING || self.bytes + size > MOST_BYTES {
            return false;
        }
        self.bytes += size;
        let (first, last) = (sequence, sequence);
        self.waiting.push_back(Waiting { first, last, size, packet: Some(packet) });
        true
    }

    /// Learns that of the live feed everything up to this sequence is for nobody here.
    pub(crate) fn passed(&mut self, to: u64) {
        let first = self.arriving();
        if first > to {
            return;
        }
        match self.waiting.back_mut() {
            Some(Waiting { last, packet: None, .. }) => *last = to,
            _ => self.waiting.push_back(Waiting { first, last: to, size: 0, packet: None }),
        }
    }

    /// Gives what is next, if it waits.
    pub(crate) fn give(&mut self) -> Option<Given<T>> {
        if self.again.is_some() {
            return None;
        }
        // What was read from the stream meanwhile.
        while self.waiting.front().is_some_and(|first| first.last < self.next) {
            self.pop();
        }
        let from = self.next;
        if self.waiting.front()?.first > from {
            return None;
        }
        let Waiting { last, packet, .. } = self.pop()?;
        self.next = last + 1;
        Some(packet.map_or(Given::Passed { from, to: last }, Given::Packet))
    }

    /// What a packet that was read from the stream is; those before it that were not read are not
    /// there any more.
    pub(crate) fn read(&mut self, sequence: u64) -> Reading {
        if sequence < self.to_read() {
            return Reading::Old;
        }
        let is_new = sequence >= self.next;
        self.next = self.next.max(sequence + 1);
        self.again = Some(sequence + 1).filter(|again| *again < self.next);
        if is_new { Reading::New } else { Reading::Again }
    }

    /// Everything before this sequence is gone from the stream.
    pub(crate) fn skip_to(&mut self, sequence: u64) {
        self.next = self.next.max(sequence);
        self.again = self.again.map(|again| again.max(sequence)).filter(|again| *again < self.next);
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.meet = u64::MAX;
    }

    fn pop(&mut self) -> Option<Waiting<T>> {
        let first = self.waiting.pop_front()?;
        self.bytes -= first.size;
        Some(first)
    }
}

#[cfg(test)]
mod tests;
