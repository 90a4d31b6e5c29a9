//! Finds what is odd: names that nobody reads or publishes, and rivers that take nothing, or no more.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::halves::{Half, Halves};
use super::{AnnouncedRiver, Change, Observation, Oddity, RapidsMap};
use crate::packet::PacketName;

/// So many packets must be in each half of the window, before a river is said to take no more of them.
const ENOUGH: u64 = 20;
/// And so many of the later half must have been expected to be taken, as many as of the earlier were:
/// else none may be chance.
const EXPECTED: u64 = 3;

/// The publishers of each name, with how many packets each published; none declared alone.
type Publishers = BTreeMap<PacketName, (BTreeSet<Option<String>>, u64)>;

pub(super) fn of(observation: &Observation, map: &RapidsMap) -> Vec<Oddity> {
    let publishers = publishers(observation, map);
    let mut odd = unread(observation, map, &publishers);
    let unpublished = unpublished(observation, &publishers);
    odd.extend(idle(observation, map, &publishers));
    odd.extend(unpublished);
    odd.extend(changes(observation));
    // Instances that differ in their rules may be odd in the same way.
    let mut told = HashSet::new();
    odd.retain(|oddity| told.insert(oddity.clone()));
    odd
}

fn publishers(observation: &Observation, map: &RapidsMap) -> Publishers {
    let mut publishers = Publishers::new();
    for published in &map.published {
        if let Some(name) = &published.name {
            let (who, packets) = publishers.entry(name.clone()).or_default();
            who.insert(published.publisher.clone());
            *packets += published.packets;
        }
    }
    for river in &observation.rivers {
        for name in river.rules().publishes.iter().flat_map(|declared| declared.names()) {
            let (who, _) = publishers.entry(name).or_default();
            who.insert(Some(river.service().to_owned()));
        }
    }
    publishers
}

/// The names that rivers wait for.
fn awaited(observation: &Observation) -> BTreeSet<PacketName> {
    let admitted = observation.rivers.iter().filter_map(AnnouncedRiver::admits);
    admitted.flatten().cloned().collect()
}

fn unread(observation: &Observation, map: &RapidsMap, publishers: &Publishers) -> Vec<Oddity> {
    let awaited = awaited(observation);
    let taken = taken_by_any(observation);
    // Of a name that did not come, it is not known whether a river that admits any name takes it.
    let has_any = |river: &AnnouncedRiver| river.admits().is_none() && !river.takes_everything();
    let any_takes = observation.rivers.iter().any(has_any);
    let is_taken = |name: &PacketName| taken.get(name).copied().unwrap_or(any_takes);
    let is_read = |name: &PacketName| awaited.contains(name) || is_taken(name);
    let has_unknown_readers = !map.unreadable.is_empty();
    if has_unknown_readers {
        // They may react to anything.
        return Vec::new();
    }
    let unread = publishers.iter().filter(|(name, _)| !is_read(name));
    let unpublished: Vec<_> =
        awaited.iter().filter(|name| !publishers.contains_key(*name)).collect();
    let oddity =
        |(name, (who, packets)): (&PacketName, &(BTreeSet<Option<String>>, u64))| Oddity::Unread {
            name: name.clone(),
            publishers: who.iter().cloned().collect(),
            packets: *packets,
            similar: nearest(name, &unpublished),
        };
    unread.map(oddity).collect()
}

/// The names of the packets that came to rivers which admit any name, but not everything, with whether one
/// of them took such a packet.
fn taken_by_any(observation: &Observation) -> HashMap<&PacketName, bool> {
    let tally = &observation.tally;
    let mut names = HashMap::new();
    for ((river, label), halves) in &tally.halves {
        if observation.rivers[*river].admits().is_none() {
            for name in tally.labels.value(*label) {
                *names.entry(name).or_default() |= halves.earlier.met + halves.later.met > 0;
            }
        }
    }
    names
}

