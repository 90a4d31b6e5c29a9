//! Publishing many packets in their order, as fast as the server takes them.
//!
//! There are two ways. A window of single packets, each with an answer of its own, is the faster one
//! as long as the server answers at once. One that writes to the disk for each answer
//! (`sync_interval: always`) does so once for a whole batch, and a batch also waits for one answer
//! where the way to the server is long. Which of them it is shows in how long answers are waited
//! for: bulk begins with the window.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tracing::debug;

use super::batch::{Batch, LARGEST_BATCH};
use super::fault::{Fault, Patience};
use super::publisher::{Outgoing, Published, Publisher};
use crate::error::with_causes;
use crate::packet::Packet;
use crate::{Error, Result};

/// How many packets the window has in flight.
pub(crate) const WINDOW: usize = 512;

/// Bytes at which a batch is large enough: the server keeps it aside until all of it is there.
const BATCH_BYTES: usize = 8 << 20;

/// After so many answers it is looked at how long they were waited for.
const STRETCH: u32 = 256;

/// Where an answer is waited for longer than this, batches are faster: they cost the server some
/// 20 us for each packet.
const SLOW: Duration = Duration::from_micros(50);

/// So many stretches in a row show that the server is slow, and not just busy for a moment.
const SLOW_STRETCHES: u32 = 2;

/// Publishes packets in order.
///
/// # Errors
/// The first one, once there is an answer to everything that was under way.
pub(super) async fn publish(
    publisher: &Publisher,
    patience: Patience,
    packets: impl IntoIterator<Item = Packet>,
) -> Result<Vec<Published>> {
    let mut bulk = Bulk::new(publisher, patience);
    for packet in packets {
        match publisher.prepare(&packet) {
            Ok(outgoing) if bulk.is_slow() => bulk.gather(outgoing).await,
            Ok(outgoing) => bulk.send(outgoing).await,
            Err(error) => bulk.fail(error),
        }
        if bulk.failed.is_some() {
            break;
        }
    }
    bulk.finish().await
}

struct Bulk<'a> {
    publisher: &'a Publisher,
    patience: Patience,
    window: FuturesOrdered<BoxFuture<'static, Result<Published>>>,
    /// What is to be the next batch, and its bytes.
    gathered: Vec<Outgoing>,
    bytes: usize,
    published: Vec<Published>,
    failed: Option<Error>,
    pace: Pace,
}

impl<'a> Bulk<'a> {
    fn new(publisher: &'a Publisher, patience: Patience) -> Self {
        Self {
            publisher,
            patience,
            window: FuturesOrdered::new(),
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

    /// Sends a packet through the window. All wait at once, or those that a lost connection took
    /// along would wait one by one.
    async fn send(&mut self, packet: Outgoing) {
        if self.window.len() == WINDOW {
            let waiting = Instant::now();
            self.next_answer().await;
            self.pace.answered(waiting.elapsed());
        }
        let sent = self.publisher.send(packet).await;
        self.window.push_back(Box::pin(sent.acknowledged(self.patience)));
    }

    async fn next_answer(&mut self) {
        match self.window.next().await {
            Some(Ok(published)) => self.published.push(published),
            Some(Err(error)) => self.fail(error),
            None => {}
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

    /// Sends a batch once everything before it is stored, or it would overtake what has to be sent
    /// again. Where it cannot be stored as a whole, or nobody knows whether it is, its packets go
    /// through the window, where each has its own answer.
    async fn send_gathered(&mut self) {
        self.bytes = 0;
        self.drain().await;
        let gathered = std::mem::take(&mut self.gathered);
        let Some(batch) = Batch::new(gathered) else {
            return;
        };
        let handed = self.publisher.hand_over_batch(&batch).await;
        match self.publisher.answer_to_batch(&batch, handed).await {
            Ok(published) => self.published.extend(published),
            Err(Fault::Final(error)) => self.fail(error),
            Err(fault) => {
                debug!("not as a batch: {}", with_causes(&fault.into_error()));
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

/// How long answers were waited for lately.
#[derive(Default)]
struct Pace {
    answers: u32,
    waited: Duration,
    slow_stretches: u32,
}

impl Pace {
    fn answered(&mut self, waited: Duration) {
        self.answers += 1;
        self.waited += waited;
        if self.answers == STRETCH {
            let is_slow = self.waited > SLOW * STRETCH;
            self.slow_stretches = if is_slow { self.slow_stretches + 1 } else { 0 };
            (self.answers, self.waited) = (0, Duration::ZERO);
        }
    }

    fn is_slow(&self) -> bool {
        self.slow_stretches >= SLOW_STRETCHES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(waits: impl IntoIterator<Item = Duration>) -> Pace {
        let mut pace = Pace::default();
        waits.into_iter().for_each(|waited| pace.answered(waited));
        pace
    }

    #[test]
    fn answers_that_are_waited_for_in_a_row_are_slow() {
        let wait = SLOW + Duration::from_micros(1);
        let row = |answers: u32| (0..answers).map(move |_| wait);
        assert!(!after(row(2 * STRETCH - 1)).is_slow());
        assert!(after(row(2 * STRETCH)).is_slow());
    }

    #[test]
    fn one_long_wait_does_not_make_a_server_slow() {
        let mut waits = vec![Duration::from_micros(5); 4 * STRETCH as usize];
        waits[300] = Duration::from_secs(3);
        assert!(!after(waits).is_slow());
    }
}
