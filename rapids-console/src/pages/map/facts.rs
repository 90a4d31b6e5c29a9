//! What is told beside the drawing of the node that it is limited to.

mod name;
mod service;

use rapids_views::NodeKind;

use super::picture::{kind, label};
use super::rows::{Link, Links};
use super::seen::Drawn;
use crate::badge::Badge;
use crate::console::Console;
use crate::frame::Frame;
use crate::text::short;

#[derive(Default)]
pub(super) struct Facts {
    pub(super) title: String,
    /// What it is, in a word.
    pub(super) kind: &'static str,
    pub(super) badge: Option<Badge>,
    /// What instances say of themselves.
    pub(super) details: Vec<String>,
    pub(super) figures: Vec<Figure>,
    /// The ids of its instances.
    pub(super) instances: String,
    pub(super) lists: Vec<List>,
    pub(super) rivers: Vec<RiverFacts>,
    /// Where its packets are seen as they come.
    pub(super) live: Option<String>,
}

/// A number, or a few words, with what it is.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) address: Option<String>,
    pub(super) is_bad: bool,
}

/// What is connected with it in one way.
pub(super) struct List {
    pub(super) title: &'static str,
    /// Each with what it leads to, where that matters.
    pub(super) links: Vec<(Link, Option<Link>)>,
    pub(super) more: usize,
    pub(super) otherwise: &'static str,
}

pub(super) struct RiverFacts {
    pub(super) name: String,
    pub(super) conditions: Vec<String>,
    pub(super) requirements: Vec<String>,
    /// What happens to packets that do not meet the requirements.
    pub(super) ignores_invalid: bool,
    /// What became of the packets of the window.
    pub(super) outcome: String,
    pub(super) publishes: String,
    /// Its letters of the window that wait, by kind.
    pub(super) letters: Vec<String>,
}

impl Facts {
    pub(super) fn of(console: &Console, frame: &Frame, drawn: &Drawn, number: usize) -> Self {
        let node = &drawn.graph.nodes[number];
        let facts = Self {
            title: short(label(node)),
            kind: kind(node),
            badge: drawn.badge(node),
            ..Self::default()
        };
        let to = |title, otherwise| List::of(frame, drawn, number, true, (title, otherwise));
        let from = |title, otherwise| List::of(frame, drawn, number, false, (title, otherwise));
        match node.kind {
            NodeKind::Service => {
                let lists = vec![
                    to("Takes", "Nothing that is known."),
                    from("Publishes", "Nothing that is known."),
                ];
                service::facts(Self { lists, ..facts }, console, frame, drawn, node)
            }
            NodeKind::Outside => Self { lists: vec![from("Publishes", "Nothing.")], ..facts },
            NodeKind::Name => {
                let lists = vec![
                    to("Published by", "Nobody in these minutes, and nobody declares it."),
                    from("Taken by", "No river that is known asks for it by name."),
                ];
                name::facts(Self { lists, ..facts }, frame, drawn, number)
            }
        }
    }
}

impl List {
    /// What edges lead to or from a node.
    fn of(
        frame: &Frame,
        drawn: &Drawn,
        node: usize,
        is_to: bool,
        (title, otherwise): (&'static str, &'static str),
    ) -> Self {
        let Links { links, more } = if is_to {
            Links::of(frame, drawn, drawn.to(node))
        } else {
            Links::of(frame, drawn, drawn.from(node))
        };
        let links = links.into_iter().map(|link| (link, None)).collect();
        Self { title, links, more, otherwise }
    }
}
