//! The script of a run: what is published, and what the monkey does in between.
//!
//! Follows from a seed. Running it is left to `script_runner`.

use std::time::Duration;

use fastrand::Rng;

use super::load::Item;
use super::servers::{Fault, FaultKind, faults};

/// The least average time between two actions on the same process. Within it the process can start
/// again, take over from another instance, and do something before the next action.
const TURN: Duration = Duration::from_secs(12);

/// The time that a fault of servers takes on average, until all of them have everything again.
const FAULT_TURN: Duration = Duration::from_secs(15);

/// For this many kills there are one pause and one second instance.
const KILLS_PER_PAUSE: usize = 5;
/// One in this many kills is the server's.
const KILLS_PER_SERVER: usize = 8;

/// An action of the monkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    Kill {
        process: String,
        absence: Duration,
    },
    KillServer {
        absence: Duration,
    },
    /// Something happens to the servers of a cluster.
    Fault(Fault),
    Pause {
        process: String,
        length: Duration,
    },
    /// Runs a second instance.
    SecondInstance {
        process: String,
        length: Duration,
    },
}

/// A step of the script.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Publish(Item),
    Act(Action),
}

/// The actions for this number of kills, in order; with three servers, these are not killed, and have this many
/// faults of these kinds.
///
/// Every process has its turn before any has its second. Pauses are longer than `takeover_time`, after
/// which packets go to another instance. For every other pause there is a second instance of the
/// same process: it gets the packets of the paused one, which does not know that when it goes on.
pub(crate) fn actions(
    (kills, server_faults): (usize, Option<(usize, &[FaultKind])>),
    processes: &[String],
    takeover_time: Duration,
    random: &mut Rng,
) -> Vec<Action> {
    let mut deck = Vec::new();
    let mut process = |random: &mut Rng| {
        if deck.is_empty() {
            deck = processes.to_vec();
            random.shuffle(&mut deck);
        }
        deck.pop().expect("there is a process")
    };
    let servers = match server_faults {
        None => kills.div_ceil(KILLS_PER_SERVER).min(kills / 2),
        Some(_) => 0,
    };
    let mut groups: Vec<Vec<Action>> = Vec::new();
    for _ in 0..servers {
        groups.push(vec![Action::KillServer { absence: milliseconds(random, 0, 1_500) }]);
    }
    for _ in servers..kills {
        let absence = milliseconds(random, 0, 1_500);
        groups.push(vec![Action::Kill { process: process(random), absence }]);
    }
    for pause in 0..kills.div_ceil(KILLS_PER_PAUSE) {
        let (paused, length) = (process(random), takeover_time + milliseconds(random, 500, 3_000));
        let doubled = if pause % 2 == 0 { paused.clone() } else { process(random) };
        groups.push(vec![
            Action::SecondInstance {
                process: doubled,
                length: length + milliseconds(random, 500, 3_000),
            },
            Action::Pause { process: paused, length },
        ]);
    }
    let (count, kinds) = server_faults.unwrap_or_default();
    let faults = faults(count, kinds, random);
    groups.extend(faults.into_iter().map(|fault| vec![Action::Fault(fault)]));
    random.shuffle(&mut groups);
    groups.into_iter().flatten().collect()
}

fn milliseconds(random: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(random.u64(least..=most))
}

/// Spreads the actions over the items, each at a random place within its share.
pub(crate) fn steps(items: Vec<Item>, actions: Vec<Action>, random: &mut Rng) -> Vec<Step> {
    let (length, share) = (items.len(), actions.len().max(1));
    let place = |number: usize, random: &mut Rng| {
        let (from, to) = (length * number / share, length * (number + 1) / share);
        random.usize(from..=to)
    };
    let mut actions: Vec<_> = actions
        .into_iter()
        .enumerate()
        .map(|(number, action)| (place(number, random), action))
        .collect();
    actions.reverse();
    let mut steps = Vec::with_capacity(length + actions.len());
    for (position, item) in items.into_iter().enumerate() {
        while let Some((_, action)) = actions.pop_if(|(place, _)| *place <= position) {
            steps.push(Step::Act(action));
        }
        steps.push(Step::Publish(item));
    }
    steps.extend(actions.into_iter().rev().map(|(_, action)| Step::Act(action)));
    steps
}

