//! Publishing many packets in their order, as fast as the server takes them.
//!
//! There are two ways. A window of single packets, each with an answer of its own, is faster where the
//! server answers at once. Batches are faster where it writes to the disk for each answer
//! (`sync_interval: always`: three times as fast), and where the way to the server is long: it writes
//! and answers once for a whole batch. Publishing begins with the window; how long it waits for
//! answers shows which way is faster.

use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;
use std::time::Instant;

use futures::future::{join, join_all};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::debug;

use crate::error::with_causes;
use crate::jetstream::batch::{Batch, LARGEST_BATCH};
use crate::jetstream::pace::Pace;
use crate::jetstream::publish_fault::{Fault, Patience};
use crate::jetstream::publisher::{Outgoing, Published, Publisher, Sent};
use crate::packet::Packet;
use crate::{Error, Result};

/// How many bytes may be in flight before the next packet waits.
const WINDOW_BYTES: usize = 32 << 20;

/// Bytes at which a batch is large enough: the server keeps it aside until all of it is there.
pub(crate) const BATCH_BYTES: usize = 8 << 20;

/// Packets go to the task that sends them in portions of up to so many packets and bytes, so that it
/// is woken once for each portion. Few portions wait, since their packets are in memory twice.
const PORTION: usize = 128;
const PORTION_BYTES: usize = 128 << 10;
const PORTIONS: usize = 4;

/// Publishes packets in order.
///
/// Writes them out here, and sends them by a task of its own. That runs beside the connection, so that
/// an answer wakes no other thread.
///
/// # Errors
/// The first one, once there is an answer to everything that was under way.
pub(crate) async fn publish(
    publisher: &Arc<Publisher>,
    patience: Patience,
    packets: impl IntoIterator<Item = Packet>,
) -> Result<Vec<Published>> {
    let (queue, portions) = mpsc::channel(PORTIONS);
    // A set ends its task when this future is dropped.
    let mut sending = JoinSet::new();
    sending.spawn(Bulk::new(Arc::clone(publisher), patience).send_all(portions));
    let unfit = hand_over(publisher, packets, queue).await.err();
    let published = match sending.join_next().await {
        Some(Ok(outcome)) => outcome?,
        Some(Err(error)) => {
            return Err(Error::Server { action: "publish".to_owned(), source: error.into() });
        }
        None => Vec::new(),
    };
    unfit.map_or(Ok(published), Err)
}

