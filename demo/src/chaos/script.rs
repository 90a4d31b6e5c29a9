//! The order of things: what is published, and what the monkey does in between.
//!
//! Follows from a seed; doing it is left to `stagehand`.

use std::time::Duration;

use fastrand::Rng;

use super::load::Item;

/// After so long on average, or longer, the monkey comes back to a process: time to come back, to
/// take over from whoever was there meanwhile, and to do something before the next blow.
const TURN: Duration = Duration::from_secs(12);

/// For so many kills there are a pause and a second instance, and one of the kills is the server.
const KILLS_PER_PAUSE: usize = 5;
const KILLS_PER_SERVER: usize = 8;

/// One thing that the monkey does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Kill {
        process: String,
        absence: Duration,
    },
    KillServer {
        absence: Duration,
    },
    Pause {
        process: String,
        length: Duration,
    },
    /// Runs a second instance.
    Double {
        process: String,
        length: Duration,
    },
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Publish(Item),
    Do(Deed),
}

/// The deeds for so many kills, in order.
///
/// Every process has its turn before any has its second. Pauses are longer than the silence after
/// which packets go to others. A second instance is there for each
/// other pause: it gets the packets of the paused one, which knows nothing of it when it goes on.
pub(crate) fn deeds(
    kills: usize,
    processes: &[String],
    silence: Duration,
    random: &mut Rng,
) -> Vec<Deed> {
    let mut deck = Vec::new();
    let mut process = |random: &mut Rng| {
        if deck.is_empty() {
            deck = processes.to_vec();
            random.shuffle(&mut deck);
        }
        deck.pop().expect("there is a process")
    };
    let servers = kills.div_ceil(KILLS_PER_SERVER).min(kills / 2);
    let mut groups: Vec<Vec<Deed>> = Vec::new();
    for _ in 0..servers {
        groups.push(vec![Deed::KillServer { absence: milliseconds(random, 0, 1_500) }]);
    }
    for _ in servers..kills {
        let absence = milliseconds(random, 0, 1_500);
        groups.push(vec![Deed::Kill { process: process(random), absence }]);
    }
    for pause in 0..kills.div_ceil(KILLS_PER_PAUSE) {
        let (paused, length) = (process(random), silence + milliseconds(random, 500, 3_000));
        let doubled = if pause % 2 == 0 { paused.clone() } else { process(random) };
        groups.push(vec![
            Deed::Double { process: doubled, length: length + milliseconds(random, 500, 3_000) },
            Deed::Pause { process: paused, length },
        ]);
    }
    random.shuffle(&mut groups);
    groups.into_iter().flatten().collect()
}

fn milliseconds(random: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(random.u64(least..=most))
}

/// Spreads the deeds over the items: each at random within its share.
pub(crate) fn steps(items: Vec<Item>, deeds: Vec<Deed>, random: &mut Rng) -> Vec<Step> {
    let (length, share) = (items.len(), deeds.len().max(1));
    let place = |number: usize, random: &mut Rng| {
        let (from, to) = (length * number / share, length * (number + 1) / share);
        random.usize(from..=to)
    };
    let mut deeds: Vec<_> =
        deeds.into_iter().enumerate().map(|(number, deed)| (place(number, random), deed)).collect();
    deeds.reverse();
    let mut steps = Vec::with_capacity(length + deeds.len());
    for (position, item) in items.into_iter().enumerate() {
        while let Some((_, deed)) = deeds.pop_if(|(place, _)| *place <= position) {
            steps.push(Step::Do(deed));
        }
        steps.push(Step::Publish(item));
    }
    steps.extend(deeds.into_iter().rev().map(|(_, deed)| Step::Do(deed)));
    steps
}

/// How long to take for one item, so that orders come at this rate at most and the monkey has
/// its time.
pub(crate) fn period(
    (orders, rate): (usize, u32),
    items: usize,
    deeds: usize,
    processes: usize,
) -> Duration {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let placing = Duration::from_secs(1) * count(orders) / rate.max(1);
    let gap = TURN / count(processes).max(1);
    placing.max(gap * count(deeds)) / count(items).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const SILENCE: Duration = Duration::from_secs(3);

    fn processes() -> Vec<String> {
        ["a", "b", "c", "d"].map(str::to_owned).to_vec()
    }

    fn drawn(kills: usize, seed: u64) -> Vec<Deed> {
        deeds(kills, &processes(), SILENCE, &mut Rng::with_seed(seed))
    }

    #[test]
    fn as_many_processes_are_killed_as_asked_for() {
        for kills in [0, 1, 2, 8, 20, 100] {
            let deeds = drawn(kills, 1);
            let count = |is_it: fn(&&Deed) -> bool| deeds.iter().filter(is_it).count();
            let servers = count(|deed| matches!(deed, Deed::KillServer { .. }));
            let processes = count(|deed| matches!(deed, Deed::Kill { .. }));
            assert_eq!(servers + processes, kills);
            assert_eq!(servers > 0, kills > 1, "{kills}");
            assert_eq!(count(|deed| matches!(deed, Deed::Pause { .. })), kills.div_ceil(5));
            assert_eq!(count(|deed| matches!(deed, Deed::Double { .. })), kills.div_ceil(5));
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
        for deed in drawn(40, 5) {
            if let Deed::Kill { process, .. } = deed {
                *killed.entry(process).or_default() += 1;
            }
        }
        assert_eq!(killed.len(), 4);
    }

    #[test]
    fn every_pause_outlasts_the_wait_after_which_packets_go_to_others() {
        let long = |deed: &Deed| !matches!(deed, Deed::Pause { length, .. } if *length <= SILENCE);
        assert!(drawn(200, 2).iter().all(long));
    }

    #[test]
    fn deeds_keep_their_order_and_lie_spread_over_the_items() {
        for (items, kills) in [(0, 3), (1, 10), (1_000, 20)] {
            let deeds = drawn(kills, 1);
            let all = vec![Item::Malformed(b""); items];
            let steps = steps(all, deeds.clone(), &mut Rng::with_seed(1));
            assert_eq!(steps.len(), items + deeds.len());
            let done = steps.iter().filter_map(|step| match step {
                Step::Do(deed) => Some(deed.clone()),
                Step::Publish(_) => None,
            });
            assert_eq!(done.collect::<Vec<_>>(), deeds);
            let half = &steps[..steps.len() / 2];
            let early = half.iter().filter(|step| matches!(step, Step::Do(_))).count();
            assert!(items < 1_000 || early.abs_diff(deeds.len() / 2) <= 1, "{early}");
        }
    }

    #[test]
    fn items_come_at_the_rate_or_slower_where_there_is_much_to_do() {
        assert_eq!(period((1_000, 20), 2_000, 10, 16), Duration::from_millis(25));
        assert_eq!(period((1_000, 20), 2_000, 1_000, 16), Duration::from_millis(375));
        assert_eq!(period((1, 1), 0, 0, 1), Duration::from_secs(1));
    }
}
