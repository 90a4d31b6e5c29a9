//! Reckoning which packets expired before any instance of the service was given them.
//!
//! The server goes on behind a gap without a word, and instances share the stream, so that a gap
//! in what one of them gets proves nothing. Two things do:
//!
//! - The oldest packet of the stream is beyond the next one to be delivered: what lies between can
//!   be delivered to nobody any more.
//! - The sequence went further than there were deliveries. Each delivery moves it by one, or not at
//!   all if the packet was delivered before.
//!
//! Pure: what the server says comes from [`chores`](crate::delivery::maintenance) and from the packets.

use std::collections::BTreeSet;
use std::fmt;

/// Repeated deliveries remembered at most; beyond, losses may show too small.
const REPEATS: usize = 4096;

/// How a position stands to its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PositionState {
    /// The oldest sequence that the stream held, some time before the rest was true.
    pub(crate) first: u64,
    /// How many deliveries there were to all instances, repeated ones included.
    pub(crate) deliveries: u64,
    /// The highest sequence delivered.
    pub(crate) delivered: u64,
}

/// Packets that nobody was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) count: u64,
    /// The sequences that they are among.
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// The losses as far as this instance knows.
#[derive(Debug)]
pub(crate) struct ExpiredPackets {
    /// Everything up to here was delivered or is counted as lost.
    reached: u64,
    /// How many deliveries there were when that was so, if it is known.
    deliveries: Option<u64>,
    /// The numbers of the deliveries since then that repeated a packet, as far as they came here.
    repeats: BTreeSet<u64>,
    /// Whether the server may have forgotten how far the service was.
    in_doubt: bool,
    count: u64,
    last: Option<Loss>,
}

impl ExpiredPackets {
    /// Begins with a position of which nothing was asked for yet.
    pub(crate) fn new(standing: PositionState) -> Self {
        Self {
            reached: standing.delivered,
            deliveries: Some(standing.deliveries),
            repeats: BTreeSet::new(),
            in_doubt: false,
            count: 0,
            last: None,
        }
    }

    /// Learns of a delivery to this instance: its number among those to all instances, and the
    /// packet's sequence.
    pub(crate) fn delivered(&mut self, number: u64, sequence: u64, repeated: bool) -> Option<Loss> {
        if repeated {
            if self.repeats.len() < REPEATS && self.deliveries.is_some_and(|before| before < number)
            {
                self.repeats.insert(number);
            }
            return None;
        }
        (sequence > self.reached).then(|| self.reach(number, sequence)).flatten()
    }

    /// Learns how the position stands.
    pub(crate) fn stands(&mut self, standing: PositionState) -> Option<Loss> {
        let PositionState { first, deliveries, delivered } = standing;
        self.in_doubt = false;
        let passed = if delivered > self.reached {
            self.reach(deliveries, delivered)
        } else {
            if delivered == self.reached && self.deliveries < Some(deliveries) {
                // Repeats from before, which may have gone to others, are out of the reckoning.
                self.repeats = self.repeats.split_off(&(deliveries + 1));
                self.deliveries = Some(deliveries);
            }
            None
        };
        let ahead = (first > self.reached + 1).then(|| {
            let from = self.reached + 1;
            self.reached = first - 1;
            self.lose(Loss { count: first - from, from, to: first - 1 })
        });
        match (passed, ahead) {
            (Some(passed), Some(ahead)) => {
                Some(Loss { count: passed.count + ahead.count, from: passed.from, to: ahead.to })
            }
            (passed, ahead) => passed.or(ahead),
        }
    }

    /// Learns of packets that the stream does not hold any more.
    pub(crate) fn gone(&mut self, from: u64, to: u64) -> Loss {
        self.reached = self.reached.max(to);
        self.lose(Loss { count: to - from + 1, from, to })
    }

    /// The connection was lost. A server that was killed may have forgotten the last deliveries, so
    /// nothing is reckoned from them until it is known how the position stands now.
    pub(crate) fn doubt(&mut self) {
        self.in_doubt = true;
        self.deliveries = None;
        self.repeats.clear();
    }

    /// The highest sequence that is known to have been in the stream.
    pub(crate) fn reached(&self) -> u64 {
        self.reached
    }

