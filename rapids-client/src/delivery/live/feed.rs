//! What an active instance reads: the live feed, and the stream where that has a gap.
//!
//! Asked like a [`Pull`](crate::jetstream::pull::Pull): no more is given than was asked for. Which
//! packet is next is left to [`seam`](crate::delivery::live::sequence_merger), what follows from what came to [`happened`], what
//! of that counts to [`confirming`].

mod confirming;
mod happened;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use tokio::time::sleep_until;
use tracing::info;

use crate::Result;
use crate::connection::Connection;
use crate::delivery::live::catch_up::{CatchUp, Read};
use crate::delivery::live::copies::Copies;
use crate::delivery::live::feed::confirming::Asked;
use crate::delivery::live::feed::happened::{Happened, Outcome};
use crate::delivery::live::sequence_merger::{Given, SequenceMerger};
use crate::delivery::live::shared_feed::{Came, FeedSubscriber};
use crate::delivery::live::source::Source;
use crate::delivery::live::subscription::{Rejoining, standing};
use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::{Pulled, connects};
use crate::jetstream::stream::StreamFacts;
use crate::position::record::PositionRecord;

/// So near the end of the stream, catching up, the live feed is joined.
const NEAR: u64 = 2_048;
/// How long to wait after something that failed.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct LiveFeed {
    connection: Connection,
    service: String,
    instance: String,
    /// When the stream was created that is read.
    created: jiff::Timestamp,
    /// Whether the server sends copies at all, to this user.
    has_live: bool,
    seam: SequenceMerger<RawPacket>,
    /// How many were asked for and not given.
    allowance: usize,
    /// Nothing above this sequence is given: it is not written down yet that it may be begun.
    limit: u64,
    /// Where the live feed is shared with other services of the process.
    seat: Option<FeedSubscriber>,
    live: Option<Source>,
    /// What came of the live feed that was joined last and is not confirmed.
    copies: Option<Rc<RefCell<Copies>>>,
    /// The same of the feed from which that was given that is read again.
    doubted: Option<Rc<RefCell<Copies>>>,
    rejoining: Rejoining,
    /// When it may be joined again.
    joinable: Instant,
    /// A copy behind a gap, until it is known whether the stream holds it.
    gap: u64,
    catch_up: Option<Box<CatchUp>>,
    under_way: Option<LocalBoxFuture<'static, Outcome>>,
    looked: Instant,
    /// Up to where somebody waits for the confirmation of what was handled.
    wanted: u64,
    /// Whether the stream was asked since everything was begun anew.
    is_told: bool,
    /// What was given up to here was read from the stream, or is confirmed.
    sure: u64,
    /// The stream has reached this sequence, by what it said itself.
    known: u64,
    asked: Asked,
    /// What was confirmed when it was closed.
    closed: u64,
    paused: Option<Instant>,
    connects: u64,
    was_live: bool,
}

impl LiveFeed {
    /// Reads on from a record.
    pub(crate) fn new(
        connection: &Connection,
        (service, instance): (&str, &str),
        seat: Option<FeedSubscriber>,
        facts: &StreamFacts,
        record: &PositionRecord,
    ) -> Self {
        let now = Instant::now();
        Self {
            connects: connects(connection),
            connection: connection.clone(),
            service: service.to_owned(),
            instance: instance.to_owned(),
            created: facts.created,
            has_live: facts.has_live,
            seam: SequenceMerger::new(record.floor + 1),
            allowance: 0,
            limit: 0,
            seat,
            live: None,
            copies: None,
            doubted: None,
            rejoining: Rejoining::default(),
            joinable: now,
            gap: 0,
            catch_up: None,
            under_way: None,
            looked: now,
            wanted: 0,
            is_told: false,
            sure: record.floor,
            known: record.reached(),
            asked: Asked::default(),
            closed: 0,
            paused: None,
            was_live: false,
        }
    }

    pub(crate) fn is_catching_up(&self) -> bool {
        self.seam.is_behind()
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.allowance
    }

    /// Asks for up to this many packets more.
    pub(crate) fn request(&mut self, batch: usize) {
        self.allowance += batch;
    }

