//! What is known when the map is asked for, and which part of it is to be shown.

use std::collections::BTreeSet;
use std::sync::Arc;

use rapids_client::map::Oddity;
use rapids_views::{Edge, Graph, Node, NodeKind, ObservedMap, Part, ServiceStatus};

use super::focus;
use crate::badge::Badge;
use crate::console::Console;
use crate::reading::status::Status;

/// So many nodes are drawn at most: more take browsers long, and nobody reads them.
const MOST_NODES: usize = 400;

/// The map, or a word about why there is none.
pub(super) struct Seen {
    drawn: Option<Drawn>,
    /// What is to be said in place of the drawing, or beside it.
    pub(super) note: Option<String>,
}

/// The map with what is to be shown of it.
pub(super) struct Drawn {
    pub(super) observed: Arc<ObservedMap>,
    pub(super) status: Arc<Status>,
    /// Everything that there is.
    pub(super) graph: Graph,
    /// The node that it is limited to.
    pub(super) focus: Option<usize>,
    /// What is drawn.
    pub(super) part: Part,
    /// What tables have; also what is too much to be drawn.
    pub(super) listed: BTreeSet<usize>,
}

impl Seen {
    pub(super) fn now(console: &Console, wanted: &str) -> Self {
        let without = |note: String| Self { drawn: None, note: Some(note) };
        let observed = match console.mapping.latest() {
            None => return without("The last 15 minutes of the stream are being read.".to_owned()),
            Some(Err(why)) => return without(format!("The map could not be drawn: {why}")),
            Some(Ok(observed)) => observed,
        };
        let drawn = Drawn::of(observed, console.status.latest(), wanted);
        let note = drawn.note(wanted);
        Self { drawn: Some(drawn), note }
    }

    pub(super) fn drawn(&self) -> Option<&Drawn> {
        self.drawn.as_ref()
    }
}

impl Drawn {
    fn of(observed: Arc<ObservedMap>, status: Arc<Status>, wanted: &str) -> Self {
        let map = &observed.map;
        let failed = map.letters.iter().map(|count| count.service.as_str());
        let services = status.services.keys().map(String::as_str).chain(failed);
        let graph = Graph::with_services(map, services);
        let focus = focus::find(&graph, wanted);
        let part = match focus {
            Some(node) => graph.around(node, map),
            None if wanted.is_empty() => graph.between((0..graph.nodes.len()).collect()),
            None => Part::default(),
        };
        let listed = part.nodes.clone();
        let part = drawable(&graph, part, focus);
        Self { observed, status, graph, focus, part, listed }
    }

    fn note(&self, wanted: &str) -> Option<String> {
        let (drawn, all) = (self.part.nodes.len(), self.listed.len());
        if self.focus.is_none() && !wanted.is_empty() {
            return Some(format!(
                "`{wanted}` is not on the map of the last 15 minutes. It is shown here when it comes."
            ));
        }
        if all == 0 {
            return Some(
                "There was no packet in the last 15 minutes, and no service answers.".to_owned(),
            );
        }
        (drawn < all).then(|| {
            format!("The drawing has the busiest {drawn} of {all}; the tables below have more.")
        })
    }

    /// How long the window is.
    pub(super) fn seconds(&self) -> f64 {
        self.observed.map.to.duration_since(self.observed.map.from).as_secs_f64()
    }

    /// How a service is; `None` if that is not known, or for anything else.
    pub(super) fn badge(&self, node: &Node) -> Option<Badge> {
        if node.kind != NodeKind::Service {
            return None;
        }
        let known = self.status.services.get(&node.label).map(ServiceStatus::state);
        let could_ask = self.status.taken.is_some() && self.status.missing.is_empty();
        // It published, and neither answers nor has a position.
        let absent = could_ask.then(|| ServiceStatus::default().state());
        known.or(absent).map(Badge::from)
    }

    /// The edges from a node, each with the node that it leads to.
    pub(super) fn from(&self, node: usize) -> impl Iterator<Item = (&Edge, &Node)> {
        let edges = self.graph.edges.iter().filter(move |edge| edge.from == node);
        edges.map(|edge| (edge, &self.graph.nodes[edge.to]))
    }

    /// The edges to a node, each with the node that it comes from.
    pub(super) fn to(&self, node: usize) -> impl Iterator<Item = (&Edge, &Node)> {
        let edges = self.graph.edges.iter().filter(move |edge| edge.to == node);
        edges.map(|edge| (edge, &self.graph.nodes[edge.from]))
    }

    /// What is odd: altogether, or about the node that the map is limited to.
    pub(super) fn odd(&self) -> Vec<&Oddity> {
        let focus = self.focus.map(|node| &self.graph.nodes[node]);
        let is_meant = |oddity: &&Oddity| focus.is_none_or(|node| is_about(oddity, node));
        self.observed.map.odd.iter().filter(is_meant).collect()
    }
}

/// So much of a part as can be drawn: the busiest nodes.
fn drawable(graph: &Graph, part: Part, focus: Option<usize>) -> Part {
    if part.nodes.len() <= MOST_NODES {
        return part;
    }
    let mut packets = vec![0; graph.nodes.len()];
    for edge in &graph.edges {
        packets[edge.from] += edge.packets;
        packets[edge.to] += edge.packets;
    }
    let mut nodes: Vec<usize> = part.nodes.iter().copied().collect();
    nodes.sort_by_key(|node| (focus != Some(*node), std::cmp::Reverse(packets[*node])));
    let nodes: BTreeSet<usize> = nodes.into_iter().take(MOST_NODES).collect();
    let mut drawn = graph.between(nodes);
    drawn.edges.retain(|edge| part.edges.contains(edge));
    drawn
}

fn is_about(oddity: &Oddity, node: &Node) -> bool {
    let name_is = |name| node.name.as_ref() == Some(name);
    let service_is = |service: &str| node.kind == NodeKind::Service && node.label == service;
    match oddity {
        Oddity::Unread { name, publishers, .. } => {
            name_is(name) || publishers.iter().flatten().any(|it| service_is(it))
        }
        Oddity::Unpublished { service, name, .. } => name_is(name) || service_is(service),
        Oddity::Idle { service, .. } => service_is(service),
        Oddity::Starved(change) | Oddity::Invalid(change) => {
            name_is(&change.name) || service_is(&change.service)
        }
        _ => false,
    }
}
