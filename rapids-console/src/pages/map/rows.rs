//! The tables below the drawing: each service with what it takes and publishes, each name with its services.

use rapids_views::{Edge, Node, NodeKind};

use super::focus;
use super::often::often;
use super::picture::{kind, label};
use super::seen::Drawn;
use crate::badge::Badge;
use crate::frame::Frame;
use crate::text::short;
use crate::times::count;

/// So many lines has a table, and so many names a cell.
const MOST_ROWS: usize = 500;
const MOST_LINKS: usize = 25;

/// A node that is led to, with how often.
pub(super) struct Link {
    pub(super) label: String,
    /// Its kind, where it is no event.
    pub(super) kind: Option<&'static str>,
    pub(super) address: String,
    pub(super) rate: Option<String>,
}

/// Some links, and how many more there are.
#[derive(Default)]
pub(super) struct Links {
    pub(super) links: Vec<Link>,
    pub(super) more: usize,
}

pub(super) struct ServiceRow {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) badge: Option<Badge>,
    pub(super) is_odd: bool,
    pub(super) takes: Links,
    pub(super) taken: String,
    pub(super) publishes: Links,
    pub(super) published: String,
    /// Those of the window that wait.
    pub(super) letters: String,
    pub(super) letters_address: String,
}

pub(super) struct NameRow {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) address: String,
    pub(super) is_odd: bool,
    pub(super) publishers: Links,
    pub(super) takers: Links,
    pub(super) packets: String,
    pub(super) rate: String,
}

impl Link {
    pub(super) fn of(frame: &Frame, drawn: &Drawn, node: &Node, packets: u64) -> Self {
        Self {
            label: short(label(node)),
            kind: match kind(node) {
                kind @ ("command" | "need") => Some(kind),
                _ => None,
            },
            address: focus::address(frame, node),
            rate: (packets > 0).then(|| often(packets, drawn.seconds())),
        }
    }
}

impl Links {
    /// The busiest first.
    pub(super) fn of<'a>(
        frame: &Frame,
        drawn: &Drawn,
        edges: impl Iterator<Item = (&'a Edge, &'a Node)>,
    ) -> Self {
        let mut edges: Vec<_> = edges.collect();
        edges.sort_by_key(|(edge, _)| std::cmp::Reverse(edge.packets));
        let more = edges.len().saturating_sub(MOST_LINKS);
        let links = edges.into_iter().take(MOST_LINKS);
        let link = |(edge, node): (&Edge, &Node)| Link::of(frame, drawn, node, edge.packets);
        Self { links: links.map(link).collect(), more }
    }
}

/// The services, and how many there are.
pub(super) fn services(frame: &Frame, drawn: &Drawn) -> (Vec<ServiceRow>, usize) {
    let nodes = drawn.listed.iter().copied();
    let services: Vec<usize> =
        nodes.filter(|node| drawn.graph.nodes[*node].kind == NodeKind::Service).collect();
    let row = |node: &usize| ServiceRow::of(frame, drawn, *node);
    (services.iter().take(MOST_ROWS).map(row).collect(), services.len())
}

/// The names, and how many there are.
pub(super) fn names(frame: &Frame, drawn: &Drawn) -> (Vec<NameRow>, usize) {
    let nodes = drawn.listed.iter().copied();
    let names: Vec<usize> =
        nodes.filter(|node| drawn.graph.nodes[*node].kind == NodeKind::Name).collect();
    let row = |node: &usize| NameRow::of(frame, drawn, *node);
    (names.iter().take(MOST_ROWS).map(row).collect(), names.len())
}

impl ServiceRow {
    fn of(frame: &Frame, drawn: &Drawn, number: usize) -> Self {
        let node = &drawn.graph.nodes[number];
        let taken = drawn.to(number).map(|(edge, _)| edge.packets).sum();
        let published = drawn.from(number).map(|(edge, _)| edge.packets).sum();
        Self {
            name: short(&node.label),
            address: focus::address(frame, node),
            badge: drawn.badge(node),
            is_odd: node.is_odd,
            takes: Links::of(frame, drawn, drawn.to(number)),
            taken: often(taken, drawn.seconds()),
            publishes: Links::of(frame, drawn, drawn.from(number)),
            published: often(published, drawn.seconds()),
            letters: count(node.letters),
            letters_address: frame.to("/dead-letters?service=", &node.label),
        }
    }
}

impl NameRow {
    fn of(frame: &Frame, drawn: &Drawn, number: usize) -> Self {
        let node = &drawn.graph.nodes[number];
        let packets = drawn.to(number).map(|(edge, _)| edge.packets).sum();
        Self {
            name: short(label(node)),
            kind: kind(node),
            address: focus::address(frame, node),
            is_odd: node.is_odd,
            publishers: Links::of(frame, drawn, drawn.to(number)),
            takers: Links::of(frame, drawn, drawn.from(number)),
            packets: count(packets),
            rate: often(packets, drawn.seconds()),
        }
    }
}
