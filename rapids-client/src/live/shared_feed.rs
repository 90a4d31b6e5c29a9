//! One live feed for several services in one process. Each service gets the packets that may concern one
//! of its rivers. A counter shows it how far the feed is, without waking it for the other packets.
//!
//! One matcher looks at each packet for all services. A service that does not keep up leaves the feed,
//! and reads from the stream until it has caught up ([`feed`](crate::live::feed)).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::future::{LocalBoxFuture, OptionFuture};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc};
use tokio::time::{interval, sleep, timeout};

use crate::connection::Connection;
use crate::jetstream::message::RawPacket;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::stream::StreamFacts;
use crate::live::leave_reason::LeaveReason;
use crate::live::rejoin_backoff::RejoinBackoff;
use crate::live::subscription::{CHECK_EVERY, CHECK_SOON, LiveSubscription};
use crate::live::unconfirmed_copies::SharedCopies;
use crate::matcher::Matcher;
use crate::river::River;
use crate::service::Service;
use crate::{Error, Result};

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_millis(500);
const LEFT: LeaveReason = LeaveReason::Lost("the shared feed was left");

/// The live feed of all services of a process.
pub(crate) struct SharedFeed {
    /// For each river of the matcher, the number of its service.
    services: Vec<usize>,
    matcher: RefCell<Matcher>,
    state: RefCell<FeedState>,
    changed: Notify,
    /// For each service by its number, where its packets go while it is subscribed.
    subscribers: RefCell<Vec<Option<mpsc::UnboundedSender<Rc<RawPacket>>>>>,
    /// The highest sequence for whose confirmation a service waits.
    confirm_to: Cell<u64>,
}

/// The highest sequence of a copy when the stream was asked, and its answer, if there is one.
type Check = LocalBoxFuture<'static, (u64, Option<StreamFacts>)>;

enum FeedState {
    /// Not joined yet, but soon.
    Joining,
    /// Not joined for a while, after forged copies or a gap.
    Paused,
    /// The server does not let this user subscribe.
    Refused {
        violation: String,
    },
    Live {
        facts: StreamFacts,
        checked_to: Rc<Cell<u64>>,
        copies: SharedCopies,
    },
}

/// One of the services, and the feed that it may subscribe to.
#[derive(Clone)]
pub(crate) struct FeedSubscriber {
    pub(crate) feed: Rc<SharedFeed>,
    /// Its position among the services.
    pub(crate) number: usize,
}

/// The live feed as one of the services gets it.
pub(crate) struct SharedSubscription {
    packets: mpsc::UnboundedReceiver<Rc<RawPacket>>,
    /// Up to where the matcher has looked at every packet. Those for this service are in the queue.
    checked_to: Rc<Cell<u64>>,
    copies: SharedCopies,
}

/// What a live feed brings.
pub(crate) enum LiveItem {
    Packet(Box<RawPacket>),
    /// Up to this sequence there are no more packets for this service.
    SkippedTo(u64),
}

impl SharedFeed {
    pub(crate) fn new(services: &[Service]) -> Self {
        let rivers: Vec<River> =
            services.iter().flat_map(|service| service.rivers().iter().cloned()).collect();
        let of = |(number, service): (usize, &Service)| vec![number; service.rivers().len()];
        Self {
            services: services.iter().enumerate().flat_map(of).collect(),
            matcher: RefCell::new(Matcher::new(&rivers)),
            state: RefCell::new(FeedState::Joining),
            changed: Notify::new(),
            subscribers: RefCell::new(services.iter().map(|_| None).collect()),
            confirm_to: Cell::new(0),
        }
    }

