//! The counts of an observation by the names of packets, of which one packet may have several: that is up to
//! 256 times as many counts, so these have a limit, too.

use super::limited::Limited;
use super::observation::MOST_COUNTS;
use super::{Flow, Observation, PublishedName, TakenName, Window};
use crate::packet::PacketName;

/// The name of a packet; `None` for one of no kind.
type Name<'a> = Option<&'a PacketName>;

/// Who published what, and how much of it is left out.
pub(super) fn published(observation: &Observation) -> (Vec<PublishedName>, u64) {
    let tally = &observation.tally;
    let mut counts: Limited<(Name<'_>, Option<&str>)> = Limited::new(MOST_COUNTS);
    for ((publisher, label), packets) in tally.published.sorted() {
        let publisher = tally.publishers.value(publisher).as_deref();
        for name in names(observation, label) {
            counts.add((name, publisher), packets);
        }
    }
    let count = |((name, publisher), packets): ((Name<'_>, Option<&str>), u64)| PublishedName {
        publisher: publisher.map(str::to_owned),
        name: name.cloned(),
        packets,
        per_second: per_second(packets, observation.window),
    };
    (counts.sorted().into_iter().map(count).collect(), counts.left_out())
}

/// What followed from what, and how much of it is left out.
pub(super) fn flows(observation: &Observation) -> (Vec<Flow>, u64) {
    type Key<'a> = (Name<'a>, Option<&'a str>, Name<'a>);
    let tally = &observation.tally;
    let mut counts: Limited<Key<'_>> = Limited::new(MOST_COUNTS);
    for ((cause, publisher, effect), packets) in tally.flows.sorted() {
        let publisher = tally.publishers.value(publisher).as_deref();
        for cause in names(observation, cause) {
            for effect in names(observation, effect) {
                counts.add((cause, publisher, effect), packets);
            }
        }
    }
    let flow = |((cause, publisher, effect), packets): (Key<'_>, u64)| Flow {
        cause: cause.cloned(),
        publisher: publisher.map(str::to_owned),
        effect: effect.cloned(),
        packets,
        per_second: per_second(packets, observation.window),
    };
    (counts.sorted().into_iter().map(flow).collect(), counts.left_out())
}

/// What each river took, by its position, and how much of it is left out.
pub(super) fn taken(observation: &Observation) -> (Vec<Vec<TakenName>>, u64) {
    let mut counts: Limited<(usize, Name<'_>)> = Limited::new(MOST_COUNTS);
    let mut halves: Vec<_> = observation.tally.halves.iter().collect();
    halves.sort_unstable_by_key(|(key, _)| **key);
    for ((position, label), halves) in halves {
        let admits = observation.rivers[*position].admits();
        let packets = halves.earlier.valid + halves.later.valid;
        for name in names(observation, *label) {
            let is_admitted =
                admits.is_none_or(|admits| name.is_some_and(|it| admits.contains(it)));
            if is_admitted && packets > 0 {
                counts.add((*position, name), packets);
            }
        }
    }
    let mut taken = vec![Vec::new(); observation.rivers.len()];
    for ((position, name), packets) in counts.sorted() {
        taken[position].push(TakenName { name: name.cloned(), packets });
    }
    (taken, counts.left_out())
}

/// The names of a label, each as a name of its own; `None` for packets of no kind.
fn names(observation: &Observation, label: u32) -> impl Iterator<Item = Name<'_>> {
    let names = observation.tally.labels.value(label);
    let none = names.is_empty().then_some(None);
    names.iter().map(Some).chain(none)
}

fn per_second(packets: u64, window: Window) -> f64 {
    let seconds = window.to.duration_since(window.from).as_secs_f64();
    // To print them: exact to what can be meant.
    if seconds > 0.0 { packets as f64 / seconds } else { 0.0 }
}
