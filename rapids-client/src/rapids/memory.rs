//! Reads what the rivers of a service remember, from outside of the service.
//!
//! What is read are the values that reactions have left, and nothing of what the library keeps beside them.

mod at_least;
mod end;
mod filter;
mod size;
mod source;
mod stored_value;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::message::StreamMessage;
use at_least::AtLeast;
pub use end::MemoryEnd;
use filter::Filter;
use serde::de::DeserializeOwned;
pub use size::MemorySize;
use source::Source;
pub use watch::{Change, MemoryWatch};

use super::Rapids;
use crate::Result;
use crate::jetstream::scan::Scan;
use crate::memory::EntryKey;

impl Rapids {
    /// A view of one memory of a service: of what [`River::memory`](crate::River::memory) keeps under this
    /// name. Nothing is asked of the server before something is read.
    ///
    /// `T` is the type of the values, or any that reads the same JSON: one with fewer fields, or
    /// `serde_json::Value`.
    ///
    /// ```no_run
    /// use rapids_client::{Config, Packet, Rapids};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct OpenOrders {
    ///     orders: i64,
    /// }
    ///
    /// # async fn example() -> rapids_client::Result<()> {
    /// let rapids = Rapids::connect(&Config::from_env()?).await?;
    /// let customers = rapids.memory::<OpenOrders>("open_orders", "customers");
    /// let placed = Packet::event("order_placed").with("order_id", "o-1").with("customer", "ada");
    /// let published = rapids.publish(placed.with("total", 7550)).await?;
    ///
    /// let of_ada = customers.at_least(published.sequence).get("ada").await?;
    /// println!("{} open orders", of_ada.map_or(0, |open| open.orders));
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory<T: DeserializeOwned>(&self, service: &str, memory: &str) -> MemoryView<T> {
        MemoryView {
            source: Arc::new(Source::new(self.connection.clone(), service, memory)),
            at_least: None,
            patience: PATIENCE,
            value: PhantomData,
        }
    }

    /// The memories that a service has or had, by name, each with its keys and bytes.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) for a service that is not known, or remembers nothing;
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn memories(&self, service: &str) -> Result<Vec<MemorySize>> {
        Box::pin(size::of_all(&self.connection, service)).await
    }
}

impl Rapids {
    /// Ends what a service remembers of a key, as [`Outputs::end_memory`](crate::Outputs::end_memory) does:
    /// the value is gone at once, instances that run notice with their next step, and
    /// [`after_end`](crate::RememberingRiver::after_end) says what comes of later packets. The reason is kept
    /// for as long as the end is known ([`MemoryView::end`]). `false` if nothing is remembered of the key.
    ///
    /// ```no_run
    /// # async fn example(rapids: rapids_client::Rapids) -> rapids_client::Result<()> {
    /// rapids.forget_memory(("payment", "customers"), "ada", "asked for it, ticket 17").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) for a service or a memory that does not exist;
    /// [`Error::Record`](crate::Error::Record) for what is no record of this library;
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn forget_memory(
        &self,
        (service, memory): (&str, &str),
        key: impl Into<EntryKey>,
        reason: &str,
    ) -> Result<bool> {
        let source = Source::new(self.connection.clone(), service, memory);
        Box::pin(end::forget(&source, &key.into(), reason)).await
    }
}

/// For how long a read waits that is to contain a packet, if it is not told.
const PATIENCE: Duration = Duration::from_secs(10);

