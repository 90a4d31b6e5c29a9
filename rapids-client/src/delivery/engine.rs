//! The loop of a running service, on the library's own thread.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::Message;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{error, info, warn};

use super::chores::Chores;
use super::consumer::{Consumer, MAX_ACK_PENDING};
use super::handling::{Ended, Ending, Handled, Handling, Taken};
use super::held::{Fate, Held};
use super::memories::Memories;
use super::pull::{Pull, Pulled};
use super::reactor::Job;
use super::tally::Tally;
use super::window::Window;
use crate::Result;
use crate::connection::Connection;
use crate::error::with_causes;
use crate::memory::store::MemoryStore;
use crate::packet::Packet;
use crate::rapids::{self, Rapids};
use crate::river::{River, Verdict};
use crate::service::{Announcement, Service};

/// How often lost requests are looked for.
const WATCH: Duration = Duration::from_millis(250);
/// How often lost packets are looked for.
const LOSSES: Duration = Duration::from_secs(5);
/// How often memories are tidied up.
const TIDY: Duration = Duration::from_secs(2);
/// How often the limits of stream and position are looked at.
const LIMITS: Duration = Duration::from_secs(60);
/// The longest pause between two signs of life for the packets in hand: another instance may have
/// shortened the wait.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// How long a stopping service may take to hand back, and to tidy up.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Packets remembered at most for which only some rivers are to run again.
const UNFINISHED: usize = MAX_ACK_PENDING as usize;

/// A service at work.
pub(crate) struct Engine {
    service: Service,
    rapids: Rapids,
    handling: Rc<Handling>,
    announcement: Announcement,
    pull: Pull,
    held: Held,
    window: Window,
    tally: Tally,
    /// Taken and not begun, in stream order.
    waiting: VecDeque<Taken>,
    /// At most one: reactions run one at a time.
    running: FuturesUnordered<LocalBoxFuture<'static, Handled>>,
    finishing: FuturesUnordered<LocalBoxFuture<'static, Result<Ended>>>,
    /// By sequence, the rivers that are to see a packet again; its others have ended with it.
    unfinished: BTreeMap<u64, Vec<String>>,
    chores: Chores,
}

impl Engine {
    /// Opens everything that the service needs on the server.
    pub(crate) async fn open(
        service: Service,
        connection: Connection,
        jobs: mpsc::Sender<Job>,
    ) -> Result<Self> {
        let (name, config) = (service.name(), service.config());
        let rapids = Rapids::over(connection.clone(), config).await?;
        let memories = if service.remembers() {
            Some(Memories::new(MemoryStore::open(&connection, name).await?))
        } else {
            None
        };
        let standing = Consumer::new(&connection, name).ensure(&service, rapids.facts()).await?;
        let handling = Handling { jobs, publisher: rapids.publisher().clone(), memories };
        let handling = Rc::new(handling);
        Ok(Self {
            pull: Pull::open(&connection, name).await?,
            announcement: Announcement::publish(&connection, &service).await?,
            held: Held::new(connection.client.clone()),
            chores: Chores::new(
                connection,
                name,
                rapids.facts().created,
                standing,
                handling.clone(),
            ),
            window: Window::new(),
            tally: Tally::default(),
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
            finishing: FuturesUnordered::new(),
            unfinished: BTreeMap::new(),
            handling,
            rapids,
            service,
        })
    }

