//! What is told of a name: how often it came, who takes it, what led to it and what followed.

use std::collections::BTreeSet;

use rapids_client::map::{Flow, RapidsMap};
use rapids_client::{PacketKind, PacketName, River};
use rapids_views::{Node, NodeKind};

use super::{Facts, Figure, List};
use crate::frame::Frame;
use crate::pages::map::often::often;
use crate::pages::map::rows::Link;
use crate::pages::map::seen::Drawn;
use crate::times::several;

/// So many lines has a list.
const MOST: usize = 25;

pub(super) fn facts(facts: Facts, frame: &Frame, drawn: &Drawn, number: usize) -> Facts {
    let Some(name) = &drawn.graph.nodes[number].name else { return facts };
    let map = &drawn.observed.map;
    let packets = map.packets_of(name);
    let value = match packets {
        0 => "none in these minutes".to_owned(),
        _ => format!("{}, {}", several(packets, "packet"), often(packets, drawn.seconds())),
    };
    let mut lists = facts.lists;
    lists.extend(any_takers(frame, drawn, name));
    lists.push(flows(frame, drawn, "What followed from it", &map.follows(name), |flow| {
        &flow.effect
    }));
    let led = led_to(map, name);
    lists.push(flows(frame, drawn, "What led to it", &led, |flow| &flow.cause));
    let figure = Figure { name: "Published", value, address: None, is_bad: false };
    Facts { figures: vec![figure], lists, live: live(frame, name), ..facts }
}

/// The rivers that take it without asking for names.
fn any_takers(frame: &Frame, drawn: &Drawn, name: &PacketName) -> Option<List> {
    let took = |river: &&rapids_client::map::MappedRiver| {
        let is_any = river.taken.is_empty() && river.took > 0;
        let taken = river.taken.iter().any(|taken| taken.name.as_ref() == Some(name));
        river.admits.is_none() && (is_any || taken)
    };
    let services: BTreeSet<&str> =
        drawn.observed.map.rivers.iter().filter(took).map(|river| &*river.service).collect();
    let is_one = |node: &&Node| node.kind == NodeKind::Service && services.contains(&*node.label);
    let links = drawn.graph.nodes.iter().filter(is_one);
    let links: Vec<_> = links.map(|node| (Link::of(frame, drawn, node, 0), None)).collect();
    let more = links.len().saturating_sub(MOST);
    let links: Vec<_> = links.into_iter().take(MOST).collect();
    let title = "Taken by those that ask for no name";
    (!links.is_empty()).then_some(List { title, links, more, otherwise: "" })
}

/// What it followed from, the most frequent first.
fn led_to<'a>(map: &'a RapidsMap, name: &PacketName) -> Vec<&'a Flow> {
    let flows = map.flows.iter().filter(|flow| flow.effect.as_ref() == Some(name));
    let mut flows: Vec<_> = flows.collect();
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.packets));
    flows
}

fn flows(
    frame: &Frame,
    drawn: &Drawn,
    title: &'static str,
    flows: &[&Flow],
    other: impl Fn(&Flow) -> &Option<PacketName>,
) -> List {
    let service = |flow: &Flow| {
        let is_it = |node: &&Node| match &flow.publisher {
            Some(service) => node.kind == NodeKind::Service && node.label == *service,
            None => node.kind == NodeKind::Outside,
        };
        let node = drawn.graph.nodes.iter().find(is_it)?;
        Some(Link::of(frame, drawn, node, 0))
    };
    let link = |flow: &&Flow| {
        let is_it = |node: &&Node| match other(flow) {
            Some(name) => node.name.as_ref() == Some(name),
            None => node.kind == NodeKind::Name && node.name.is_none() && node.label != "*",
        };
        let node = drawn.graph.nodes.iter().find(is_it)?;
        Some((Link::of(frame, drawn, node, flow.packets), service(flow)))
    };
    let more = flows.len().saturating_sub(MOST);
    let links = flows.iter().take(MOST).filter_map(link).collect();
    List { title, links, more, otherwise: "Nothing that is known." }
}

/// The address where packets of this name are seen as they come.
fn live(frame: &Frame, name: &PacketName) -> Option<String> {
    let river = River::new("live");
    let river = match name.kind {
        PacketKind::Event => river.event(&*name.name),
        PacketKind::Command => river.command(&*name.name),
        PacketKind::Need => river.need(&*name.name),
    };
    let rules = river.rules();
    rules.conditions.first().map(|condition| frame.to("/live?where=", condition))
}
