//! A river on its way to a reaction with memory.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::outcome::Outcome;
use super::reaction::{Fold, MemoryUse, Reaction};
use super::{Outputs, River, reject};
use crate::memory::{Found, KeySource, Reason, Types};
use crate::packet::Packet;

/// The shortest time after which a memory may expire.
const LEAST_LIFE: Duration = Duration::from_secs(1);

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
    ///
    /// What is remembered stays until the reaction [ends](crate::Outputs::end_memory) it, or it
    /// [expires](RememberingRiver::expires).
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

/// What comes of a packet whose memory has ended, because a reaction [ended](crate::Outputs::end_memory) it,
/// nothing came for so long that it [expired](RememberingRiver::expires), or by command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterEnd {
    /// Nothing: the packet is counted and acknowledged (default).
    #[default]
    Ignore,
    /// The reaction runs on the default value, and a new memory begins.
    New,
    /// The packet becomes a dead letter of kind `rejected`.
    Reject,
}

/// As [`AfterEnd`], or a function that is asked.
enum Late {
    By(AfterEnd),
    Ask(Box<Asked>),
}

type Asked = dyn Fn(&Packet) -> anyhow::Result<Outputs> + Send + Sync;

/// A river that remembers a `T` per key; made by [`River::memory`], finished by
/// [`react`](Self::react).
#[must_use]
pub struct RememberingRiver<T> {
    river: River,
    name: String,
    key: Result<KeySource, String>,
    types: Types<T>,
    expires: Option<Duration>,
    late: Late,
    late_packets: Arc<AtomicU64>,
}

impl<T> RememberingRiver<T>
where
    T: Default + Serialize + DeserializeOwned + Send + 'static,
{
    fn new(river: River, name: &str, key: Result<KeySource, String>) -> Self {
        Self {
            river,
            name: name.to_owned(),
            key,
            types: Types::default(),
            expires: None,
            late: Late::By(AfterEnd::default()),
            late_packets: Arc::default(),
        }
    }

    /// Ends what is remembered under a key once no packet has moved it for this long. Default: never. Of
    /// rivers that share the memory, one that says so is enough; if several do, they say the same.
    ///
    /// It is looked once a minute, or more often if the time is shorter than ten of them, while an instance
    /// runs, by its clock. Nothing expires while the service is behind: a packet may be there that came in time.
    pub fn expires(mut self, after: Duration) -> Self {
        self.expires = Some(after);
        self
    }

    /// Sets what comes of a packet whose memory has ended. Default: [`AfterEnd::Ignore`].
    ///
    /// An end is remembered for as long as the stream keeps packets. After that the key is new, whatever
    /// is set here.
    pub fn after_end(mut self, late: AfterEnd) -> Self {
        self.late = Late::By(late);
        self
    }

    /// Asks this function what a packet leads to whose memory has ended. It counts these by itself.
    pub(super) fn ask_after_end(
        mut self,
        late_packets: Arc<AtomicU64>,
        late: impl Fn(&Packet) -> anyhow::Result<Outputs> + Send + Sync + 'static,
    ) -> Self {
        self.late_packets = late_packets;
        self.late = Late::Ask(Box::new(late));
        self
    }

    /// Says that the values had this type before: what is stored as one is converted when it is read, and
    /// stored as a `T` with the next step. A memory whose type changes again gets one more such line, below
    /// those that it has; they stay, since each stored value notes by its place in them which type it has.
    /// All rivers that share the memory have the same.
    ///
    /// While instances of the program before run beside new ones, packets wait that they are given for a
    /// value of the new type, until these instances are stopped. A first `migrate_from` has to name the type
    /// of all that was stored before.
    ///
    /// ```
    /// use rapids_client::{Packet, River};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize)]
    /// struct StockV1 {
    ///     left: u64,
    /// }
    ///
    /// #[derive(Default, Serialize, Deserialize)]
    /// struct Stock {
    ///     free: u64,
    ///     reserved: u64,
    /// }
    ///
    /// impl From<StockV1> for Stock {
    ///     fn from(StockV1 { left }: StockV1) -> Self {
    ///         Self { free: left, reserved: 0 }
    ///     }
    /// }
    ///
    /// let river = River::new("receive")
    ///     .event("stock_received")
    ///     .memory::<Stock>("stock", "@.sku")
    ///     .migrate_from::<StockV1>()
    ///     .react(|stock: &mut Stock, _: &Packet| {
    ///         stock.free += 1;
    ///         Ok(())
    ///     });
    /// river.check()?;
    /// # Ok::<(), rapids_client::Error>(())
    /// ```
    pub fn migrate_from<V: DeserializeOwned + Into<T> + 'static>(mut self) -> Self {
        self.types.add::<V>();
        self
    }

    /// Sets the reaction: a plain, synchronous function of the memory and the packet.
    ///
    /// It gets the default value for a key that is new. It is run again when another instance
    /// changed the memory meanwhile, and may be when a reaction behind or before it failed, so no
    /// outside effect belongs in it. An `Err` discards what it did to the memory. A packet that is delivered
    /// again does not run it again: what it published the first time is published once more.
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
        let Self { river, name, key, types, expires, late, late_packets } = self;
        let types = Arc::new(types);
        let memory_use = key.and_then(|key| {
            if !crate::names::is_name(&name) {
                return Err(format!(
                    "memory name `{name}` is not 1 to 32 characters of a-z, 0-9, `_` and `-`"
                ));
            }
            if expires.is_some_and(|after| after < LEAST_LIFE) {
                return Err(format!("memory `{name}` expires after less than {LEAST_LIFE:?}"));
            }
            let read = Arc::clone(&types);
            Ok(MemoryUse {
                name: name.clone(),
                key,
                types: types.ids(),
                type_name: type_name::<T>(),
                expires,
                ignores_late: matches!(late, Late::By(AfterEnd::Ignore)),
                late_packets: Arc::clone(&late_packets),
                read: Arc::new(move |json| read.read(json).map(drop)),
            })
        });
        let fold: Arc<Fold> = Arc::new(move |memory, packet| {
            let mut memory = match types.find(memory)? {
                Found::Value(value) => value,
                Found::Ended(end) => match &late {
                    Late::By(AfterEnd::New) => types.new_value(),
                    Late::By(AfterEnd::Reject) => {
                        return Err(reject(format!("what `{name}` remembers of it has ended")));
                    }
                    Late::By(AfterEnd::Ignore) => {
                        late_packets.fetch_add(1, Ordering::Relaxed);
                        return Ok((end, Outputs::new()));
                    }
                    Late::Ask(late) => return Ok((end, late(packet)?)),
                },
            };
            let outputs = reaction(&mut memory.value, packet).into_outputs()?;
            if outputs.ends_memory() {
                return Ok((Box::new(Reason::reaction()), outputs));
            }
            Ok((memory, outputs))
        });
        river.with_reaction(memory_use.map(|memory| Reaction::Remembering(memory, fold)))
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