    /// Works until told to stop, then finishes what runs and hands back the rest.
    ///
    /// # Errors
    /// What no retry mends: the position is gone, or an operation is not permitted.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<()> {
        let ended = tokio::select! {
            biased;
            ended = self.work() => ended,
            // From outside, so that a server which takes nothing cannot hold it up.
            _ = stop.wait_for(|stop| *stop) => Ok(()),
        };
        let patience = self.service.config().grace + LAST_WORDS * 2;
        if timeout(patience, self.close()).await.is_err() {
            warn!("the server takes no last words; what was in hand will come again");
        }
        info!("{} stopped: {}", self.service.name(), self.tally);
        ended
    }

    async fn work(&mut self) -> Result<()> {
        let mut keep_alive = self.keep_alive();
        let (mut watch, mut tidy, mut limits) = (ticker(WATCH), ticker(TIDY), ticker(LIMITS));
        let mut losses = ticker(LOSSES);
        loop {
            let in_hand = self.waiting.len() + self.finishing.len();
            let room = self.window.room(in_hand, self.pull.outstanding());
            if room > 0 && self.chores.may_pull() {
                self.pull.request(room).await?;
            }
            if self.running.is_empty()
                && let Some(taken) = self.waiting.pop_front()
            {
                self.running.push(Box::pin(self.handling.clone().handle(taken)));
            }
            tokio::select! {
                pulled = self.pull.next() => match pulled {
                    Pulled::Packet(message) => self.take(*message).await,
                    Pulled::Ended => {}
                    Pulled::Doubtful(reason) => {
                        warn!("the server does not deliver: {reason}");
                        self.chores.look_for_position(reason);
                    }
                },
                Some(handled) = self.running.next() => self.finish(handled),
                Some(ended) = self.finishing.next() => self.settle(ended?).await,
                done = self.chores.next() => {
                    done?;
                    self.announcement.show("lost", self.chores.lost());
                }
                () = self.announcement.answer_next() => {}
                _ = keep_alive.tick() => self.held.keep_alive().await,
                _ = watch.tick() => {
                    if let Some(reason) = self.pull.lost() {
                        self.chores.look_for_position(reason.to_owned());
                    }
                }
                _ = losses.tick() => self.chores.look_for_losses(),
                _ = tidy.tick() => self.chores.tidy(),
                _ = limits.tick() => self.chores.look_at_limits(),
            }
        }
    }

    /// Decides what a delivered packet is to this service.
    async fn take(&mut self, message: Message) {
        self.tally.received += 1;
        let info = match message.info() {
            Ok(info) => info,
            Err(error) => return warn!(%error, "a delivery without the stream's facts is dropped"),
        };
        self.chores.delivered(&info);
        let sequence = info.stream_sequence;
        let delivered = u32::try_from(info.delivered).unwrap_or(u32::MAX);
        if !self.held.add(sequence, &message) {
            return;
        }
        match rapids::read(&message, &info, self.rapids.facts().created) {
            Err(error) => {
                self.tally.malformed += 1;
                warn!(sequence, malformed = self.tally.malformed, "{error}");
                self.held.settle(sequence, Fate::Acknowledge).await;
            }
            Ok(packet) => {
                self.tally.mistyped += u64::try_from(packet.mistyped()).unwrap_or_default();
                let rivers = self.rivers_for(&packet, sequence);
                if rivers.is_empty() {
                    self.held.settle(sequence, Fate::Acknowledge).await;
                } else {
                    self.waiting.push_back(Taken { packet, sequence, delivered, rivers });
                }
            }
        }
    }

    /// The rivers that take the packet; what cannot be handled is reported, once per river.
    fn rivers_for(&mut self, packet: &Packet, sequence: u64) -> Vec<River> {
        let again = self.unfinished.get(&sequence);
        let (mut taking, mut meant) = (Vec::new(), false);
        for (river, verdict) in self.service.judge(packet) {
            let (name, packet_id) = (river.name(), packet.id());
            if again.is_some_and(|again| !again.iter().any(|river| river == name)) {
                continue;
            }
            meant |= verdict != Verdict::NotForMe;
            match verdict {
                Verdict::NotForMe => {}
                Verdict::Matches => taking.push(river.clone()),
                Verdict::Invalid(problems) => {
                    self.tally.invalid += 1;
                    let problems = problems.join("; ");
                    error!(river = name, packet = packet_id, sequence, "invalid: {problems}");
                }
                Verdict::Looped => {
                    self.tally.looped += 1;
                    let way = packet.breadcrumbs().join(" > ");
                    error!(river = name, packet = packet_id, sequence, "looped, by way of {way}");
                }
            }
        }
        self.tally.skipped += u64::from(!meant);
        taking
    }

    fn finish(&mut self, handled: Handled) {
        self.window.handled(handled.took);
        self.finishing.push(Box::pin(self.handling.clone().finish(handled)));
    }

    async fn settle(&mut self, ended: Ended) {
        let count = |ending: fn(&Ending) -> bool| {
            let rivers = ended.rivers.iter().filter(|(_, how)| ending(how));
            u64::try_from(rivers.count()).unwrap_or_default()
        };
        self.tally.handled += count(|how| *how == Ending::Done);
        self.tally.rejected += count(|how| *how == Ending::Rejected);
        self.tally.failed += count(|how| matches!(how, Ending::Failed(_)));
        let unfinished = ended.unfinished();
        if unfinished.is_empty() {
            self.unfinished.remove(&ended.sequence);
        } else {
            self.unfinished.insert(ended.sequence, unfinished);
            if self.unfinished.len() > UNFINISHED {
                self.unfinished.pop_first();
            }
        }
        self.held.settle(ended.sequence, ended.fate()).await;
    }

    /// Hands back what has not begun, at once; finishes what runs, within the grace period.
    async fn close(&mut self) {
        self.announcement.withdraw().await;
        for taken in std::mem::take(&mut self.waiting) {
            self.held.settle(taken.sequence, Fate::Release).await;
        }
        for message in self.pull.close().await {
            if let Ok(info) = message.info()
                && self.held.add(info.stream_sequence, &message)
            {
                self.held.settle(info.stream_sequence, Fate::Release).await;
            }
        }
        let deadline = Instant::now() + self.service.config().grace;
        let mut keep_alive = self.keep_alive();
        while !(self.running.is_empty() && self.finishing.is_empty()) {
            tokio::select! {
                Some(handled) = self.running.next() => self.finish(handled),
                Some(ended) = self.finishing.next() => match ended {
                    Ok(ended) => self.settle(ended).await,
                    Err(error) => error!("{}", with_causes(&error)),
                },
                _ = keep_alive.tick() => self.held.keep_alive().await,
                () = sleep_until(deadline) => {
                    warn!("the grace period ends with a packet unfinished; it will come again");
                    break;
                }
            }
        }
        self.held.release_all().await;
        self.held.flush().await;
        if let Some(memories) = &self.handling.memories {
            // What is left noted would be published again with a redelivery that will not come.
            let _ = timeout(LAST_WORDS, memories.tidy()).await;
        }
    }

    fn keep_alive(&self) -> Interval {
        ticker(KEEP_ALIVE.min(self.service.config().ack_wait / 3))
    }
}

fn ticker(period: Duration) -> Interval {
    let mut ticker = interval(period);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}
