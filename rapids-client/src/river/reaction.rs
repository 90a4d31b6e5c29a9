//! A reaction without its types, so that a service can hold rivers of all kinds.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::{Outcome, Outputs};
use crate::condition::Evaluation;
use crate::memory::{Json, KeySource, Memory, MemoryKey, Value, WrongType};
use crate::packet::Packet;

type ReactionFuture = Pin<Box<dyn Future<Output = anyhow::Result<Outputs>> + Send>>;

/// Takes the memory and the packet, and returns the memory after it and what the reaction returned.
pub(crate) type Fold =
    dyn Fn(Memory, &Packet) -> anyhow::Result<(Box<dyn Value>, Outputs)> + Send + Sync;

#[derive(Clone)]
pub(crate) enum Reaction {
    Plain(Arc<dyn Fn(Packet) -> ReactionFuture + Send + Sync>),
    Remembering(MemoryUse, Arc<Fold>),
}

/// Which memory a river uses, under which key, and of what type.
#[derive(Clone)]
pub(crate) struct MemoryUse {
    pub(crate) name: String,
    pub(crate) key: KeySource,
    /// The types that its values have had, today's last.
    pub(crate) types: Vec<TypeId>,
    pub(crate) type_name: &'static str,
    /// After how long without a step it ends.
    pub(crate) expires: Option<Duration>,
    /// Whether nothing comes of packets after its end.
    pub(crate) ignores_late: bool,
    /// How many of these there were.
    pub(crate) late_packets: Arc<AtomicU64>,
    /// Tells whether a stored value can be read.
    pub(crate) read: Arc<Read>,
}

/// Tries to read a value.
pub(crate) type Read = dyn Fn(&Json) -> Result<(), WrongType> + Send + Sync;

impl fmt::Debug for MemoryUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("MemoryUse");
        debug.field("name", &self.name).field("key", &self.key).finish_non_exhaustive()
    }
}

impl MemoryUse {
    /// The key of a packet, or the problem with it.
    pub(crate) fn key_of(&self, packet: &Packet) -> Result<MemoryKey, String> {
        self.key.of(&self.name, packet)
    }

    /// As [`key_of`](Self::key_of), as part of an evaluation. The error is that it is too costly.
    pub(crate) fn key_within<'a>(
        &'a self,
        shows_values: bool,
        evaluation: &Evaluation<'a>,
    ) -> Result<Result<MemoryKey, String>, String> {
        let found = self.key.found(&self.name, shows_values, evaluation);
        found.map_err(|error| format!("the key of memory `{}` {error}", self.name))
    }
}

impl Reaction {
    pub(crate) fn plain<Fut>(reaction: impl Fn(Packet) -> Fut + Send + Sync + 'static) -> Self
    where
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        Self::Plain(Arc::new(move |packet| {
            let handling = reaction(packet);
            Box::pin(async move { handling.await.into_outputs() })
        }))
    }

    pub(crate) fn memory_use(&self) -> Option<&MemoryUse> {
        match self {
            Self::Plain(_) => None,
            Self::Remembering(memory, _) => Some(memory),
        }
    }
}
