//! What a reaction makes of a packet that it has handled before, and how a service announces that.
//!
//! Pure. It stands in the metadata of the river's endpoint, where earlier versions neither write nor read
//! anything.

use std::collections::{BTreeMap, HashMap};

use crate::names::{REMEMBERS, RUNS_ONCE};
use crate::river::River;

/// What a river's reaction makes of a packet that it has handled, and that is sent to it once more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repetition {
    /// It runs again.
    Runs,
    /// It is a reaction of [`once`](River::once): it does not run again, and what it published is
    /// published again.
    Once,
    /// It has a memory of this name, which the packet does not move again, and publishes nothing.
    Memory(String),
}

impl Repetition {
    pub(super) fn of(river: &River) -> Self {
        match river.memory_use() {
            Some(memory) => Self::Memory(memory.name.clone()),
            None if river.is_once() => Self::Once,
            None => Self::Runs,
        }
    }

    /// As it is announced.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let is_once = *self == Self::Once;
        let mut metadata = BTreeMap::from([(RUNS_ONCE.to_owned(), is_once.to_string())]);
        if let Self::Memory(name) = self {
            metadata.insert(REMEMBERS.to_owned(), name.clone());
        }
        metadata
    }

    /// Reads what is announced; `None` if nothing is, or something of a later version.
    pub(super) fn read(metadata: &HashMap<String, String>) -> Option<Self> {
        match (metadata.get(RUNS_ONCE)?.as_str(), metadata.get(REMEMBERS)) {
            ("true", None) => Some(Self::Once),
            ("false", Some(name)) => Some(Self::Memory(name.clone())),
            ("false", None) => Some(Self::Runs),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Packet;

    #[test]
    fn what_is_announced_is_read_back() {
        let plain = River::new("a").event("x").react(|_: Packet| async { Ok(()) });
        let once = plain.clone().once();
        let count = |seen: &mut u64, _: &Packet| {
            *seen += 1;
            anyhow::Ok(())
        };
        let remembering = River::new("a").event("x").memory::<u64>("visits", "@.page").react(count);
        let memory = Repetition::Memory("visits".to_owned());
        let expected = [(plain, Repetition::Runs), (once, Repetition::Once), (remembering, memory)];
        for (river, expected) in expected {
            let announced = Repetition::of(&river).metadata().into_iter().collect();
            assert_eq!(Repetition::read(&announced), Some(expected));
        }
        assert_eq!(Repetition::read(&HashMap::new()), None);
    }
}
