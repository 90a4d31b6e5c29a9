use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::live::unconfirmed_copies::UnconfirmedCopies;

fn copies(last: u64) -> SharedCopies {
    Rc::new(RefCell::new(UnconfirmedCopies::behind(last)))
}

/// A merger that has delivered the packets up to `delivered`, whose bodies are their sequences, from a live
/// feed that brought those up to `came`.
fn live(came: u64, delivered: u64) -> SequenceMerger<u64> {
    let (mut merger, copies) = (SequenceMerger::new(0, 0), copies(0));
    merger.join(0, copies.clone());
    for sequence in 1..=came {
        assert_eq!(copies.borrow_mut().add(sequence, sequence), Ok(true));
        assert!(merger.arrived(sequence, 1, sequence));
    }
    (1..=delivered).for_each(|sequence| assert_eq!(merger.deliver(), Some(Item::Packet(sequence))));
    merger
}

/// Reads these from the stream, where their bodies are their sequences.
fn read<const N: usize>(
    merger: &mut SequenceMerger<u64>,
    sequences: [u64; N],
) -> [StreamPacket; N] {
    sequences.map(|sequence| merger.read(sequence, || sequence))
}

#[test]
fn what_arrives_in_order_is_delivered_at_once() {
    let mut merger = SequenceMerger::new(4, 4);
    assert!(merger.is_behind());
    merger.join(4, copies(4));
    assert!(!merger.is_behind());
    assert!(merger.arrived(5, 1, 5));
    assert_eq!(
        (merger.deliver(), merger.deliver(), merger.next()),
        (Some(Item::Packet(5)), None, 6)
    );
}

#[test]
fn what_is_not_confirmed_is_read_again_from_the_stream() {
    let mut merger = live(5, 4);
    assert!(merger.leave());
    assert!(!merger.leave(), "it is being read again already");
    merger.join(5, copies(5));
    assert!(merger.arrived(6, 1, 6));
    assert!(merger.is_behind() && merger.deliver().is_none());
    let known = StreamPacket::Known;
    let found = read(&mut merger, [1, 2, 2, 3]);
    assert_eq!((found, merger.confirmed()), ([known; 4], 3));
    assert_eq!(
        merger.read(4, || 40),
        StreamPacket::Forged,
        "another one was delivered in its place"
    );
    assert_eq!(read(&mut merger, [5]), [StreamPacket::New]);
    assert_eq!((merger.is_behind(), merger.deliver()), (false, Some(Item::Packet(6))));
}

#[test]
fn copies_behind_the_end_of_the_stream_were_forged() {
    let mut merger = live(5, 5);
    assert!(merger.leave());
    assert_eq!(merger.end(5), None);
    assert_eq!((merger.end(2), merger.next(), merger.to_read()), (Some((3, 5)), 3, 1));
    let (known, new) = (StreamPacket::Known, StreamPacket::New);
    assert_eq!(read(&mut merger, [1, 2, 3]), [known, known, new]);
}

#[test]
fn packets_between_two_arrivals_are_skipped() {
    let mut merger = SequenceMerger::new(0, 0);
    merger.join(0, copies(0));
    assert!(merger.arrived(4, 1, 4));
    assert_eq!(merger.deliver(), Some(Item::Skipped { from: 1, to: 3 }));
    assert_eq!(merger.deliver(), Some(Item::Packet(4)));
}

#[test]
fn the_feed_is_of_no_use_once_too_many_packets_wait() {
    let mut merger = SequenceMerger::new(0, 0);
    merger.join(0, copies(0));
    for sequence in 1..=MOST_WAITING as u64 {
        assert!(merger.arrived(sequence, 1, sequence));
    }
    assert!(!merger.arrived(MOST_WAITING as u64 + 1, 1, 0));
    assert!(!merger.leave(), "nothing was delivered");
    assert!(merger.is_behind() && merger.deliver().is_none());
    merger.join(0, copies(0));
    assert!(!merger.arrived(1, MOST_BYTES + 1, 1));
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
    /// A forged copy of a packet that is so far behind the last one stored, or before it.
    Forge {
        ahead: i64,
        is_passed: bool,
    },
    Join,
    Leave,
    /// The stream is looked at.
    Check,
    /// One more packet is read from the stream.
    Read,
    Deliver,
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
        2 => Just(Event::Check),
        4 => Just(Event::Read),
        5 => Just(Event::Deliver),
    ]
}

/// A feed as it joins and leaves. The body of a real packet is its sequence, others are forged.
struct Feed {
    merger: SequenceMerger<u64>,
    copies: Option<SharedCopies>,
    stored: u64,
    copied: u64,
    /// Bodies of the copies that were believed last.
    believed: BTreeMap<u64, u64>,
    /// What counts as handled, by sequence, and how often each real packet was delivered.
    taken: BTreeMap<u64, u64>,
    delivered: BTreeMap<u64, usize>,
    forged: u64,
}

