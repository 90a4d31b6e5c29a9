//! Where a node stands in its packet.

use super::evaluation::Key;
use super::notation;

/// The way from the packet to a node, as a chain of borrowed keys. Nothing is written or allocated
/// until somebody asks for its text.
pub(super) enum NodePath<'p> {
    Root,
    Under(&'p NodePath<'p>, &'p Key<'p>),
}

impl NodePath<'_> {
    /// The path as RFC 9535 writes it: `@.items[0]`.
    pub(super) fn text(&self) -> String {
        match self {
            NodePath::Root => "@".to_owned(),
            NodePath::Under(parent, Key::Name(name)) => parent.member(&name.shown()),
            NodePath::Under(parent, Key::Index(index)) => format!("{}[{index}]", parent.text()),
        }
    }

    /// The path of a member of the node.
    pub(super) fn member(&self, name: &str) -> String {
        let mut text = self.text();
        // Writing to a string cannot fail.
        let _ = notation::name(name, &mut text);
        text
    }
}
