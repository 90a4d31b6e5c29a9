use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::delivery::live::copies::{Copies, Copy};

#[test]
fn what_arrives_in_order_is_given_at_once() {
    let mut seam = SequenceMerger::new(5);
    assert!(seam.is_behind());
    seam.join(4);
    assert!(!seam.is_behind());
    assert!(seam.arrived(5, 1, 5));
    assert_eq!((seam.give(), seam.give(), seam.next()), (Some(Given::Packet(5)), None, 6));
}

#[test]
fn what_is_not_confirmed_is_read_again_from_the_stream() {
    let mut seam = SequenceMerger::new(1);
    seam.join(0);
    (1..=5).for_each(|sequence| assert!(seam.arrived(sequence, 1, sequence)));
    (1..=4).for_each(|sequence| assert_eq!(seam.give(), Some(Given::Packet(sequence))));
    assert!(seam.leave(2));
    assert!(!seam.leave(0), "it is being read again already");
    seam.join(5);
    assert!(seam.arrived(6, 1, 6));
    assert!(seam.is_behind() && seam.give().is_none());
    let read: Vec<_> = [2, 3, 3, 4, 5].map(|sequence| seam.read(sequence)).into();
    let expected =
        [Reading::Old, Reading::Again, Reading::Old, Reading::Again, Reading::New].to_vec();
    assert_eq!(read, expected);
    assert_eq!((seam.is_behind(), seam.give()), (false, Some(Given::Packet(6))));
}

#[test]
fn what_the_stream_does_not_hold_counts_for_nothing() {
    let mut seam = SequenceMerger::new(1);
    seam.join(0);
    (1..=5).for_each(|sequence| assert!(seam.arrived(sequence, 1, sequence)));
    while seam.give().is_some() {}
    assert!(seam.leave(0));
    assert_eq!(seam.end(5), None);
    assert_eq!((seam.end(2), seam.next(), seam.to_read()), (Some((3, 5)), 3, 1));
    assert_eq!([1, 2, 3].map(|it| seam.read(it)), [Reading::Again, Reading::Again, Reading::New]);
}

#[test]
fn too_much_that_waits_is_told() {
    let mut seam = SequenceMerger::new(1);
    seam.join(0);
    for sequence in 1..=MOST_WAITING as u64 {
        assert!(seam.arrived(sequence, 1, sequence));
    }
    assert!(!seam.arrived(MOST_WAITING as u64 + 1, 1, 0));
    seam.leave(0);
    assert!(seam.is_behind() && seam.give().is_none());
    seam.join(0);
    assert!(!seam.arrived(1, MOST_BYTES + 1, 1));
}

/// What happens to a feed, in any order.
#[derive(Debug, Clone, Copy)]
enum Event {
    Store,
    /// The live copy of the next stored packet comes, or is lost.
    Copy {
        is_lost: bool,
        /// It is known to be for nobody here.
        is_passed: bool,
    },
    /// What looks like a copy of a packet that is so far behind the last one stored, or before it.
    Forge {
        ahead: i64,
        is_passed: bool,
    },
    Join,
    Leave,
    /// The stream is looked at.
    Look,
    /// One more packet is read from the stream.
    Read,
    Give,
}

fn event() -> impl Strategy<Value = Event> {
    let copy = (prop::bool::weighted(0.05), any::<bool>());
    prop_oneof![
        4 => Just(Event::Store),
        5 => copy.prop_map(|(is_lost, is_passed)| Event::Copy { is_lost, is_passed }),
        2 => (-4_i64..5, any::<bool>())
            .prop_map(|(ahead, is_passed)| Event::Forge { ahead, is_passed }),
        1 => Just(Event::Join),
        1 => Just(Event::Leave),
        2 => Just(Event::Look),
        4 => Just(Event::Read),
        5 => Just(Event::Give),
    ]
}

/// A feed as it joins and leaves. The body of a real packet is its sequence, others are forged.
struct StreamName {
    seam: SequenceMerger<u64>,
    copies: Option<Copies>,
    doubted: Option<Copies>,
    sure: u64,
    stored: u64,
    copied: u64,
    /// Bodies of the copies that were believed last.
    believed: BTreeMap<u64, u64>,
    /// What counts as handled, by sequence, and how often each real packet was given.
    taken: BTreeMap<u64, u64>,
    given: BTreeMap<u64, usize>,
    forged: u64,
}

impl StreamName {
    fn new() -> Self {
        Self {
            seam: SequenceMerger::new(1),
            copies: None,
            doubted: None,
            sure: 0,
            stored: 0,
            copied: 0,
            believed: BTreeMap::new(),
            taken: BTreeMap::new(),
            given: BTreeMap::new(),
            forged: 1_000_000,
        }
    }

    fn confirmed(&self) -> u64 {
        match &self.copies {
            Some(copies) if !self.seam.is_behind() => copies.confirmed().max(self.sure),
            _ => self.seam.to_read() - 1,
        }
    }

