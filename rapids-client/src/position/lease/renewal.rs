//! Renewing the lease of the active instance: when the record is written, and what it says then.
//!
//! Often enough to stay the active instance, and to lose little after a crash.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use tokio::time::error::Elapsed;
use tokio::time::{sleep_until, timeout};
use tracing::debug;

use crate::position::ack_set::AckSet;
use crate::position::lease::{Lease, Written};
use crate::position::record::PositionRecord;
use crate::{Error, Result};

/// The least time between two writes, while packets are handled.
const OFTEN: Duration = Duration::from_millis(250);
/// The longest, which is the sign of life.
const SELDOM: Duration = Duration::from_secs(1);
/// Packets are written down as begun so long before they are, so that none waits for a write. After a
/// crash, those among them that are for the service run one by one.
const LEAD: Duration = Duration::from_millis(500);
/// The same while nothing is handled: packets that are not for the service become no suspects, and a
/// write costs the server as much as many deliveries.
const IDLE_LEAD: Duration = Duration::from_secs(2);
/// The fewest sequences that are written down ahead, and the most.
const LEADS: [u64; 2] = [64, 65_536];

/// How far packets were read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReadProgress {
    /// The sequence that is given next.
    pub(crate) next: u64,
    /// Whether it is read from the stream, because the reading is behind the live feed.
    pub(crate) is_catching_up: bool,
    /// The stream was seen to hold what was given up to this sequence.
    pub(crate) confirmed: u64,
    /// The stream holds, or held, packets up to this sequence.
    pub(crate) known: u64,
}

/// Renews the lease of an active instance.
pub(crate) struct LeaseRenewal {
    lease: Rc<Lease>,
    done: Rc<RefCell<AckSet>>,
    writing: Option<LocalBoxFuture<'static, (u64, Result<Written>)>>,
    /// When the last write began.
    written_at: Instant,
    /// The last sequence that was given to this instance or to one before it.
    given: u64,
    /// Everything up to this sequence may be begun.
    reserved: u64,
    /// The sequence that was next at the last write.
    next_then: u64,
    lead: u64,
    /// Whether something was handled since then.
    has_moved: bool,
    /// Something up to this sequence was handled that was not confirmed at the last write.
    unconfirmed: Option<u64>,
    /// Whether the last write failed.
    has_failed: bool,
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum Renewed {
    /// Packets up to this sequence may be given.
    To(u64),
    /// Another instance is active.
    Replaced,
}

impl LeaseRenewal {
    /// Goes on from a record that was taken over just now.
    pub(crate) fn new(lease: Rc<Lease>, record: &PositionRecord) -> Self {
        Self {
            lease,
            done: Rc::new(RefCell::new(record.done())),
            writing: None,
            written_at: Instant::now(),
            given: record.given,
            reserved: record.begun,
            next_then: record.floor,
            lead: LEADS[0],
            has_moved: true,
            unconfirmed: None,
            has_failed: false,
        }
    }

    pub(crate) fn done(&self) -> Rc<RefCell<AckSet>> {
        self.done.clone()
    }

    /// Everything up to this sequence may be begun.
    pub(crate) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Learns that something was handled, which is worth a write before long.
    pub(crate) fn moved(&mut self) {
        self.has_moved = true;
    }

    /// Writes when it is time to, and waits for what comes of it.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// `Position` if the record was deleted or garbled; `NotPermitted`.
    pub(crate) async fn next(&mut self, progress: ReadProgress) -> Result<Renewed> {
        loop {
            if let Some(writing) = &mut self.writing {
                let (begun, written) = writing.await;
                self.writing = None;
                self.has_failed = written.is_err();
                match written {
                    Ok(Written::Renewed) => {
                        self.reserved = begun;
                        return Ok(Renewed::To(begun));
                    }
                    Ok(Written::Replaced) => return Ok(Renewed::Replaced),
                    Err(error) if error.is_passing() => {
                        self.lease.connection().warn("the position is not written down", &error);
                    }
                    Err(error) => return Err(error),
                }
            }
            let is_short = self.reserved < progress.next + self.lead / 2;
            let is_confirmed = self.unconfirmed.is_some_and(|to| to <= progress.confirmed);
            let wait = if is_short && !self.has_failed {
                Duration::ZERO
            } else if self.has_moved || is_confirmed {
                OFTEN
            } else {
                SELDOM
            };
            sleep_until((self.written_at + wait).into()).await;
            self.begin(progress);
        }
    }

    fn begin(&mut self, progress: ReadProgress) {
        let next = progress.next;
        let passed = next.saturating_sub(self.next_then) as f64;
        // What comes in a burst is no rate yet.
        let elapsed = self.written_at.elapsed().max(LEAD / 10);
        // A float out of range saturates.
        let ahead = if self.has_moved { LEAD } else { IDLE_LEAD };
        let lead = (passed * ahead.as_secs_f64() / elapsed.as_secs_f64()) as u64;
        self.lead = lead.clamp(LEADS[0], LEADS[1]);
        let reached = self.done.borrow().reached();
        let is_new = (self.has_moved || self.unconfirmed.is_some()) && reached > progress.confirmed;
        self.unconfirmed = is_new.then_some(reached);
        (self.next_then, self.written_at, self.has_moved) = (next, Instant::now(), false);
        let begun = self.reserved.max(next + self.lead);
        let record = self.record(begun, progress);
        debug!(floor = record.floor, begun, "writing the position down");
        let lease = self.lease.clone();
        self.writing = Some(Box::pin(async move {
            // A lost connection may have taken the answer along; the next write tells.
            let written = timeout(SELDOM, lease.write(&record)).await;
            (begun, written.unwrap_or_else(|late| Err(unanswered(late))))
        }));
    }

    /// What is to be written: as done only what the stream has confirmed, and as given only what it
    /// is known to hold.
    fn record(&mut self, begun: u64, progress: ReadProgress) -> PositionRecord {
        self.given = self.given.max(progress.known.min(progress.next - 1));
        let (done, ended) = self.done.borrow().split(progress.confirmed);
        PositionRecord {
            done: done.above().collect(),
            ended,
            given: self.given,
            begun: begun.max(done.floor()),
            is_catching_up: progress.is_catching_up,
            ..self.lease.record_at(done.floor())
        }
    }

    /// Writes the record for the last time, with nobody as the active instance. Nothing above
    /// `begun` was begun.
    pub(crate) async fn hand_over(&mut self, progress: ReadProgress, begun: u64) {
        if let Some(writing) = self.writing.take() {
            // Its answer tells the revision to write against.
            let _ = writing.await;
        }
        let progress = ReadProgress { is_catching_up: false, ..progress };
        let record = PositionRecord { instance: String::new(), ..self.record(begun, progress) };
        if let Err(error) = self.lease.write(&record).await {
            let connection = self.lease.connection();
            connection.warn("others take over only when the lease has run out", &error);
        }
        self.lease.replaced();
    }
}

fn unanswered(late: Elapsed) -> Error {
    Error::Server { action: "write the position down".to_owned(), source: late.into() }
}
