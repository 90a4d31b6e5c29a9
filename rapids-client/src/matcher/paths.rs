//! The places that conditions name, as a tree that is walked along with the body.
//!
//! What stands at a place in a body is left to [`scan`](super::scan).

use super::names::Names;
use crate::json::Step;

/// One of the places; the packet itself is [`PACKET`].
pub(super) type Slot = usize;

/// The slot of the packet.
pub(super) const PACKET: Slot = 0;

/// A tree of slots.
#[derive(Debug)]
pub(super) struct Paths {
    nodes: Vec<Node>,
}

/// The slots one step above and below a slot.
#[derive(Debug, Default)]
struct Node {
    parent: Slot,
    members: Names<Slot>,
    elements: Vec<(usize, Slot)>,
}

impl Paths {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// How many slots there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The slot at the end of the steps; `None` if one of them counts from the end of an array.
    pub(super) fn slot(&mut self, steps: &[Step]) -> Option<Slot> {
        steps.iter().try_fold(PACKET, |slot, step| match step {
            Step::Name(name) => Some(self.member_or_new(slot, name.as_bytes())),
            Step::Index(index) => Some(self.element_or_new(slot, usize::try_from(*index).ok()?)),
        })
    }

    fn member_or_new(&mut self, slot: Slot, name: &[u8]) -> Slot {
        if let Some(known) = self.nodes[slot].members.get(name) {
            return *known;
        }
        let new = self.add_below(slot);
        self.nodes[slot].members.insert(name.into(), new);
        new
    }

    fn element_or_new(&mut self, slot: Slot, index: usize) -> Slot {
        if let Some(known) = self.element(slot, index) {
            return known;
        }
        let new = self.add_below(slot);
        self.nodes[slot].elements.push((index, new));
        new
    }

    fn add_below(&mut self, parent: Slot) -> Slot {
        self.nodes.push(Node { parent, ..Node::default() });
        self.nodes.len() - 1
    }

    /// The slot above.
    #[inline]
    pub(super) fn parent(&self, slot: Slot) -> Slot {
        self.nodes[slot].parent
    }

    /// The slot of a member.
    #[inline]
    pub(super) fn member(&self, slot: Slot, name: &[u8]) -> Option<Slot> {
        self.nodes[slot].members.get(name).copied()
    }

    /// Whether some condition names a member.
    #[inline]
    pub(super) fn has_members(&self, slot: Slot) -> bool {
        !self.nodes[slot].members.is_empty()
    }

    /// The slot of an element.
    pub(super) fn element(&self, slot: Slot, index: usize) -> Option<Slot> {
        let mut elements = self.nodes[slot].elements.iter();
        elements.find(|(known, _)| *known == index).map(|(_, slot)| *slot)
    }

    /// How many elements there are up to the last that some condition names.
    #[inline]
    pub(super) fn elements(&self, slot: Slot) -> usize {
        self.nodes[slot].elements.iter().map(|(index, _)| index + 1).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Path;

    #[test]
    fn paths_share_the_slots_on_their_way() {
        let mut paths = Paths::new();
        let slot = |paths: &mut Paths, text| paths.slot(Path::parse(text).unwrap().steps());
        let street = slot(&mut paths, "@.customer.address.street").unwrap();
        let city = slot(&mut paths, "$['customer'].address.city").unwrap();
        let first = slot(&mut paths, "@.items[0]").unwrap();
        assert_eq!(slot(&mut paths, "@.customer.address.city"), Some(city));
        assert_eq!(paths.parent(city), paths.parent(street));
        assert_eq!(paths.member(paths.parent(city), b"city"), Some(city));
        assert_eq!(paths.member(PACKET, b"city"), None);
        let items = paths.member(PACKET, b"items").unwrap();
        assert_eq!((paths.element(items, 0), paths.elements(items)), (Some(first), 1));
        assert!(!paths.has_members(items) && paths.has_members(PACKET));
        assert_eq!(slot(&mut paths, "@.items[-1]"), None);
        assert_eq!(slot(&mut paths, "@"), Some(PACKET));
    }
}
