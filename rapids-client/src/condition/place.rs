//! Where a node stands in its packet.

use super::evaluation::Key;
use super::render;

/// Where a node stands, as a chain that costs nothing until it is written.
pub(super) enum Place<'p> {
    Root,
    Under(&'p Place<'p>, &'p Key<'p>),
}

impl Place<'_> {
    pub(super) fn text(&self) -> String {
        match self {
            Place::Root => "@".to_owned(),
            Place::Under(parent, Key::Name(name)) => parent.member(&name.shown()),
            Place::Under(parent, Key::Index(index)) => format!("{}[{index}]", parent.text()),
        }
    }

    pub(super) fn member(&self, name: &str) -> String {
        let mut text = self.text();
        // Writing to a string cannot fail.
        let _ = render::name(name, &mut text);
        text
    }
}
