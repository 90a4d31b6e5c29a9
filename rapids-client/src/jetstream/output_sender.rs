//! The outputs of reactions, published in the order in which they were sent. Of each reaction all
//! outputs are stored, or none.
//!
//! A batch costs the server milliseconds, however small it is, and holds up the whole stream. So one
//! batch is under way at a time, and the outputs that come meanwhile go into the next one together.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::debug;

use crate::effects::Effects;
use crate::error::with_causes;
use crate::jetstream::batch::{Batch, Ending, LARGEST_BATCH, SentBatch};
use crate::jetstream::bulk::BATCH_BYTES;
use crate::jetstream::publish_fault::Patience;
use crate::jetstream::publisher::{Outgoing, Publisher, Sent};
use crate::packet::Packet;
use crate::{Error, Result};

/// Publishes what the reactions of a service return.
pub(crate) struct OutputSender {
    publisher: Arc<Publisher>,
    queue: mpsc::UnboundedSender<Share>,
    /// How many shares are not handed over yet, or in the batch under way.
    queued: Arc<AtomicUsize>,
    sending: AbortHandle,
}

/// The outputs of one reaction, on their way into a batch.
struct Share {
    packets: Vec<Outgoing>,
    reply: oneshot::Sender<ShareResult>,
}

pub(crate) enum ShareResult {
    Stored,
    /// Handed to the connection; the answers are still to come.
    Sent(Vec<SentBatch>),
    /// The batch was not stored; these are to be sent without those of other reactions.
    Unstored(Vec<Outgoing>),
}

/// The packets of one reaction on their way to the stream.
pub(crate) enum SentOutputs {
    Nothing,
    Single(Sent),
    /// With the bytes of each.
    Several(Several, Vec<usize>),
}

pub(crate) enum Several {
    Sent(Vec<SentBatch>),
    Queued(Arc<Publisher>, oneshot::Receiver<ShareResult>),
}

/// What has become of packets that were sent, where they were not simply stored.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// The positions of those whose ids the stream had already, each with the sequence at which it had it.
    pub(crate) repeated: Vec<(usize, u64)>,
    /// The positions of those that are not stored: they were in a batch with one of the others.
    pub(crate) unstored: Vec<usize>,
}

impl OutputSender {
    /// Starts the task that sends batches, on this runtime, for as long as this value lives.
    pub(crate) fn new(publisher: Arc<Publisher>) -> Self {
        let (queue, shares) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let queueing = Queueing { publisher: Arc::clone(&publisher), queued: Arc::clone(&queued) };
        let sending = tokio::spawn(queueing.run(shares)).abort_handle();
        Self { publisher, queue, queued, sending }
    }

    /// Writes packets out, and makes sure that the server can take them and what timers bring.
    pub(crate) fn prepare(&self, effects: &Effects) -> Result<Vec<Outgoing>> {
        effects.timers.iter().try_for_each(|timer| self.publisher.check_timer(timer))?;
        effects.packets.iter().map(|packet| self.prepare_packet(packet)).collect()
    }

    /// As [`prepare`](Self::prepare), of one packet.
    pub(crate) fn prepare_packet(&self, packet: &Packet) -> Result<Outgoing> {
        self.publisher.prepare(packet)
    }

    /// Sends the outputs of one reaction, behind those that were sent before. A single packet needs no
    /// batch, and waits only behind others that do.
    pub(crate) async fn send(&self, packets: &mut Vec<Outgoing>) -> SentOutputs {
        let is_single = packets.len() == 1;
        match packets.pop() {
            None => SentOutputs::Nothing,
            Some(packet) if is_single && self.queued.load(Ordering::Relaxed) == 0 => {
                SentOutputs::Single(self.publisher.send(packet).await)
            }
            Some(last) => {
                packets.push(last);
                let sizes = packets.iter().map(Outgoing::size).collect();
                let sending = Box::pin(self.send_several(mem::take(packets)));
                SentOutputs::Several(sending.await, sizes)
            }
        }
    }

    async fn send_several(&self, packets: Vec<Outgoing>) -> Several {
        if !self.publisher.is_atomic {
            return Several::Sent(self.publisher.send_together(packets).await);
        }
        self.queued.fetch_add(1, Ordering::Relaxed);
        let packets = packets.into_iter().map(Outgoing::begun).collect();
        let (reply, result) = oneshot::channel();
        // The task ends only with its runtime; then the dropped channel ends the wait.
        let _ = self.queue.send(Share { packets, reply });
        Several::Queued(Arc::clone(&self.publisher), result)
    }
}

