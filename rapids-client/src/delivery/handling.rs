//! One packet through the rivers that take it, up to what is to be published.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use super::backoff;
use super::held::Fate;
use super::memories::Memories;
use super::reactor::{Job, Reacted};
use crate::memory::{MemoryKey, Record};
use crate::packet::Packet;
use crate::rapids::{Patience, Publisher, Sent};
use crate::river::{Failure, River, failure};
use crate::{Error, Result};

/// A packet that at least one river takes.
pub(crate) struct Taken {
    pub(crate) packet: Packet,
    pub(crate) sequence: u64,
    /// How often it was delivered, this time included.
    pub(crate) delivered: u32,
    pub(crate) rivers: Vec<River>,
}

/// A packet whose reactions have run and whose outputs are on their way.
pub(crate) struct Handled {
    pub(crate) sequence: u64,
    pub(crate) took: Duration,
    sent: Vec<Sent>,
    /// Records whose packets will be published with these.
    remembered: Vec<(MemoryKey, String, String)>,
    pub(crate) outcome: Outcome,
}

/// What is to follow for the packet, once its outputs are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Rejected,
    Failed(Duration),
    /// The service is stopping.
    Released,
}

impl Outcome {
    pub(crate) fn fate(self) -> Fate {
        match self {
            Self::Done | Self::Rejected => Fate::Acknowledge,
            Self::Failed(wait) => Fate::Again(wait),
            Self::Released => Fate::Release,
        }
    }

    /// What follows for the packet if this is what follows for another river.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Released, _) | (_, Self::Released) => Self::Released,
            (Self::Failed(one), Self::Failed(two)) => Self::Failed(one.min(two)),
            (Self::Failed(wait), _) | (_, Self::Failed(wait)) => Self::Failed(wait),
            (Self::Rejected, _) | (_, Self::Rejected) => Self::Rejected,
            (Self::Done, Self::Done) => Self::Done,
        }
    }
}

/// What handling needs of the engine.
pub(crate) struct Handling {
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) publisher: Publisher,
    pub(crate) memories: Option<Memories>,
}

impl Handling {
    /// Runs the reactions in the order of their declaration. One that fails hinders no other.
    pub(crate) async fn handle(self: Rc<Self>, taken: Taken) -> Handled {
        let begun = Instant::now();
        let mut handled = Handled {
            sequence: taken.sequence,
            took: Duration::ZERO,
            sent: Vec::new(),
            remembered: Vec::new(),
            outcome: Outcome::Done,
        };
        for river in &taken.rivers {
            let outcome = match self.react(river, &taken.packet, &mut handled).await {
                Ok(()) => Outcome::Done,
                Err(Ended::Stopping) => Outcome::Released,
                Err(Ended::Failed(error)) => report(river, &taken, &error),
            };
            handled.outcome = handled.outcome.and(outcome);
        }
        handled.took = begun.elapsed();
        handled
    }

    async fn react(
        &self,
        river: &River,
        packet: &Packet,
        handled: &mut Handled,
    ) -> Result<(), Ended> {
        let packets = match river.memory_key(packet).zip(self.memories.as_ref()) {
            None => self.run(river, packet, Record::default()).await?.0,
            Some((key, memories)) => {
                let packets = self.step(river, packet, &key, memories).await?;
                if !packets.is_empty() {
                    let (river, packet) = (river.name().to_owned(), packet.id().to_owned());
                    handled.remembered.push((key, river, packet));
                }
                packets
            }
        };
        for packet in packets {
            let sent = self.publisher.send(&packet).await.map_err(anyhow::Error::from)?;
            handled.sent.push(sent);
        }
        Ok(())
    }

    /// Moves a memory one step, again and again until nobody else has moved it meanwhile.
    async fn step(
        &self,
        river: &River,
        packet: &Packet,
        key: &MemoryKey,
        memories: &Memories,
    ) -> Result<Vec<Packet>, Ended> {
        loop {
            let (record, loaded) = memories.load(key).await.map_err(anyhow::Error::from)?;
            let (packets, record) = self.run(river, packet, record).await?;
            if memories.save(key, &record, &loaded).await.map_err(anyhow::Error::from)? {
                return Ok(packets);
            }
        }
    }

    async fn run(
        &self,
        river: &River,
        packet: &Packet,
        record: Record,
    ) -> Result<(Vec<Packet>, Record), Ended> {
        let (reply, reacted) = oneshot::channel::<Reacted>();
        let job = Job { river: river.clone(), packet: packet.clone(), record, reply };
        // Either end closes only when the caller has stopped running reactions.
        self.jobs.send(job).await.map_err(|_| Ended::Stopping)?;
        Ok(reacted.await.map_err(|_| Ended::Stopping)??)
    }

    /// Waits until everything that a packet led to is stored.
    ///
    /// # Errors
    /// Only what ends the service: a publish that the server does not permit.
    pub(crate) async fn finish(self: Rc<Self>, mut handled: Handled) -> Result<(u64, Outcome)> {
        for sent in std::mem::take(&mut handled.sent) {
            match sent.acknowledged(Patience::Endless).await {
                Ok(_) => {}
                Err(error @ Error::NotPermitted { .. }) => return Err(error),
                Err(error) => {
                    error!(sequence = handled.sequence, %error, "rejected what a river published");
                    handled.outcome = handled.outcome.and(Outcome::Rejected);
                }
            }
        }
        if let Some(memories) = &self.memories {
            for (key, river, packet) in handled.remembered {
                memories.published(key, river, packet);
            }
        }
        Ok((handled.sequence, handled.outcome))
    }
}

/// Why a river did not come to its end with a packet.
enum Ended {
    Failed(anyhow::Error),
    Stopping,
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

fn report(river: &River, taken: &Taken, error: &anyhow::Error) -> Outcome {
    let (river, packet, sequence) = (river.name(), taken.packet.id(), taken.sequence);
    match failure(error) {
        Failure::Rejected => {
            error!(river, packet, sequence, "rejected: {error:#}");
            Outcome::Rejected
        }
        Failure::Retry(asked) => {
            let attempt = taken.delivered;
            let wait = asked.unwrap_or_else(|| backoff::exponential(attempt));
            warn!(
                river,
                packet,
                sequence,
                attempt,
                ?wait,
                "failed, will be tried again: {error:#}"
            );
            Outcome::Failed(wait)
        }
    }
}
