//! One live feed for several services in one process: each gets its packets, and learns which
//! passed that are for none of its rivers without being woken for each.
//!
//! One matcher looks at each packet for all of them. A member that does not keep up leaves, and
//! reads from the stream until it has caught up ([`feed`](crate::delivery::live::feed)).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval, sleep};
use tracing::{debug, warn};

use crate::connection::Connection;
use crate::delivery::live::copies::{Copies, Forged, Unfit};
use crate::delivery::live::subscription::{GAP, LOOK, LOOK_SOON, Live, Looking, Rejoining};
use crate::error::with_causes;
use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::connects;
use crate::jetstream::stream::StreamFacts;
use crate::matcher::Matcher;
use crate::names::LIVE;
use crate::river::River;
use crate::service::Service;
use crate::{Error, Result};

/// How long to wait after something that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The live feed of all services of a process.
pub(crate) struct SharedFeed {
    /// By river, the service that it is of.
    services: Vec<usize>,
    matcher: RefCell<Matcher>,
    /// What every member is told the same.
    common: RefCell<Common>,
    members: RefCell<Vec<Option<mpsc::UnboundedSender<Rc<RawPacket>>>>>,
    changed: Notify,
    /// The highest sequence of which a member waits for the confirmation.
    wanted: Cell<u64>,
}

enum Common {
    /// Not subscribed yet, or to be at once.
    Away,
    /// Not subscribed for a while, since there were forged copies or a gap.
    Left,
    /// The server does not let this user subscribe.
    Refused(String),
    /// Subscribed: everything up to this sequence has been passed on.
    Live { facts: StreamFacts, passed: Rc<Cell<u64>>, copies: Rc<RefCell<Copies>> },
}

/// A service's place at the hub.
#[derive(Clone)]
pub(crate) struct FeedSubscriber {
    pub(crate) hub: Rc<SharedFeed>,
    /// Its position among the services.
    pub(crate) number: usize,
}

/// The live feed as one of the services gets it.
pub(crate) struct Member {
    packets: mpsc::UnboundedReceiver<Rc<RawPacket>>,
    /// Up to where everything has been passed on. Its members outlive the hub's interest in it.
    passed: Rc<Cell<u64>>,
    copies: Rc<RefCell<Copies>>,
}

/// What came, for one of the services.
pub(crate) enum Came {
    Packet(Box<RawPacket>),
    /// Nothing up to this sequence, beside what came before.
    Passed(u64),
    /// The feed is to be left.
    Unfit(Unfit),
}

impl SharedFeed {
    pub(crate) fn new(services: &[Service]) -> Self {
        let rivers: Vec<River> =
            services.iter().flat_map(|service| service.rivers().iter().cloned()).collect();
        let of = |(number, service): (usize, &Service)| vec![number; service.rivers().len()];
        Self {
            services: services.iter().enumerate().flat_map(of).collect(),
            matcher: RefCell::new(Matcher::new(&rivers)),
            common: RefCell::new(Common::Away),
            members: RefCell::new(services.iter().map(|_| None).collect()),
            changed: Notify::new(),
            wanted: Cell::new(0),
        }
    }

