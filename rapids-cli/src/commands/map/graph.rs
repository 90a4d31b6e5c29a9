//! The map as a graph: names of packets, and the services that take and publish them.
//!
//! A solid line is what was seen, with how often; a dashed one what is only declared. Names are written
//! by others, so each character that could mean anything in the language of a graph is escaped.

use std::collections::BTreeMap;

use rapids_client::map::{Oddity, RapidsMap};
use rapids_client::{PacketName, printable};

use crate::mermaid::escaped;

/// What stands for a packet of any name.
const ANY: &str = "*";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Name(String),
    Service(String),
    Outside,
}

#[derive(Debug, Default)]
struct Graph {
    /// Each with whether it is odd.
    nodes: BTreeMap<Node, bool>,
    /// How often; 0 for what is only declared.
    edges: BTreeMap<(Node, Node), u64>,
}

impl Graph {
    fn of(map: &RapidsMap) -> Self {
        let mut graph = Self::default();
        for river in &map.rivers {
            let service = Node::Service(river.service.clone());
            match &river.admits {
                None => graph.edge(Node::Name(ANY.to_owned()), service.clone(), river.took),
                Some(names) => {
                    for name in names {
                        graph.edge(name_node(Some(name)), service.clone(), 0);
                    }
                    for taken in &river.taken {
                        let name = name_node(taken.name.as_ref());
                        graph.edge(name, service.clone(), taken.packets);
                    }
                }
            }
            for name in river.publishes.iter().flatten() {
                graph.edge(service.clone(), name_node(Some(name)), 0);
            }
        }
        for published in &map.published {
            let publisher = publisher_node(published.publisher.as_ref());
            graph.edge(publisher, name_node(published.name.as_ref()), published.packets);
        }
        graph.followed(map);
        for oddity in &map.odd {
            graph.mark(oddity);
        }
        graph
    }

    /// What a service took as far as its effects tell, such as one that does not run, or that had other
    /// rules then: only where the rules of its rivers do not tell it.
    fn followed(&mut self, map: &RapidsMap) {
        let mut followed: BTreeMap<(Node, Node), u64> = BTreeMap::new();
        for flow in &map.flows {
            let publisher = publisher_node(flow.publisher.as_ref());
            let edge = (name_node(flow.cause.as_ref()), publisher);
            *followed.entry(edge).or_default() += flow.packets;
        }
        for (edge, packets) in followed {
            if self.edges.get(&edge).is_none_or(|count| *count == 0) {
                self.edge(edge.0, edge.1, packets);
            }
        }
    }

    fn edge(&mut self, from: Node, to: Node, count: u64) {
        self.nodes.entry(from.clone()).or_default();
        self.nodes.entry(to.clone()).or_default();
        *self.edges.entry((from, to)).or_default() += count;
    }

    fn mark(&mut self, oddity: &Oddity) {
        let node = match oddity {
            Oddity::Unread { name, .. } | Oddity::Unpublished { name, .. } => name_node(Some(name)),
            Oddity::Idle { service, .. } => Node::Service(service.clone()),
            Oddity::Starved(change) | Oddity::Invalid(change) => {
                Node::Service(change.service.clone())
            }
            _ => return,
        };
        self.nodes.insert(node, true);
    }

    /// The nodes with their numbers, and whether they are odd.
    fn numbered(&self) -> impl Iterator<Item = (usize, &Node, bool)> {
        self.nodes.iter().enumerate().map(|(number, (node, is_odd))| (number, node, *is_odd))
    }

    /// The edges between numbers, with how often.
    fn numbered_edges(&self) -> impl Iterator<Item = (usize, usize, u64)> {
        let numbers: BTreeMap<_, _> = self.nodes.keys().zip(0..).collect();
        let edge =
            move |((from, to), count): (&(Node, Node), &u64)| (numbers[from], numbers[to], *count);
        self.edges.iter().map(edge)
    }
}

fn name_node(name: Option<&PacketName>) -> Node {
    Node::Name(name.map_or("(no kind)".to_owned(), ToString::to_string))
}

fn publisher_node(publisher: Option<&String>) -> Node {
    publisher.map_or(Node::Outside, |service| Node::Service(service.clone()))
}

impl Node {
    fn label(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Service(service) => service,
            Self::Outside => "outside",
        }
    }
}

/// A flowchart of Mermaid.
pub(super) fn mermaid(map: &RapidsMap) -> String {
    let graph = Graph::of(map);
    let mut lines = vec!["flowchart LR".to_owned()];
    for (number, node, is_odd) in graph.numbered() {
        let label = escaped(node.label());
        let (open, close) = match node {
            Node::Name(_) => ("([", "])"),
            Node::Service(_) => ("[", "]"),
            Node::Outside => ("((", "))"),
        };
        let class = if is_odd { ":::odd" } else { "" };
        lines.push(format!("    n{number}{open}\"{label}\"{close}{class}"));
    }
    for (from, to, count) in graph.numbered_edges() {
        lines.push(match count {
            0 => format!("    n{from} -.-> n{to}"),
            count => format!("    n{from} -->|{count}| n{to}"),
        });
    }
    lines.push("    classDef odd stroke:#c00,stroke-width:3px".to_owned());
    lines.join("\n") + "\n"
}

/// A graph of Graphviz.
pub(super) fn dot(map: &RapidsMap) -> String {
    let graph = Graph::of(map);
    let mut lines = vec!["digraph rapids {".to_owned(), "    rankdir=LR;".to_owned()];
    for (number, node, is_odd) in graph.numbered() {
        let label = dot_text(node.label());
        let shape = match node {
            Node::Name(_) => "ellipse",
            Node::Service(_) => "box",
            Node::Outside => "circle",
        };
        let colour = if is_odd { ", color=red, penwidth=3" } else { "" };
        lines.push(format!("    n{number} [label=\"{label}\", shape={shape}{colour}];"));
    }
    for (from, to, count) in graph.numbered_edges() {
        lines.push(match count {
            0 => format!("    n{from} -> n{to} [style=dashed];"),
            count => format!("    n{from} -> n{to} [label=\"{count}\"];"),
        });
    }
    lines.push("}".to_owned());
    lines.join("\n") + "\n"
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
