//! Counts the packets that expired before any instance of the service was given them.
//!
//! The server says nothing of packets that it skips because they expired. Instances share the stream,
//! so a gap in what one of them gets proves nothing. Two things do:
//!
//! - The oldest packet of the stream is beyond the next one to be delivered: no instance can be given
//!   what lies between any more.
//! - The sequence rose by more than the number of deliveries. Each delivery raises it by one, or not
//!   at all if the packet was delivered before.
//!
//! Pure: what the server says comes from [`maintenance`](crate::delivery::maintenance) and from the
//! packets.

use std::collections::BTreeSet;
use std::fmt;

/// The most repeated deliveries that are remembered. With more, the count may be too low.
const REPEATS: usize = 4096;

/// How far a position is, and where its stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PositionState {
    /// The oldest sequence of the stream, read some time before the rest.
    pub(crate) first: u64,
    /// How many deliveries there were to all instances, repeated ones included.
    pub(crate) deliveries: u64,
    /// The highest sequence delivered.
    pub(crate) delivered: u64,
}

/// Packets that expired unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExpiredRange {
    pub(crate) count: u64,
    /// The sequences that they are among.
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What expired unread, as far as this instance knows.
#[derive(Debug)]
pub(crate) struct ExpiredPackets {
    /// Everything up to here was delivered, or is counted as expired.
    reached: u64,
    /// How many deliveries there were when that was so, if it is known.
    deliveries: Option<u64>,
    /// The numbers of the deliveries since then that repeated a packet, as far as they came here.
    repeats: BTreeSet<u64>,
    /// Whether the connection was lost, and the state of the position is not known since.
    awaits_state: bool,
    count: u64,
    last: Option<ExpiredRange>,
}

impl ExpiredPackets {
    /// Begins with a position of which nothing was asked for yet.
    pub(crate) fn new(state: PositionState) -> Self {
        Self {
            reached: state.delivered,
            deliveries: Some(state.deliveries),
            repeats: BTreeSet::new(),
            awaits_state: false,
            count: 0,
            last: None,
        }
    }

    /// Learns of a delivery to this instance: its number among those to all instances, and the
    /// packet's sequence.
    pub(crate) fn delivered(
        &mut self,
        number: u64,
        sequence: u64,
        is_repeated: bool,
    ) -> Option<ExpiredRange> {
        if is_repeated {
            if self.repeats.len() < REPEATS && self.deliveries.is_some_and(|before| before < number)
            {
                self.repeats.insert(number);
            }
            return None;
        }
        (sequence > self.reached).then(|| self.advance(number, sequence)).flatten()
    }

    /// Learns the state of the position.
    pub(crate) fn learn_state(&mut self, state: PositionState) -> Option<ExpiredRange> {
        let PositionState { first, deliveries, delivered } = state;
        self.awaits_state = false;
        let skipped = if delivered > self.reached {
            self.advance(deliveries, delivered)
        } else {
            if delivered == self.reached && self.deliveries < Some(deliveries) {
                // Repeats from before may have gone to others, and are not counted.
                self.repeats = self.repeats.split_off(&(deliveries + 1));
                self.deliveries = Some(deliveries);
            }
            None
        };
        let ahead = (first > self.reached + 1).then(|| {
            let from = self.reached + 1;
            self.reached = first - 1;
            self.count(ExpiredRange { count: first - from, from, to: first - 1 })
        });
        match (skipped, ahead) {
            (Some(skipped), Some(ahead)) => {
                let count = skipped.count + ahead.count;
                Some(ExpiredRange { count, from: skipped.from, to: ahead.to })
            }
            (skipped, ahead) => skipped.or(ahead),
        }
    }

    /// Adds packets that the stream does not hold any more.
    pub(crate) fn add(&mut self, from: u64, to: u64) -> ExpiredRange {
        self.reached = self.reached.max(to);
        self.count(ExpiredRange { count: to - from + 1, from, to })
    }

    /// The connection was lost. A server that was killed may have forgotten the last deliveries, so
    /// nothing is counted from their numbers until the state of the position is known.
    pub(crate) fn connection_lost(&mut self) {
        self.awaits_state = true;
        self.deliveries = None;
        self.repeats.clear();
    }

    /// Whether the state of the position is not known since the connection was lost.
    pub(crate) fn awaits_state(&self) -> bool {
        self.awaits_state
    }

    /// The highest sequence that is known to have been in the stream.
    pub(crate) fn reached(&self) -> u64 {
        self.reached
    }

    /// How many packets expired unread, and the last of them; `None` if there are none.
    pub(crate) fn summary(&self) -> Option<String> {
        let last = self.last?;
        Some(format!("{} packets expired unread, the last of them {last}", self.count))
    }