fn unpublished(observation: &Observation, publishers: &Publishers) -> Vec<Oddity> {
    let awaited = awaited(observation);
    let unread: Vec<_> = publishers.keys().filter(|name| !awaited.contains(*name)).collect();
    let mut odd = Vec::new();
    for river in &observation.rivers {
        for name in river.admits().into_iter().flatten() {
            if !publishers.contains_key(name) {
                odd.push(Oddity::Unpublished {
                    service: river.service().to_owned(),
                    river: river.name().to_owned(),
                    name: name.clone(),
                    similar: nearest(name, &unread),
                });
            }
        }
    }
    odd
}

/// The rivers that took nothing; not those of which it is said that nobody publishes what they wait for,
/// and none if there was no packet at all.
fn idle(observation: &Observation, map: &RapidsMap, publishers: &Publishers) -> Vec<Oddity> {
    let awaits_something = |river: &AnnouncedRiver| {
        river.admits().is_none_or(|names| names.iter().any(|name| publishers.contains_key(name)))
    };
    let rivers = observation.rivers.iter().zip(&map.rivers);
    let idle = rivers
        .filter(|(river, mapped)| map.packets > 0 && mapped.took == 0 && awaits_something(river));
    let oddity = |(river, mapped): (&AnnouncedRiver, &super::MappedRiver)| Oddity::Idle {
        service: river.service().to_owned(),
        river: river.name().to_owned(),
        came: mapped.came,
    };
    idle.map(oddity).collect()
}

/// The rivers that took packets of a name, and take none any more, though they go on coming.
fn changes(observation: &Observation) -> Vec<Oddity> {
    let tally = &observation.tally;
    let mut halves: Vec<_> = tally.halves.iter().collect();
    halves.sort_by_key(|(key, _)| **key);
    let mut odd = Vec::new();
    for ((river, label), halves) in halves {
        let river = &observation.rivers[*river];
        let Some(name) = tally
            .labels
            .value(*label)
            .iter()
            .find(|name| river.admits().is_none_or(|admits| admits.contains(*name)))
        else {
            continue;
        };
        let change = |met| Change {
            service: river.service().to_owned(),
            river: river.name().to_owned(),
            name: name.clone(),
            earlier: halves.earlier.came,
            met,
            later: halves.later.came,
            clause: halves.reason(),
        };
        if has_ended(halves, |half| half.met) {
            odd.push(Oddity::Starved(change(halves.earlier.met)));
        } else if has_ended(halves, |half| half.valid) && halves.later.met > 0 {
            odd.push(Oddity::Invalid(change(halves.earlier.valid)));
        }
    }
    odd
}

/// Whether some were so in the earlier half and none in the later, where as many came that it is no
/// chance.
fn has_ended(halves: &Halves, of: impl Fn(&Half) -> u64) -> bool {
    let Halves { earlier, later, .. } = halves;
    let are_enough = earlier.came >= ENOUGH && later.came >= ENOUGH;
    let (before, now) = (of(earlier), of(later));
    are_enough && now == 0 && before.saturating_mul(later.came) >= EXPECTED * earlier.came
}

/// The name of the same kind that differs by one or two typing errors.
fn nearest(name: &PacketName, among: &[&PacketName]) -> Option<PacketName> {
    let length = |name: &PacketName| name.name.chars().count();
    let own = length(name);
    // In a short name two wrong letters are too many, and a long one takes long to compare.
    let is_usual = |length: usize| (6..=64).contains(&length);
    let may_be_near = |other: &&&PacketName| {
        let its = length(other);
        other.kind == name.kind && is_usual(own) && is_usual(its) && own.abs_diff(its) <= 2
    };
    let slips = |other: &PacketName| strsim::osa_distance(&name.name, &other.name);
    let near = among.iter().filter(may_be_near).map(|other| (slips(other), other));
    let nearest = near.filter(|(slips, _)| (1..=2).contains(slips)).min_by_key(|(slips, _)| *slips);
    nearest.map(|(_, other)| (*other).clone())
}
