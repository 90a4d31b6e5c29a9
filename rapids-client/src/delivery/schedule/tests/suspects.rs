//! The rules about suspects.

use super::*;

#[test]
fn a_suspect_is_decided_about_while_others_run_and_then_runs_alone() {
    let now = Instant::now();
    let mut schedule = free_rivers(1, 2);
    schedule.add(place(1), None, [0], true);
    schedule.add(place(2), None, [0], false);
    schedule.add(place(3), None, [0], true);
    schedule.add(place(4), None, [0], false);
    schedule.add(place(5), None, [0], false);
    let begun = [vec![Next::Decide(turn(1, 0))], run([(2, 0), (4, 0)])].concat();
    assert_eq!(all(&mut schedule, now), begun);
    assert_eq!(counts(&schedule), (2, 1, 2));
    schedule.may_run(turn(1, 0));
    assert!(finish(&mut schedule, turn(2, 0), now));
    assert_eq!(all(&mut schedule, now), [], "nothing new begins, a slot or not");
    assert!(finish(&mut schedule, turn(4, 0), now));
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    schedule.free_slot(turn(1, 0), Health::Failure, now);
    schedule.postpone(turn(1, 0), now);
    let rest = [run([(1, 0)]), vec![Next::Decide(turn(3, 0))], run([(5, 0)])].concat();
    assert_eq!(all(&mut schedule, now), rest, "it ended, so it is no suspect any more");
}

#[test]
fn a_suspect_that_may_not_run_yet_remains_one_and_lets_another_go_first() {
    let now = Instant::now();
    let mut schedule = free_rivers(1, 2);
    schedule.add(place(1), None, [0], true);
    schedule.add(place(2), None, [0], true);
    assert_eq!(all(&mut schedule, now), [Next::Decide(turn(1, 0))]);
    schedule.postpone(turn(1, 0), now + SECOND);
    assert_eq!(all(&mut schedule, now), [Next::Decide(turn(2, 0))]);
    assert!(schedule.finish(turn(2, 0)), "condemned");
    assert_eq!(schedule.wake(now), Some(now + SECOND));
    assert_eq!(all(&mut schedule, now + SECOND), [Next::Decide(turn(1, 0))]);
    schedule.may_run(turn(1, 0));
    schedule.postpone(turn(1, 0), now + 2 * SECOND);
    assert_eq!(all(&mut schedule, now + 2 * SECOND), [Next::Decide(turn(1, 0))]);
}

#[test]
fn a_suspect_that_is_decided_on_makes_way_while_it_is_put_away() {
    let now = Instant::now();
    let mut schedule = free_rivers(1, 1);
    schedule.add(place(1), None, [0], true);
    schedule.add(place(2), None, [0], true);
    assert_eq!(all(&mut schedule, now), [Next::Decide(turn(1, 0))]);
    schedule.free_slot(turn(1, 0), Health::Neutral, now);
    assert_eq!(all(&mut schedule, now), [Next::Decide(turn(2, 0))]);
    assert!(!schedule.removes(place(1)), "it is under way to the dead letters");
    assert_eq!(counts(&schedule), (1, 0, 0));
    assert!(schedule.finish(turn(1, 0)));
    schedule.free_slot(turn(1, 0), Health::Neutral, now);
    assert_eq!(counts(&schedule), (1, 0, 0));
}

#[test]
fn gates_and_keys_come_before_the_clearing_of_a_suspect() {
    let now = Instant::now();
    let mut schedule = broken(1, now);
    schedule.add(place(2), None, [0], true);
    schedule.add(place(3), Some("k".to_owned()), [1], false);
    schedule.add(place(4), Some("k".to_owned()), [1], true);
    assert_eq!(all(&mut schedule, now), run([(3, 1)]));
    assert!(finish(&mut schedule, turn(3, 1), now));
    assert_eq!(all(&mut schedule, now), [Next::Decide(turn(4, 1))]);
    assert!(schedule.finish(turn(4, 1)));
    assert_eq!(schedule.wake(now), Some(now + SECOND));
    assert!(schedule.removes(place(1)));
    assert_eq!(all(&mut schedule, now + SECOND), [Next::Decide(turn(2, 0))]);
    assert!(schedule.finish(turn(2, 0)));
    schedule.add(place(5), None, [0], false);
    assert_eq!(all(&mut schedule, now + SECOND), run([(5, 0)]), "the trial is still due");
}

#[test]
fn a_suspect_that_is_decided_about_can_be_removed() {
    let now = Instant::now();
    let mut schedule = free_rivers(1, 1);
    schedule.add(place(1), None, [0], true);
    schedule.add(place(2), None, [0], true);
    assert_eq!(all(&mut schedule, now), [Next::Decide(turn(1, 0))]);
    assert!(schedule.removes(place(1)));
    schedule.may_run(turn(1, 0));
    assert_eq!(all(&mut schedule, now), [Next::Decide(turn(2, 0))]);
}

#[test]
fn what_tells_of_a_packet_that_is_delivered_again_is_a_suspect_itself() {
    let now = Instant::now();
    let mut schedule = free_rivers(1, 2);
    schedule.add(place(1), None, [0], true);
    schedule.add(place(2), None, [0], false);
    assert_eq!(all(&mut schedule, now), [vec![Next::Decide(turn(1, 0))], run([(2, 0)])].concat());
    // It has a letter already.
    schedule.tell(turn(1, 0), true);
    assert_eq!(all(&mut schedule, now), [Next::Decide(turn(1, 0))]);
    schedule.may_run(turn(1, 0));
    assert_eq!(all(&mut schedule, now), [], "it does not run beside another one");
    assert!(finish(&mut schedule, turn(2, 0), now));
    schedule.add(place(3), None, [0], false);
    assert_eq!(all(&mut schedule, now), run([(1, 0)]));
    assert!(finish(&mut schedule, turn(1, 0), now));
    assert_eq!(all(&mut schedule, now), run([(3, 0)]));
}