    /// Reads the live feed, until it is dropped or refused.
    pub(crate) async fn run(self: Rc<Self>, connection: Connection) {
        let read_from = ReadFrom::stated(&connection);
        let mut backoff = RejoinBackoff::default();
        loop {
            let (live, facts) = match LiveSubscription::join(&read_from).await {
                Ok(joined) => joined,
                Err(error @ Error::NotPermitted { .. }) => {
                    return self.set(FeedState::Refused { violation: error.to_string() });
                }
                Err(error) => {
                    // There is no stream yet on a new server: the services create it.
                    if !matches!(error, Error::Stream { .. }) {
                        connection.warn("the live feed waits for the server", &error);
                    }
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let Err(reason) = match backoff.check_gap(facts.last_sequence) {
                Ok(()) => self.pass_on(&read_from, live, facts).await,
                Err(forged) => Err(forged),
            };
            self.leave_for(backoff.wait_after(&reason, Instant::now())).await;
        }
    }

    /// Leaves the feed for so long. The services read from the stream meanwhile.
    async fn leave_for(&self, wait: Duration) {
        self.set(if wait.is_zero() { FeedState::Joining } else { FeedState::Paused });
        self.subscribers.borrow_mut().fill(None);
        sleep(wait).await;
        self.set(FeedState::Joining);
    }

    fn set(&self, state: FeedState) {
        self.state.replace(state);
        self.changed.notify_waiters();
    }

    /// Passes packets on, as long as nothing shows that one is missing or forged.
    async fn pass_on(
        &self,
        read_from: &ReadFrom,
        mut live: LiveSubscription,
        facts: StreamFacts,
    ) -> Result<Infallible, LeaveReason> {
        let connection = read_from.connection();
        let connected = connection.connects();
        let (checked_to, copies) = (Rc::new(Cell::new(facts.last_sequence)), live.copies().clone());
        self.set(FeedState::Live { facts, checked_to: checked_to.clone(), copies: copies.clone() });
        let (mut tick, mut checked_at) = (interval(CHECK_SOON), Instant::now());
        let mut check: Option<Check> = None;
        loop {
            tokio::select! {
                packet = live.next() => self.pass_all(Some(packet), &mut live, &checked_to)?,
                Some((highest, facts)) = OptionFuture::from(check.as_mut()) => {
                    check = None;
                    // What has come before the answer.
                    let packet = live.ready();
                    self.pass_all(packet, &mut live, &checked_to)?;
                    // There is no answer while the server is away.
                    if let Some(StreamFacts { last_sequence, .. }) = facts {
                        copies.borrow_mut().confirm(highest, last_sequence)?;
                    }
                }
                _ = tick.tick() => {
                    if connection.connects() != connected {
                        return Err(LeaveReason::Lost("the connection was made again"));
                    }
                    let copies = copies.borrow();
                    let is_soon = copies.need_confirmation_soon(self.confirm_to.get());
                    if check.is_none() && (is_soon || checked_at.elapsed() >= CHECK_EVERY) {
                        checked_at = Instant::now();
                        check = Some(check_stream(copies.highest(), read_from.clone()));
                    }
                }
            }
        }
    }

    /// Passes a packet on, and what has come behind it.
    fn pass_all(
        &self,
        mut next: Option<Result<RawPacket, LeaveReason>>,
        live: &mut LiveSubscription,
        checked_to: &Cell<u64>,
    ) -> Result<(), LeaveReason> {
        while let Some(packet) = next {
            let packet = packet?;
            let sequence = packet.place.sequence;
            self.pass(packet);
            // After the packet: a service that sees this counter has the packet in its queue.
            checked_to.set(sequence);
            next = live.ready();
        }
        Ok(())
    }

    /// Passes a packet on to the services that may have a river for it.
    fn pass(&self, packet: RawPacket) {
        let mut matcher = self.matcher.borrow_mut();
        let rivers = matcher.candidates(&packet.body);
        if rivers.is_empty() {
            return;
        }
        let services: BTreeSet<_> =
            rivers.iter().filter_map(|&river| self.services.get(river)).collect();
        let packet = Rc::new(packet);
        let mut subscribers = self.subscribers.borrow_mut();
        for &service in services {
            let subscriber = &mut subscribers[service];
            if subscriber.as_ref().is_some_and(|sender| sender.send(packet.clone()).is_err()) {
                *subscriber = None;
            }
        }
    }
}

impl FeedSubscriber {
    /// Whether it makes sense to wait for the live feed: it is joined, or soon.
    pub(crate) fn may_join(&self) -> bool {
        !matches!(&*self.feed.state.borrow(), FeedState::Paused)
    }

    /// Asks for the confirmation of what came up to this sequence.
    pub(crate) fn confirm_to(&self, sequence: u64) {
        self.feed.confirm_to.set(self.feed.confirm_to.get().max(sequence));
    }

    /// Waits until the feed is live. Returns the subscription, the sequence behind which it brings
    /// everything, and the stream's facts by its last answer.
    ///
    /// # Errors
    /// `NotPermitted` if this user may not subscribe; `Server` while the feed is paused.
    pub(crate) async fn join(self) -> Result<(SharedSubscription, u64, StreamFacts)> {
        let Self { feed, number } = self;
        loop {
            let changed = feed.changed.notified();
            match &*feed.state.borrow() {
                FeedState::Live { facts, checked_to, copies } => {
                    let (sender, packets) = mpsc::unbounded_channel();
                    feed.subscribers.borrow_mut()[number] = Some(sender);
                    let last_sequence = copies.borrow().stream_end();
                    let facts = StreamFacts { last_sequence, ..*facts };
                    let (live_after, checked_to, copies) =
                        (checked_to.get(), checked_to.clone(), copies.clone());
                    return Ok((
                        SharedSubscription { packets, checked_to, copies },
                        live_after,
                        facts,
                    ));
                }
                FeedState::Refused { violation } => {
                    return Err(Error::NotPermitted { violation: violation.clone() });
                }
                FeedState::Paused => {
                    let action = "join the live feed".to_owned();
                    let source = "it is left for a while".into();
                    return Err(Error::Server { action, source });
                }
                FeedState::Joining => {}
            }
            changed.await;
        }
    }
}

impl SharedSubscription {
    pub(crate) fn copies(&self) -> &SharedCopies {
        &self.copies
    }

    /// Waits for the next packet. Dropping the future loses nothing.
    ///
    /// # Errors
    /// That the feed was left.
    pub(crate) async fn next(&mut self) -> Result<LiveItem, LeaveReason> {
        self.packets.recv().await.map(item).ok_or(LEFT)
    }

    /// The next, if it has come and reaches this sequence.
    pub(crate) fn ready(&mut self, arriving: u64) -> Option<Result<LiveItem, LeaveReason>> {
        // The counter is read before the queue, which then contains all packets that it counts.
        let checked_to = self.checked_to.get();
        match self.packets.try_recv() {
            Ok(packet) => Some(Ok(item(packet))),
            Err(TryRecvError::Empty) => {
                (checked_to >= arriving).then_some(Ok(LiveItem::SkippedTo(checked_to)))
            }
            Err(TryRecvError::Disconnected) => Some(Err(LEFT)),
        }
    }
}

/// Asks the stream where it ends, while this is the highest sequence of a copy.
fn check_stream(highest: u64, read_from: ReadFrom) -> Check {
    Box::pin(async move {
        // The answer may be lost with the connection.
        let facts = timeout(CHECK_EVERY, read_from.facts()).await;
        (highest, facts.ok().and_then(Result::ok))
    })
}

/// The packet itself for the last service that gets it, and a clone for the others.
fn item(packet: Rc<RawPacket>) -> LiveItem {
    LiveItem::Packet(Box::new(Rc::unwrap_or_clone(packet)))
}