impl Drop for OutputSender {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

impl SentOutputs {
    /// The bytes of the packet at this position, as the server counts them.
    pub(crate) fn size(&self, position: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Single(sent) => sent.size(),
            Self::Several(_, sizes) => sizes.get(position).copied().unwrap_or_default(),
        }
    }

    /// Waits until it is known of all what has become of them, for as long as that takes.
    ///
    /// # Errors
    /// What cannot be stored, or is not permitted.
    pub(crate) async fn answered(&mut self) -> Result<Answered> {
        // Boxed, since the future of the rare case is large, and would make every caller's as large.
        match self {
            Self::Nothing => Ok(Answered::default()),
            Self::Single(sent) => {
                let ack = match sent.answer().await {
                    Ok(ack) => ack,
                    Err(fault) => Box::pin(sent.send_again(fault, Patience::Endless)).await?,
                };
                let mut answered = Answered::default();
                if ack.duplicate {
                    answered.repeated.push((0, ack.sequence));
                }
                Ok(answered)
            }
            Self::Several(several, _) => Box::pin(several.answered()).await,
        }
    }
}

impl Several {
    async fn answered(&mut self) -> Result<Answered> {
        let sent = match self {
            Self::Sent(sent) => mem::take(sent),
            Self::Queued(publisher, result) => match result.await {
                Ok(ShareResult::Stored) => return Ok(Answered::default()),
                Ok(ShareResult::Sent(sent)) => sent,
                Ok(ShareResult::Unstored(packets)) => publisher.send_together(packets).await,
                Err(error) => {
                    return Err(Error::Server {
                        action: "publish".to_owned(),
                        source: error.into(),
                    });
                }
            },
        };
        // All wait at once; after a lost connection their time-outs would otherwise add up.
        let answers = sent.into_iter().map(|sent| sent.ended(Patience::Endless));
        let ended: Result<Vec<_>> = join_all(answers).await.into_iter().collect();
        let mut answered = Answered::default();
        for (position, ending) in ended?.into_iter().flatten().enumerate() {
            match ending {
                Ending::Stored => {}
                Ending::Repeated(sequence) => answered.repeated.push((position, sequence)),
                Ending::Unstored => answered.unstored.push(position),
            }
        }
        Ok(answered)
    }
}

/// The task that sends queued outputs.
struct Queueing {
    publisher: Arc<Publisher>,
    queued: Arc<AtomicUsize>,
}

impl Queueing {
    async fn run(self, mut queue: mpsc::UnboundedReceiver<Share>) {
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(share) => share,
                None => match queue.recv().await {
                    Some(share) => share,
                    None => return,
                },
            };
            let (mut packets, mut bytes) = first.size();
            let mut shares = vec![first];
            while let Ok(share) = queue.try_recv() {
                let (more, more_bytes) = share.size();
                if packets + more > LARGEST_BATCH || bytes + more_bytes > BATCH_BYTES {
                    next = Some(share);
                    break;
                }
                (packets, bytes) = (packets + more, bytes + more_bytes);
                shares.push(share);
            }
            let sent = shares.len();
            self.send(shares, packets).await;
            self.queued.fetch_sub(sent, Ordering::Relaxed);
        }
    }

    async fn send(&self, shares: Vec<Share>, packets: usize) {
        // Single packets need no batch, and the outputs of one reaction may need several.
        if packets == shares.len() || packets > LARGEST_BATCH {
            for share in shares {
                let sent = self.publisher.send_together(share.packets).await;
                let _ = share.reply.send(ShareResult::Sent(sent));
            }
            return;
        }
        let mut all = Vec::with_capacity(packets);
        let mut replies = Vec::with_capacity(shares.len());
        for share in shares {
            replies.push((share.packets.len(), share.reply));
            all.extend(share.packets);
        }
        let Some(batch) = Batch::new(all) else {
            return;
        };
        let mut handed = self.publisher.hand_over_batch(&batch).await;
        let unstored = self.publisher.answer_to_batch(&batch, &mut handed).await.err();
        let is_stored = unstored.is_none();
        if let Some(fault) = unstored {
            debug!(
                "publishing the outputs of each reaction by themselves: {}",
                with_causes(&fault.into_error())
            );
        }
        let mut rest = batch.into_packets();
        for (count, reply) in replies {
            let result = if is_stored {
                ShareResult::Stored
            } else {
                ShareResult::Unstored(rest.by_ref().take(count).collect())
            };
            // Nobody waits any more where the service is stopping.
            let _ = reply.send(result);
        }
    }
}

impl Share {
    /// Its packets and bytes.
    fn size(&self) -> (usize, usize) {
        (self.packets.len(), self.packets.iter().map(Outgoing::size).sum())
    }
}
