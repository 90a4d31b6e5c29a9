//! What reactions publish, in the order of their sending: of each, all or nothing is stored.
//!
//! A batch costs the server milliseconds, however small it is, and holds up the whole stream. So one
//! is under way at a time, and what reactions have to say meanwhile goes into the next one together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::debug;

use crate::error::with_causes;
use crate::jetstream::batch::{Batch, LARGEST_BATCH, SentBatch};
use crate::jetstream::bulk::BATCH_BYTES;
use crate::jetstream::publish_fault::Patience;
use crate::jetstream::publisher::{Outgoing, Publisher, Sent};
use crate::packet::Packet;
use crate::{Error, Result};

/// Publishes what the reactions of a service return.
pub(crate) struct Outputs {
    publisher: Arc<Publisher>,
    queue: mpsc::UnboundedSender<Share>,
    /// How many shares are not handed over yet, or in the batch under way.
    queued: Arc<AtomicUsize>,
    sending: AbortHandle,
}

/// What one reaction has to say.
struct Share {
    packets: Vec<Outgoing>,
    told: oneshot::Sender<ShareResult>,
}

enum ShareResult {
    Stored,
    /// Handed over; the answers are still to come.
    Sent(Vec<SentBatch>),
    /// To be sent by itself, since the batch was not stored.
    Alone(Vec<Outgoing>),
}

/// The packets of one reaction on their way to the stream.
pub(crate) struct SentOutputs {
    publisher: Arc<Publisher>,
    way: Way,
}

enum Way {
    Nothing,
    Single(Box<Sent>),
    Several(Several),
}

enum Several {
    Sent(Vec<SentBatch>),
    Queued(oneshot::Receiver<ShareResult>),
}

impl Outputs {
    /// Its batches are sent by a task on this runtime, for as long as this value lives.
    pub(crate) fn new(publisher: Arc<Publisher>) -> Self {
        let (queue, shares) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let queueing = Queueing { publisher: Arc::clone(&publisher), queued: Arc::clone(&queued) };
        let sending = tokio::spawn(queueing.run(shares)).abort_handle();
        Self { publisher, queue, queued, sending }
    }

    pub(crate) fn prepare(&self, packets: &[Packet]) -> Result<Vec<Outgoing>> {
        packets.iter().map(|packet| self.publisher.prepare(packet)).collect()
    }

    /// Sends what one reaction has to say, behind what was sent before. A single packet needs no
    /// batch, and does not wait unless others do.
    pub(crate) async fn send(&self, mut packets: Vec<Outgoing>) -> SentOutputs {
        let publisher = Arc::clone(&self.publisher);
        let is_single = packets.len() == 1;
        let way = match packets.pop() {
            None => Way::Nothing,
            Some(packet) if is_single && self.queued.load(Ordering::Relaxed) == 0 => {
                Way::Single(Box::new(publisher.send(packet).await))
            }
            Some(last) => {
                packets.push(last);
                Way::Several(Box::pin(self.send_several(packets)).await)
            }
        };
        SentOutputs { publisher, way }
    }

    async fn send_several(&self, packets: Vec<Outgoing>) -> Several {
        if !self.publisher.is_atomic {
            return Several::Sent(self.publisher.send_together(packets).await);
        }
        self.queued.fetch_add(1, Ordering::Relaxed);
        let (told, fate) = oneshot::channel();
        // The task ends only with its runtime; whoever waits is told then.
        let _ = self.queue.send(Share { packets, told });
        Several::Queued(fate)
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

impl SentOutputs {
    /// Waits until all is stored, for as long as that takes.
    ///
    /// # Errors
    /// What cannot be stored, or is not permitted.
    pub(crate) async fn stored(self) -> Result<()> {
        // What few outputs take makes large futures, and without boxes all would be as large.
        match self.way {
            Way::Nothing => Ok(()),
            Way::Single(sent) => match sent.answered().await {
                Ok(_) => Ok(()),
                Err(unstored) => Box::pin(unstored.sent_again(Patience::Endless)).await.map(drop),
            },
            Way::Several(several) => Box::pin(several.stored(&self.publisher)).await,
        }
    }
}

impl Several {
    async fn stored(self, publisher: &Arc<Publisher>) -> Result<()> {
        let sent = match self {
            Self::Sent(sent) => sent,
            Self::Queued(fate) => match fate.await {
                Ok(ShareResult::Stored) => return Ok(()),
                Ok(ShareResult::Sent(sent)) => sent,
                Ok(ShareResult::Alone(packets)) => publisher.send_together(packets).await,
                Err(error) => {
                    return Err(Error::Server {
                        action: "publish".to_owned(),
                        source: error.into(),
                    });
                }
            },
        };
        // All wait at once, or those that a lost connection took along would wait one by one.
        let answers = sent.into_iter().map(|sent| sent.acknowledged(Patience::Endless));
        join_all(answers).await.into_iter().try_for_each(|answer| answer.map(drop))
    }
}

/// The one that sends what is queued.
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
        // Single packets need no batch, and one that is too large has to be several.
        if packets == shares.len() || packets > LARGEST_BATCH {
            for share in shares {
                let sent = self.publisher.send_together(share.packets).await;
                let _ = share.told.send(ShareResult::Sent(sent));
            }
            return;
        }
        let mut all = Vec::with_capacity(packets);
        let mut tellings = Vec::with_capacity(shares.len());
        for share in shares {
            tellings.push((share.packets.len(), share.told));
            all.extend(share.packets);
        }
        let Some(batch) = Batch::new(all) else {
            return;
        };
        let handed = self.publisher.hand_over_batch(&batch).await;
        let unstored = self.publisher.answer_to_batch(&batch, handed).await.err();
        let is_stored = unstored.is_none();
        if let Some(fault) = unstored {
            debug!("each reaction by itself: {}", with_causes(&fault.into_error()));
        }
        let mut rest = batch.into_packets();
        for (count, told) in tellings {
            let fate = if is_stored {
                ShareResult::Stored
            } else {
                ShareResult::Alone(rest.by_ref().take(count).collect())
            };
            // Nobody waits any more where the service is stopping.
            let _ = told.send(fate);
        }
    }
}

impl Share {
    /// Its packets and bytes.
    fn size(&self) -> (usize, usize) {
        (self.packets.len(), self.packets.iter().map(Outgoing::size).sum())
    }
}