/// Writes packets out, up to the first that cannot be published, or until nobody sends any more.
async fn hand_over(
    publisher: &Publisher,
    packets: impl IntoIterator<Item = Packet>,
    queue: mpsc::Sender<Vec<Outgoing>>,
) -> Result<()> {
    let mut portion = Vec::with_capacity(PORTION);
    let mut bytes = 0;
    let mut outcome = Ok(());
    for packet in packets {
        match publisher.prepare(&packet) {
            Ok(outgoing) => {
                bytes += outgoing.size();
                portion.push(outgoing);
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
        if portion.len() == PORTION || bytes >= PORTION_BYTES {
            bytes = 0;
            let full = std::mem::replace(&mut portion, Vec::with_capacity(PORTION));
            if queue.send(full).await.is_err() {
                return Ok(());
            }
        }
    }
    // The task takes no more only if it has failed, and returns the error.
    let _ = queue.send(portion).await;
    outcome
}

struct Bulk {
    publisher: Arc<Publisher>,
    patience: Patience,
    /// Packets on their way, oldest first, and their bytes.
    window: VecDeque<Sent>,
    in_flight: usize,
    /// The packets of the next batch, and their bytes.
    gathered: Vec<Outgoing>,
    bytes: usize,
    published: Vec<Published>,
    failed: Option<Error>,
    pace: Pace,
}

impl Bulk {
    fn new(publisher: Arc<Publisher>, patience: Patience) -> Self {
        Self {
            publisher,
            patience,
            window: VecDeque::new(),
            in_flight: 0,
            gathered: Vec::new(),
            bytes: 0,
            published: Vec::new(),
            failed: None,
            pace: Pace::default(),
        }
    }

    fn is_slow(&self) -> bool {
        self.publisher.is_atomic && self.pace.is_slow()
    }

    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }

    /// Sends packets until there are no more, or one of them has failed.
    async fn send_all(
        mut self,
        mut portions: mpsc::Receiver<Vec<Outgoing>>,
    ) -> Result<Vec<Published>> {
        while self.failed.is_none()
            && let Some(portion) = portions.recv().await
        {
            for packet in portion {
                if self.is_slow() {
                    self.gather(packet).await;
                } else {
                    self.send(packet).await;
                }
                if self.failed.is_some() {
                    break;
                }
            }
        }
        self.finish().await
    }

    /// Sends a packet through the window. A full window is emptied by half, so that this task is not
    /// woken for each answer.
    async fn send(&mut self, packet: Outgoing) {
        if self.window.len() >= self.pace.width || self.in_flight >= WINDOW_BYTES {
            let (width, bytes) = (self.pace.width / 2, WINDOW_BYTES / 2);
            while self.window.len() > width || self.in_flight > bytes {
                let waiting = Instant::now();
                let bytes = self.next_answer().await;
                self.pace.answered(bytes, waiting.elapsed());
            }
        }
        self.in_flight += packet.size();
        self.window.push_back(self.publisher.send(packet).await);
    }

    /// Waits for the answer to the oldest packet in the window, and returns the packet's bytes.
    async fn next_answer(&mut self) -> usize {
        let Some(mut oldest) = self.window.pop_front() else {
            return 0;
        };
        let bytes = oldest.size();
        self.in_flight -= bytes;
        match oldest.answer().await {
            Ok(ack) => self.published.push(oldest.published(ack)),
            Err(fault) => self.recover(oldest, fault).await,
        }
        bytes
    }

    /// Sends a packet again that is not stored. The whole window waits at once; after a lost connection
    /// its packets would otherwise wait for their time-outs one after the other.
    async fn recover(&mut self, mut unstored: Sent, fault: Fault) {
        let patience = self.patience;
        let rest = std::mem::take(&mut self.window);
        self.in_flight = 0;
        let others = join_all(rest.into_iter().map(|sent| sent.acknowledged(patience)));
        let first = async move {
            let ack = unstored.send_again(fault, patience).await?;
            Ok(unstored.published(ack))
        };
        let (first, others) = join(first, others).await;
        for answer in iter::once(first).chain(others) {
            match answer {
                Ok(published) => self.published.push(published),
                Err(error) => self.fail(error),
            }
        }
    }

    async fn drain(&mut self) {
        while !self.window.is_empty() {
            self.next_answer().await;
        }
    }

    async fn gather(&mut self, packet: Outgoing) {
        self.bytes += packet.size();
        self.gathered.push(packet);
        if self.gathered.len() == LARGEST_BATCH || self.bytes >= BATCH_BYTES {
            self.send_gathered().await;
        }
    }

    /// Sends a batch once everything before it is stored, so that it overtakes no packet that has to be
    /// sent again. If it is not stored as a whole, or nobody knows whether it is, its packets go through
    /// the window, where each has its own answer.
    async fn send_gathered(&mut self) {
        self.bytes = 0;
        self.drain().await;
        let gathered = std::mem::take(&mut self.gathered);
        let Some(batch) = Batch::new(gathered) else {
            return;
        };
        let mut handed = self.publisher.hand_over_batch(&batch).await;
        match self.publisher.answer_to_batch(&batch, &mut handed).await {
            Ok(published) => self.published.extend(published),
            Err(Fault::Final(error)) => self.fail(error),
            Err(fault) => {
                debug!("publishing a batch one by one: {}", with_causes(&fault.into_error()));
                self.pace = Pace::default();
                for packet in batch.into_packets() {
                    self.send(packet).await;
                }
            }
        }
    }

    async fn finish(mut self) -> Result<Vec<Published>> {
        self.send_gathered().await;
        self.drain().await;
        self.failed.map_or(Ok(self.published), Err)
    }
}