    /// Reads the live feed, without end.
    pub(crate) async fn run(self: Rc<Self>, connection: Connection) {
        let (mut rejoining, mut gap) = (Rejoining::default(), 0);
        loop {
            match Live::join(connection.clone()).await {
                Ok((_, facts)) if gap > facts.last_sequence => {
                    let forged = Forged::Beyond(gap, facts.last_sequence);
                    gap = 0;
                    self.leave(rejoining.wait(&forged, Instant::now().into_std())).await;
                }
                Ok((live, facts)) => {
                    gap = 0;
                    match self.pass_on(&connection, live, facts).await {
                        Unfit::Lost(reason) => {
                            debug!(reason, "joining the live feed anew");
                            self.part(Common::Away);
                        }
                        Unfit::Gap(sequence) => {
                            debug!(sequence, "the live feed has a gap");
                            gap = sequence;
                            // Somebody may make gaps on purpose.
                            self.leave(GAP).await;
                        }
                        Unfit::Forged(forged) => {
                            self.leave(rejoining.wait(&forged, Instant::now().into_std())).await;
                        }
                    }
                }
                Err(error @ Error::NotPermitted { .. }) => {
                    return self.set(Common::Refused(error.to_string()));
                }
                Err(error) => {
                    warn!("waiting for the server: {}", with_causes(&error));
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Is not subscribed for so long; the members read from the stream meanwhile.
    async fn leave(&self, wait: Duration) {
        self.part(Common::Left);
        sleep(wait).await;
        self.set(Common::Away);
    }

    fn part(&self, common: Common) {
        self.set(common);
        self.members.borrow_mut().fill(None);
    }

    fn set(&self, common: Common) {
        self.common.replace(common);
        self.changed.notify_waiters();
    }

    /// Passes packets on, for as long as they come without a gap and unforged.
    async fn pass_on(&self, connection: &Connection, mut live: Live, facts: StreamFacts) -> Unfit {
        let connected = connects(connection);
        let (passed, copies) = (Rc::new(Cell::new(facts.last_sequence)), live.copies());
        self.set(Common::Live { facts, passed: passed.clone(), copies: copies.clone() });
        let mut tick = interval(LOOK_SOON);
        let (mut looking, mut looked) = (Looking::default(), Instant::now());
        loop {
            tokio::select! {
                delivered = live.next() => {
                    if let Err(unfit) = self.pass_all(delivered, &mut live, &passed) {
                        return unfit;
                    }
                }
                facts = looking.answered() => {
                    // What has come before the answer.
                    if let Some(delivered) = live.ready()
                        && let Err(unfit) = self.pass_all(delivered, &mut live, &passed)
                    {
                        return unfit;
                    }
                    // A server that is away says nothing about the stream.
                    if let Ok(facts) = facts
                        && let Err(unfit) = looking.confirm(&copies, facts.last_sequence)
                    {
                        return unfit;
                    }
                }
                _ = tick.tick() => {
                    if connects(connection) != connected {
                        return Unfit::Lost("the connection was made anew");
                    }
                    let is_soon = copies.borrow().confirmed() < self.wanted.get()
                        || copies.borrow().are_many();
                    if is_soon || looked.elapsed() >= LOOK {
                        looked = Instant::now();
                        looking.begin(connection, &copies);
                    }
                }
            }
        }
    }

    /// Passes a packet on, and what has come behind it.
    fn pass_all(
        &self,
        first: Result<RawPacket, Unfit>,
        live: &mut Live,
        passed: &Cell<u64>,
    ) -> Result<(), Unfit> {
        let mut next = Some(first);
        while let Some(delivered) = next {
            self.pass(delivered?, passed);
            next = live.ready();
        }
        Ok(())
    }

    fn pass(&self, delivered: RawPacket, passed: &Cell<u64>) {
        let sequence = delivered.place.sequence;
        let mut matcher = self.matcher.borrow_mut();
        let rivers = matcher.candidates(&delivered.body);
        if !rivers.is_empty() {
            let services: BTreeSet<_> =
                rivers.iter().filter_map(|&river| self.services.get(river)).collect();
            let delivered = Rc::new(delivered);
            let mut members = self.members.borrow_mut();
            for &service in services {
                let sent = members[service].as_ref().map(|member| member.send(delivered.clone()));
                if sent.is_some_and(|sent| sent.is_err()) {
                    members[service] = None;
                }
            }
        }
        passed.set(sequence);
    }
}

impl FeedSubscriber {
    /// Whether the live feed can be waited for: it is there, or comes soon.
    pub(crate) fn may_join(&self) -> bool {
        !matches!(&*self.hub.common.borrow(), Common::Left)
    }

    /// Asks for the confirmation of what came up to this sequence.
    pub(crate) fn want(&self, sequence: u64) {
        self.hub.wanted.set(self.hub.wanted.get().max(sequence));
    }

    /// Waits until the feed is live; everything behind the sequence that is told comes through it
    /// then. With it, how the stream stood when it was looked at last.
    ///
    /// # Errors
    /// `NotPermitted` if this user may not subscribe; `Server` while the feed is left for a while.
    pub(crate) async fn join(self) -> Result<(Member, u64, StreamFacts)> {
        let Self { hub, number } = self;
        loop {
            let changed = hub.changed.notified();
            match &*hub.common.borrow() {
                Common::Live { facts, passed, copies } => {
                    let (sender, packets) = mpsc::unbounded_channel();
                    hub.members.borrow_mut()[number] = Some(sender);
                    let facts = StreamFacts { last_sequence: copies.borrow().seen(), ..*facts };
                    let (meet, passed, copies) = (passed.get(), passed.clone(), copies.clone());
                    return Ok((Member { packets, passed, copies }, meet, facts));
                }
                Common::Refused(violation) => {
                    return Err(Error::NotPermitted { violation: violation.clone() });
                }
                Common::Left => {
                    let action = format!("join the feed of `{LIVE}`");
                    let source = "it is left for a while".into();
                    return Err(Error::Server { action, source });
                }
                Common::Away => {}
            }
            changed.await;
        }
    }
}

impl Member {
    /// What came and is not confirmed yet.
    pub(crate) fn copies(&self) -> Rc<RefCell<Copies>> {
        self.copies.clone()
    }

    /// Waits for the next packet. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Came {
        match self.packets.recv().await {
            Some(delivered) => Came::Packet(own(delivered)),
            None => Came::Unfit(Unfit::Lost("the shared feed was left")),
        }
    }

    /// What has come already, or passed, beyond this sequence.
    pub(crate) fn ready(&mut self, arriving: u64) -> Option<Came> {
        // In this order: what is behind the mark is in the queue.
        let passed = self.passed.get();
        match self.packets.try_recv() {
            Ok(delivered) => Some(Came::Packet(own(delivered))),
            Err(mpsc::error::TryRecvError::Empty) => {
                (passed >= arriving).then_some(Came::Passed(passed))
            }
            Err(mpsc::error::TryRecvError::Disconnected) => {
                Some(Came::Unfit(Unfit::Lost("the shared feed was left")))
            }
        }
    }
}

/// The packet for the last of those that get it, a copy for the others.
fn own(delivered: Rc<RawPacket>) -> Box<RawPacket> {
    Box::new(Rc::unwrap_or_clone(delivered))
}
