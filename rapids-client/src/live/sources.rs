//! The two sources of an active instance: the live feed, and the stream while it catches up. Opens them,
//! and asks where the stream ends; one request to the server at a time.
//!
//! Which packet is next, and what follows from the answers, is decided in [`feed`](crate::live::feed).

use std::time::{Duration, Instant};

use futures::future::{LocalBoxFuture, OptionFuture};
use jiff::Timestamp;
use tokio::task::yield_now;
use tokio::time::{sleep_until, timeout};
use tracing::{debug, warn};

use crate::error::with_causes;
use crate::jetstream::message::RawPacket;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::stream::StreamFacts;
use crate::live::catch_up::CatchUp;
use crate::live::leave_reason::LeaveReason;
use crate::live::live_source::{Joined, LiveSource};
use crate::live::rejoin_backoff::RejoinBackoff;
use crate::live::shared_feed::{FeedSubscriber, LiveItem};
use crate::live::subscription::CHECK_EVERY;
use crate::{Error, Result};

/// The live feed is joined when at most as many packets are to be read from the stream.
const NEAR: u64 = 2_048;
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Sources {
    read_from: ReadFrom,
    /// The names of the service and of the instance.
    of: (String, String),
    /// The feed that the services of the process share, if they do.
    subscriber: Option<FeedSubscriber>,
    /// Whether this user may get copies from the server.
    has_live: bool,
    live: Option<LiveSource>,
    catch_up: Option<CatchUp>,
    /// A request to the server that is not answered yet.
    pending: Option<LocalBoxFuture<'static, (Expected, Answer)>>,
    /// Whether it was tried to join the live feed. That comes first: perhaps nothing has to be read from
    /// the stream.
    has_tried_live: bool,
    backoff: RejoinBackoff,
    /// Before this time, the live feed is not joined again.
    join_at: Instant,
    /// After a failure, the server is asked for nothing before this time.
    retry_at: Option<Instant>,
    /// When the stream was asked last where it ends.
    checked_at: Instant,
    /// The sequence up to which handled packets wait for their confirmation.
    confirm_to: u64,
    /// How often the connection had been made when that was checked last.
    connects: u64,
}

/// What was known when a request was sent, and what its answer is compared with.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// The sequence to be delivered next.
    pub(crate) next: u64,
    /// The stream itself has reported that it reached this sequence.
    pub(crate) reached: u64,
    /// The highest sequence of a copy; 0 without a live feed.
    pub(crate) highest_copy: u64,
}

enum Answer {
    Join(Result<Joined>),
    CatchUp(Result<CatchUp>),
    Check(Result<StreamFacts>),
}

/// What happened at one of the sources.
pub(crate) enum Event {
    Live(Result<LiveItem, LeaveReason>),
    /// A packet of the stream.
    Read(Box<RawPacket>),
    Joined(Expected, Box<Joined>),
    Checked(Expected, StreamFacts),
    Failed(Error),
    Nothing,
}

impl Sources {
    pub(crate) fn new(
        read_from: &ReadFrom,
        (service, instance): (&str, &str),
        subscriber: Option<FeedSubscriber>,
        has_live: bool,
    ) -> Self {
        let now = Instant::now();
        Self {
            connects: read_from.connection().connects(),
            read_from: read_from.clone(),
            of: (service.to_owned(), instance.to_owned()),
            subscriber,
            has_live,
            live: None,
            catch_up: None,
            pending: None,
            has_tried_live: false,
            backoff: RejoinBackoff::default(),
            join_at: now,
            retry_at: None,
            checked_at: now,
            confirm_to: 0,
        }
    }

    /// Whether copies have to be confirmed here, and not by the shared feed.
    pub(crate) fn confirms_live(&self) -> bool {
        self.live.is_some() && self.subscriber.is_none()
    }

