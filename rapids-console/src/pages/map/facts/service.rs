//! What is told of a service: how it is, how far it is, and its rivers with what became of packets.

use std::collections::{BTreeSet, HashMap};

use rapids_client::map::{AnnouncedRiver, MappedRiver, RapidsMap};
use rapids_client::{Rules, ServiceInfo};
use rapids_views::{Node, ServiceStatus};

use super::{Facts, Figure, RiverFacts};
use crate::console::Console;
use crate::frame::Frame;
use crate::pages::map::seen::Drawn;
use crate::text::{Mask, short, shown};
use crate::times::{count, rate, several};

/// So many instances are named.
const MOST_INSTANCES: usize = 8;

pub(super) fn facts(
    facts: Facts,
    console: &Console,
    frame: &Frame,
    drawn: &Drawn,
    node: &Node,
) -> Facts {
    let nothing = ServiceStatus::default();
    let status = drawn.status.services.get(&node.label).unwrap_or(&nothing);
    let instances = &status.instances;
    let versions: BTreeSet<_> = instances.iter().map(|it| short(&it.version)).collect();
    let mut figures = vec![figure("Instances", count(instances.len() as u64))];
    if !versions.is_empty() {
        figures.push(figure("Version", versions.into_iter().collect::<Vec<_>>().join(", ")));
    }
    figures.extend(status.delivery().map(|delivery| figure("Delivery", delivery.to_owned())));
    let handled = drawn.status.handled.get(&node.label);
    figures.extend(handled.map(|handled| figure("Handles now", format!("{}/s", rate(*handled)))));
    if let Some(position) = &status.position {
        figures.push(figure("Lag", several(position.pending, "packet")));
        figures.push(figure("Unacknowledged", several(position.unacknowledged, "packet")));
    }
    let waiting = console.letters.waiting(Some(&node.label));
    figures.push(Figure {
        name: "Dead letters",
        value: format!("{} wait", count(waiting)),
        address: Some(frame.to("/dead-letters?service=", &node.label)),
        is_bad: waiting > 0,
    });
    let rivers = rivers(&drawn.observed.map, instances, &node.label);
    let details = details(&console.mask, status);
    Facts { details, figures, instances: ids(instances), rivers, ..facts }
}

fn figure(name: &'static str, value: String) -> Figure {
    Figure { name, value, address: None, is_bad: false }
}

/// Which instances there are.
fn ids(instances: &[ServiceInfo]) -> String {
    let named: Vec<_> = instances.iter().take(MOST_INSTANCES).map(|it| short(&it.id)).collect();
    let more = instances.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

/// What instances say of themselves, which may quote values.
fn details(mask: &Mask, status: &ServiceStatus) -> Vec<String> {
    let rebuilding = status.instances.iter().find_map(ServiceStatus::rebuilding);
    let rebuilding = rebuilding.map(|how_far| format!("rebuilding: {}", shown(how_far)));
    let problems = status.instances.iter().flat_map(|instance| {
        let problems = ServiceStatus::problems(instance);
        let words = |(fact, value): (&str, &str)| {
            format!("{}: {} ({})", shown(fact), mask.sentence(value), shown(&instance.id))
        };
        problems.map(words).collect::<Vec<_>>()
    });
    rebuilding.into_iter().chain(problems).map(short).collect()
}

/// Each river of the map with its rules. Where instances differ in them, there are several of a name, in the
/// order of the answers.
fn rivers(map: &RapidsMap, instances: &[ServiceInfo], service: &str) -> Vec<RiverFacts> {
    let announced = AnnouncedRiver::all(instances);
    let mut before: HashMap<&str, usize> = HashMap::new();
    let mut facts = Vec::new();
    for river in map.rivers.iter().filter(|river| river.service == service) {
        let place = before.entry(&river.river).or_default();
        let same = announced.iter().filter(|announced| announced.name() == river.river);
        facts.push(river_facts(map, river, same.map(AnnouncedRiver::rules).nth(*place)));
        *place += 1;
    }
    facts
}

fn river_facts(map: &RapidsMap, river: &MappedRiver, rules: Option<&Rules>) -> RiverFacts {
    let MappedRiver { came, took, refused, .. } = river;
    let letters = map.letters.iter();
    let letters = letters.filter(|it| it.service == river.service && it.river == river.river);
    let names = |names: &Vec<rapids_client::PacketName>| {
        let names: Vec<_> = names.iter().map(shown).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let texts = |texts: &[String]| texts.iter().map(shown).collect();
    RiverFacts {
        name: short(&river.river),
        conditions: rules.map(|rules| texts(&rules.conditions)).unwrap_or_default(),
        requirements: rules.map(|rules| texts(&rules.requirements)).unwrap_or_default(),
        ignores_invalid: rules.is_some_and(|rules| rules.ignore_invalid),
        outcome: format!(
            "{} came; it took {} and refused {}",
            several(*came, "packet"),
            count(*took),
            count(*refused)
        ),
        publishes: river.publishes.as_ref().map_or("nothing declared".to_owned(), names),
        letters: letters.map(|it| format!("{} {}", count(it.letters), shown(&it.kind))).collect(),
    }
}
