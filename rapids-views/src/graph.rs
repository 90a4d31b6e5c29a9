//! The map as a graph: names of packets, and the services that take and publish them.
//!
//! A solid line is what was seen, with how often; a dashed one what is only declared. Names are written
//! by others, so each character that could mean anything in the language of a graph is escaped.

mod part;

use std::collections::{BTreeMap, BTreeSet};

use rapids_client::map::{LetterCount, Oddity, RapidsMap};
use rapids_client::{PacketName, printable};

use crate::mermaid::mermaid_escaped;
pub use part::Part;

/// What stands for a packet of any name.
const ANY: &str = "*";

/// The map as nodes and edges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    /// The names, then the services, then what stands outside; each kind by its labels.
    pub nodes: Vec<Node>,
    /// The edges, by the nodes that they come from, and go to.
    pub edges: Vec<Edge>,
}

/// A name, a service, or whoever publishes from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// What is written on it; of a name `*` for any, and `(no kind)` for packets of none. Others wrote it:
    /// print it through [`printable`](rapids_client::printable()).
    pub label: String,
    /// The name of packets that it stands for; `None` for a service, for any name, and for packets of no kind.
    pub name: Option<PacketName>,
    /// Whether something about it is odd.
    pub is_odd: bool,
    /// How many waiting dead letters of the map's window a service has. One that is on the map for its letters
    /// alone is no node.
    pub letters: u64,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// A name of packets.
    Name,
    /// A service.
    Service,
    /// Whoever publishes without being a service.
    Outside,
}

/// A way that packets take: from who publishes to the name, and from the name to who takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edge {
    /// The index of the node that it comes from.
    pub from: usize,
    /// The index of the node that it goes to.
    pub to: usize,
    /// How many packets took it in the map's window; 0 if it is only declared.
    pub packets: u64,
    /// How many waiting dead letters of the map's window the rivers have that take it.
    pub letters: u64,
}

impl Graph {
    /// Draws the graph of a map.
    #[must_use]
    pub fn of(map: &RapidsMap) -> Self {
        Self::with_services(map, [])
    }

    /// As [`of`](Self::of), with services that need not be on the map, such as those that are down.
    #[must_use]
    pub fn with_services<'a>(map: &RapidsMap, services: impl IntoIterator<Item = &'a str>) -> Self {
        let mut drawn = Drawn::default();
        for service in services {
            drawn.nodes.entry(service_key(service)).or_default();
        }
        drawn.rivers(map);
        for published in &map.published {
            let publisher = publisher_key(published.publisher.as_ref());
            drawn.edge(publisher, name_key(published.name.as_ref()), published.packets);
        }
        drawn.followed(map);
        for oddity in &map.odd {
            drawn.mark(oddity);
        }
        drawn.graph(map)
    }

    /// Writes it as a flowchart of [Mermaid](https://mermaid.js.org).
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut lines = vec!["flowchart LR".to_owned()];
        for (number, node) in self.nodes.iter().enumerate() {
            let label = mermaid_escaped(&node.label);
            let (open, close) = match node.kind {
                NodeKind::Name => ("([", "])"),
                NodeKind::Service => ("[", "]"),
                NodeKind::Outside => ("((", "))"),
            };
            let class = if node.is_odd { ":::odd" } else { "" };
            lines.push(format!("    n{number}{open}\"{label}\"{close}{class}"));
        }
        for Edge { from, to, packets, .. } in &self.edges {
            lines.push(match packets {
                0 => format!("    n{from} -.-> n{to}"),
                packets => format!("    n{from} -->|{packets}| n{to}"),
            });
        }
        lines.push("    classDef odd stroke:#c00,stroke-width:3px".to_owned());
        lines.join("\n") + "\n"
    }

    /// Writes it as a graph of [Graphviz](https://graphviz.org).
    #[must_use]
    pub fn dot(&self) -> String {
        let mut lines = vec!["digraph rapids {".to_owned(), "    rankdir=LR;".to_owned()];
        for (number, node) in self.nodes.iter().enumerate() {
            let label = dot_text(&node.label);
            let shape = match node.kind {
                NodeKind::Name => "ellipse",
                NodeKind::Service => "box",
                NodeKind::Outside => "circle",
            };
            let colour = if node.is_odd { ", color=red, penwidth=3" } else { "" };
            lines.push(format!("    n{number} [label=\"{label}\", shape={shape}{colour}];"));
        }
        for Edge { from, to, packets, .. } in &self.edges {
            lines.push(match packets {
                0 => format!("    n{from} -> n{to} [style=dashed];"),
                packets => format!("    n{from} -> n{to} [label=\"{packets}\"];"),
            });
        }
        lines.push("}".to_owned());
        lines.join("\n") + "\n"
    }
}

/// By what a node is found, and in which order nodes stand: its kind, its label, its name.
type Key = (NodeKind, String, Option<PacketName>);

/// A graph while it is drawn.
#[derive(Debug, Default)]
struct Drawn {
    /// Each with whether it is odd.
    nodes: BTreeMap<Key, bool>,
    /// How often; 0 for what is only declared.
    edges: BTreeMap<(Key, Key), u64>,
}