    /// Sends the requests that are needed to deliver so many packets. `to_read` is the sequence to read
    /// from the stream, if the next packet has to come from there.
    pub(crate) async fn ask(
        &mut self,
        expected: Expected,
        to_read: Option<u64>,
        demand: usize,
    ) -> Result<()> {
        if to_read.is_none() {
            self.catch_up = None;
        }
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.request(demand).await?;
        }
        let now = Instant::now();
        if self.pending.is_some() || self.retry_at.is_some_and(|retry_at| now < retry_at) {
            return Ok(());
        }
        self.retry_at = None;
        let read_from = self.read_from.clone();
        read_from.connection().known_end().reaches(expected.reached);
        if self.is_to_join(now) {
            let subscriber = self.subscriber.clone();
            let reached = expected.reached.max(expected.next - 1);
            self.pending = Some(Box::pin(async move {
                let joined = LiveSource::join(read_from, subscriber, reached).await;
                (expected, Answer::Join(joined))
            }));
        } else if let Some(from) = to_read.filter(|_| self.catch_up.is_none()) {
            let of = self.of.clone();
            self.pending = Some(Box::pin(async move {
                (expected, Answer::CatchUp(CatchUp::open(read_from, of, from).await))
            }));
        } else if now >= self.next_check() {
            self.checked_at = now;
            self.pending =
                Some(Box::pin(async move { (expected, Answer::Check(read_from.facts().await)) }));
        }
        Ok(())
    }

    fn is_to_join(&self, now: Instant) -> bool {
        let may_join = match &self.subscriber {
            Some(subscriber) => subscriber.may_join(),
            None => now >= self.join_at,
        };
        let is_near = match &self.catch_up {
            Some(catch_up) => catch_up.pending().is_some_and(|pending| pending <= NEAR),
            None => !self.has_tried_live,
        };
        self.has_live && self.live.is_none() && may_join && is_near
    }

    /// When to ask next where the stream ends.
    fn next_check(&self) -> Instant {
        let interval = self.live.as_ref().map(|live| live.check_interval(self.confirm_to));
        self.checked_at + interval.unwrap_or(CHECK_EVERY)
    }

    /// Waits for what happens next; reads from the stream only if `is_wanted`. Dropping the future loses
    /// nothing.
    pub(crate) async fn next(&mut self, is_wanted: bool) -> Event {
        let wake_at = self.retry_at.unwrap_or_else(|| self.next_check());
        tokio::select! {
            // Even if no packet is wanted: if too many wait, the live feed is left.
            Some(item) = OptionFuture::from(self.live.as_mut().map(|live| live.next())) => {
                Event::Live(item)
            }
            Some(read) = OptionFuture::from(self.catch_up.as_mut().map(|stream| stream.next())),
                if is_wanted => self.read(read),
            Some((expected, answer)) = OptionFuture::from(self.pending.as_mut()) => {
                self.pending = None;
                self.answered(expected, answer)
            }
            () = sleep_until(wake_at.into()), if self.pending.is_none() => Event::Nothing,
        }
    }

    /// The next event of the stream, if it has come.
    pub(crate) fn ready_to_read(&mut self) -> Option<Event> {
        let read = self.catch_up.as_mut()?.ready()?;
        Some(self.read(read))
    }

    /// The next of the live feed, if it has come and reaches this sequence.
    pub(crate) fn ready_live(&mut self, arriving: u64) -> Option<Result<LiveItem, LeaveReason>> {
        self.live.as_mut()?.ready(arriving)
    }

    fn read(&mut self, read: Result<Option<Box<RawPacket>>>) -> Event {
        match read {
            Ok(packet) => packet.map_or(Event::Nothing, Event::Read),
            Err(error @ Error::NotPermitted { .. }) => Event::Failed(error),
            Err(error) => {
                debug!(reason = with_causes(&error), "reading the stream again");
                self.catch_up = None;
                self.retry_at = Some(Instant::now() + PAUSE);
                Event::Nothing
            }
        }
    }

    fn answered(&mut self, expected: Expected, answer: Answer) -> Event {
        let error = match answer {
            Answer::Join(Ok(joined)) => return Event::Joined(expected, Box::new(joined)),
            Answer::Check(Ok(facts)) => return Event::Checked(expected, facts),
            Answer::CatchUp(Ok(catch_up)) => {
                self.catch_up = Some(catch_up);
                return Event::Nothing;
            }
            Answer::Join(Err(error @ Error::NotPermitted { .. })) => {
                warn!("packets are read from the stream alone: {}", with_causes(&error));
                self.has_live = false;
                return Event::Nothing;
            }
            Answer::Join(Err(error)) | Answer::CatchUp(Err(error)) | Answer::Check(Err(error)) => {
                error
            }
        };
        // A limit of consumers passes when others have caught up.
        if let Error::Server { .. } | Error::Limit { .. } = error {
            self.read_from.connection().warn("the live feed waits for the server", &error);
            self.retry_at = Some(Instant::now() + PAUSE);
            return Event::Nothing;
        }
        Event::Failed(error)
    }

    /// Reads from a live feed that was joined; `false` if too much has to be read from the stream first.
    ///
    /// # Errors
    /// That a copy of it was forged.
    pub(crate) fn use_live(&mut self, joined: Joined, to_read: u64) -> Result<bool, LeaveReason> {
        self.has_tried_live = true;
        self.backoff.check_gap(joined.facts.last_sequence)?;
        let is_near = (joined.live_after + 1).saturating_sub(to_read) <= NEAR;
        if is_near {
            self.live = Some(joined.source);
        }
        Ok(is_near)
    }

    /// Delays joining the live feed again, by the reason why it was left.
    pub(crate) fn delay_joining(&mut self, reason: &LeaveReason) {
        let now = Instant::now();
        self.join_at = now + self.backoff.wait_after(reason, now);
    }

    pub(crate) fn leave(&mut self) {
        self.live = None;
    }

    /// Stops reading the stream where it is.
    pub(crate) fn end_catch_up(&mut self) {
        self.catch_up = None;
    }

    /// Stops reading the stream, and waits for no answer.
    pub(crate) fn cancel(&mut self) {
        (self.catch_up, self.pending) = (None, None);
    }

    /// Starts over, with an attempt to join the live feed.
    pub(crate) fn start_over(&mut self) {
        self.leave();
        self.cancel();
        self.has_tried_live = false;
    }

    /// Whether the connection was made again since the last call. If not, it stops a reading of which
    /// requests were lost.
    pub(crate) fn check_connection(&mut self) -> bool {
        let connects = self.read_from.connection().connects();
        if std::mem::replace(&mut self.connects, connects) != connects {
            return true;
        }
        if self.catch_up.as_mut().is_some_and(|catch_up| catch_up.is_lost()) {
            self.catch_up = None;
        }
        false
    }

    /// Packets up to this sequence are handled, and wait for their confirmation.
    pub(crate) fn confirm_to(&mut self, sequence: u64) {
        self.confirm_to = sequence;
        if let Some(subscriber) = &self.subscriber {
            subscriber.confirm_to(sequence);
        }
    }

    /// Where the stream ends that was made then. `None` if the server does not answer, or if what the
    /// live feed brings until then shows a fault.
    pub(crate) async fn last_check(&mut self, made: Timestamp) -> Option<u64> {
        if !self.read_from.connection().is_connected() {
            return None;
        }
        let facts = timeout(CHECK_EVERY, self.read_from.facts()).await.ok()?.ok()?;
        // Lets the shared feed pass on what has come.
        yield_now().await;
        while let Some(item) = self.ready_live(u64::MAX) {
            item.ok()?;
        }
        (facts.made == made).then_some(facts.last_sequence)
    }
}
