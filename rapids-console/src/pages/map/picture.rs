//! What the script draws: nodes and edges with all words on them, and no places.

use rapids_client::PacketKind;
use rapids_views::{Edge, Node, NodeKind};
use serde::Serialize;

use super::focus;
use super::often::often;
use super::seen::{Drawn, Seen};
use crate::frame::Frame;
use crate::text::shown;
use crate::times::{count, several};

/// The longest text on a node, in characters.
const LONGEST: usize = 40;
/// The width of a line that one packet took, and the widest.
const THIN: f64 = 1.5;
const WIDEST: f64 = 6.0;

#[derive(Debug, Serialize)]
pub(super) struct Picture {
    /// What is to be said in place of a drawing, or beside it.
    note: Option<String>,
    nodes: Vec<DrawnNode>,
    edges: Vec<DrawnEdge>,
}

#[derive(Debug, Serialize)]
struct DrawnNode {
    /// What stays the same from drawing to drawing.
    key: String,
    shape: &'static str,
    label: String,
    /// What stands below the label.
    under: String,
    /// What stands at its upper edge, each with its class.
    marks: Vec<(String, &'static str)>,
    classes: String,
    is_focus: bool,
    address: String,
    /// All of it in words.
    words: String,
}

#[derive(Debug, Serialize)]
struct DrawnEdge {
    from: String,
    to: String,
    /// What stands on it.
    label: String,
    width: f64,
    classes: String,
    words: String,
}

impl Picture {
    pub(super) fn of(frame: &Frame, seen: &Seen) -> Self {
        let note = seen.note.as_ref().map(shown);
        let Some(drawn) = seen.drawn() else {
            return Self { note, nodes: Vec::new(), edges: Vec::new() };
        };
        let nodes = drawn.part.nodes.iter().map(|node| DrawnNode::of(frame, drawn, *node));
        let edges =
            drawn.part.edges.iter().map(|edge| DrawnEdge::of(drawn, drawn.graph.edges[*edge]));
        Self { note, nodes: nodes.collect(), edges: edges.collect() }
    }
}

impl DrawnNode {
    fn of(frame: &Frame, drawn: &Drawn, number: usize) -> Self {
        let node = &drawn.graph.nodes[number];
        let badge = drawn.badge(node);
        let unwell = badge.filter(|badge| !badge.is_well);
        let mut marks = Vec::new();
        let mut classes = vec![shape(node)];
        if let Some(badge) = unwell {
            classes.push(badge.class);
        }
        if node.letters > 0 {
            marks.push((format!("✗ {}", count(node.letters)), "failing"));
            classes.push("failing");
        }
        if node.is_odd {
            marks.push(("!".to_owned(), "odd"));
            classes.push("odd");
        }
        let is_focus = drawn.focus == Some(number);
        if is_focus {
            classes.push("focus");
        }
        let under = match unwell {
            Some(badge) => format!("{} {}", badge.mark, badge.word),
            None => under(drawn, number),
        };
        let label = cut(&label(node));
        let mut words = vec![label.clone(), under.clone()];
        words.extend(marks.iter().map(|(mark, _)| mark.clone()));
        let words = format!("{}; {}", words.join(" "), self::words(drawn, number));
        Self {
            key: focus::key(node),
            shape: shape(node),
            label,
            under,
            marks,
            classes: classes.join(" "),
            is_focus,
            address: focus::address(frame, node),
            words,
        }
    }
}

impl DrawnEdge {
    fn of(drawn: &Drawn, edge: Edge) -> Self {
        let [from, to] = [edge.from, edge.to].map(|node| &drawn.graph.nodes[node]);
        let is_seen = edge.packets > 0;
        let rate = often(edge.packets, drawn.seconds());
        let mut label = if is_seen { rate.clone() } else { String::new() };
        let mut classes = if is_seen { "seen" } else { "declared" }.to_owned();
        let seen = if is_seen {
            format!("{}, {rate}", several(edge.packets, "packet"))
        } else {
            "declared, none seen".to_owned()
        };
        let mut words = format!("{} to {}: {seen}", shown(&from.label), shown(&to.label));
        if edge.letters > 0 {
            let behind = if is_seen { " · " } else { "" };
            label = format!("✗ {}{behind}{label}", count(edge.letters));
            classes.push_str(" failing");
            words = format!(
                "{words}; {} of the rivers that take it",
                several(edge.letters, "dead letter")
            );
        }
        let width = if is_seen { THIN + (edge.packets as f64).log10() } else { 1.0 };
        let width = (width.min(WIDEST) * 10.0).round() / 10.0;
        Self { from: focus::key(from), to: focus::key(to), label, width, classes, words }
    }
}

/// What a node is called where its kind is told apart.
pub(super) fn label(node: &Node) -> String {
    match &node.name {
        Some(name) => shown(&name.name),
        None if is_any(node) => "any packet".to_owned(),
        None => shown(&node.label),
    }
}

/// What a node is, in a word.
pub(super) fn kind(node: &Node) -> &'static str {
    match (node.kind, &node.name) {
        (NodeKind::Service, _) => "service",
        (NodeKind::Outside, _) => "no service",
        (NodeKind::Name, Some(name)) => name.kind.key(),
        (NodeKind::Name, None) if is_any(node) => "any name",
        (NodeKind::Name, None) => "no name",
    }
}

