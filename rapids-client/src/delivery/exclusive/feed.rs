//! What an active instance reads: the live feed, and the stream where that has a gap.
//!
//! Asked like a [`Pull`](crate::delivery::pull::Pull): no more is given than was asked for. Which
//! packet is next is left to [`seam`](super::seam).

use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use tokio::time::sleep_until;
use tracing::{debug, info, warn};

use super::catch_up::{CatchUp, Read};
use super::hub::{Came, Seat};
use super::live::standing;
use super::record::lost;
use super::seam::{Arrived, Given, Seam};
use super::source::Source;
use crate::connection::Connection;
use crate::delivery::delivered::Delivered;
use crate::delivery::pull::{Pulled, connects};
use crate::error::with_causes;
use crate::rapids::stream::StreamFacts;
use crate::{Error, Result};

/// So near the end of the stream, catching up, the live feed is joined.
const NEAR: u64 = 2_048;
/// How often the stream is asked whether anything is missing at the end.
const LOOK: Duration = Duration::from_secs(1);
/// How often where that is done for all services of the process already.
const LOOK_SHARED: Duration = Duration::from_secs(10);
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
    seam: Seam<Delivered>,
    /// How many were asked for and not given.
    allowance: usize,
    /// Nothing above this sequence is given: it is not written down yet that it may be begun.
    limit: u64,
    /// Where the live feed is shared with other services of the process.
    seat: Option<Seat>,
    live: Option<Source>,
    catch_up: Option<Box<CatchUp>>,
    under_way: Option<LocalBoxFuture<'static, Done>>,
    next_look: Instant,
    /// Where the stream ended when it was looked at last.
    seen: u64,
    /// What was to be given next when it was asked for that.
    asked: u64,
    paused: Option<Instant>,
    connects: u64,
    was_live: bool,
}

/// What was under way.
enum Done {
    Joined(Result<(Source, StreamFacts)>),
    Opened(Result<Box<CatchUp>>),
    Looked(Result<StreamFacts>),
}

/// What happened, if it is no packet.
enum Happened {
    Came(Came),
    Read(Read),
    Done(Done),
    Time,
}

impl LiveFeed {
    /// Reads on from `next`.
    pub(crate) fn new(
        connection: &Connection,
        (service, instance): (&str, &str),
        seat: Option<Seat>,
        facts: &StreamFacts,
        next: u64,
    ) -> Self {
        Self {
            connects: connects(connection),
            connection: connection.clone(),
            service: service.to_owned(),
            instance: instance.to_owned(),
            created: facts.created,
            has_live: facts.has_live,
            seam: Seam::new(next),
            allowance: 0,
            limit: 0,
            seat,
            live: None,
            catch_up: None,
            under_way: None,
            next_look: Instant::now() + LOOK,
            seen: 0,
            asked: 0,
            paused: None,
            was_live: false,
        }
    }

    /// The sequence that is given next.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.seam.next()
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

    /// Reads no more.
    pub(crate) fn close(&mut self) {
        self.live = None;
        self.under_way = None;
        if let Some(catch_up) = self.catch_up.take() {
            catch_up.end();
        }
    }

    fn may_give(&self) -> bool {
        self.allowance > 0 && self.seam.next() <= self.limit
    }