/// A view of one memory of a service; made by [`Rapids::memory`].
///
/// What it reads is at most as new as the service is; [`at_least`](Self::at_least) waits for a packet. In a
/// cluster, any replica answers, which may be behind the others for a moment; [`get`](Self::get) asks the
/// leader if it is to contain a packet.
///
/// Clones share what is known of the memory, so keep a view rather than make one for each read.
pub struct MemoryView<T> {
    source: Arc<Source>,
    at_least: Option<Arc<AtLeast>>,
    patience: Duration,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> MemoryView<T> {
    /// Lets all reads wait until the service has handled every packet up to this sequence, such as that of
    /// [`Published`](crate::Published): who has published a packet then reads what came of it.
    ///
    /// That is the packet alone, and not what the service has published because of it and takes as well.
    /// In shared delivery a service is asked for its position, which takes a millisecond; in exclusive
    /// delivery it writes its position down four times a second.
    #[must_use]
    pub fn at_least(&self, sequence: u64) -> Self {
        Self { at_least: Some(Arc::new(AtLeast::new(sequence))), ..self.clone() }
    }

    /// Sets for how long a read waits at most for the packet of [`at_least`](Self::at_least). The default is
    /// 10 seconds.
    #[must_use]
    pub fn within(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// The value of a key; `None` if there is none. One request.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) for a service or a memory that does not exist, a service that
    /// has not come as far as the reader waits for, and a value of another type;
    /// [`Error::Record`](crate::Error::Record) for what is no record of this library;
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn get(&self, key: impl Into<EntryKey>) -> Result<Option<T>> {
        let key = key.into();
        self.ready().await?;
        if key.is_too_long() {
            return Ok(None);
        }
        let found = Box::pin(self.source.value(&key, self.at_least.is_some())).await?;
        found.map(|value| self.source.decoded(&key, &value)).transpose()
    }

    /// How what was remembered of a key has ended; `None` if it has not, or that is not known any more.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn end(&self, key: impl Into<EntryKey>) -> Result<Option<MemoryEnd>> {
        Box::pin(end::of(&self.source, &key.into())).await
    }

    /// The keys that are texts which begin so; of an empty prefix, all keys. They come in one pass, whose
    /// values stay unread. So one may be among them of which [`get`](Self::get) finds no value, where the service
    /// keeps nothing but the note that there was one.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn keys(&self, prefix: &str) -> Result<BTreeSet<EntryKey>> {
        self.ready().await?;
        let (connection, stream) = (self.source.connection(), self.source.stream());
        let mut scan = Scan::new(connection, stream, self.source.subjects());
        let mut keys = BTreeSet::new();
        while let Some(message) = scan.next().await? {
            let key = self.source.key(&message.subject)?;
            if stored_value::is_gone(Some(&message.headers)) {
                keys.remove(&key);
            } else if key.begins_with(prefix) {
                keys.insert(key);
            }
        }
        Ok(keys)
    }

    /// The entries of which this is true: a filter expression of RFC 9535, as in the rules of rivers, with
    /// the value as `@`, such as `@.orders > 0`. They come in one pass over all values.
    ///
    /// A value that changes meanwhile is given as it was before or after; the pass is no moment.
    ///
    /// # Errors
    /// [`Error::Definition`](crate::Error::Definition) for a wrong expression, with the place of the fault;
    /// [`Error::Memory`](crate::Error::Memory) if it is too costly on a value, or an entry that it selects
    /// is of another type than `T`; otherwise as for [`get`](Self::get).
    pub async fn entries(&self, filter: &str) -> Result<BTreeMap<EntryKey, T>> {
        self.selected(Some(&Filter::parse(filter)?)).await
    }

    /// All entries, in one pass.
    ///
    /// # Errors
    /// As for [`entries`](Self::entries).
    pub async fn all(&self) -> Result<BTreeMap<EntryKey, T>> {
        self.selected(None).await
    }

    async fn selected(&self, filter: Option<&Filter>) -> Result<BTreeMap<EntryKey, T>> {
        self.ready().await?;
        let (connection, stream) = (self.source.connection(), self.source.stream());
        let mut scan = Scan::new(connection, stream, self.source.subjects());
        let mut entries = BTreeMap::new();
        while let Some(message) = scan.next().await? {
            let StreamMessage { subject, headers, payload, .. } = message;
            let (key, value) = self.source.entry(&subject, (Some(&headers), &payload))?;
            let selected = match (value, filter) {
                (Some(value), Some(filter)) => self.source.judged(filter, &key, value)?,
                (value, _) => value,
            };
            // One that has changed since the pass began comes again.
            match selected {
                Some(value) => entries.insert(key.clone(), self.source.decoded(&key, &value)?),
                None => entries.remove(&key),
            };
        }
        Ok(entries)
    }

    /// Watches the memory: first every entry that is there, then each change, without end.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn watch(&self) -> Result<MemoryWatch<T>> {
        self.ready().await?;
        Box::pin(MemoryWatch::open(Arc::clone(&self.source), None)).await
    }

    /// As [`watch`](Self::watch), of the entries of which this is true, as in [`entries`](Self::entries).
    /// One of which it is true no more is told as gone.
    ///
    /// # Errors
    /// As for [`entries`](Self::entries).
    pub async fn watch_where(&self, filter: &str) -> Result<MemoryWatch<T>> {
        let filter = Filter::parse(filter)?;
        self.ready().await?;
        Box::pin(MemoryWatch::open(Arc::clone(&self.source), Some(filter))).await
    }

    /// Makes sure that the memory is there, and that the service is as far as it is to be.
    async fn ready(&self) -> Result<()> {
        Box::pin(self.source.check()).await?;
        match &self.at_least {
            Some(at_least) => Box::pin(at_least.wait(&self.source, self.patience)).await,
            None => Ok(()),
        }
    }
}

impl<T> Clone for MemoryView<T> {
    fn clone(&self) -> Self {
        let Self { source, at_least, patience, value } = self;
        Self {
            source: Arc::clone(source),
            at_least: at_least.clone(),
            patience: *patience,
            value: *value,
        }
    }
}

impl<T> fmt::Debug for MemoryView<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MemoryView")
            .field("of", &self.source.title())
            .finish_non_exhaustive()
    }
}
