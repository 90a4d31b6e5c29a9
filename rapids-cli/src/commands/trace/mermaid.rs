//! Conversations as a flowchart in [Mermaid](https://mermaid.js.org)'s language.

use std::fmt::Write;

use rapids_client::{Conversation, Node, Packet, Subject};
use rapids_views::mermaid_escaped;

use super::lines::publisher;
use crate::packet_line::{facts, kind_and_name};
use crate::shorten::shortened;

/// Longest text in characters.
const TEXT: usize = 60;

/// The flowchart, and how many edges it has.
pub(super) fn flowchart(conversations: &[Conversation]) -> (String, usize) {
    let mut chart = Chart { text: String::from("flowchart TD\n"), nodes: 0, edges: 0 };
    for (place, conversation) in conversations.iter().enumerate() {
        chart.conversation(place, conversation);
    }
    let styles = [
        "letter fill:#fdecea,stroke:#b3261e,color:#b3261e",
        "missing stroke-dasharray:4 4,color:#777777",
    ];
    for style in styles {
        chart.line(format_args!("  classDef {style}"));
    }
    (chart.text, chart.edges)
}

struct Chart {
    text: String,
    nodes: usize,
    edges: usize,
}

impl Chart {
    fn conversation(&mut self, place: usize, conversation: &Conversation) {
        let title = mermaid_escaped(&format!("conversation {}", conversation.id));
        self.line(format_args!("  subgraph c{place}[\"{title}\"]"));
        let first = self.nodes;
        for node in &conversation.tree() {
            let (texts, class) = texts(node);
            let label =
                texts.iter().map(|text| mermaid_escaped(text)).collect::<Vec<_>>().join("<br/>");
            let name = self.nodes;
            self.line(format_args!("    n{name}[\"{label}\"]{class}"));
            if let Some(parent) = node.parent {
                self.line(format_args!("    n{} --> n{name}", first + parent));
                self.edges += 1;
            }
            self.nodes += 1;
        }
        self.line(format_args!("  end"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("writing to a string cannot fail");
    }
}

/// The lines of a node, and its class.
fn texts(node: &Node<'_>) -> (Vec<String>, &'static str) {
    match node.subject {
        Subject::Packet(packet) => (packet_texts(packet), ""),
        Subject::Letter(stored) => {
            let letter = &stored.letter;
            let texts = [
                format!("✗ {} {}", letter.id, letter.kind),
                stored.state.to_string(),
                shortened(&letter.reason, TEXT),
            ];
            (texts.into(), ":::letter")
        }
        Subject::Missing(id) => (vec![format!("… {id} is missing")], ":::missing"),
        _ => (Vec::new(), ""),
    }
}

fn packet_texts(packet: &Packet) -> Vec<String> {
    let (kind, name) = kind_and_name(packet);
    let sequence = packet.arrival().map_or(0, |arrival| arrival.sequence);
    let mut texts = vec![
        format!("{kind} {}", shortened(&name, TEXT)),
        format!("{sequence}, {}", shortened(publisher(packet), TEXT)),
    ];
    let facts = shortened(&facts(packet), TEXT);
    if !facts.is_empty() {
        texts.push(facts);
    }
    texts
}
