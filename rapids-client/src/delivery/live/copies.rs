//! The copies of the live feed that the stream has not confirmed yet.
//!
//! Pure. A copy is believed at once, and handled. But whoever may publish to `rapids.live` can send
//! what looks like one, so it is confirmed before it counts as done for good: the stream ends behind
//! it, and no other copy of its sequence came until the look after that. Two copies that differ, or
//! one beyond the end, are forged; then the feed is left, and what is not confirmed is read again
//! from the stream and compared.
//!
//! What remains: a forged copy that comes in the place of one that was lost on its way, without a
//! trace of that (the client dropped it, the connection was not cut), is taken for the real one. And
//! the work of a forged copy is not undone: where that carried the id of the real packet, a memory, a
//! reaction of `.once()` and the stream's duplicate window take the real one for a repetition.

use std::collections::VecDeque;
use std::fmt;
use std::hash::Hasher;

use rustc_hash::FxHasher;

/// With as many unconfirmed copies the feed is left.
pub(crate) const MOST: usize = 262_144;
/// From as many on, the stream is asked soon.
const MANY: usize = MOST / 16;

/// Fingerprints of what came since the stream confirmed everything up to a sequence.
#[derive(Debug)]
pub(crate) struct Copies {
    confirmed: u64,
    /// Of the copies behind that, without a gap.
    fingerprints: VecDeque<u64>,
    /// The highest sequence of a copy.
    highest: u64,
    /// Where the stream ended when it was looked at last.
    seen: u64,
}

/// What a copy is beside those before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Copy {
    Next,
    /// Of a packet that came before, with the same bytes as far as that is known.
    Known,
    /// The feed is of no use any more.
    Unfit(Unfit),
}

/// Why the live feed has to be left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unfit {
    Lost(&'static str),
    /// Those before the copy of this sequence are missing, or it is forged.
    Gap(u64),
    Forged(Forged),
}

/// How it was seen that somebody else than the server sends copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forged {
    /// Two copies of one sequence differ.
    Differs(u64),
    /// The stream does not hold the packet of this sequence; it ended here after the copy had come.
    Beyond(u64, u64),
}

impl Copies {
    /// Of a feed that brings everything behind this sequence.
    pub(super) fn new(last: u64) -> Self {
        Self { confirmed: last, fingerprints: VecDeque::new(), highest: last, seen: last }
    }

    /// Everything up to here is what the stream holds.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// The sequence that is to come next.
    pub(super) fn arriving(&self) -> u64 {
        self.confirmed + self.fingerprints.len() as u64 + 1
    }

    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Where the stream ended when it was looked at last.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether so many are unconfirmed that the stream is to be asked soon.
    pub(super) fn are_many(&self) -> bool {
        self.fingerprints.len() >= MANY
    }

    /// Takes a copy.
    pub(super) fn came(&mut self, sequence: u64, fingerprint: u64) -> Copy {
        self.highest = self.highest.max(sequence);
        let expected = self.arriving();
        if sequence > expected {
            return Copy::Unfit(Unfit::Gap(sequence));
        }
        if sequence < expected {
            return match self.is_same(sequence, fingerprint) {
                true => Copy::Known,
                false => Copy::Unfit(Unfit::Forged(Forged::Differs(sequence))),
            };
        }
        if self.fingerprints.len() >= MOST {
            return Copy::Unfit(Unfit::Lost("too many copies are unconfirmed"));
        }
        self.fingerprints.push_back(fingerprint);
        Copy::Next
    }

    /// Whether the copy of this sequence that came first had this fingerprint. Those that are
    /// confirmed are what the stream holds.
    pub(super) fn is_same(&self, sequence: u64, fingerprint: u64) -> bool {
        let Some(position) = sequence.checked_sub(self.confirmed + 1) else {
            return true;
        };
        let found = usize::try_from(position).ok().and_then(|it| self.fingerprints.get(it));
        found == Some(&fingerprint)
    }

    /// Learns that the stream, asked when the highest copy was `asked`, ends with `last`. Confirms
    /// what it held at the look before: other copies of that have come by now.
    ///
    /// # Errors
    /// Why the feed has to be left.
    pub(super) fn stands(&mut self, asked: u64, last: u64) -> Result<(), Unfit> {
        if asked > last {
            return Err(Unfit::Forged(Forged::Beyond(asked, last)));
        }
        let before = std::mem::replace(&mut self.seen, last);
        if self.arriving() <= before {
            return Err(Unfit::Lost("the end is missing"));
        }
        let count = before.saturating_sub(self.confirmed);
        self.confirmed += count;
        self.fingerprints.drain(..usize::try_from(count).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// Of a body and the id that the stream knows the packet by. It need not resist those who look for
/// two texts of one fingerprint: they would have to know a packet before it is published.
pub(crate) fn fingerprint(body: &[u8], message_id: Option<&str>) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(body);
    if let Some(id) = message_id {
        hasher.write(id.as_bytes());
    }
    hasher.finish()
}

impl fmt::Display for Forged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(sequence) => write!(formatter, "two copies of packet {sequence} differ"),
            Self::Beyond(sequence, last) => {
                write!(
                    formatter,
                    "a copy of packet {sequence} came while the stream ends at {last}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_confirmed_by_the_look_after_the_one_that_has_seen_it() {
        let mut copies = Copies::new(5);
        assert_eq!(copies.came(5, 50), Copy::Known, "it was stored before the feed was joined");
        assert_eq!([copies.came(6, 60), copies.came(7, 70)], [Copy::Next, Copy::Next]);
        assert_eq!((copies.stands(7, 7), copies.confirmed()), (Ok(()), 5));
        assert_eq!((copies.stands(7, 8), copies.confirmed()), (Ok(()), 7));
        assert_eq!(copies.stands(7, 8), Err(Unfit::Lost("the end is missing")));
        assert_eq!(copies.arriving(), 8);
    }

    #[test]
    fn copies_that_differ_and_copies_beyond_the_end_are_forged() {
        let mut copies = Copies::new(0);
        assert_eq!(copies.came(1, 10), Copy::Next);
        assert_eq!(copies.came(1, 10), Copy::Known);
        assert_eq!(copies.came(1, 11), Copy::Unfit(Unfit::Forged(Forged::Differs(1))));
        assert_eq!(copies.stands(1, 0), Err(Unfit::Forged(Forged::Beyond(1, 0))));
        assert_eq!(copies.came(9, 90), Copy::Unfit(Unfit::Gap(9)));
        assert_eq!((copies.highest(), copies.arriving()), (9, 2));
        assert!(copies.is_same(1, 10) && !copies.is_same(1, 11) && !copies.is_same(2, 20));
    }

    #[test]
    fn too_many_that_nobody_confirms_end_the_feed() {
        let mut copies = Copies::new(0);
        (1..=MOST as u64).for_each(|sequence| assert_eq!(copies.came(sequence, 0), Copy::Next));
        assert!(copies.are_many());
        assert!(matches!(copies.came(MOST as u64 + 1, 0), Copy::Unfit(Unfit::Lost(_))));
    }

    #[test]
    fn body_and_message_id_make_the_fingerprint() {
        let all = [("a", None), ("b", None), ("a", Some("i")), ("a", Some("j")), ("ai", None)];
        let all = all.map(|(body, id)| fingerprint(body.as_bytes(), id));
        assert!((0..all.len()).all(|one| !all[one + 1..].contains(&all[one])), "{all:?}");
    }
}