impl Feed {
    fn new() -> Self {
        Self {
            merger: SequenceMerger::new(0, 0),
            copies: None,
            stored: 0,
            copied: 0,
            believed: BTreeMap::new(),
            taken: BTreeMap::new(),
            delivered: BTreeMap::new(),
            forged: 1_000_000,
        }
    }

    fn take(&mut self, sequence: u64, body: u64) {
        self.taken.insert(sequence, body);
        *self.delivered.entry(body).or_default() += 1;
    }

    /// The sequence of the next copy.
    fn expected(&self) -> u64 {
        self.copies.as_ref().map_or(0, |copies| copies.borrow().next())
    }

    fn comes(&mut self, sequence: u64, body: u64, is_passed: bool) {
        let Some(copies) = &self.copies else { return };
        let added = copies.borrow_mut().add(sequence, body);
        match added {
            Ok(true) => {
                self.believed.insert(sequence, body);
                if is_passed {
                    self.merger.skip_live_to(sequence);
                } else if !self.merger.arrived(sequence, 1, body) {
                    self.leave();
                }
            }
            Ok(false) => {}
            Err(_) => self.leave(),
        }
    }

    fn leave(&mut self) {
        self.copies = None;
        self.merger.leave();
    }

    /// What was stored at the check before has been copied meanwhile.
    fn check(&mut self) {
        if let Some(copies) = &self.copies {
            let seen = copies.borrow().stream_end();
            while self.copies.is_some() && self.copied < seen {
                self.copied += 1;
                self.comes(self.copied, self.copied, false);
            }
        }
        if self.merger.confirm(self.merger.highest_copy(), self.stored).is_err() {
            self.leave();
        }
        self.end();
    }

    fn end(&mut self) {
        if self.stored + 1 < self.merger.next() {
            self.leave();
        }
        if let Some((from, to)) = self.merger.end(self.stored) {
            self.taken.retain(|sequence, _| !(from..=to).contains(sequence));
        }
    }

    fn read(&mut self) {
        let sequence = self.merger.to_read();
        if !self.merger.is_behind() || sequence > self.stored {
            return;
        }
        match self.merger.read(sequence, || sequence) {
            StreamPacket::New | StreamPacket::Forged => self.take(sequence, sequence),
            StreamPacket::Known => {}
        }
    }

    fn deliver(&mut self) {
        let next = self.merger.next();
        match self.merger.deliver() {
            Some(Item::Packet(body)) => self.take(next, body),
            Some(Item::Skipped { from, to }) => {
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
                // A forged copy in the place of a lost one is taken for the real one.
                let expected = self.expected();
                if !is_lost || self.copied < expected {
                    self.comes(self.copied, self.copied, is_passed);
                }
            }
            Event::Forge { ahead, is_passed } => {
                let last = i64::try_from(self.stored).unwrap();
                let sequence = u64::try_from((last + ahead).max(1)).unwrap();
                let expected = self.expected();
                // Likewise one that comes where the real one was lost.
                if sequence != expected || sequence > self.copied {
                    self.forged += 1;
                    self.comes(sequence, self.forged, is_passed);
                }
            }
            Event::Join => {
                self.leave();
                self.end();
                let copies = copies(self.stored);
                self.merger.join(self.stored, copies.clone());
                self.copies = Some(copies);
            }
            Event::Leave => self.leave(),
            Event::Check => self.check(),
            Event::Read => self.read(),
            Event::Deliver => self.deliver(),
            Event::Copy { .. } => {}
        }
    }
}

proptest! {
    #[test]
    fn each_packet_is_delivered_once_whatever_is_lost_or_forged(
        events in prop::collection::vec(event(), 0..400),
    ) {
        let mut feed = Feed::new();
        for event in events {
            feed.happens(event);
            let confirmed = feed.merger.confirmed().min(feed.merger.next() - 1);
            prop_assert!(confirmed <= feed.stored, "what is not stored is confirmed");
            let forged = feed.taken.range(..=confirmed).find(|(sequence, body)| sequence != body);
            prop_assert_eq!(forged, None, "a forged one is confirmed");
        }
        // At the end the last copies may be lost: then the tail is read again.
        feed.leave();
        feed.end();
        while feed.merger.to_read() <= feed.stored {
            feed.read();
        }
        let stored = 1..=feed.stored;
        let expected: BTreeMap<u64, u64> = stored.clone().map(|it| (it, it)).collect();
        prop_assert_eq!(&feed.taken, &expected);
        let often: Vec<_> = stored.filter(|it| feed.delivered[it] != 1).collect();
        prop_assert_eq!(often, Vec::<u64>::new(), "delivered more than once");
    }
}
