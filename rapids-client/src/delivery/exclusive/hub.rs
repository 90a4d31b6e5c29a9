//! One live feed for several services in one process: each gets its packets, and learns which
//! passed that are for none of its rivers without being woken for each.
//!
//! One matcher looks at each packet for all of them. A member that does not keep up leaves, and
//! reads from the stream until it has caught up ([`feed`](super::feed)).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{interval, sleep, timeout};
use tracing::{debug, warn};

use super::live::{Live, standing};
use crate::connection::Connection;
use crate::delivery::delivered::Delivered;
use crate::delivery::pull::connects;
use crate::error::with_causes;
use crate::matcher::Matcher;
use crate::rapids::stream::StreamFacts;
use crate::river::River;
use crate::service::Service;
use crate::{Error, Result};

/// How often the stream is asked whether anything is missing at the end.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait after something that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The live feed of all services of a process.
pub(crate) struct Hub {
    /// By river, the service that it is of.
    services: Vec<usize>,
    matcher: RefCell<Matcher>,
    /// What every member is told the same.
    common: RefCell<Common>,
    members: RefCell<Vec<Option<mpsc::UnboundedSender<Rc<Delivered>>>>>,
    changed: Notify,
}

enum Common {
    /// Not subscribed, or not any more.
    Away,
    /// The server does not let this user subscribe.
    Refused(String),
    /// Subscribed: everything up to this sequence has been passed on.
    Live { facts: StreamFacts, passed: Rc<Cell<u64>> },
}

/// A service's place at the hub.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) hub: Rc<Hub>,
    /// Its position among the services.
    pub(crate) number: usize,
}

/// The live feed as one of the services gets it.
pub(super) struct Member {
    packets: mpsc::UnboundedReceiver<Rc<Delivered>>,
    /// Up to where everything has been passed on. Its members outlive the hub's interest in it.
    passed: Rc<Cell<u64>>,
}

/// What came, for one of the services.
pub(super) enum Came {
    Packet(Box<Delivered>),
    /// Nothing up to this sequence, beside what came before.
    Passed(u64),
    /// Nothing comes any more.
    Broken,
}

impl Hub {
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
        }
    }

    /// Reads the live feed, without end.
    pub(crate) async fn run(self: Rc<Self>, connection: Connection) {
        loop {
            match Live::join(connection.clone()).await {
                Ok((live, facts)) => {
                    let reason = self.pass_on(&connection, live, facts).await;
                    debug!(reason, "joining the live feed anew");
                    self.set(Common::Away);
                    self.members.borrow_mut().fill(None);
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

    fn set(&self, common: Common) {
        self.common.replace(common);
        self.changed.notify_waiters();
    }

    /// Passes packets on, for as long as they come without a gap.
    async fn pass_on(
        &self,
        connection: &Connection,
        mut live: Live,
        facts: StreamFacts,
    ) -> &'static str {
        let connected = connects(connection);
        let passed = Rc::new(Cell::new(facts.last_sequence));
        self.set(Common::Live { facts, passed: passed.clone() });
        let (mut look, mut seen) = (interval(LOOK), 0);
        loop {
            tokio::select! {
                delivered = live.next() => {
                    let mut next = Some(delivered);
                    while let Some(delivered) = next {
                        if !self.pass(delivered, &passed) {
                            return "a packet is missing";
                        }
                        next = live.ready();
                    }
                }
                _ = look.tick() => {
                    if connects(connection) != connected {
                        return "the connection was made anew";
                    }
                    if passed.get() < seen {
                        return "the end is missing";
                    }
                    // A server that is away says nothing about the stream. Nor is it waited for: a
                    // connection that was lost takes the answer along.
                    if let Ok(Ok(facts)) = timeout(LOOK, standing(connection)).await {
                        seen = facts.last_sequence;
                    }
                }
            }
        }
    }

    /// Passes a packet on; `false` if those before it are missing.
    fn pass(&self, delivered: Delivered, passed: &Cell<u64>) -> bool {
        let (sequence, expected) = (delivered.place.sequence, passed.get() + 1);
        if sequence < expected {
            return true;
        }
        if sequence > expected {
            return false;
        }
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
        true
    }
}

impl Seat {
    /// Waits until the feed is live; everything behind the last sequence of the facts comes through
    /// it then.
    ///
    /// # Errors
    /// `NotPermitted` if this user may not subscribe.
    pub(super) async fn join(self) -> Result<(Member, StreamFacts)> {
        let Self { hub, number } = self;
        loop {
            let changed = hub.changed.notified();
            match &*hub.common.borrow() {
                Common::Live { facts, passed } => {
                    let (sender, packets) = mpsc::unbounded_channel();
                    hub.members.borrow_mut()[number] = Some(sender);
                    let facts = StreamFacts { last_sequence: passed.get(), ..*facts };
                    return Ok((Member { packets, passed: passed.clone() }, facts));
                }
                Common::Refused(violation) => {
                    return Err(Error::NotPermitted { violation: violation.clone() });
                }
                Common::Away => {}
            }
            changed.await;
        }
    }
}

impl Member {
    /// Waits for the next packet. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Came {
        match self.packets.recv().await {
            Some(delivered) => Came::Packet(own(delivered)),
            None => Came::Broken,
        }
    }

    /// What has come already, or passed, beyond this sequence.
    pub(super) fn ready(&mut self, arriving: u64) -> Option<Came> {
        // In this order: what is behind the mark is in the queue.
        let passed = self.passed.get();
        match self.packets.try_recv() {
            Ok(delivered) => Some(Came::Packet(own(delivered))),
            Err(mpsc::error::TryRecvError::Empty) => {
                (passed >= arriving).then_some(Came::Passed(passed))
            }
            Err(mpsc::error::TryRecvError::Disconnected) => Some(Came::Broken),
        }
    }
}

/// The packet for the last of those that get it, a copy for the others.
fn own(delivered: Rc<Delivered>) -> Box<Delivered> {
    Box::new(Rc::unwrap_or_clone(delivered))
}
