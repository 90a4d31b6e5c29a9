//! What the map is limited to: how a node is written in an address, and found by that.

use rapids_client::PacketName;
use rapids_views::{Graph, Node, NodeKind};

use crate::frame::Frame;

/// How a node is written: `service:payment`, `event order_placed`, `outside`.
pub(super) fn key(node: &Node) -> String {
    match (node.kind, &node.name) {
        (NodeKind::Service, _) => format!("service:{}", node.label),
        (_, Some(name)) => name_key(name),
        (_, None) => node.label.clone(),
    }
}

/// How a name of packets is written.
pub(crate) fn name_key(name: &PacketName) -> String {
    format!("{} {}", name.kind.key(), name.name)
}

/// The node that is written so; of a name of packets, its label will do.
pub(super) fn find(graph: &Graph, text: &str) -> Option<usize> {
    let exact = graph.nodes.iter().position(|node| key(node) == text);
    let is_labelled = |node: &Node| node.kind == NodeKind::Name && node.label == text;
    exact.or_else(|| graph.nodes.iter().position(is_labelled))
}

/// The address of the map around a node.
pub(super) fn address(frame: &Frame, node: &Node) -> String {
    frame.to("/map?focus=", &key(node))
}

#[cfg(test)]
mod tests {
    use rapids_client::map::{Observation, Window};
    use rapids_client::{Packet, Timestamp};

    use super::*;

    fn graph(bodies: &[&'static str]) -> Graph {
        let window = Window::new(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, 0);
        let mut observation = Observation::without_rivers(window);
        for body in bodies {
            observation.packet(&Packet::from_bytes(*body).unwrap());
        }
        Graph::of(&observation.map())
    }

    #[test]
    fn no_two_nodes_are_written_alike_and_each_is_found() {
        let graph = graph(&[
            r#"{"event":"service:order","rapids":{"id":"1","breadcrumbs":["order"]}}"#,
            r#"{"event":"need car","rapids":{"id":"2"}}"#,
            r#"{"need":"car","rapids":{"id":"3"}}"#,
            r#"{"x":1,"rapids":{"id":"4"}}"#,
        ]);
        let keys: Vec<_> = graph.nodes.iter().map(key).collect();
        let written = [
            "(no kind)",
            "event need car",
            "need car",
            "event service:order",
            "service:order",
            "outside",
        ];
        assert_eq!(keys, written);
        for (place, key) in keys.iter().enumerate() {
            assert_eq!(find(&graph, key), Some(place), "{key}");
        }
    }

    #[test]
    fn an_event_is_found_by_its_name_alone() {
        let graph = graph(&[r#"{"event":"order_placed"}"#]);
        let found = find(&graph, "order_placed").map(|place| key(&graph.nodes[place]));
        assert_eq!(found.as_deref(), Some("event order_placed"));
        assert_eq!(find(&graph, "order_paid"), None);
    }
}
