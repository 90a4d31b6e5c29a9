//! Publishing many packets in their order, as fast as the server takes them.
//!
//! There are two ways. A window of single packets, each with an answer of its own, is the faster one
//! as long as the server answers at once. One that writes to the disk for each answer
//! (`sync_interval: always`) does so once for a whole batch, and a batch also waits for one answer
//! where the way to the server is long. Which of them it is shows in how long answers are waited
//! for: bulk begins with the window.

use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use tracing::debug;

use super::batch::{Batch, LARGEST_BATCH};
use super::fault::{Fault, Patience};
use super::publisher::{Outgoing, Published, Publisher, Sent, Unstored};
use crate::error::with_causes;
use crate::packet::Packet;
use crate::{Error, Result};

/// How many packets the window has in flight: first, and as long as the server is fast.
const NARROWEST: usize = 512;
const WIDEST: usize = 4_096;

/// As many bytes are in flight at most, but for one packet.
const WINDOW_BYTES: usize = 32 << 20;

/// Bytes at which a batch is large enough: the server keeps it aside until all of it is there.
pub(super) const BATCH_BYTES: usize = 8 << 20;

/// Where an answer is waited for longer than this, batches are faster: they cost the server some
/// 20 us for each packet. What is large takes its time either way.
const SLOW: Duration = Duration::from_micros(50);
const SLOW_PER_KIBIBYTE: Duration = Duration::from_micros(10);

/// So many windows in a row show that the server is slow, and not just busy for a moment.
const SLOW_WINDOWS: u32 = 2;

/// Publishes packets in order.
///
/// # Errors
/// The first one, once there is an answer to everything that was under way.
pub(super) async fn publish(
    publisher: &Arc<Publisher>,
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
    publisher: &'a Arc<Publisher>,
    patience: Patience,
    /// Packets on their way, oldest first, and their bytes.
    window: VecDeque<Sent>,
    in_flight: usize,
    /// What is to be the next batch, and its bytes.
    gathered: Vec<Outgoing>,
    bytes: usize,
    published: Vec<Published>,
    failed: Option<Error>,
    pace: Pace,
}

impl<'a> Bulk<'a> {
    fn new(publisher: &'a Arc<Publisher>, patience: Patience) -> Self {
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

    /// Sends a packet through the window.
    async fn send(&mut self, packet: Outgoing) {
        while self.window.len() >= self.pace.width || self.in_flight >= WINDOW_BYTES {
            let waiting = Instant::now();
            let bytes = self.next_answer().await;
            self.pace.answered(bytes, waiting.elapsed());
        }
        self.in_flight += packet.size();
        self.window.push_back(self.publisher.send(packet).await);
    }

    /// Waits for the answer to the oldest packet in the window, and tells its bytes.
    async fn next_answer(&mut self) -> usize {
        let Some(oldest) = self.window.pop_front() else {
            return 0;
        };
        let bytes = oldest.size();
        self.in_flight -= bytes;
        match oldest.answered().await {
            Ok(published) => self.published.push(published),
            Err(unstored) => self.recover(unstored).await,
        }
        bytes
    }

    /// Sends again what is not stored. All that is in the window waits at once, or what a lost
    /// connection took along would wait one by one.
    async fn recover(&mut self, unstored: Unstored) {
        let patience = self.patience;
        let rest = std::mem::take(&mut self.window);
        self.in_flight = 0;
        let others = join_all(rest.into_iter().map(|sent| sent.acknowledged(patience)));
        let (first, others) = join(unstored.sent_again(patience), others).await;
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

/// How long answers are waited for. Servers write them in bursts, so it takes a whole window to
/// tell.
struct Pace {
    width: usize,
    answers: usize,
    bytes: usize,
    waited: Duration,
    slow_windows: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { width: NARROWEST, answers: 0, bytes: 0, waited: Duration::ZERO, slow_windows: 0 }
    }
}

impl Pace {
    fn answered(&mut self, bytes: usize, waited: Duration) {
        self.answers += 1;
        self.bytes += bytes;
        self.waited += waited;
        if self.answers < self.width {
            return;
        }
        let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let slow = SLOW * times(self.answers) + SLOW_PER_KIBIBYTE * times(self.bytes >> 10);
        *self = if self.waited > slow {
            Self { width: self.width, slow_windows: self.slow_windows + 1, ..Self::default() }
        } else {
            Self { width: (self.width * 2).min(WIDEST), ..Self::default() }
        };
    }

    fn is_slow(&self) -> bool {
        self.slow_windows >= SLOW_WINDOWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After windows in which each answer was waited for so long, with packets of these bytes.
    fn after(bytes: usize, waits: &[Duration]) -> Pace {
        let mut pace = Pace::default();
        for waited in waits {
            // The answers of a window come at once, behind the first one.
            let width = pace.width;
            pace.answered(bytes, *waited * u32::try_from(width).unwrap());
            (1..width).for_each(|_| pace.answered(bytes, Duration::ZERO));
        }
        pace
    }

    const LONG: Duration = Duration::from_micros(70);
    const SHORT: Duration = Duration::from_micros(7);

    #[test]
    fn a_server_is_slow_whose_answers_are_waited_for_twice_in_a_row() {
        assert!(!after(600, &[LONG]).is_slow());
        assert!(!after(600, &[LONG, SHORT, LONG]).is_slow());
        assert!(after(600, &[LONG, LONG]).is_slow());
    }

    #[test]
    fn answers_to_large_packets_may_take_longer() {
        assert!(!after(100 << 10, &[LONG, LONG]).is_slow());
    }

    #[test]
    fn the_window_widens_as_long_as_the_server_is_fast() {
        let widths = [1, 2, 3, 9].map(|windows| after(600, &vec![SHORT; windows]).width);
        assert_eq!(widths, [1_024, 2_048, 4_096, 4_096]);
        assert_eq!(after(600, &[SHORT, LONG]).width, 1_024);
    }
}
