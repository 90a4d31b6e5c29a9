//! The memories of a service, each as all of its rivers use it.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use crate::river::{MemoryUse, Read, River};

/// A memory, which rivers of one service may share.
pub(crate) struct SharedMemory<'a> {
    memory: &'a MemoryUse,
    /// After how long without a step what it keeps under a key ends.
    pub(crate) expires: Option<Duration>,
}

impl SharedMemory<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.memory.name
    }

    /// What tells whether its rivers can read a stored value.
    pub(crate) fn reader(&self) -> Arc<Read> {
        Arc::clone(&self.memory.read)
    }
}

impl Service {
    /// Each memory of its rivers, once.
    pub(crate) fn memories(&self) -> Vec<SharedMemory<'_>> {
        let mut memories: Vec<SharedMemory<'_>> = Vec::new();
        for memory in self.rivers.iter().filter_map(|river| river.memory_use()) {
            match memories.iter_mut().find(|it| it.name() == memory.name) {
                Some(known) => known.expires = known.expires.or(memory.expires),
                None => memories.push(SharedMemory { memory, expires: memory.expires }),
            }
        }
        memories
    }

    /// Has a river know when a memory expires that it shares with another, and the other way round.
    pub(super) fn share_expiry(&mut self) {
        let known: Vec<_> =
            self.memories().iter().map(|it| (it.name().to_owned(), it.expires)).collect();
        for memory in self.rivers.iter_mut().filter_map(River::memory_use_mut) {
            let expires = known.iter().find(|(name, _)| *name == memory.name);
            memory.expires = memory.expires.or(expires.and_then(|(_, expires)| *expires));
        }
    }

    /// In what rivers differ that share a memory.
    pub(super) fn memory_faults(&self) -> Vec<String> {
        let memories = self.memories();
        let mut faults = Vec::new();
        for river in &self.rivers {
            let Some(own) = river.memory_use() else { continue };
            let Some(shared) = memories.iter().find(|it| it.name() == own.name) else { continue };
            let (name, river) = (&own.name, river.name());
            let (first, type_name) = (shared.memory, shared.memory.type_name);
            if own.types.last() != first.types.last() {
                faults.push(format!(
                    "memory `{name}` is a `{type_name}` and, in river `{river}`, a `{}`",
                    own.type_name
                ));
            } else if own.types != first.types {
                faults.push(format!(
                    "memory `{name}` is migrated from other types in river `{river}`; name the same \
                     ones in all rivers that share it"
                ));
            }
            if own.expires.is_some() && own.expires != shared.expires {
                faults
                    .push(format!("memory `{name}` expires after another time in river `{river}`"));
            }
        }
        faults
    }

    pub(crate) fn remembers(&self) -> bool {
        self.rivers.iter().any(|river| river.memory_use().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Packet, RememberingRiver, River};

    fn faults(
        first: impl FnOnce(RememberingRiver<u64>) -> RememberingRiver<u64>,
        second: impl FnOnce(RememberingRiver<u64>) -> RememberingRiver<u64>,
    ) -> Vec<String> {
        let river = |name| River::new(name).event("x").memory("m", "'all'");
        let nothing = |_: &mut u64, _: &Packet| Ok(());
        Service::new("s", Config::new("nats://127.0.0.1"))
            .river(first(river("a")).react(nothing))
            .river(second(river("b")).react(nothing))
            .memory_faults()
    }

    #[test]
    fn rivers_that_share_a_memory_agree_on_its_types_and_its_life() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        assert!(faults(|it| it, |it| it.expires(minute)).is_empty());
        assert!(faults(|it| it.expires(minute), |it| it.expires(minute)).is_empty());
        let told = faults(|it| it.expires(minute), |it| it.expires(hour));
        assert_eq!(told, ["memory `m` expires after another time in river `b`"]);
        let told = faults(|it| it.migrate_from::<u32>(), |it| it);
        assert!(told[0].starts_with("memory `m` is migrated from other types in river `b`"));
    }
}