    pub(crate) fn are_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// What to tell of the losses; `None` if there are none.
    pub(crate) fn told(&self) -> Option<String> {
        let last = self.last?;
        Some(format!("{} packets expired unread, the last of them {last}", self.count))
    }

    fn reach(&mut self, deliveries: u64, sequence: u64) -> Option<Loss> {
        let (from, to) = (self.reached + 1, sequence.saturating_sub(1));
        let went = sequence - self.reached;
        self.reached = sequence;
        let known = (!self.in_doubt).then_some(deliveries);
        let before = std::mem::replace(&mut self.deliveries, known);
        let later = self.repeats.split_off(&(deliveries + 1));
        let repeats = std::mem::replace(&mut self.repeats, later).len();
        // A number that did not grow comes from a server that has forgotten deliveries.
        let passed = deliveries.checked_sub(before?).filter(|passed| *passed > 0)?;
        let new = passed.saturating_sub(u64::try_from(repeats).unwrap_or(u64::MAX)).max(1);
        let count = went.saturating_sub(new);
        (count > 0).then(|| self.lose(Loss { count, from, to }))
    }

    fn lose(&mut self, loss: Loss) -> Loss {
        self.count = self.count.saturating_add(loss.count);
        self.last = Some(loss);
        loss
    }
}

/// `packets 5 to 9`, `3 of the packets 5 to 9`
impl fmt::Display for Loss {
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
    fn losses() -> ExpiredPackets {
        ExpiredPackets::new(PositionState { first: 1, deliveries: 0, delivered: 0 })
    }

    fn stands(first: u64, deliveries: u64, delivered: u64) -> PositionState {
        PositionState { first, deliveries, delivered }
    }

    fn loss(count: u64, from: u64, to: u64) -> Option<Loss> {
        Some(Loss { count, from, to })
    }

    #[test]
    fn packets_in_their_order_are_no_loss() {
        let mut losses = losses();
        for n in 1..100 {
            assert_eq!(losses.delivered(n, n, false), None);
        }
        assert_eq!(losses.stands(stands(50, 99, 99)), None);
        assert_eq!(losses.told(), None);
    }

    #[test]
    fn what_expired_before_it_could_be_delivered_is_lost() {
        let mut losses = losses();
        losses.delivered(1, 1, false);
        assert_eq!(losses.stands(stands(2, 1, 1)), None, "only what was read has expired");
        assert_eq!(losses.stands(stands(11, 1, 1)), loss(9, 2, 10));
        assert_eq!(losses.stands(stands(11, 1, 1)), None, "it is counted once");
        assert_eq!(losses.stands(stands(13, 1, 1)), loss(2, 11, 12));
        assert_eq!(losses.delivered(2, 13, false), None, "it was counted before");
        assert_eq!(losses.delivered(3, 14, false), None);
        assert_eq!(
            losses.told().unwrap(),
            "11 packets expired unread, the last of them packets 11 to 12"
        );
    }

    #[test]
    fn a_gap_between_two_deliveries_in_succession_is_a_loss() {
        let mut losses = losses();
        losses.delivered(1, 1, false);
        assert_eq!(losses.delivered(2, 7, false), loss(5, 2, 6));
        assert_eq!(losses.delivered(3, 8, false), None);
        assert_eq!(
            losses.told().unwrap(),
            "5 packets expired unread, the last of them packets 2 to 6"
        );
    }

    #[test]
    fn what_went_to_other_instances_is_no_loss() {
        let mut losses = losses();
        losses.delivered(1, 1, false);
        assert_eq!(losses.delivered(5, 5, false), None);
        // Two of the four deliveries between were repeats, which only the others know.
        assert_eq!(losses.delivered(10, 8, false), None);
        assert_eq!(losses.stands(stands(1, 20, 18)), None);
        // Three went to others; four are lost at least.
        assert_eq!(losses.delivered(24, 26, false), loss(4, 19, 25));
        assert_eq!(loss(4, 19, 25).unwrap().to_string(), "4 of the packets 19 to 25");
    }

    #[test]
    fn packets_delivered_again_do_not_hide_a_loss() {
        let mut losses = losses();
        losses.delivered(1, 1, false);
        losses.delivered(2, 1, true);
        losses.delivered(3, 1, true);
        assert_eq!(losses.delivered(4, 5, false), loss(3, 2, 4));
        losses.delivered(5, 1, true);
        assert_eq!(losses.delivered(6, 6, false), None);
    }

