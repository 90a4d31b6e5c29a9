//! One packet through the rivers that take it, up to what is to be published.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::{error, warn};

use super::held::Fate;
use super::memories::Memories;
use super::reactor::{Job, Reacted};
use crate::backoff;
use crate::error::with_causes;
use crate::memory::{MemoryKey, Record};
use crate::packet::Packet;
use crate::rapids::{Outgoing, Patience, Publisher, Sent};
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
    pub(crate) took: Duration,
    sent: Vec<Sent>,
    /// Records whose packets will be published with these.
    remembered: Vec<(MemoryKey, String, String)>,
    /// What the server does not permit, and so ends the service.
    refused: Option<Error>,
    ended: Ended,
}

/// How each river that took a packet came to its end with it.
pub(crate) struct Ended {
    pub(crate) sequence: u64,
    pub(crate) rivers: Vec<(String, Ending)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    /// Refused for good.
    Rejected,
    /// To be tried again after this time.
    Failed(Duration),
    /// Not begun, or not ended: the service is stopping.
    Released,
}

impl Ended {
    /// The rivers that are to see the packet again.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let again = |ending: &Ending| matches!(ending, Ending::Failed(_) | Ending::Released);
        let rivers = self.rivers.iter().filter(|(_, ending)| again(ending));
        rivers.map(|(river, _)| river.clone()).collect()
    }

    /// What becomes of the packet: acknowledged once no river needs it any more.
    pub(crate) fn fate(&self) -> Fate {
        let mut fate = Fate::Acknowledge;
        for (_, ending) in &self.rivers {
            fate = match (*ending, fate) {
                (Ending::Released, _) | (_, Fate::Release) => Fate::Release,
                (Ending::Failed(wait), Fate::Again(other)) => Fate::Again(wait.min(other)),
                (Ending::Failed(wait), Fate::Acknowledge) => Fate::Again(wait),
                (Ending::Done | Ending::Rejected, fate) => fate,
            };
        }
        fate
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
            took: Duration::ZERO,
            sent: Vec::new(),
            remembered: Vec::new(),
            refused: None,
            ended: Ended { sequence: taken.sequence, rivers: Vec::new() },
        };
        for river in &taken.rivers {
            let ending = match self.react(river, &taken.packet, &mut handled).await {
                Ok(()) => Ending::Done,
                Err(Unended::Stopping) => Ending::Released,
                Err(Unended::Refused(error)) => {
                    handled.refused = Some(error);
                    Ending::Released
                }
                Err(Unended::Failed(error)) => report(river, &taken, &error),
            };
            handled.ended.rivers.push((river.name().to_owned(), ending));
        }
        handled.took = begun.elapsed();
        handled
    }

    async fn react(
        &self,
        river: &River,
        packet: &Packet,
        handled: &mut Handled,
    ) -> Result<(), Unended> {
        let outgoing = match river.memory_key(packet).zip(self.memories.as_ref()) {
            None => self.run(river, packet, Record::default()).await?.0,
            Some((key, memories)) => {
                let outgoing = self.step(river, packet, &key, memories).await?;
                if !outgoing.is_empty() {
                    let (river, packet) = (river.name().to_owned(), packet.id().to_owned());
                    handled.remembered.push((key, river, packet));
                }
                outgoing
            }
        };
        for outgoing in outgoing {
            handled.sent.push(self.publisher.send(outgoing).await);
        }
        Ok(())
    }

    /// Moves a memory one step, again and again until nobody else has moved it meanwhile and the
    /// server has said so. A step whose saving was not answered shows in the record loaded next.
    async fn step(
        &self,
        river: &River,
        packet: &Packet,
        key: &MemoryKey,
        memories: &Memories,
    ) -> Result<Vec<Outgoing>, Unended> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (record, loaded) = match memories.load(key).await {
                Err(error @ Error::Server { .. }) if attempt < STEP_ATTEMPTS => {
                    out_of_reach(key, attempt, &error).await;
                    continue;
                }
                loaded => loaded.map_err(Unended::by_memory)?,
            };
            let (outgoing, record) = self.run(river, packet, record).await?;
            match memories.save(key, &record, &loaded).await {
                Ok(true) => return Ok(outgoing),
                Ok(false) => {
                    attempt = 0;
                    sleep(COLLISION.mul_f64(fastrand::f64())).await;
                }
                Err(error @ Error::Server { .. }) if attempt < STEP_ATTEMPTS => {
                    out_of_reach(key, attempt, &error).await;
                }
                Err(error) => return Err(Unended::by_memory(error)),
            }
        }
    }

    /// Runs one reaction, and makes sure that all it wants to publish can be published before any
    /// of it is, or is remembered to be.
    async fn run(
        &self,
        river: &River,
        packet: &Packet,
        record: Record,
    ) -> Result<(Vec<Outgoing>, Record), Unended> {
        let (reply, reacted) = oneshot::channel::<Reacted>();
        let job = Job { river: river.clone(), packet: packet.clone(), record, reply };
        // Either end closes only when the caller has stopped running reactions.
        self.jobs.send(job).await.map_err(|_| Unended::Stopping)?;
        let (packets, record) = reacted.await.map_err(|_| Unended::Stopping)??;
        let outgoing = packets.iter().map(|packet| self.publisher.prepare(packet));
        Ok((outgoing.collect::<Result<_>>()?, record))
    }

    /// Waits until everything that a packet led to is stored.
    ///
    /// # Errors
    /// Only what ends the service: what the server does not permit.
    pub(crate) async fn finish(self: Rc<Self>, handled: Handled) -> Result<Ended> {
        let Handled { sent, remembered, refused, mut ended, .. } = handled;
        if let Some(error) = refused {
            return Err(error);
        }
        let mut is_stored = true;
        for sent in sent {
            match sent.acknowledged(Patience::Endless).await {
                Ok(_) => {}
                Err(error @ Error::NotPermitted { .. }) => return Err(error),
                // Its size was looked at before, against the limit of then.
                Err(error) => {
                    is_stored = false;
                    let error = with_causes(&error);
                    error!(sequence = ended.sequence, "the stream takes less than it did: {error}");
                }
            }
        }
        if !is_stored {
            for (_, ending) in &mut ended.rivers {
                if *ending == Ending::Done {
                    *ending = Ending::Failed(OUTPUTS_REFUSED);
                }
            }
        } else if let Some(memories) = &self.memories {
            for (key, river, packet) in remembered {
                memories.published(key, river, packet);
            }
        }
        Ok(ended)
    }
}

