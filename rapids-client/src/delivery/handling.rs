//! One reaction on one packet: from the record it needs to what is to be published.
//!
//! What follows from its end is left to the engine.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::{interval, sleep};
use tracing::{error, warn};

use crate::delivery::executor::queue::JobQueue;
use crate::delivery::executor::{Job, Reacted};
use crate::delivery::memory_step::MemorySteps;
use crate::delivery::once::{Claim, Claimed, OnceLedger, RENEWAL};
use crate::delivery::progress::SavedProgress;
use crate::delivery::publish_order::PublishTurn;
use crate::delivery::unended::Unended;
use crate::error::with_causes;
use crate::jetstream::outputs::{Outputs, SentOutputs};
use crate::jetstream::publisher::Outgoing;
use crate::jetstream::sequence::TurnId;
use crate::jetstream::validity::LeaseValidity;
use crate::memory::{MemoryKey, Record};
use crate::notices::Notices;
use crate::packet::Packet;
use crate::river::River;
use crate::{Error, Result, backoff};

/// A reaction that is to run.
pub(crate) struct Task {
    pub(crate) turn: TurnId,
    pub(crate) river: Arc<River>,
    pub(crate) packet: Packet,
    /// Its place in the order of what is published, if there is one.
    pub(crate) ticket: Option<PublishTurn>,
}

/// A reaction that has run.
pub(crate) struct Ran {
    pub(crate) turn: TurnId,
    /// Without the time that it waited for others.
    pub(crate) took: Duration,
    pub(crate) end: End,
    /// What was noted about the packet before it began, if anything was.
    pub(crate) noted: Option<SavedProgress>,
}

/// How a reaction ended.
pub(crate) enum End {
    /// What it had to say is on its way.
    Reacted(Sending),
    Failed(anyhow::Error),
    /// It did not run, or not to its end, through no fault of its own or the packet's: to be begun
    /// again after this time.
    Unready(Duration),
    /// The caller runs no reactions any more.
    Stopping,
    /// The server does not permit what it takes, which ends the service.
    Refused(Error),
}

/// The outputs of one reaction on their way to the stream.
pub(crate) struct Sending {
    sent: SentOutputs,
    /// The record that keeps them until they are published: its key, the river, the packet.
    remembered: Option<(MemoryKey, String, String)>,
}

/// What handling needs of the service.
pub(crate) struct Handling {
    pub(crate) desk: Arc<JobQueue>,
    /// Whether anything may be begun.
    pub(crate) permit: LeaseValidity,
    pub(crate) outputs: Outputs,
    pub(crate) memories: Option<MemorySteps>,
    pub(crate) ledger: Option<OnceLedger>,
    pub(crate) notices: Notices,
}

impl Handling {
    pub(crate) async fn handle(self: Rc<Self>, task: Task) -> Ran {
        let begun = Instant::now();
        let Task { turn, river, packet, ticket } = task;
        let (end, took) = match self.react(&river, &packet, ticket).await {
            Ok((sending, took)) => (End::Reacted(sending), took),
            Err(unended) => (unended.into(), None),
        };
        Ran { turn, took: took.unwrap_or_else(|| begun.elapsed()), end, noted: None }
    }

    /// Sends what a reaction has to say, and tells how long it took, if it needed nothing but its
    /// packet.
    async fn react(
        &self,
        river: &Arc<River>,
        packet: &Packet,
        mut ticket: Option<PublishTurn>,
    ) -> Result<(Sending, Option<Duration>), Unended> {
        let (mut remembered, mut took) = (None, None);
        // What few reactions need makes large futures, and without boxes all would be as large.
        let outgoing = if let (true, Some(ledger)) = (river.is_once(), &self.ledger) {
            Box::pin(self.run_once(river, packet, ledger)).await?
        } else if let (Some(key), Some(memories)) = (river.memory_key(packet), &self.memories) {
            let outgoing = Box::pin(self.step(river, packet, &key, memories)).await?;
            if !outgoing.is_empty() {
                remembered = Some((key, river.name().to_owned(), packet.id().to_owned()));
            }
            outgoing
        } else {
            let ran = self.run(river, packet, Record::default()).await?;
            took = Some(ran.took);
            ran.outgoing
        };
        if let Some(ticket) = &mut ticket {
            ticket.turn().await;
        }
        let sent = self.outputs.send(outgoing).await;
        Ok((Sending { sent, remembered }, took))
    }

