//! The rules of the schedule, one by one.

mod suspects;

use super::*;
use crate::jetstream::sequence::StreamName;

const SECOND: Duration = Duration::from_secs(1);

fn place(sequence: u64) -> StreamPlace {
    StreamPlace { stream: StreamName::Rapids, sequence }
}

fn turn(sequence: u64, river: usize) -> TurnId {
    TurnId { place: place(sequence), river }
}

fn free_rivers(count: usize, concurrency: usize) -> Schedule<()> {
    Schedule::new(&vec![(None, 0); count], concurrency)
}

impl Schedule<()> {
    pub(super) fn add(
        &mut self,
        place: StreamPlace,
        key: Option<String>,
        rivers: impl IntoIterator<Item = usize>,
        suspect: bool,
    ) {
        if self.row(place).is_none() {
            self.insert(place, ());
        }
        let rivers = BTreeSet::from_iter(rivers).into_iter().collect::<Vec<_>>();
        self.admit(place, key, (&rivers, &[]), suspect);
        // Without a turn it is done at once.
        self.remove_done(place);
    }

    /// Ends a turn; true if no river needs the packet any more.
    pub(super) fn finish(&mut self, turn: TurnId) -> bool {
        self.done(turn);
        self.remove_done(turn.place).is_some()
    }

    pub(super) fn removes(&mut self, place: StreamPlace) -> bool {
        self.remove_idle(place).is_some()
    }
}

/// Everything that may be done now.
fn all(schedule: &mut Schedule<()>, now: Instant) -> Vec<Next> {
    std::iter::from_fn(|| Some(schedule.next(now)).filter(|next| *next != Next::Wait)).collect()
}

fn run(turns: impl IntoIterator<Item = (u64, usize)>) -> Vec<Next> {
    turns.into_iter().map(|(sequence, river)| Next::Run(turn(sequence, river))).collect()
}

fn finish(schedule: &mut Schedule<()>, turn: TurnId, now: Instant) -> bool {
    schedule.free_slot(turn, Health::Success, now);
    schedule.finish(turn)
}

/// Waiting, queued, running.
fn counts(schedule: &Schedule<()>) -> (usize, usize, usize) {
    (schedule.waiting(), schedule.queued(), schedule.running())
}

#[test]
fn the_smallest_turns_run_first_and_no_more_than_there_are_slots() {
    let now = Instant::now();
    let mut schedule = free_rivers(2, 3);
    schedule.add(place(8), None, [1, 0], false);
    schedule.add(place(7), None, [1], false);
    let replay = StreamPlace { stream: StreamName::Replays, sequence: 900 };
    schedule.add(replay, None, [0], false);
    let first = Next::Run(TurnId { place: replay, river: 0 });
    assert_eq!(all(&mut schedule, now), [vec![first], run([(7, 1), (8, 0)])].concat());
    assert_eq!(counts(&schedule), (0, 1, 3));
    assert!(finish(&mut schedule, turn(7, 1), now));
    assert_eq!(all(&mut schedule, now), run([(8, 1)]));
    assert!(!finish(&mut schedule, turn(8, 0), now), "river 1 still needs it");
    assert!(finish(&mut schedule, turn(8, 1), now));
}

#[test]
fn a_slot_is_free_once_the_reaction_has_ended() {
    let now = Instant::now();
    let mut schedule = free_rivers(1, 1);
    schedule.add(place(1), None, [0], false);
    schedule.add(place(2), None, [0], false);
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    assert_eq!(schedule.wake(now), None);
    assert_eq!(schedule.free_slot(turn(1, 0), Health::Success, now), None);
    assert_eq!(all(&mut schedule, now), run([(2, 0)]));
    assert_eq!(counts(&schedule), (0, 0, 1));
    assert!(schedule.finish(turn(1, 0)));
}

