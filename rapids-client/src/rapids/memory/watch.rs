//! Watching a memory: what is there, and each change.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::filter::Filter;
use super::source::Source;
use crate::Result;
use crate::jetstream::follower::{Delivered, Followed, Follower, lost};
use crate::memory::{EntryKey, Json};
use crate::start::Start;

/// An entry of a memory as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<T> {
    /// Its key.
    pub key: EntryKey,
    /// Its value; `None` if it is gone.
    pub value: Option<T>,
}

/// The entries of a memory, in the order in which they were written: first those that are there, then each
/// that changes, without end. Made by [`MemoryView::watch`](super::MemoryView::watch).
///
/// While the server is away it waits, and goes on behind what it gave last. Of changes to one key that come
/// fast, some may be left out, but never the last. What is cleared as a whole, by `rapids position
/// --forget` or `rapids retire --forget`, goes without a change of each entry.
pub struct MemoryWatch<T> {
    source: Arc<Source>,
    follower: Follower,
    filter: Option<Filter>,
    /// The hashes of the values that were given, of the keys that are not gone. What the library keeps
    /// beside a value changes more often than that.
    given: HashMap<EntryKey, u64>,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> MemoryWatch<T> {
    pub(super) async fn open(source: Arc<Source>, filter: Option<Filter>) -> Result<Self> {
        let stream = source.stream().to_owned();
        let followed = Followed {
            stream: stream.clone().into(),
            subjects: Some(source.subjects()),
            action: "watch what a service remembers",
            headers_only: false,
        };
        let follower = Follower::open(source.connection(), followed, Start::Beginning).await?;
        let follower = follower.ok_or_else(|| lost(&stream, "it does not exist"))?;
        Ok(Self { source, follower, filter, given: HashMap::new(), value: PhantomData })
    }

    /// Waits for the next entry. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) for a value of another type or on which the filter is too
    /// costly, and [`Error::Record`](crate::Error::Record) for what is no record of this library: go on with
    /// the next one. [`Error::Stream`](crate::Error::Stream) if what the service remembers was deleted or
    /// made anew, and [`Error::NotPermitted`](crate::Error::NotPermitted): it ends there.
    pub async fn next(&mut self) -> Result<Change<T>> {
        loop {
            let delivered = self.follower.next().await?;
            if let Some(change) = self.change(&delivered)? {
                return Ok(change);
            }
        }
    }

    /// Waits for the next of the entries that were there when the watch was opened; `None` once all of them
    /// have come. Where the last of them has changed meanwhile, changes may come before that.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn next_stored(&mut self) -> Result<Option<Change<T>>> {
        while let Some(delivered) = self.follower.next_stored().await? {
            if let Some(change) = self.change(&delivered)? {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }

    /// What a message tells; `None` if that is known already, or of no interest.
    fn change(&mut self, delivered: &Delivered) -> Result<Option<Change<T>>> {
        let message = &delivered.message;
        let stored = (message.headers.as_ref(), &*message.payload);
        let (key, value) = self.source.entry(&message.subject, stored)?;
        let value = match (value, &self.filter) {
            (Some(value), Some(filter)) => self.source.judged(filter, &key, value)?,
            (value, _) => value,
        };
        let before = match &value {
            Some(value) => self.given.insert(key.clone(), hash(value)),
            None => self.given.remove(&key),
        };
        if before == value.as_ref().map(hash) {
            return Ok(None);
        }
        let value = value.map(|value| self.source.decoded(&key, &value)).transpose()?;
        Ok(Some(Change { key, value }))
    }
}

fn hash(value: &Json) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.get().hash(&mut hasher);
    hasher.finish()
}

impl<T> fmt::Debug for MemoryWatch<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryWatch")
            .field("of", &self.source.title())
            .finish_non_exhaustive()
    }
}