    /// Moves a memory one step, again and again until nobody else has moved it meanwhile and the
    /// server has said so. A step whose saving was not answered shows in the record loaded next.
    async fn step(
        &self,
        river: &Arc<River>,
        packet: &Packet,
        key: &MemoryKey,
        memories: &MemorySteps,
    ) -> Result<Vec<Outgoing>, Unended> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (record, loaded) = match memories.load_for(key, (river.name(), packet)).await {
                Err(error) if error.is_passing() && attempt < STEP_ATTEMPTS => {
                    out_of_reach(key, attempt, &error).await;
                    continue;
                }
                loaded => loaded.map_err(|error| self.by_store(error))?,
            };
            let ran = self.run(river, packet, record).await?;
            match memories.save(key, &ran.record, &loaded).await {
                Ok(true) => return Ok(ran.outgoing),
                Ok(false) => {
                    attempt = 0;
                    sleep(COLLISION.mul_f64(fastrand::f64())).await;
                }
                Err(error) if error.is_passing() && attempt < STEP_ATTEMPTS => {
                    out_of_reach(key, attempt, &error).await;
                }
                Err(error) => return Err(self.by_store(error)),
            }
        }
    }

    /// Runs a reaction unless it has run before: then what came of it is published again.
    async fn run_once(
        &self,
        river: &Arc<River>,
        packet: &Packet,
        ledger: &OnceLedger,
    ) -> Result<Vec<Outgoing>, Unended> {
        let claim = ledger.claim(river.name(), packet).await;
        let claim = claim.map_err(|error| self.by_store(error))?;
        let mut claimed = match claim {
            Claim::Mine(claimed) => claimed,
            Claim::Done(packets) => return Ok(self.outputs.prepare(&packets)?),
            Claim::Taken => return Err(Unended::Unready(CLAIMED_ELSEWHERE)),
        };
        let ran = {
            let running = self.run(river, packet, Record::default());
            tokio::pin!(running);
            let mut renewal = interval(RENEWAL);
            renewal.tick().await;
            loop {
                tokio::select! {
                    ran = &mut running => break ran,
                    _ = renewal.tick() => self.renew(ledger, &mut claimed, river, packet).await,
                }
            }
        };
        match ran {
            Ok(ran) => self.complete(ledger, claimed, ran).await,
            Err(unended) => {
                let unended = unended.after_effect();
                if let Err(error) = ledger.release(&claimed).await {
                    warn!("the claim lasts until it is abandoned: {}", with_causes(&error));
                }
                Err(unended)
            }
        }
    }

    async fn renew(
        &self,
        ledger: &OnceLedger,
        claimed: &mut Claimed,
        river: &River,
        packet: &Packet,
    ) {
        let (river, packet) = (river.name(), packet.id());
        match ledger.renew(claimed).await {
            Ok(true) => {}
            Ok(false) => warn!(river, packet, "another instance has taken this reaction over"),
            Err(error) => warn!(river, packet, "a claim lapses: {}", with_causes(&error)),
        }
    }

    /// Writes down what came of a reaction, for as long as it takes: without that it would run
    /// again.
    async fn complete(
        &self,
        ledger: &OnceLedger,
        mut claimed: Claimed,
        ran: ReactedOn,
    ) -> Result<Vec<Outgoing>, Unended> {
        let mut attempt = 0;
        loop {
            match ledger.complete(&mut claimed, &ran.packets).await {
                Ok(true) => return Ok(ran.outgoing),
                // Written by an attempt that was not answered, or taken over: the entry tells.
                Ok(false) => return Err(Unended::Unready(Duration::ZERO)),
                Err(error) if error.is_passing() => {
                    attempt += 1;
                    let wait = backoff::exponential(attempt);
                    warn!(?wait, "the ledger is out of reach: {}", with_causes(&error));
                    sleep(wait).await;
                }
                Err(error) => return Err(self.by_store(error)),
            }
        }
    }

    /// What an error of a memory or the ledger means. A reaction's own error of the same kind
    /// concerns it alone.
    fn by_store(&self, error: Error) -> Unended {
        match error {
            error @ Error::NotPermitted { .. } => Unended::Refused(error),
            error if error.is_passing() => {
                warn!("to be tried again: {}", with_causes(&error));
                Unended::Unready(LATER)
            }
            Error::Record { is_newer: true, ref bucket, .. } => {
                if self.notices.is_new(bucket) {
                    warn!("packets wait: {error}");
                }
                Unended::Unready(LATER)
            }
            error => Unended::Failed(error.into()),
        }
    }

    /// Runs one reaction, and makes sure that all it wants to publish can be published before any
    /// of it is, or is remembered to be.
    async fn run(
        &self,
        river: &Arc<River>,
        packet: &Packet,
        record: Record,
    ) -> Result<ReactedOn, Unended> {
        let (reply, answer) = oneshot::channel();
        let permit = self.permit.clone();
        let job = Job { river: river.clone(), packet: packet.clone(), record, permit, reply };
        // A job is refused or dropped only when the caller has stopped running reactions.
        if !self.desk.put(job) {
            return Err(Unended::Stopping);
        }
        let Reacted { packets, record, took } = answer.await.map_err(|_| Unended::Stopping)??;
        Ok(ReactedOn { outgoing: self.outputs.prepare(&packets)?, packets, record, took })
    }

    /// Waits until everything that a reaction had to say is stored; `false` if some of it cannot
    /// be.
    ///
    /// # Errors
    /// Only what ends the service: what the server does not permit.
    pub(crate) async fn stored(&self, sending: Sending) -> Result<bool> {
        match sending.sent.stored().await {
            Ok(()) => {}
            Err(error @ Error::NotPermitted { .. }) => return Err(error),
            // Its size was looked at before, against the limit of then.
            Err(error) => {
                error!("the stream takes less than it did: {}", with_causes(&error));
                return Ok(false);
            }
        }
        if let (Some(memories), Some(kept)) = (&self.memories, sending.remembered) {
            let (key, river, packet) = kept;
            memories.published(key, river, packet);
        }
        Ok(true)
    }
}

/// What came of a reaction: its packets, also as the server gets them, and the changed record.
struct ReactedOn {
    packets: Vec<Packet>,
    outgoing: Vec<Outgoing>,
    record: Record,
    took: Duration,
}

/// How often a memory is tried to be reached before its packet makes room for others.
const STEP_ATTEMPTS: u32 = 5;

/// After losing against another instance, at most this long until the next try.
const COLLISION: Duration = Duration::from_millis(10);

/// When a reaction that runs in another instance is looked at again.
const CLAIMED_ELSEWHERE: Duration = Duration::from_millis(500);

/// When a packet is tried again that its memory has no room for, or whose store is out of reach.
pub(super) const LATER: Duration = Duration::from_secs(1);

/// A server that does not answer is no fault of the packet: waits to try again.
async fn out_of_reach(key: &MemoryKey, attempt: u32, error: &Error) {
    let wait = backoff::exponential(attempt);
    warn!(%key, ?wait, "the memory is out of reach: {}", with_causes(error));
    sleep(wait).await;
}