    /// A packet of this sequence was delivered, as delivery of this number.
    fn advance(&mut self, number: u64, sequence: u64) -> Option<ExpiredRange> {
        let (from, to) = (self.reached + 1, sequence.saturating_sub(1));
        let rise = sequence - self.reached;
        self.reached = sequence;
        let known = (!self.awaits_state).then_some(number);
        let before = std::mem::replace(&mut self.deliveries, known);
        let later = self.repeats.split_off(&(number + 1));
        let repeats = std::mem::replace(&mut self.repeats, later).len();
        // A number that did not rise comes from a server that has forgotten deliveries.
        let deliveries = number.checked_sub(before?).filter(|deliveries| *deliveries > 0)?;
        let new = deliveries.saturating_sub(u64::try_from(repeats).unwrap_or(u64::MAX)).max(1);
        let count = rise.saturating_sub(new);
        (count > 0).then(|| self.count(ExpiredRange { count, from, to }))
    }

    fn count(&mut self, range: ExpiredRange) -> ExpiredRange {
        self.count = self.count.saturating_add(range.count);
        self.last = Some(range);
        range
    }
}

/// `packets 5 to 9`, `3 of the packets 5 to 9`
impl fmt::Display for ExpiredRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, from, to } = self;
        match to - from + 1 {
            1 => write!(formatter, "packet {from}"),
            all if all == *count => write!(formatter, "packets {from} to {to}"),
            _ => write!(formatter, "{count} of the packets {from} to {to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins with nothing delivered of a stream that begins with 1.
    fn nothing_delivered() -> ExpiredPackets {
        ExpiredPackets::new(PositionState { first: 1, deliveries: 0, delivered: 0 })
    }

    fn state(first: u64, deliveries: u64, delivered: u64) -> PositionState {
        PositionState { first, deliveries, delivered }
    }

    fn range(count: u64, from: u64, to: u64) -> Option<ExpiredRange> {
        Some(ExpiredRange { count, from, to })
    }

    #[test]
    fn packets_in_their_order_have_not_expired() {
        let mut expired = nothing_delivered();
        for n in 1..100 {
            assert_eq!(expired.delivered(n, n, false), None);
        }
        assert_eq!(expired.learn_state(state(50, 99, 99)), None);
        assert_eq!(expired.summary(), None);
    }

    #[test]
    fn what_expired_before_it_could_be_delivered_is_counted() {
        let mut expired = nothing_delivered();
        expired.delivered(1, 1, false);
        assert_eq!(expired.learn_state(state(2, 1, 1)), None, "only what was read has expired");
        assert_eq!(expired.learn_state(state(11, 1, 1)), range(9, 2, 10));
        assert_eq!(expired.learn_state(state(11, 1, 1)), None, "it is counted once");
        assert_eq!(expired.learn_state(state(13, 1, 1)), range(2, 11, 12));
        assert_eq!(expired.delivered(2, 13, false), None, "it was counted before");
        assert_eq!(expired.delivered(3, 14, false), None);
        assert_eq!(
            expired.summary().unwrap(),
            "11 packets expired unread, the last of them packets 11 to 12"
        );
    }

    #[test]
    fn a_gap_between_two_deliveries_in_succession_has_expired() {
        let mut expired = nothing_delivered();
        expired.delivered(1, 1, false);
        assert_eq!(expired.delivered(2, 7, false), range(5, 2, 6));
        assert_eq!(expired.delivered(3, 8, false), None);
        assert_eq!(
            expired.summary().unwrap(),
            "5 packets expired unread, the last of them packets 2 to 6"
        );
    }

    #[test]
    fn what_went_to_other_instances_has_not_expired() {
        let mut expired = nothing_delivered();
        expired.delivered(1, 1, false);
        assert_eq!(expired.delivered(5, 5, false), None);
        // Two of the four deliveries between were repeats, which only the others know.
        assert_eq!(expired.delivered(10, 8, false), None);
        assert_eq!(expired.learn_state(state(1, 20, 18)), None);
        // Three went to others; four are lost at least.
        assert_eq!(expired.delivered(24, 26, false), range(4, 19, 25));
        assert_eq!(range(4, 19, 25).unwrap().to_string(), "4 of the packets 19 to 25");
    }

    #[test]
    fn packets_delivered_again_hide_none_that_expired() {
        let mut expired = nothing_delivered();
        expired.delivered(1, 1, false);
        expired.delivered(2, 1, true);
        expired.delivered(3, 1, true);
        assert_eq!(expired.delivered(4, 5, false), range(3, 2, 4));
        expired.delivered(5, 1, true);
        assert_eq!(expired.delivered(6, 6, false), None);
    }

    #[test]
    fn an_answer_older_than_what_was_delivered_since_is_harmless() {
        let mut expired = nothing_delivered();
        for n in 1..=10 {
            expired.delivered(n, n, false);
        }
        expired.delivered(11, 4, true);
        assert_eq!(expired.learn_state(state(1, 7, 7)), None);
        assert_eq!(expired.delivered(12, 11, false), None);
        // The next answer comes before deliveries that it knows of already.
        assert_eq!(expired.learn_state(state(1, 20, 19)), None);
        for n in 13..=20 {
            assert_eq!(expired.delivered(n, n - 1, false), None);
        }
        assert_eq!(expired.delivered(21, 20, false), None);
    }

    #[test]
    fn a_repeat_after_the_time_of_an_answer_does_not_count_before_it() {
        let mut expired = nothing_delivered();
        expired.delivered(1, 1, false);
        expired.delivered(5, 1, true);
        expired.delivered(6, 1, true);
        // As of delivery 4: all of them new, and all to others.
        assert_eq!(expired.learn_state(state(1, 4, 4)), None);
        assert_eq!(expired.delivered(7, 5, false), None);
        assert_eq!(expired.delivered(8, 6, false), None);
    }

    #[test]
    fn a_server_that_has_forgotten_deliveries_raises_no_alarm() {
        let mut expired = nothing_delivered();
        // Twenty repeats among the first hundred deliveries went to others.
        assert_eq!(expired.learn_state(state(1, 100, 80)), None);
        expired.connection_lost();
        // It knows of the first ninety only.
        assert_eq!(expired.learn_state(state(78, 90, 75)), None);
        for (number, sequence) in (91..=110).zip(78..) {
            assert_eq!(expired.delivered(number, sequence, false), None, "{sequence}");
        }
        assert_eq!(expired.delivered(111, 100, false), range(2, 98, 99), "it counts again");
    }

    #[test]
    fn deliveries_from_before_a_lost_connection_count_for_nothing() {
        let mut expired = nothing_delivered();
        expired.connection_lost();
        expired.delivered(100, 80, false);
        assert_eq!(expired.learn_state(state(1, 90, 75)), None);
        assert_eq!(expired.delivered(101, 86, false), None);
    }

    #[test]
    fn what_expired_while_the_server_was_away_is_counted() {
        let mut expired = nothing_delivered();
        expired.delivered(1, 1, false);
        expired.connection_lost();
        assert_eq!(expired.learn_state(state(6, 1, 1)), range(4, 2, 5));
        assert_eq!(expired.delivered(2, 6, false), None);
    }

    #[test]
    fn what_was_skipped_and_what_is_ahead_is_one_range() {
        let mut expired = nothing_delivered();
        expired.delivered(1, 1, false);
        assert_eq!(expired.learn_state(state(20, 2, 9)), range(17, 2, 19));
    }

    /// A random history of publishing, expiring, delivering to two instances, repeating and looking:
    /// what is counted is never more than what is lost, and without others exactly that.
    #[test]
    fn no_history_raises_a_false_alarm() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..300 {
            let others = if round % 2 == 0 { 0 } else { 3 };
            let mut expired = nothing_delivered();
            let (mut first, mut last, mut number, mut reached, mut lost) = (1, 0, 0, 0, 0);
            let mut seen_first = 1;
            for _ in 0..300 {
                match random.u32(0..10 + others) {
                    0..3 => last += random.u64(1..5),
                    3 => first = (first + random.u64(0..6)).min(last + 1),
                    4 if reached > 0 => {
                        number += 1;
                        expired.delivered(number, random.u64(1..=reached), true);
                    }
                    5 => {
                        expired.learn_state(state(seen_first, number, reached));
                    }
                    6 => seen_first = first,
                    what => {
                        let next = (reached + 1).max(first);
                        if next > last {
                            continue;
                        }
                        number += 1;
                        lost += next - reached - 1;
                        reached = next;
                        if what < 10 {
                            expired.delivered(number, next, false);
                        } else if random.bool() && what == 12 {
                            number += random.u64(1..3);
                        }
                    }
                }
                assert!(expired.count <= lost + first.saturating_sub(reached + 1), "round {round}");
            }
            expired.learn_state(state(first, number, reached));
            lost += first.saturating_sub(reached + 1);
            assert!(expired.count <= lost, "round {round}");
            if others == 0 {
                assert_eq!(expired.count, lost, "round {round}");
            }
        }
    }
}
