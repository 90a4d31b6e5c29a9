//! The copies of the live feed that the stream has not confirmed yet.
//!
//! Pure. A copy is handled at once. But whoever may publish to `rapids.live` can send forged ones, so the
//! stream has to confirm a copy before its packet counts as done for good. The stream is asked again and
//! again where it ends. A copy is confirmed when one answer has reached its sequence, and no different
//! copy of that sequence has come until the next answer. Of two copies that differ one is forged, and so
//! is a copy beyond the end of the stream. Then the feed is left, and what is not confirmed is read again
//! from the stream and compared.
//!
//! This leaves two weaknesses. A forged copy is taken for the real one if the real one was lost
//! unnoticed: the client dropped it, and the connection was not cut. And what a forged packet has caused
//! is not undone: if it had the id of the real packet, a memory, a reaction of `.once()` and the stream's
//! duplicate window take the real one for a repetition.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::Hasher;
use std::rc::Rc;

use rustc_hash::FxHasher;

use crate::live::leave_reason::{Forgery, LeaveReason};

/// At as many unconfirmed copies the feed is left.
const MOST: usize = 262_144;
/// At as many the stream is asked soon.
const MANY: usize = MOST / 16;

/// The copies of one feed, which several services may share.
pub(crate) type SharedCopies = Rc<RefCell<UnconfirmedCopies>>;

/// The fingerprints of the copies behind the last confirmed one.
#[derive(Debug)]
pub(crate) struct UnconfirmedCopies {
    confirmed: u64,
    /// Of the copies behind `confirmed`, without a gap.
    fingerprints: VecDeque<u64>,
    /// The highest sequence of a copy.
    highest: u64,
    stream_end: u64,
}

impl UnconfirmedCopies {
    /// Of a feed that was joined when the stream ended with this sequence.
    pub(crate) fn behind(stream_end: u64) -> Self {
        Self {
            confirmed: stream_end,
            fingerprints: VecDeque::new(),
            highest: stream_end,
            stream_end,
        }
    }

    /// Up to this sequence the stream has confirmed every copy.
    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// The sequence of the next copy.
    pub(crate) fn next(&self) -> u64 {
        self.confirmed + self.fingerprints.len() as u64 + 1
    }

    /// The highest sequence of a copy, even of one behind a gap.
    pub(crate) fn highest(&self) -> u64 {
        self.highest
    }

    /// Where the stream ended by its last answer.
    pub(crate) fn stream_end(&self) -> u64 {
        self.stream_end
    }

    /// Whether the stream is to be asked soon: this sequence is not confirmed, or many copies are not.
    pub(crate) fn need_confirmation_soon(&self, sequence: u64) -> bool {
        self.confirmed < sequence || self.fingerprints.len() >= MANY
    }

    /// Adds a copy; `false` if it repeats one that came before.
    ///
    /// # Errors
    /// Why the feed has to be left.
    pub(crate) fn add(&mut self, sequence: u64, fingerprint: u64) -> Result<bool, LeaveReason> {
        self.highest = self.highest.max(sequence);
        let next = self.next();
        if sequence > next {
            return Err(LeaveReason::Gap(sequence));
        }
        if sequence < next {
            return match self.is_same(sequence, fingerprint) {
                true => Ok(false),
                false => Err(LeaveReason::Forged(Forgery::Differs(sequence))),
            };
        }
        if self.fingerprints.len() >= MOST {
            return Err(LeaveReason::Lost("too many copies are unconfirmed"));
        }
        self.fingerprints.push_back(fingerprint);
        Ok(true)
    }

    /// Whether the first copy of this sequence had this fingerprint. The fingerprints of confirmed copies
    /// are not kept, and this returns `true` for them.
    pub(crate) fn is_same(&self, sequence: u64, fingerprint: u64) -> bool {
        let Some(index) = sequence.checked_sub(self.confirmed + 1) else {
            return true;
        };
        let found = usize::try_from(index).ok().and_then(|index| self.fingerprints.get(index));
        found == Some(&fingerprint)
    }

    /// Learns where the stream ends. It was asked when the highest copy had the sequence `highest`.
    /// Confirms the copies up to its answer before: any other copy of those has come by now.
    ///
    /// # Errors
    /// Why the feed has to be left.
    pub(crate) fn confirm(&mut self, highest: u64, stream_end: u64) -> Result<(), LeaveReason> {
        if highest > stream_end {
            let forgery = Forgery::BeyondEnd { sequence: highest, stream_end };
            return Err(LeaveReason::Forged(forgery));
        }
        let before = std::mem::replace(&mut self.stream_end, stream_end);
        if self.next() <= before {
            return Err(LeaveReason::Lost("the last copies did not come"));
        }
        let count = before.saturating_sub(self.confirmed);
        self.confirmed += count;
        self.fingerprints.drain(..usize::try_from(count).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// The fingerprint of a body and the message id. It need not withstand somebody who looks for a second
/// text with the same fingerprint: he would have to know a packet before it is published.
pub(crate) fn fingerprint(body: &[u8], message_id: Option<&str>) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(body);
    if let Some(id) = message_id {
        hasher.write(id.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Result<(), LeaveReason> = Err(LeaveReason::Lost("the last copies did not come"));

    #[test]
    fn a_copy_is_confirmed_by_the_answer_after_the_one_that_reached_it() {
        let mut copies = UnconfirmedCopies::behind(5);
        assert_eq!(copies.add(5, 50), Ok(false), "it was stored before the feed was joined");
        assert_eq!([copies.add(6, 60), copies.add(7, 70)], [Ok(true), Ok(true)]);
        assert_eq!((copies.confirm(7, 7), copies.confirmed()), (Ok(()), 5));
        assert_eq!((copies.confirm(7, 8), copies.confirmed()), (Ok(()), 7));
        assert_eq!(copies.confirm(7, 8), LOST);
        assert_eq!(copies.next(), 8);
    }

    #[test]
    fn copies_that_differ_and_copies_beyond_the_end_are_forged() {
        let mut copies = UnconfirmedCopies::behind(0);
        assert_eq!([copies.add(1, 10), copies.add(1, 10)], [Ok(true), Ok(false)]);
        assert_eq!(copies.add(1, 11), Err(LeaveReason::Forged(Forgery::Differs(1))));
        let beyond = Forgery::BeyondEnd { sequence: 1, stream_end: 0 };
        assert_eq!(copies.confirm(1, 0), Err(LeaveReason::Forged(beyond)));
        assert_eq!(copies.add(9, 90), Err(LeaveReason::Gap(9)));
        assert_eq!((copies.highest(), copies.next()), (9, 2));
        assert!(copies.is_same(1, 10) && !copies.is_same(1, 11) && !copies.is_same(2, 20));
    }

    #[test]
    fn too_many_that_nobody_confirms_end_the_feed() {
        let mut copies = UnconfirmedCopies::behind(0);
        (1..=MOST as u64).for_each(|sequence| assert_eq!(copies.add(sequence, 0), Ok(true)));
        assert!(copies.need_confirmation_soon(0));
        assert!(matches!(copies.add(MOST as u64 + 1, 0), Err(LeaveReason::Lost(_))));
    }

    #[test]
    fn body_and_message_id_make_the_fingerprint() {
        let all = [("a", None), ("b", None), ("a", Some("i")), ("a", Some("j")), ("ai", None)];
        let all = all.map(|(body, id)| fingerprint(body.as_bytes(), id));
        assert!((0..all.len()).all(|one| !all[one + 1..].contains(&all[one])), "{all:?}");
    }
}