    /// Begins what is to be begun.
    async fn steer(&mut self) -> Result<()> {
        if self.live.is_some() && !self.seam.is_behind() {
            if let Some(catch_up) = self.catch_up.take() {
                catch_up.end();
            }
            self.tell_live(true);
        }
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.request(self.allowance).await?;
        }
        if self.under_way.is_some() || self.paused.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.paused = None;
        self.asked = self.seam.next();
        let connection = self.connection.clone();
        let is_near = self.catch_up.as_ref().is_none_or(|catch_up| catch_up.pending <= NEAR);
        let is_open = self.catch_up.is_some();
        if self.has_live && self.live.is_none() && is_near && (is_open || self.seen == 0) {
            let (seat, next) = (self.seat.clone(), self.asked);
            let joining = async move { Done::Joined(Source::join(connection, seat, next).await) };
            self.under_way = Some(Box::pin(joining));
        } else if self.seam.is_behind() && !is_open {
            let of = (self.service.clone(), self.instance.clone());
            let from = self.seam.next();
            self.under_way =
                Some(Box::pin(
                    async move { Done::Opened(CatchUp::open(connection, of, from).await) },
                ));
        } else if Instant::now() >= self.next_look {
            self.next_look = Instant::now() + if self.seat.is_some() { LOOK_SHARED } else { LOOK };
            self.under_way =
                Some(Box::pin(async move { Done::Looked(standing(&connection).await) }));
        }
        Ok(())
    }

    async fn happen(&mut self) -> Happened {
        let wake = self.paused.unwrap_or(self.next_look);
        let may_give = self.may_give();
        tokio::select! {
            // Copies are taken also when none is asked for: too many of them end the live feed.
            came = next_of(&mut self.live) => Happened::Came(came),
            read = read_of(&mut self.catch_up), if may_give => Happened::Read(read),
            done = done_of(&mut self.under_way) => {
                self.under_way = None;
                Happened::Done(done)
            }
            () = sleep_until(wake.into()), if self.under_way.is_none() => Happened::Time,
        }
    }

    /// Learns what happened, and gives what there is to give or to tell.
    fn happened(&mut self, happened: Happened) -> Option<Pulled> {
        match happened {
            Happened::Came(Came::Passed(to)) => {
                self.seam.passed(to);
                None
            }
            Happened::Came(Came::Broken) => {
                self.start_over();
                None
            }
            Happened::Came(Came::Packet(delivered)) => {
                let (sequence, size) = (delivered.place.sequence, delivered.body.len());
                if self.live.as_ref().is_some_and(Source::is_sifted) {
                    self.seam.passed(sequence - 1);
                }
                match self.seam.arrived(sequence, size, *delivered) {
                    Arrived::Waits | Arrived::Old => {}
                    Arrived::Gap => debug!(sequence, "the live feed has a gap"),
                    Arrived::TooMany => {
                        self.live = None;
                        self.tell_live(false);
                    }
                }
                None
            }
            Happened::Read(Read::Packet(delivered)) => self.was_read(*delivered),
            Happened::Read(Read::Nothing) | Happened::Time => None,
            Happened::Read(Read::Broken(reason)) => {
                debug!(reason, "reading the stream anew");
                self.catch_up = None;
                self.pause();
                None
            }
            Happened::Done(done) => self.done(done).unwrap_or_else(|error| {
                if let Error::Stream { .. } = error {
                    let lost = self.other_stream("the stream was deleted while it ran");
                    return Some(Pulled::Failed(lost));
                }
                // A limit of consumers is one for a moment: others read their past, too.
                if let Error::Server { .. } | Error::Limit { .. } = error {
                    warn!("waiting for the server: {}", with_causes(&error));
                    self.pause();
                    return None;
                }
                Some(Pulled::Failed(error))
            }),
        }
    }

    /// A packet was read from the stream. What lies before it is gone from there.
    fn was_read(&mut self, delivered: Delivered) -> Option<Pulled> {
        let (sequence, next) = (delivered.place.sequence, self.seam.next());
        if sequence > next {
            // To be read again, after it was told what is missing.
            self.seam.skip_to(sequence);
            self.catch_up = None;
            return Some(Pulled::Gone { from: next, to: sequence - 1 });
        }
        if !self.seam.read(sequence) {
            return None;
        }
        self.allowance = self.allowance.saturating_sub(1);
        Some(Pulled::Packet(delivered))
    }

    fn done(&mut self, done: Done) -> Result<Option<Pulled>> {
        match done {
            Done::Joined(Ok((live, facts))) => {
                self.seen = facts.last_sequence;
                let gone = self.stands(&facts)?;
                let left = (facts.last_sequence + 1).saturating_sub(self.seam.next());
                if left <= NEAR {
                    self.live = Some(live);
                    self.seam.join(facts.last_sequence);
                    if self.seam.is_behind() {
                        self.tell_live(false);
                    }
                } else {
                    self.tell_live(false);
                }
                Ok(gone)
            }
            Done::Joined(Err(error @ Error::NotPermitted { .. })) => {
                warn!("it is read from the stream alone: {}", with_causes(&error));
                self.has_live = false;
                Ok(None)
            }
            Done::Opened(Ok(catch_up)) => {
                self.catch_up = Some(catch_up);
                Ok(None)
            }
            Done::Looked(Ok(facts)) => {
                let gone = self.stands(&facts)?;
                let is_missing = self.live.is_some() && self.seam.arriving() <= self.seen;
                self.seen = facts.last_sequence;
                if is_missing {
                    debug!("the end of the live feed is missing");
                    self.start_over();
                }
                Ok(gone)
            }
            Done::Joined(Err(error)) | Done::Opened(Err(error)) | Done::Looked(Err(error)) => {
                Err(error)
            }
        }
    }

    /// Makes sure that the stream is the one that is read, and holds what was read; tells what is
    /// gone from it unread.
    fn stands(&mut self, facts: &StreamFacts) -> Result<Option<Pulled>> {
        let next = self.seam.next();
        if facts.created != self.created {
            return Err(self.other_stream("the stream was made anew while it ran"));
        }
        if facts.last_sequence + 1 < self.asked {
            let (at, last) = (self.asked - 1, facts.last_sequence);
            let fault = format!(
                "it was at sequence {at}, but the stream ends at {last} now: the server has lost \
                 packets, or has older ones from a backup"
            );
            return Err(lost(&self.service, &fault));
        }
        if self.seam.is_behind() && facts.first_sequence > next {
            self.seam.skip_to(facts.first_sequence);
            return Ok(Some(Pulled::Gone { from: next, to: facts.first_sequence - 1 }));
        }
        Ok(None)
    }

    fn other_stream(&self, fault: &str) -> Error {
        let service = self.service.clone();
        let reason = format!("{fault}; {}", super::beginning::oblivion(&self.connection, &service));
        Error::Position { service, reason }
    }

    fn start_over(&mut self) {
        self.live = None;
        self.catch_up = None;
        self.under_way = None;
        self.seam.leave();
        self.seen = 0;
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

async fn done_of(under_way: &mut Option<LocalBoxFuture<'static, Done>>) -> Done {
    match under_way {
        Some(under_way) => under_way.await,
        None => std::future::pending().await,
    }
}