impl Drawn {
    /// What rivers take and declare.
    fn rivers(&mut self, map: &RapidsMap) {
        for river in &map.rivers {
            let service = service_key(&river.service);
            match &river.admits {
                None => {
                    self.edge(any_key(), service.clone(), river.took);
                }
                Some(names) => {
                    for name in names {
                        self.edge(name_key(Some(name)), service.clone(), 0);
                    }
                    for taken in &river.taken {
                        self.edge(name_key(taken.name.as_ref()), service.clone(), taken.packets);
                    }
                }
            }
            for name in river.publishes.iter().flatten() {
                self.edge(service.clone(), name_key(Some(name)), 0);
            }
        }
    }

    /// What a service took as far as its effects tell, such as one that does not run, or that had other
    /// rules then: only where the rules of its rivers do not tell it.
    fn followed(&mut self, map: &RapidsMap) {
        let mut followed: BTreeMap<(Key, Key), u64> = BTreeMap::new();
        for flow in &map.flows {
            let publisher = publisher_key(flow.publisher.as_ref());
            let edge = (name_key(flow.cause.as_ref()), publisher);
            *followed.entry(edge).or_default() += flow.packets;
        }
        for (edge, packets) in followed {
            if self.edges.get(&edge).is_none_or(|count| *count == 0) {
                self.edge(edge.0, edge.1, packets);
            }
        }
    }

    fn edge(&mut self, from: Key, to: Key, count: u64) {
        self.nodes.entry(from.clone()).or_default();
        self.nodes.entry(to.clone()).or_default();
        *self.edges.entry((from, to)).or_default() += count;
    }

    fn mark(&mut self, oddity: &Oddity) {
        let key = match oddity {
            Oddity::Unread { name, .. } | Oddity::Unpublished { name, .. } => name_key(Some(name)),
            Oddity::Idle { service, .. } => service_key(service),
            Oddity::Starved(change) | Oddity::Invalid(change) => service_key(&change.service),
            _ => return,
        };
        self.nodes.insert(key, true);
    }

    /// The graph with numbers in place of keys.
    fn graph(self, map: &RapidsMap) -> Graph {
        let mut letters: BTreeMap<Key, u64> = BTreeMap::new();
        for count in &map.letters {
            *letters.entry(service_key(&count.service)).or_default() += count.letters;
        }
        let failed = failed(map);
        let numbers: BTreeMap<&Key, usize> = self.nodes.keys().zip(0..).collect();
        let edge = |(ends, packets): (&(Key, Key), &u64)| Edge {
            from: numbers[&ends.0],
            to: numbers[&ends.1],
            packets: *packets,
            letters: failed.get(ends).copied().unwrap_or_default(),
        };
        let edges = self.edges.iter().map(edge).collect();
        let node = |(key, is_odd): (Key, bool)| {
            let letters = letters.get(&key).copied().unwrap_or_default();
            Node { kind: key.0, label: key.1, name: key.2, is_odd, letters }
        };
        Graph { edges, nodes: self.nodes.into_iter().map(node).collect() }
    }
}

/// The dead letters of rivers, by the edges from what these take.
fn failed(map: &RapidsMap) -> BTreeMap<(Key, Key), u64> {
    // Where instances differ in their rules, there are several rivers of a name with the same letters.
    let mut ways: BTreeSet<(&str, &str, Key)> = BTreeSet::new();
    for river in &map.rivers {
        let way = |key| (river.service.as_str(), river.river.as_str(), key);
        match &river.admits {
            None => ways.extend([way(any_key())]),
            Some(names) => ways.extend(names.iter().map(|name| way(name_key(Some(name))))),
        }
    }
    let mut failed: BTreeMap<(Key, Key), u64> = BTreeMap::new();
    for (service, river, key) in ways {
        let is_its = |it: &&LetterCount| it.service == service && it.river == river;
        let letters: u64 = map.letters.iter().filter(is_its).map(|it| it.letters).sum();
        *failed.entry((key, service_key(service))).or_default() += letters;
    }
    failed
}

fn any_key() -> Key {
    (NodeKind::Name, ANY.to_owned(), None)
}

fn name_key(name: Option<&PacketName>) -> Key {
    (NodeKind::Name, name.map_or("(no kind)".to_owned(), ToString::to_string), name.cloned())
}

fn service_key(service: &str) -> Key {
    (NodeKind::Service, service.to_owned(), None)
}

fn publisher_key(publisher: Option<&String>) -> Key {
    let outside = || (NodeKind::Outside, "outside".to_owned(), None);
    publisher.map_or_else(outside, |service| service_key(service))
}

/// A text within quotes of Graphviz, which knows escapes with `\` and entities with `&`.
fn dot_text(text: &str) -> String {
    let text = printable(text).to_string();
    text.replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_quotes() {
        let hostile = "a\"];x\n--> [b]\\{`&lt;}|#35;";
        assert_eq!(dot_text(hostile), r#"a\"];x\\n--> [b]\\{`&amp;lt;}|#35;"#);
    }
}
