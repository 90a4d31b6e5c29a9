//! A river on its way to a reaction with memory.

use std::any::{TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::River;
use super::outcome::Outcome;
use super::reaction::{Fold, MemoryUse, Reaction};
use crate::memory::KeySource;
use crate::packet::Packet;

impl River {
    /// Lets the reaction remember: per value of `key`, a path such as `@.order_id`. One memory for
    /// all packets has a text in quotes as its key: `'all'`. Rivers of one service that name the
    /// same memory share it. A packet whose key is missing or `null` is malformed.
    ///
    /// The reactions on one key run one after the other, and those to packets that wait are saved
    /// together. What is kept under one key is saved as a whole, each time, and must fit into one
    /// message of the server (1 MiB by default), with what is to be published: better a key for each
    /// order than one for all. A service warns of a key that has used up half of that. A packet that
    /// finds no room waits until others have made some, and is a dead letter after an hour; at once
    /// where others wait for it ([`Service::ordered_by`](crate::Service::ordered_by)).
    #[must_use]
    pub fn memory<T>(self, name: &str, key: &str) -> RememberingRiver<T>
    where
        T: Default + Serialize + DeserializeOwned + Send + 'static,
    {
        let key = KeySource::parse(key);
        let river = match &key {
            // Visible as a rule, so that tools know of it too.
            Ok(KeySource::Path(path)) => self.require(path.to_string()),
            Ok(KeySource::Constant(_)) | Err(_) => self,
        };
        RememberingRiver::new(river, name, key)
    }
}

/// A river that remembers a `T` per key; made by [`River::memory`], finished by
/// [`react`](Self::react).
pub struct RememberingRiver<T> {
    river: River,
    name: String,
    key: Result<KeySource, String>,
    memory: PhantomData<fn() -> T>,
}

impl<T> RememberingRiver<T>
where
    T: Default + Serialize + DeserializeOwned + Send + 'static,
{
    fn new(river: River, name: &str, key: Result<KeySource, String>) -> Self {
        Self { river, name: name.to_owned(), key, memory: PhantomData }
    }

    /// Sets the reaction: a plain, synchronous function of the memory and the packet.
    ///
    /// It gets the default value for a key that is new. It is run again when another instance
    /// changed the memory meanwhile, and may be when a reaction behind or before it failed, so no
    /// outside effect belongs in it. An `Err` discards what it did to the memory. A packet that is delivered again does not run it again: what it
    /// published the first time is published once more.
    ///
    /// ```
    /// use rapids_client::{Packet, River};
    ///
    /// fn count(seen: &mut u64, packet: &Packet) -> anyhow::Result<Option<Packet>> {
    ///     *seen += 1;
    ///     Ok((*seen == 3).then(|| Packet::event("third_visit")))
    /// }
    ///
    /// let river = River::new("count").event("visited").memory("visits", "@.page").react(count);
    /// let mut seen = 2;
    /// assert!(count(&mut seen, &Packet::event("visited"))?.is_some());
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    pub fn react<O: Outcome>(
        self,
        reaction: impl Fn(&mut T, &Packet) -> O + Send + Sync + 'static,
    ) -> River {
        let fold: Arc<Fold> = Arc::new(move |memory, packet| {
            let mut memory = memory.decoded::<T>()?;
            let outputs = reaction(&mut memory, packet).into_outputs()?;
            Ok((memory, outputs))
        });
        let memory_use = self.key.and_then(|key| {
            if !crate::names::is_name(&self.name) {
                return Err(format!(
                    "memory name `{}` is not 1 to 32 characters of a-z, 0-9, `_` and `-`",
                    self.name
                ));
            }
            Ok(MemoryUse {
                name: self.name.clone(),
                key,
                type_id: TypeId::of::<T>(),
                type_name: type_name::<T>(),
            })
        });
        self.river.with_reaction(memory_use.map(|memory| Reaction::Remembering(memory, fold)))
    }
}

impl<T> fmt::Debug for RememberingRiver<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RememberingRiver")
            .field("river", &self.river)
            .field("name", &self.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