/// The shapes tell kinds apart.
fn shape(node: &Node) -> &'static str {
    match (node.kind, node.name.as_ref().map(|name| name.kind)) {
        (NodeKind::Service, _) => "service",
        (NodeKind::Outside, _) => "outside",
        (NodeKind::Name, Some(PacketKind::Event)) => "event",
        (NodeKind::Name, Some(PacketKind::Command)) => "command",
        (NodeKind::Name, Some(PacketKind::Need)) => "need",
        (NodeKind::Name, None) => "any",
    }
}

/// What stands below the label: what it is, and how often packets came.
fn under(drawn: &Drawn, number: usize) -> String {
    let node = &drawn.graph.nodes[number];
    let sum = |edges: &[u64]| often(edges.iter().sum(), drawn.seconds());
    let came: Vec<u64> = drawn.to(number).map(|(edge, _)| edge.packets).collect();
    let went: Vec<u64> = drawn.from(number).map(|(edge, _)| edge.packets).collect();
    match node.kind {
        NodeKind::Service if came.is_empty() && went.is_empty() => "no packets".to_owned(),
        NodeKind::Service if came.is_empty() => format!("publishes {}", sum(&went)),
        NodeKind::Service => format!("takes {}", sum(&came)),
        NodeKind::Outside => sum(&went),
        NodeKind::Name if is_any(node) => "any name".to_owned(),
        NodeKind::Name => format!("{} · {}", kind(node), sum(&came)),
    }
}

/// All of a node for who cannot see it, beside its label.
fn words(drawn: &Drawn, number: usize) -> String {
    let node = &drawn.graph.nodes[number];
    let sum = |edges: Vec<u64>| (edges.len(), edges.iter().sum::<u64>());
    let (sources, came) = sum(drawn.to(number).map(|(edge, _)| edge.packets).collect());
    let (targets, went) = sum(drawn.from(number).map(|(edge, _)| edge.packets).collect());
    let of = |number: usize, what: &str| {
        format!("{number} {what}{}", if number == 1 { "" } else { "s" })
    };
    let mut words = vec![match node.kind {
        NodeKind::Outside => "whoever publishes without being a service".to_owned(),
        NodeKind::Name if is_any(node) => "taken by services that ask for no name".to_owned(),
        _ => format!("{} {}", kind(node), label(node)),
    }];
    words.extend(drawn.badge(node).map(|badge| badge.word.to_owned()));
    match node.kind {
        NodeKind::Name if is_any(node) => words.push(of(targets, "taker")),
        NodeKind::Name => {
            words.push(format!("{} from {}", several(came, "packet"), of(sources, "publisher")));
            words.push(of(targets, "taker"));
        }
        NodeKind::Service => {
            words.push(format!("takes {}, {}", of(sources, "name"), several(came, "packet")));
            words.push(format!("publishes {}, {}", of(targets, "name"), several(went, "packet")));
        }
        NodeKind::Outside => {
            words.push(format!("{}, {}", of(targets, "name"), several(went, "packet")))
        }
    }
    if node.letters > 0 {
        words.push(several(node.letters, "dead letter"));
    }
    if node.is_odd {
        words.push("something is odd".to_owned());
    }
    words.join("; ")
}

/// Whether it stands for packets of any name.
fn is_any(node: &Node) -> bool {
    node.kind == NodeKind::Name && node.name.is_none() && node.label == "*"
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some(_) => text.chars().take(LONGEST - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}