    /// Lets packets be given up to this sequence.
    pub(crate) fn allow_to(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Waits for the next packet. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Pulled {
        loop {
            if let Some(pulled) = self.ready() {
                return pulled;
            }
            if let Err(error) = self.steer().await {
                return Pulled::Failed(error);
            }
            let happened = self.happen().await;
            if let Some(pulled) = self.happened(happened) {
                return pulled;
            }
        }
    }

    /// What has come already.
    pub(crate) fn ready(&mut self) -> Option<Pulled> {
        while self.may_give() {
            match self.seam.give() {
                Some(Given::Packet(delivered)) => {
                    self.allowance -= 1;
                    return Some(Pulled::Packet(delivered));
                }
                Some(Given::Passed { from, to }) => return Some(Pulled::Passed { from, to }),
                None => {}
            }
            let happened = if self.seam.is_behind() {
                Happened::Read(self.catch_up.as_mut()?.ready()?)
            } else {
                let arriving = self.seam.arriving();
                Happened::Came(self.live.as_mut()?.ready(arriving)?)
            };
            if let Some(pulled) = self.happened(happened) {
                return Some(pulled);
            }
        }
        None
    }

    /// Reads on from where it was left, where what was asked for is lost.
    pub(crate) fn look_after(&mut self) {
        let connects = connects(&self.connection);
        if connects != self.connects {
            self.connects = connects;
            self.start_over();
        } else if self.catch_up.as_mut().is_some_and(|catch_up| catch_up.lost().is_some()) {
            self.catch_up = None;
        }
    }

    fn may_give(&self) -> bool {
        self.allowance > 0 && self.seam.next() <= self.limit
    }

    /// Begins what is to be begun.
    async fn steer(&mut self) -> Result<()> {
        if self.live.is_some() && !self.seam.is_behind() {
            self.catch_up = None;
            self.tell_live(true);
        }
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.request(self.allowance).await?;
        }
        if self.under_way.is_some() || self.paused.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.paused = None;
        let highest = self.copies.as_ref().map_or(0, |copies| copies.borrow().highest());
        self.asked = Asked { next: self.seam.next(), known: self.known(), highest };
        let connection = self.connection.clone();
        let is_near = self.catch_up.as_ref().is_none_or(|catch_up| catch_up.pending <= NEAR);
        let is_open = self.catch_up.is_some();
        if self.may_join() && self.live.is_none() && is_near && (is_open || !self.is_told) {
            let (seat, reached) = (self.seat.clone(), self.asked.known.max(self.asked.next - 1));
            self.under_way = Some(Box::pin(async move {
                Outcome::Joined(Source::join(connection, seat, reached).await)
            }));
        } else if self.seam.is_behind() && !is_open {
            let of = (self.service.clone(), self.instance.clone());
            let from = self.seam.to_read();
            self.under_way = Some(Box::pin(async move {
                Outcome::Opened(CatchUp::open(connection, of, from).await)
            }));
        } else if Instant::now() >= self.next_look() {
            self.looked = Instant::now();
            self.under_way =
                Some(Box::pin(async move { Outcome::Looked(standing(&connection).await) }));
        }
        Ok(())
    }

    fn may_join(&self) -> bool {
        self.has_live
            && match &self.seat {
                Some(seat) => seat.may_join(),
                None => Instant::now() >= self.joinable,
            }
    }

    async fn happen(&mut self) -> Happened {
        let wake = self.paused.unwrap_or_else(|| self.next_look());
        let may_give = self.may_give();
        tokio::select! {
            // Copies are taken also when none is asked for: too many of them end the live feed.
            came = next_of(&mut self.live) => Happened::Came(came),
            read = read_of(&mut self.catch_up), if may_give => Happened::Read(read),
            outcome = outcome_of(&mut self.under_way) => {
                self.under_way = None;
                Happened::Outcome(outcome)
            }
            () = sleep_until(wake.into()), if self.under_way.is_none() => Happened::Time,
        }
    }

    fn pause(&mut self) {
        self.paused = Some(Instant::now() + PAUSE);
    }

    /// Says so when it begins to catch up, and when it has.
    fn tell_live(&mut self, is_live: bool) {
        if self.was_live != is_live {
            self.was_live = is_live;
            let (service, next) = (&self.service, self.seam.next());
            if is_live {
                info!(next, "{service} reads live");
            } else {
                info!(next, "{service} is behind, and catches up from the stream");
            }
        }
    }
}

async fn next_of(live: &mut Option<Source>) -> Came {
    match live {
        Some(live) => live.next().await,
        None => std::future::pending().await,
    }
}

async fn read_of(catch_up: &mut Option<Box<CatchUp>>) -> Read {
    match catch_up {
        Some(catch_up) => catch_up.next().await,
        None => std::future::pending().await,
    }
}

async fn outcome_of(under_way: &mut Option<LocalBoxFuture<'static, Outcome>>) -> Outcome {
    match under_way {
        Some(under_way) => under_way.await,
        None => std::future::pending().await,
    }
}
