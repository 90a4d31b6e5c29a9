//! Where the live feed and the stream meet: no packet is lost there, and none is given twice.
//!
//! Pure. What is given is always the next sequence, wherever it comes from. Packets of the live feed
//! wait here until their turn comes; those before them have to be read from the stream.

use std::collections::VecDeque;

/// The most packets that wait.
pub(super) const MOST_WAITING: usize = 8_192;
/// The most bytes that wait.
pub(super) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Joins packets `T` that come from both sides.
#[derive(Debug)]
pub(super) struct Seam<T> {
    next: u64,
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
pub(super) enum Given<T> {
    Packet(T),
    /// Packets that are known to be for nobody here.
    Passed {
        from: u64,
        to: u64,
    },
}

/// What became of a packet of the live feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrived {
    Waits,
    /// It was given before, or waits already.
    Old,
    /// Those before it are missing, and have to be read from the stream.
    Gap,
    /// So many wait that the live feed is of no use any more.
    TooMany,
}

impl<T> Seam<T> {
    /// Nothing is live, and `next` is to be given next.
    pub(super) fn new(next: u64) -> Self {
        Self { next, meet: u64::MAX, waiting: VecDeque::new(), bytes: 0 }
    }

    /// The sequence to be given next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether the next packet has to be read from the stream.
    pub(super) fn is_behind(&self) -> bool {
        self.next <= self.meet
    }

    /// The sequence that the live feed is to bring next.
    pub(super) fn arriving(&self) -> u64 {
        let after = self.waiting.back().map_or(self.next, |last| last.last + 1);
        after.max(self.meet.saturating_add(1))
    }

    /// From now on everything above `last` comes live.
    pub(super) fn join(&mut self, last: u64) {
        self.leave();
        self.meet = last;
    }

    /// Nothing comes live any more.
    pub(super) fn leave(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.meet = u64::MAX;
    }

    /// Takes a packet of the live feed.
    pub(super) fn arrived(&mut self, sequence: u64, size: usize, packet: T) -> Arrived {
        let expected = self.arriving();
        // One that was stored before the feed was joined may still come.
        if sequence < expected {
            return Arrived::Old;
        }
        if self.waiting.len() >= MOST_WAITING || self.bytes + size > MOST_BYTES {
            self.leave();
            return Arrived::TooMany;
        }
        let is_gap = sequence > expected;
        if is_gap {
            // What waits is read again from the stream, with what is missing behind it.
            self.join(sequence - 1);
        }
        self.bytes += size;
        let (first, last) = (sequence, sequence);
        self.waiting.push_back(Waiting { first, last, size, packet: Some(packet) });
        if is_gap { Arrived::Gap } else { Arrived::Waits }
    }

    /// Learns that of the live feed everything up to this sequence is for nobody here.
    pub(super) fn passed(&mut self, to: u64) {
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
    pub(super) fn give(&mut self) -> Option<Given<T>> {
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

    /// Whether a packet that was read from the stream is to be given; those before it that are not
    /// given yet are not there any more.
    pub(super) fn read(&mut self, sequence: u64) -> bool {
        let is_new = sequence >= self.next;
        if is_new {
            self.next = sequence + 1;
        }
        is_new
    }

    /// Everything before this sequence is gone from the stream.
    pub(super) fn skip_to(&mut self, sequence: u64) {
        self.next = self.next.max(sequence);
    }

    fn pop(&mut self) -> Option<Waiting<T>> {
        let first = self.waiting.pop_front()?;
        self.bytes -= first.size;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_arrives_in_order_is_given_at_once() {
        let mut seam = Seam::new(5);
        assert!(seam.is_behind());
        seam.join(4);
        assert!(!seam.is_behind());
        assert_eq!(seam.arrived(4, 1, 4), Arrived::Old);
        assert_eq!(seam.arrived(5, 1, 5), Arrived::Waits);
        assert_eq!((seam.give(), seam.give(), seam.next()), (Some(Given::Packet(5)), None, 6));
    }

    #[test]
    fn a_gap_is_read_from_the_stream() {
        let mut seam = Seam::new(1);
        seam.join(0);
        assert_eq!(seam.arrived(1, 1, 1), Arrived::Waits);
        assert_eq!(seam.arrived(3, 1, 3), Arrived::Gap);
        assert!(seam.is_behind() && seam.give().is_none());
        assert!(seam.read(1) && !seam.read(1) && seam.read(2));
        assert!(!seam.is_behind());
        assert_eq!((seam.give(), seam.next()), (Some(Given::Packet(3)), 4));
    }

    #[test]
    fn too_much_that_waits_ends_the_live_feed() {
        let mut seam = Seam::new(1);
        seam.join(0);
        for sequence in 1..=MOST_WAITING as u64 {
            assert_eq!(seam.arrived(sequence, 1, sequence), Arrived::Waits);
        }
        assert_eq!(seam.arrived(MOST_WAITING as u64 + 1, 1, 0), Arrived::TooMany);
        assert!(seam.is_behind() && seam.give().is_none());
        seam.join(0);
        assert_eq!(seam.arrived(1, MOST_BYTES + 1, 1), Arrived::TooMany);
    }

    /// What happens to a feed, in any order.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Store,
        /// The live copy of the next stored packet comes, or is lost.
        Copy {
            is_lost: bool,
        },
        /// It is known to be for nobody here.
        Pass,
        Join,
        Leave,
        /// One more packet is read from the stream.
        Read,
        Give,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => Just(Event::Store),
            4 => prop::bool::weighted(0.1).prop_map(|is_lost| Event::Copy { is_lost }),
            2 => Just(Event::Pass),
            1 => Just(Event::Join),
            1 => Just(Event::Leave),
            3 => Just(Event::Read),
            4 => Just(Event::Give),
        ]
    }

    proptest! {
        #[test]
        fn each_packet_is_given_once_and_in_order(events in prop::collection::vec(event(), 0..400)) {
            let mut seam = Seam::new(1);
            let (mut stored, mut copied, mut is_joined) = (0_u64, 0_u64, false);
            let mut given = Vec::new();
            for event in events {
                match event {
                    Event::Store => stored += 1,
                    Event::Copy { is_lost } if copied < stored => {
                        copied += 1;
                        if is_joined && !is_lost
                            && seam.arrived(copied, 1, copied) == Arrived::TooMany
                        {
                            is_joined = false;
                        }
                    }
                    // Only what follows without a gap can pass.
                    Event::Pass if copied < stored => {
                        if is_joined && seam.arriving() == copied + 1 {
                            copied += 1;
                            seam.passed(copied);
                        }
                    }
                    // Copies of what is stored already may be under way then.
                    Event::Join => { seam.join(stored); is_joined = true; }
                    Event::Leave => { seam.leave(); is_joined = false; }
                    Event::Read if seam.is_behind() && seam.next() <= stored => {
                        let next = seam.next();
                        prop_assert!(seam.read(next));
                        given.push(next);
                    }
                    Event::Give => match seam.give() {
                        Some(Given::Packet(packet)) => given.push(packet),
                        Some(Given::Passed { from, to }) => given.extend(from..=to),
                        None => {}
                    },
                    Event::Copy { .. } | Event::Pass | Event::Read => {}
                }
            }
            // At the end the last copies may be lost: then the tail is read anew.
            seam.leave();
            while seam.next() <= stored {
                given.push(seam.next());
                let next = seam.next();
                seam.read(next);
            }
            prop_assert_eq!(given, (1..=stored).collect::<Vec<_>>());
        }
    }
}