#[test]
fn a_river_that_retries_delays_no_other() {
    let now = Instant::now();
    let mut schedule = free_rivers(2, 1);
    schedule.add(place(1), None, [0, 1], false);
    schedule.add(place(2), None, [0], false);
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    schedule.free_slot(turn(1, 0), Health::Failure, now);
    schedule.postpone(turn(1, 0), now + SECOND);
    assert_eq!(all(&mut schedule, now), run([(1, 1)]));
    assert!(!finish(&mut schedule, turn(1, 1), now));
    assert_eq!(all(&mut schedule, now), run([(2, 0)]));
    assert!(finish(&mut schedule, turn(2, 0), now));
    assert_eq!(counts(&schedule), (1, 0, 0));
    assert_eq!(schedule.wake(now), Some(now + SECOND));
    assert_eq!(all(&mut schedule, now + SECOND), run([(1, 0)]));
}

#[test]
fn packets_of_one_key_run_one_after_the_other() {
    let now = Instant::now();
    let mut schedule = free_rivers(2, 9);
    let key = || Some("o-1".to_owned());
    schedule.add(place(5), key(), [0, 1], false);
    schedule.add(place(7), key(), [0], false);
    schedule.add(place(4), key(), [0], false);
    schedule.add(place(6), Some("o-2".to_owned()), [0], false);
    assert_eq!(all(&mut schedule, now), run([(5, 0), (5, 1), (6, 0)]));
    assert_eq!(counts(&schedule), (2, 0, 3));
    assert!(!finish(&mut schedule, turn(5, 0), now));
    schedule.free_slot(turn(5, 1), Health::Failure, now);
    schedule.postpone(turn(5, 1), now + SECOND);
    assert_eq!(all(&mut schedule, now), [], "also while one of them is tried again");
    assert_eq!(all(&mut schedule, now + SECOND), run([(5, 1)]));
    assert!(finish(&mut schedule, turn(5, 1), now));
    assert_eq!(all(&mut schedule, now), run([(4, 0)]), "the smallest of those that waited");
    assert!(finish(&mut schedule, turn(4, 0), now));
    assert_eq!(all(&mut schedule, now), run([(7, 0)]));
}

#[test]
fn a_packet_waits_behind_another_one_and_then_until_its_time() {
    let now = Instant::now();
    let mut schedule = free_rivers(1, 2);
    schedule.add(place(1), Some("k".to_owned()), [0], false);
    schedule.add(place(2), Some("k".to_owned()), [0], false);
    schedule.postpone(turn(2, 0), now + SECOND);
    assert_eq!(all(&mut schedule, now + 2 * SECOND), run([(1, 0)]));
    assert!(finish(&mut schedule, turn(1, 0), now));
    assert_eq!(schedule.wake(now), Some(now + SECOND));
    assert_eq!(all(&mut schedule, now + SECOND), run([(2, 0)]));
}

#[test]
fn a_throttled_river_waits_and_the_others_go_on() {
    let now = Instant::now();
    let mut schedule = Schedule::new(&[(Some(1.0), 0), (None, 0)], 9);
    (1..=3).for_each(|sequence| schedule.add(place(sequence), None, [0, 1], false));
    assert_eq!(all(&mut schedule, now), run([(1, 0), (1, 1), (2, 1), (3, 1)]));
    assert_eq!(counts(&schedule), (2, 0, 4));
    let due = schedule.wake(now).unwrap();
    assert!(due > now + SECOND / 2 && due <= now + SECOND);
    assert_eq!(all(&mut schedule, due), run([(2, 0)]));
    schedule.postpone(turn(2, 0), due);
    assert_eq!(all(&mut schedule, due), run([(2, 0)]), "what did not run used nothing up");
    assert_eq!(all(&mut schedule, due), []);
}

/// One river with a breaker that a first failure opens, and packets for it; and a second one.
fn broken(packets: u64, now: Instant) -> Schedule<()> {
    let mut schedule = Schedule::new(&[(None, 1), (None, 0)], 2);
    (1..=packets).for_each(|sequence| schedule.add(place(sequence), None, [0], false));
    assert_eq!(schedule.next(now), Next::Run(turn(1, 0)));
    let news = schedule.free_slot(turn(1, 0), Health::Failure, now);
    assert_eq!(news, Some(BreakerNews::Opened(SECOND, 1)));
    schedule.postpone(turn(1, 0), now);
    assert_eq!(schedule.next(now), Next::Wait);
    schedule
}

