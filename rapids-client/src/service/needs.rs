//! What a service needs on the server.

use std::time::Duration;

use super::{Service, SharedMemory};
use crate::start::Start;

/// What a service needs on the server: known from its rivers when it starts, and stated by an operator who
/// creates it ahead, with [`Provisioning`](crate::Provisioning).
///
/// ```
/// use rapids_client::{ServiceNeeds, Start};
///
/// let payment = ServiceNeeds::new("payment").memory("paid").once();
/// let audit = ServiceNeeds::new("audit").exclusive().start(Start::Beginning);
/// assert_eq!((payment.name(), audit.name()), ("payment", "audit"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNeeds {
    pub(crate) name: String,
    pub(crate) is_exclusive: bool,
    pub(crate) start: Option<Start>,
    pub(crate) ack_wait: Option<Duration>,
    pub(crate) memories: Vec<String>,
    pub(crate) is_once: bool,
    pub(crate) sets_timers: bool,
}

impl ServiceNeeds {
    /// Those of a service of this name in shared delivery, which starts with the next packet, remembers
    /// nothing and sets no timers.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            is_exclusive: false,
            start: None,
            ack_wait: None,
            memories: Vec::new(),
            is_once: false,
            sets_timers: false,
        }
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The service runs in exclusive delivery.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.is_exclusive = true;
        self
    }

    /// A new service starts there.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = Some(start);
        self
    }

    /// The service has a memory of this name, beside those that were named before.
    #[must_use]
    pub fn memory(mut self, name: impl Into<String>) -> Self {
        self.memories.push(name.into());
        self
    }

    /// The service has reactions that run once.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.is_once = true;
        self
    }

    /// The service sets timers.
    #[must_use]
    pub fn timers(mut self) -> Self {
        self.sets_timers = true;
        self
    }

    pub(crate) fn remembers(&self) -> bool {
        !self.memories.is_empty()
    }
}

impl Service {
    /// What it needs when it starts. Whether it sets timers is known only once it does.
    pub(crate) fn needs(&self) -> ServiceNeeds {
        let memories = self.memories();
        ServiceNeeds {
            is_exclusive: self.is_exclusive(),
            start: self.start,
            ack_wait: self.config.ack_wait,
            memories: memories.iter().map(SharedMemory::name).map(str::to_owned).collect(),
            is_once: self.rivers.iter().any(|river| river.is_once()),
            ..ServiceNeeds::new(&self.name)
        }
    }
}