/// How often a memory is tried to be reached before its packet makes room for others.
const STEP_ATTEMPTS: u32 = 5;

/// When a packet comes again whose outputs the stream does not take any more.
const OUTPUTS_REFUSED: Duration = Duration::from_secs(30);

/// After losing against another instance, at most this long until the next try.
const COLLISION: Duration = Duration::from_millis(10);

/// Why a river did not come to its end with a packet.
enum Unended {
    Failed(anyhow::Error),
    /// The server does not permit it.
    Refused(Error),
    Stopping,
}

impl Unended {
    /// What a memory's error means. A reaction's own error of the same kind concerns it alone.
    fn by_memory(error: Error) -> Self {
        match error {
            error @ Error::NotPermitted { .. } => Self::Refused(error),
            error => Self::Failed(error.into()),
        }
    }
}

impl From<anyhow::Error> for Unended {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Error> for Unended {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A server that does not answer is no fault of the packet: waits to try again.
async fn out_of_reach(key: &MemoryKey, attempt: u32, error: &Error) {
    let wait = backoff::exponential(attempt);
    warn!(%key, ?wait, "the memory is out of reach: {}", with_causes(error));
    sleep(wait).await;
}

fn report(river: &River, taken: &Taken, error: &anyhow::Error) -> Ending {
    let (river, packet, sequence) = (river.name(), taken.packet.id(), taken.sequence);
    match failure(error) {
        Failure::Rejected => {
            error!(river, packet, sequence, "rejected: {error:#}");
            Ending::Rejected
        }
        Failure::Retry(asked) => {
            let attempt = taken.delivered;
            let wait = asked.unwrap_or_else(|| backoff::exponential(attempt));
            warn!(river, packet, sequence, attempt, ?wait, "failed, to be tried again: {error:#}");
            Ending::Failed(wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(endings: &[Ending]) -> Ended {
        let named = |(n, ending): (usize, &Ending)| (format!("r{n}"), *ending);
        Ended { sequence: 1, rivers: endings.iter().enumerate().map(named).collect() }
    }

    #[test]
    fn a_packet_is_acknowledged_when_no_river_needs_it_any_more() {
        let (soon, late) = (Duration::from_secs(1), Duration::from_secs(9));
        let all_ended = ended(&[Ending::Done, Ending::Rejected]);
        assert_eq!((all_ended.fate(), all_ended.unfinished().len()), (Fate::Acknowledge, 0));
        let some_failed =
            ended(&[Ending::Failed(late), Ending::Done, Ending::Failed(soon), Ending::Rejected]);
        assert_eq!(some_failed.fate(), Fate::Again(soon));
        assert_eq!(some_failed.unfinished(), ["r0", "r2"]);
        let stopping = ended(&[Ending::Failed(soon), Ending::Released]);
        assert_eq!(stopping.fate(), Fate::Release);
    }
}