    #[test]
    fn an_answer_older_than_what_was_delivered_since_is_harmless() {
        let mut losses = losses();
        for n in 1..=10 {
            losses.delivered(n, n, false);
        }
        losses.delivered(11, 4, true);
        assert_eq!(losses.stands(stands(1, 7, 7)), None);
        assert_eq!(losses.delivered(12, 11, false), None);
        // The next answer comes before deliveries that it knows of already.
        assert_eq!(losses.stands(stands(1, 20, 19)), None);
        for n in 13..=20 {
            assert_eq!(losses.delivered(n, n - 1, false), None);
        }
        assert_eq!(losses.delivered(21, 20, false), None);
    }

    #[test]
    fn a_repeat_after_the_time_of_an_answer_does_not_count_before_it() {
        let mut losses = losses();
        losses.delivered(1, 1, false);
        losses.delivered(5, 1, true);
        losses.delivered(6, 1, true);
        // As of delivery 4: all of them new, and all to others.
        assert_eq!(losses.stands(stands(1, 4, 4)), None);
        assert_eq!(losses.delivered(7, 5, false), None);
        assert_eq!(losses.delivered(8, 6, false), None);
    }

    #[test]
    fn a_server_that_has_forgotten_deliveries_raises_no_alarm() {
        let mut losses = losses();
        // Twenty repeats among the first hundred deliveries went to others.
        assert_eq!(losses.stands(stands(1, 100, 80)), None);
        losses.doubt();
        // It knows of the first ninety only.
        assert_eq!(losses.stands(stands(78, 90, 75)), None);
        for (number, sequence) in (91..=110).zip(78..) {
            assert_eq!(losses.delivered(number, sequence, false), None, "{sequence}");
        }
        assert_eq!(losses.delivered(111, 100, false), loss(2, 98, 99), "it reckons again");
    }

    #[test]
    fn deliveries_from_before_a_lost_connection_are_no_basis() {
        let mut losses = losses();
        losses.doubt();
        losses.delivered(100, 80, false);
        assert_eq!(losses.stands(stands(1, 90, 75)), None);
        assert_eq!(losses.delivered(101, 86, false), None);
    }

    #[test]
    fn what_expired_while_the_server_was_away_is_lost() {
        let mut losses = losses();
        losses.delivered(1, 1, false);
        losses.doubt();
        assert_eq!(losses.stands(stands(6, 1, 1)), loss(4, 2, 5));
        assert_eq!(losses.delivered(2, 6, false), None);
    }

    #[test]
    fn what_was_passed_over_and_what_is_ahead_is_one_loss() {
        let mut losses = losses();
        losses.delivered(1, 1, false);
        assert_eq!(losses.stands(stands(20, 2, 9)), loss(17, 2, 19));
    }

    /// A random history of publishing, expiring, delivering to two instances, repeating and looking:
    /// what is counted is never more than what is lost, and without others exactly that.
    #[test]
    fn no_history_raises_a_false_alarm() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..300 {
            let others = if round % 2 == 0 { 0 } else { 3 };
            let mut losses = losses();
            let (mut first, mut last, mut number, mut reached, mut lost) = (1, 0, 0, 0, 0);
            let mut seen_first = 1;
            for _ in 0..300 {
                match random.u32(0..10 + others) {
                    0..3 => last += random.u64(1..5),
                    3 => first = (first + random.u64(0..6)).min(last + 1),
                    4 if reached > 0 => {
                        number += 1;
                        losses.delivered(number, random.u64(1..=reached), true);
                    }
                    5 => {
                        losses.stands(stands(seen_first, number, reached));
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
                            losses.delivered(number, next, false);
                        } else if random.bool() && what == 12 {
                            number += random.u64(1..3);
                        }
                    }
                }
                assert!(losses.count <= lost + first.saturating_sub(reached + 1), "round {round}");
            }
            losses.stands(stands(first, number, reached));
            lost += first.saturating_sub(reached + 1);
            assert!(losses.count <= lost, "round {round}");
            if others == 0 {
                assert_eq!(losses.count, lost, "round {round}");
            }
        }
    }
}