#[test]
fn behind_an_open_breaker_one_trial_runs_and_its_success_lets_all_through() {
    let now = Instant::now();
    let mut schedule = broken(3, now);
    assert_eq!(counts(&schedule), (3, 0, 0));
    schedule.add(place(9), None, [1], false);
    assert_eq!(all(&mut schedule, now), run([(9, 1)]));
    assert_eq!(schedule.wake(now), Some(now + SECOND));
    assert_eq!(all(&mut schedule, now + SECOND), run([(2, 0)]));
    assert!(finish(&mut schedule, turn(9, 1), now));
    assert_eq!(schedule.wake(now + SECOND), None, "only the end of the trial helps");
    let news = schedule.free_slot(turn(2, 0), Health::Success, now);
    assert_eq!(news, Some(BreakerNews::Closed));
    assert_eq!(counts(&schedule), (0, 2, 0));
    assert_eq!(all(&mut schedule, now), run([(1, 0), (3, 0)]));
}

#[test]
fn each_trial_is_another_turn() {
    let start = Instant::now();
    let mut schedule = broken(3, start);
    let mut tried = Vec::new();
    for _ in 0..6 {
        assert_eq!(schedule.next(start), Next::Wait);
        let now = schedule.wake(start).unwrap();
        let Next::Run(trial) = schedule.next(now) else { panic!() };
        tried.push(trial.place.sequence);
        assert!(schedule.free_slot(trial, Health::Failure, now).is_some());
        schedule.postpone(trial, start);
    }
    assert_eq!(tried, [2, 3, 1, 2, 3, 1]);
    assert_eq!(schedule.breaker(0).failures(), 7);
}

#[test]
fn a_trial_that_says_nothing_is_followed_by_another_at_once() {
    let now = Instant::now();
    let mut schedule = broken(3, now);
    let due = now + SECOND;
    assert_eq!(all(&mut schedule, due), run([(2, 0)]));
    assert_eq!(schedule.free_slot(turn(2, 0), Health::Neutral, due), None);
    assert!(schedule.finish(turn(2, 0)));
    assert_eq!(all(&mut schedule, due), run([(3, 0)]));
    schedule.postpone(turn(3, 0), due + SECOND);
    assert_eq!(all(&mut schedule, due), run([(1, 0)]));
}

#[test]
fn a_late_result_is_not_taken_for_that_of_the_trial() {
    let now = Instant::now();
    let mut schedule = Schedule::new(&[(None, 1)], 3);
    (1..=4).for_each(|sequence| schedule.add(place(sequence), None, [0], false));
    assert_eq!(all(&mut schedule, now), run([(1, 0), (2, 0), (3, 0)]));
    assert!(schedule.free_slot(turn(1, 0), Health::Failure, now).is_some());
    assert_eq!(all(&mut schedule, now + SECOND), run([(4, 0)]));
    assert_eq!(schedule.free_slot(turn(2, 0), Health::Success, now + SECOND), None);
    assert_eq!(schedule.free_slot(turn(3, 0), Health::Failure, now + SECOND), None);
    assert!(!schedule.breaker(0).is_closed());
    let news = schedule.free_slot(turn(4, 0), Health::Failure, now + SECOND);
    assert_eq!(news, Some(BreakerNews::Opened(2 * SECOND, 2)));
}

#[test]
fn many_turns_behind_an_open_breaker_are_not_moved_about() {
    let now = Instant::now();
    let mut schedule = broken(10_000, now);
    for sequence in 20_000..30_000 {
        schedule.add(place(sequence), None, [1], false);
        assert_eq!(schedule.next(now), Next::Run(turn(sequence, 1)));
        assert_eq!(schedule.next(now), Next::Wait);
        assert!(finish(&mut schedule, turn(sequence, 1), now));
    }
    assert_eq!(counts(&schedule), (10_000, 0, 0));
}