/// The time for each item, so that orders come at this rate at most and the monkey has the time
/// for its actions.
pub(crate) fn period(
    (orders, rate): (usize, u32),
    items: usize,
    (actions, server_faults): (usize, usize),
    processes: usize,
) -> Duration {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let placing = Duration::from_secs(1) * count(orders) / rate.max(1);
    let gap = TURN / count(processes).max(1);
    let one_by_one = FAULT_TURN * count(server_faults);
    placing.max(gap * count(actions)).max(one_by_one) / count(items).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const TAKEOVER_TIME: Duration = Duration::from_secs(3);

    fn processes() -> Vec<String> {
        ["a", "b", "c", "d"].map(str::to_owned).to_vec()
    }

    fn drawn(kills: usize, seed: u64) -> Vec<Action> {
        actions((kills, None), &processes(), TAKEOVER_TIME, &mut Rng::with_seed(seed))
    }

    #[test]
    fn as_many_processes_are_killed_as_asked_for() {
        for kills in [0, 1, 2, 8, 20, 100] {
            let actions = drawn(kills, 1);
            let count = |is_it: fn(&&Action) -> bool| actions.iter().filter(is_it).count();
            let servers = count(|action| matches!(action, Action::KillServer { .. }));
            let processes = count(|action| matches!(action, Action::Kill { .. }));
            assert_eq!(servers + processes, kills);
            assert_eq!(servers > 0, kills > 1, "{kills}");
            assert_eq!(count(|action| matches!(action, Action::Pause { .. })), kills.div_ceil(5));
            assert_eq!(
                count(|action| matches!(action, Action::SecondInstance { .. })),
                kills.div_ceil(5)
            );
        }
    }

    #[test]
    fn same_seed_does_the_same() {
        assert_eq!(drawn(20, 7), drawn(20, 7));
        assert_ne!(drawn(20, 7), drawn(20, 8));
    }

    #[test]
    fn no_process_is_spared() {
        let mut killed = HashMap::<_, u32>::new();
        for action in drawn(40, 5) {
            if let Action::Kill { process, .. } = action {
                *killed.entry(process).or_default() += 1;
            }
        }
        assert_eq!(killed.len(), 4);
    }

    #[test]
    fn every_pause_outlasts_the_wait_after_which_packets_go_to_others() {
        let long = |action: &Action| !matches!(action, Action::Pause { length, .. } if *length <= TAKEOVER_TIME);
        assert!(drawn(200, 2).iter().all(long));
    }

    #[test]
    fn actions_keep_their_order_and_are_spread_over_the_items() {
        for (items, kills) in [(0, 3), (1, 10), (1_000, 20)] {
            let actions = drawn(kills, 1);
            let all = vec![Item::Malformed(b""); items];
            let steps = steps(all, actions.clone(), &mut Rng::with_seed(1));
            assert_eq!(steps.len(), items + actions.len());
            let done = steps.iter().filter_map(|step| match step {
                Step::Act(action) => Some(action.clone()),
                Step::Publish(_) => None,
            });
            assert_eq!(done.collect::<Vec<_>>(), actions);
            let half = &steps[..steps.len() / 2];
            let early = half.iter().filter(|step| matches!(step, Step::Act(_))).count();
            assert!(items < 1_000 || early.abs_diff(actions.len() / 2) <= 1, "{early}");
        }
    }

    #[test]
    fn items_come_at_the_rate_or_slower_where_there_is_much_to_do() {
        assert_eq!(period((1_000, 20), 2_000, (10, 0), 16), Duration::from_millis(25));
        assert_eq!(period((1_000, 20), 2_000, (1_000, 0), 16), Duration::from_millis(375));
        assert_eq!(period((1, 1), 0, (0, 0), 1), Duration::from_secs(1));
    }
}