    fn take(&mut self, sequence: u64, body: u64) {
        self.taken.insert(sequence, body);
        *self.given.entry(body).or_default() += 1;
    }

    fn came(&mut self, sequence: u64, body: u64, is_passed: bool) {
        let Some(copies) = &mut self.copies else { return };
        match copies.came(sequence, body) {
            Copy::Next => {
                self.believed.insert(sequence, body);
                if is_passed {
                    self.seam.passed(sequence);
                } else if !self.seam.arrived(sequence, 1, body) {
                    self.leave();
                }
            }
            Copy::Known => {}
            Copy::Unfit(_) => self.leave(),
        }
    }

    fn leave(&mut self) {
        self.sure = self.confirmed();
        let copies = self.copies.take();
        if self.seam.leave(self.sure) {
            self.doubted = copies;
        }
    }

    /// What was stored at the look before has been copied meanwhile.
    fn look(&mut self) {
        if let Some(copies) = &self.copies {
            let seen = copies.seen();
            while self.copies.is_some() && self.copied < seen {
                self.copied += 1;
                self.came(self.copied, self.copied, false);
            }
        }
        let stored = self.stored;
        let asked = self.copies.as_ref().map_or(0, Copies::highest);
        if self.copies.as_mut().is_some_and(|copies| copies.stands(asked, stored).is_err()) {
            self.leave();
        }
        self.end();
    }

    fn end(&mut self) {
        if self.stored + 1 < self.seam.next() {
            self.leave();
        }
        if let Some((from, to)) = self.seam.end(self.stored) {
            self.taken.retain(|sequence, _| !(from..=to).contains(sequence));
        }
    }

    fn read(&mut self) {
        let sequence = self.seam.to_read();
        if !self.seam.is_behind() || sequence > self.stored {
            return;
        }
        let is_same = |copies: &Copies| copies.is_same(sequence, sequence);
        match self.seam.read(sequence) {
            Reading::New => self.take(sequence, sequence),
            Reading::Again if self.doubted.as_ref().is_some_and(is_same) => {}
            Reading::Again => self.take(sequence, sequence),
            Reading::Old => panic!("{sequence} was to be read"),
        }
        self.sure = self.sure.max(self.seam.to_read() - 1);
    }

    fn give(&mut self) {
        let next = self.seam.next();
        match self.seam.give() {
            Some(Given::Packet(body)) => self.take(next, body),
            Some(Given::Passed { from, to }) => {
                (from..=to).for_each(|sequence| self.take(sequence, self.believed[&sequence]));
            }
            None => {}
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Store => self.stored += 1,
            Event::Copy { is_lost, is_passed } if self.copied < self.stored => {
                self.copied += 1;
                // One that is lost where a forged one came is not told from that.
                let expected = self.copies.as_ref().map_or(0, Copies::arriving);
                if !is_lost || self.copied < expected {
                    self.came(self.copied, self.copied, is_passed);
                }
            }
            Event::Forge { ahead, is_passed } => {
                let last = i64::try_from(self.stored).unwrap();
                let sequence = u64::try_from((last + ahead).max(1)).unwrap();
                let expected = self.copies.as_ref().map_or(0, Copies::arriving);
                // Likewise one that comes where the real one was lost.
                if sequence != expected || sequence > self.copied {
                    self.forged += 1;
                    self.came(sequence, self.forged, is_passed);
                }
            }
            Event::Join => {
                self.leave();
                self.end();
                self.copies = Some(Copies::new(self.stored));
                self.seam.join(self.stored);
            }
            Event::Leave => self.leave(),
            Event::Look => self.look(),
            Event::Read => self.read(),
            Event::Give => self.give(),
            Event::Copy { .. } => {}
        }
    }
}

proptest! {
    #[test]
    fn each_packet_is_given_once_whatever_is_lost_or_forged(
        events in prop::collection::vec(event(), 0..400),
    ) {
        let mut feed = StreamName::new();
        for event in events {
            feed.happens(event);
            let confirmed = feed.confirmed().min(feed.seam.next() - 1);
            prop_assert!(confirmed <= feed.stored, "what is not stored is confirmed");
            let forged = feed.taken.range(..=confirmed).find(|(sequence, body)| sequence != body);
            prop_assert_eq!(forged, None, "a forged one is confirmed");
        }
        // At the end the last copies may be lost: then the tail is read anew.
        feed.leave();
        feed.end();
        while feed.seam.to_read() <= feed.stored {
            feed.read();
        }
        let stored = 1..=feed.stored;
        let expected: BTreeMap<u64, u64> = stored.clone().map(|it| (it, it)).collect();
        prop_assert_eq!(&feed.taken, &expected);
        let often: Vec<_> = stored.filter(|it| feed.given[it] != 1).collect();
        prop_assert_eq!(often, Vec::<u64>::new(), "given more than once");
    }
}
