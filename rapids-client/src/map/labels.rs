//! What packets are called and who published them, each kept once and known by a number.

use std::collections::HashMap;
use std::hash::Hash;

use crate::packet::PacketName;

/// A packet has a label: its names, of which one that asks for several things has several. Names that
/// are longer, and lists of more, are not kept.
const LONGEST: usize = 256;
const MOST_NAMES: usize = 16;

/// Values with numbers, up to a limit.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
    most: usize,
}

impl<T: Eq + Hash + Clone> Numbered<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { numbers: HashMap::new(), values: Vec::new(), most }
    }

    /// The number of a value; `None` for one that comes when there are as many as may be.
    pub(super) fn number(&mut self, value: T) -> Option<u32> {
        if let Some(number) = self.numbers.get(&value) {
            return Some(*number);
        }
        let number = u32::try_from(self.values.len()).ok()?;
        if self.values.len() >= self.most {
            return None;
        }
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        Some(number)
    }

    pub(super) fn value(&self, number: u32) -> &T {
        &self.values[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

/// Whether a packet of these names can be kept by them.
pub(super) fn is_kept(names: &[PacketName]) -> bool {
    names.len() <= MOST_NAMES && names.iter().all(|name| is_short(&name.name))
}

/// Whether a name is short enough to be kept.
pub(super) fn is_short(name: &str) -> bool {
    name.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Packet;

    #[test]
    fn a_value_keeps_its_number_and_none_comes_beyond_the_limit() {
        let mut numbered = Numbered::new(2);
        let numbers = ["a", "b", "a", "c", "b"].map(|value| numbered.number(value));
        assert_eq!(numbers, [Some(0), Some(1), Some(0), None, Some(1)]);
        assert_eq!((*numbered.value(1), numbered.len()), ("b", 2));
    }

    #[test]
    fn names_that_would_take_much_memory_are_not_kept() {
        assert!(is_kept(&Packet::event("e".repeat(LONGEST)).names()));
        assert!(!is_kept(&Packet::event("e".repeat(LONGEST + 1)).names()));
        let needs: Vec<_> = (0..=MOST_NAMES).map(|n| n.to_string()).collect();
        assert!(!is_kept(&Packet::need(needs).names()));
    }
}
