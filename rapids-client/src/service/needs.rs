//! What a service needs on the server.

use std::time::Duration;

use super::{Service, SharedMemory};
use crate::Delivery;
use crate::access::{Access, ServiceAccess};
use crate::river::River;
use crate::start::Start;

/// What a service needs on the server: known from its rivers when it starts, and declared where an operator
/// creates it ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceNeeds {
    pub(crate) name: String,
    pub(crate) is_exclusive: bool,
    /// Where it starts when it is new.
    pub(crate) start: Option<Start>,
    /// For how long the server waits for an acknowledgement, if that is stated.
    pub(crate) ack_wait: Option<Duration>,
    pub(crate) memories: Vec<String>,
    /// Whether it has reactions that run once.
    pub(crate) is_once: bool,
    /// The fingerprint of the newest key that it derives ids with.
    pub(crate) id_key: Option<String>,
    /// Whether it sets timers, as far as that is known.
    pub(crate) sets_timers: bool,
    /// The mirror that it reads from; `None` for the rapids.
    pub(crate) read_from: Option<String>,
}

impl ServiceNeeds {
    /// Those of all services that are declared.
    pub(crate) fn of_all(access: &Access, ack_wait: Option<Duration>) -> Vec<Self> {
        let of = |(name, declared): (&String, &ServiceAccess)| Self {
            name: name.clone(),
            is_exclusive: declared.delivery == Delivery::Exclusive,
            start: Some(declared.start),
            ack_wait,
            memories: declared.memories.iter().cloned().collect(),
            is_once: declared.once,
            id_key: None,
            sets_timers: declared.timers,
            read_from: declared.read_from.clone(),
        };
        access.services.iter().map(of).collect()
    }

    pub(crate) fn remembers(&self) -> bool {
        !self.memories.is_empty()
    }
}

impl Service {
    /// What it needs when it starts. Whether it sets timers is known of rivers that gather; of others only once
    /// they do.
    pub(crate) fn needs(&self) -> ServiceNeeds {
        let memories = self.memories();
        ServiceNeeds {
            name: self.name.clone(),
            is_exclusive: self.is_exclusive(),
            start: self.start,
            ack_wait: self.config.ack_wait,
            memories: memories.iter().map(SharedMemory::name).map(str::to_owned).collect(),
            is_once: self.rivers.iter().any(|river| river.is_once()),
            id_key: self.config.id_keys.newest().map(|key| key.fingerprint().to_owned()),
            sets_timers: self.rivers.iter().any(River::gathers),
            read_from: self.config.read_from.clone(),
        }
    }

    /// What its rights follow from, as far as it is known: not which timers its reactions set, and not
    /// whose memories its program reads.
    pub(crate) fn access(&self) -> ServiceAccess {
        let ServiceNeeds { memories, is_once, sets_timers, start, read_from, .. } = self.needs();
        ServiceAccess {
            delivery: self.config.delivery,
            start: start.unwrap_or_default(),
            memories: memories.into_iter().collect(),
            once: is_once,
            timers: sets_timers,
            read_from,
            ..ServiceAccess::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Gathered, Packet, Until};

    #[test]
    fn what_a_service_is_follows_from_its_rivers() {
        let service = || Service::new("payment", Config::new("nats://127.0.0.1"));
        let plain = River::new("plain").event("x").react(|_: Packet| async { Ok(()) });
        assert_eq!(service().river(plain).access(), ServiceAccess::default());
        let once = River::new("once").event("x").once().react(|_: Packet| async { Ok(()) });
        let gathering = River::new("choose").need("hotel").gather(Until::answers(3));
        let gathering = gathering.react(|_: &Gathered| anyhow::Ok(()));
        let access = service().river(once).river(gathering).exclusive().access();
        let expected = ServiceAccess {
            delivery: Delivery::Exclusive,
            memories: ["choose".to_owned()].into(),
            once: true,
            timers: true,
            ..ServiceAccess::default()
        };
        assert_eq!(access, expected);
    }
}
