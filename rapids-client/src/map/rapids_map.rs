//! The map as data: what is declared, what was seen, and what is odd.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{AnnouncedRiver, Observation, Oddity, expanded, oddities};
use crate::packet::PacketName;
use crate::river::Publishes;

/// The map of a window of the rapids.
///
/// Names are whatever publishers wrote: print them through [`printable`](crate::printable).
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RapidsMap {
    /// When the window begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// How many packets there were.
    pub packets: u64,
    /// How many bodies were no packet.
    pub malformed: u64,
    /// Whether the services could be asked. If not, there are no rivers, and nothing is told to be odd.
    pub rivers_known: bool,
    /// The rivers of the services that answer.
    pub rivers: Vec<MappedRiver>,
    /// Services that answer, but announce no rules that can be read: of another version, mostly. What
    /// they take is not known.
    pub unreadable: Vec<String>,
    /// Who published what.
    pub published: Vec<PublishedName>,
    /// What followed from what.
    pub flows: Vec<Flow>,
    /// Dead letters by river and kind.
    pub letters: Vec<LetterCount>,
    /// What is odd.
    pub odd: Vec<Oddity>,
    /// What is not in the map, since there was too much of it.
    pub left_out: LeftOut,
}

/// A river: what it says that it takes and publishes, and what it would have taken in the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MappedRiver {
    /// The service.
    pub service: String,
    /// The name of the river.
    pub river: String,
    /// The names that its conditions admit; `None` if they admit any.
    pub admits: Option<BTreeSet<PacketName>>,
    /// The names that it declares to publish; `None` if it declares nothing.
    pub publishes: Option<Vec<PacketName>>,
    /// How many packets of these names there were; all, if it admits any.
    pub came: u64,
    /// How many packets met its conditions and requirements.
    pub took: u64,
    /// Of these, how many by name: each name that its conditions admit, and that came. A packet that asks for
    /// several things counts for each. Empty for a river that takes everything.
    pub taken: Vec<TakenName>,
    /// How many met its conditions alone, or were too costly to judge.
    pub refused: u64,
}

/// How many packets of a name a river took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TakenName {
    /// The name; `None` for packets of no kind.
    pub name: Option<PacketName>,
    /// How many packets.
    pub packets: u64,
}

/// How often a service published packets of a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PublishedName {
    /// The service, as the last breadcrumb says; `None` if the packet came from outside.
    pub publisher: Option<String>,
    /// The name; `None` for packets of no kind. A packet that asks for several things counts for each.
    pub name: Option<PacketName>,
    /// How many packets.
    pub packets: u64,
    /// How many per second of the window.
    pub per_second: f64,
}

/// How often a packet of one name led a service to publish one of another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Flow {
    /// What was handled; `None` for a packet of no kind.
    pub cause: Option<PacketName>,
    /// Who published; `None` if no breadcrumb tells.
    pub publisher: Option<String>,
    /// What was published; `None` for a packet of no kind.
    pub effect: Option<PacketName>,
    /// How many packets.
    pub packets: u64,
    /// How many per second of the window.
    pub per_second: f64,
}

/// How many dead letters of a kind a river has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LetterCount {
    /// The service.
    pub service: String,
    /// The river.
    pub river: String,
    /// The kind, such as `rejected`.
    pub kind: String,
    /// How many.
    pub letters: u64,
}

/// What was beyond the limits of an [`Observation`], and what therefore is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// Packets whose names are too long, or came when there were as many names as are told apart. They
    /// count nowhere but in [`RapidsMap::packets`], and for what rivers took.
    pub names: u64,
    /// How often a count was not made, since there were as many as may be.
    pub counts: u64,
    /// Ids that were forgotten: what followed from these packets later is among `causes`.
    pub ids: u64,
    /// Packets that followed from one which is not in the window, or was forgotten.
    pub causes: u64,
}

impl LeftOut {
    /// Whether a limit was reached.
    pub fn is_limited(&self) -> bool {
        self.names + self.counts + self.ids > 0
    }
}

impl RapidsMap {
    /// How many packets of this name were published.
    pub fn packets_of(&self, name: &PacketName) -> u64 {
        let of_name = self.published.iter().filter(|it| it.name.as_ref() == Some(name));
        of_name.map(|published| published.packets).sum()
    }

    /// What followed from packets of this name, the most frequent first.
    pub fn follows(&self, name: &PacketName) -> Vec<&Flow> {
        let is_from = |flow: &&Flow| flow.cause.as_ref() == Some(name);
        let mut flows: Vec<_> = self.flows.iter().filter(is_from).collect();
        flows.sort_by_key(|flow| std::cmp::Reverse(flow.packets));
        flows
    }
}

pub(super) fn of(observation: &Observation) -> RapidsMap {
    let (window, tally) = (&observation.window, &observation.tally);
    let (published, published_left_out) = expanded::published(observation);
    let (flows, flows_left_out) = expanded::flows(observation);
    let (taken, taken_left_out) = expanded::taken(observation);
    let counts = [tally.counts_left_out, tally.published.left_out(), tally.flows.left_out()];
    let expanded = [published_left_out, flows_left_out, taken_left_out];
    let letter = |((service, river, kind), letters): (&(String, String, String), &u64)| {
        let (service, river, kind) = (service.clone(), river.clone(), kind.clone());
        LetterCount { service, river, kind, letters: *letters }
    };
    let mut map = RapidsMap {
        from: window.from,
        to: window.to,
        packets: tally.packets,
        malformed: tally.malformed,
        rivers_known: observation.rivers_known,
        rivers: rivers(observation, taken),
        unreadable: observation.unreadable.iter().cloned().collect(),
        published,
        flows,
        letters: tally.letters.iter().map(letter).collect(),
        odd: Vec::new(),
        left_out: LeftOut {
            names: tally.names_left_out,
            counts: counts.iter().chain(&expanded).sum(),
            ids: tally.ids_forgotten,
            causes: tally.causes_unknown,
        },
    };
    if map.rivers_known {
        map.odd = oddities::of(observation, &map);
    }
    map
}

fn rivers(observation: &Observation, taken: Vec<Vec<TakenName>>) -> Vec<MappedRiver> {
    let tally = &observation.tally;
    let mut came = vec![0; observation.rivers.len()];
    for ((river, _), halves) in &tally.halves {
        came[*river] += halves.earlier.came + halves.later.came;
    }
    let mapped = |((position, river), taken): ((usize, &AnnouncedRiver), _)| MappedRiver {
        service: river.service().to_owned(),
        river: river.name().to_owned(),
        admits: river.admits().cloned(),
        publishes: river.rules().publishes.as_ref().map(|it| Publishes::names(it).collect()),
        came: if river.takes_everything() { tally.packets } else { came[position] },
        took: tally.verdicts[position].0,
        taken,
        refused: tally.verdicts[position].1,
    };
    observation.rivers.iter().enumerate().zip(taken).map(mapped).collect()
}