#[test]
fn a_packet_is_removed_unless_something_of_it_is_under_way() {
    let now = Instant::now();
    let mut schedule = free_rivers(2, 1);
    schedule.add(place(1), Some("k".to_owned()), [0, 1], false);
    schedule.add(place(2), Some("k".to_owned()), [0], false);
    schedule.add(place(3), Some("k".to_owned()), [0], false);
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    assert!(!schedule.removes(place(1)));
    schedule.free_slot(turn(1, 0), Health::Failure, now);
    assert!(!schedule.removes(place(1)));
    schedule.postpone(turn(1, 0), now + SECOND);
    assert!(schedule.removes(place(2)), "one behind another");
    assert!(schedule.removes(place(1)));
    assert_eq!(counts(&schedule), (0, 1, 0));
    assert_eq!(all(&mut schedule, now), run([(3, 0)]));
    assert_eq!(schedule.wake(now), None);
}

#[test]
fn what_is_not_in_flight_is_ignored() {
    let now = Instant::now();
    let mut schedule = free_rivers(1, 0);
    schedule.add(place(1), None, [7], false);
    schedule.add(place(1), None, [], false);
    schedule.add(place(2), None, [0, 0, 7], false);
    schedule.add(place(2), None, [0], true);
    let stranger = turn(1, 0);
    schedule.may_run(stranger);
    schedule.postpone(stranger, now);
    schedule.postpone(turn(2, 1), now);
    assert_eq!(schedule.free_slot(stranger, Health::Failure, now), None);
    assert_eq!(schedule.free_slot(turn(2, 0), Health::Failure, now), None, "it does not run");
    assert!(!schedule.finish(stranger) && !schedule.finish(turn(2, 7)));
    assert!(!schedule.removes(place(1)));
    assert_eq!(counts(&schedule), (0, 1, 0));
    assert_eq!(all(&mut schedule, now), run([(2, 0)]), "one slot there always is");
    assert!(schedule.finish(turn(2, 0)), "even if its slot was not freed before");
    assert_eq!(counts(&schedule), (0, 0, 0));
}

#[test]
fn what_is_only_told_waits_for_no_rate_and_no_breaker_and_moves_neither() {
    let now = Instant::now();
    let mut schedule = broken(2, now);
    schedule.tell(turn(1, 0), false);
    assert_eq!(counts(&schedule), (1, 1, 0));
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    assert_eq!(schedule.free_slot(turn(1, 0), Health::Neutral, now), None);
    assert!(schedule.finish(turn(1, 0)));
    assert_eq!(schedule.wake(now), Some(now + SECOND), "the trial is still due");

    let mut schedule = Schedule::new(&[(Some(1.0), 0)], 9);
    (1..=2).for_each(|sequence| schedule.add(place(sequence), None, [0], false));
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    schedule.free_slot(turn(1, 0), Health::Neutral, now);
    schedule.tell(turn(1, 0), false);
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    let due = schedule.wake(now).unwrap();
    schedule.postpone(turn(1, 0), due);
    assert_eq!(all(&mut schedule, due), run([(1, 0), (2, 0)]), "it gives nothing back, either");
}

#[test]
fn what_is_told_after_a_letter_alone_takes_a_slot() {
    let now = Instant::now();
    let mut schedule = free_rivers(2, 1);
    schedule.insert(place(1), ());
    schedule.admit(place(1), None, (&[0], &[1]), false);
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    schedule.tell(turn(1, 1), false);
    assert_eq!((all(&mut schedule, now), schedule.finishing()), (vec![], 0));
    assert!(!finish(&mut schedule, turn(1, 0), now));
    assert_eq!(all(&mut schedule, now), run([(1, 1)]));
    assert!(finish(&mut schedule, turn(1, 1), now));
}
