//! A part of the graph: what is around one node.

use std::collections::BTreeSet;

use rapids_client::map::RapidsMap;

use super::{ANY, Edge, Graph, Key, Node, NodeKind, name_key, publisher_key};

/// Some nodes and edges of a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// The indices of the nodes.
    pub nodes: BTreeSet<usize>,
    /// The indices of the edges.
    pub edges: BTreeSet<usize>,
}

impl Graph {
    /// What is around a node. Of a service: the names that it takes and publishes, who publishes the ones,
    /// and who takes the others. Of a name: who publishes and takes it, what led to it, and what followed.
    #[must_use]
    pub fn around(&self, node: usize, map: &RapidsMap) -> Part {
        let mut edges: BTreeSet<usize> = BTreeSet::new();
        for (number, edge) in self.edges.iter().enumerate() {
            if edge.from == node {
                edges.insert(number);
                edges.extend(self.edges_where(|further| further.from == edge.to));
            } else if edge.to == node {
                edges.insert(number);
                edges.extend(self.edges_where(|earlier| earlier.to == edge.from));
            }
        }
        if self.nodes[node].kind == NodeKind::Name {
            edges.retain(|number| {
                [self.edges[*number].from, self.edges[*number].to].contains(&node)
            });
            edges.extend(self.flows_through(&self.nodes[node], map));
        }
        let ends =
            edges.iter().flat_map(|number| [self.edges[*number].from, self.edges[*number].to]);
        let nodes = ends.chain([node]).collect();
        Part { nodes, edges }
    }

    /// These nodes, with the edges between them.
    #[must_use]
    pub fn between(&self, nodes: BTreeSet<usize>) -> Part {
        let is_between = |edge: &Edge| nodes.contains(&edge.from) && nodes.contains(&edge.to);
        let edges = self.edges_where(is_between).collect();
        Part { nodes, edges }
    }

    /// The graph of this part alone.
    #[must_use]
    pub fn only(&self, part: &Part) -> Self {
        let nodes: Vec<usize> = part.nodes.iter().copied().collect();
        let place = |node: usize| nodes.binary_search(&node).ok();
        let edge = |number: &usize| {
            let edge = *self.edges.get(*number)?;
            Some(Edge { from: place(edge.from)?, to: place(edge.to)?, ..edge })
        };
        Self {
            edges: part.edges.iter().filter_map(edge).collect(),
            nodes: nodes.iter().filter_map(|node| self.nodes.get(*node).cloned()).collect(),
        }
    }

    fn edges_where(&self, is_meant: impl Fn(&Edge) -> bool) -> impl Iterator<Item = usize> {
        let numbered = self.edges.iter().enumerate();
        numbered.filter(move |(_, edge)| is_meant(edge)).map(|(number, _)| number)
    }

    /// From what a name followed, and what followed from it: the other edge of whoever stands between.
    fn flows_through(&self, name: &Node, map: &RapidsMap) -> Vec<usize> {
        if name.name.is_none() && name.label == ANY {
            return Vec::new();
        }
        let mut edges = Vec::new();
        for flow in &map.flows {
            let publisher = publisher_key(flow.publisher.as_ref());
            if flow.cause == name.name {
                edges.extend(self.edge_of(&publisher, &name_key(flow.effect.as_ref())));
            }
            if flow.effect == name.name {
                edges.extend(self.edge_of(&name_key(flow.cause.as_ref()), &publisher));
            }
        }
        edges
    }

    fn edge_of(&self, from: &Key, to: &Key) -> Option<usize> {
        let is_key = |node: &Node, key: &Key| {
            (node.kind, &node.label, &node.name) == (key.0, &key.1, &key.2)
        };
        let is_meant =
            |edge: &Edge| is_key(&self.nodes[edge.from], from) && is_key(&self.nodes[edge.to], to);
        self.edges.iter().position(is_meant)
    }
}

#[cfg(test)]
mod tests {
    use rapids_client::map::{Observation, Window};
    use rapids_client::{Packet, Timestamp};

    use super::*;

    /// An order, as services hand it on: each packet leads to the next.
    fn map() -> RapidsMap {
        let window = Window::new(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, 0);
        let mut observation = Observation::without_rivers(window);
        for body in [
            r#"{"command":"place","rapids":{"id":"1"}}"#,
            r#"{"event":"placed","rapids":{"id":"2","causation_id":"1","breadcrumbs":["order"]}}"#,
            r#"{"event":"paid","rapids":{"id":"3","causation_id":"2","breadcrumbs":["payment"]}}"#,
            r#"{"event":"sent","rapids":{"id":"4","causation_id":"3","breadcrumbs":["shipping"]}}"#,
        ] {
            observation.packet(&Packet::from_bytes(body).unwrap());
        }
        observation.map()
    }

    /// The labels of what is around a node, and how many edges.
    fn around(label: &str) -> (Vec<String>, usize) {
        let map = map();
        let graph = Graph::of(&map);
        let node = graph.nodes.iter().position(|node| node.label == label).unwrap();
        let graph = graph.only(&graph.around(node, &map));
        (graph.nodes.into_iter().map(|node| node.label).collect(), graph.edges.len())
    }

    #[test]
    fn around_a_service_are_its_names_and_who_is_behind_them() {
        let (labels, edges) = around("order");
        assert_eq!(labels, ["command place", "placed", "order", "payment", "outside"]);
        assert_eq!(edges, 4);
    }

    #[test]
    fn around_a_name_are_its_services_and_what_led_to_it_and_followed() {
        let (labels, edges) = around("placed");
        assert_eq!(labels, ["command place", "paid", "placed", "order", "payment"]);
        assert_eq!(edges, 4);
    }

    #[test]
    fn a_part_of_nodes_has_the_edges_between_them() {
        let graph = Graph::of(&map());
        let all = graph.between((0..graph.nodes.len()).collect());
        assert_eq!(graph.only(&all), graph);
        assert!(graph.only(&graph.between(BTreeSet::from([0, 1]))).edges.is_empty());
    }

    #[test]
    fn a_service_that_is_not_on_the_map_is_a_node_all_the_same() {
        let graph = Graph::with_services(&map(), ["audit", "order"]);
        let services = graph.nodes.iter().filter(|node| node.kind == NodeKind::Service);
        let services: Vec<_> = services.map(|node| &*node.label).collect();
        assert_eq!(services, ["audit", "order", "payment", "shipping"]);
    }
}
