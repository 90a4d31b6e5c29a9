//! The loop of a running service, on the library's own thread.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::Message;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout, timeout_at};
use tracing::{error, info, warn};

use super::consumer::Consumer;
use super::handling::{Handled, Handling, Outcome, Taken};
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
use crate::rapids::{self, Rapids, stream};
use crate::river::{River, Verdict};
use crate::service::{Announcement, Service};

/// How often lost requests are looked for.
const WATCH: Duration = Duration::from_millis(250);
/// How often memories are tidied up.
const TIDY: Duration = Duration::from_secs(2);
/// How often the fill of the stream is looked at.
const FILL: Duration = Duration::from_secs(60);
/// How long a stopping service may take to hand back and to tidy up.
const LAST_WORDS: Duration = Duration::from_secs(2);

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
    finishing: FuturesUnordered<LocalBoxFuture<'static, Result<(u64, Outcome)>>>,
    /// What goes on beside the packets.
    chores: FuturesUnordered<LocalBoxFuture<'static, Result<()>>>,
}

impl Engine {
    /// Opens everything that the service needs on the server.
    pub(crate) async fn open(
        service: Service,
        connection: Connection,
        jobs: mpsc::Sender<Job>,
    ) -> Result<Self> {
        let config = service.config();
        let rapids = Rapids::over(connection.clone(), config).await?;
        let memories = if service.remembers() {
            Some(Memories::new(MemoryStore::open(&connection, service.name()).await?))
        } else {
            None
        };
        let consumer = Consumer::new(&connection, service.name());
        consumer.ensure(service.start(), rapids.facts(), config.ack_wait).await?;
        let handling = Handling { jobs, publisher: rapids.publisher().clone(), memories };
        Ok(Self {
            handling: Rc::new(handling),
            pull: Pull::open(&connection, service.name()).await?,
            announcement: Announcement::publish(&connection, &service).await?,
            held: Held::new(connection.client.clone()),
            window: Window::new(),
            tally: Tally::default(),
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
            finishing: FuturesUnordered::new(),
            chores: FuturesUnordered::new(),
            rapids,
            service,
        })
    }

    /// Works until told to stop, then finishes what runs and hands back the rest.
    ///
    /// # Errors
    /// What no retry mends: the position is gone, or publishing is not permitted.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<()> {
        let ended = tokio::select! {
            biased;
            ended = self.work() => ended,
            // From outside, so that a server which takes nothing cannot hold it up.
            _ = stop.wait_for(|stop| *stop) => Ok(()),
        };
        self.close().await;
        ended
    }

    async fn work(&mut self) -> Result<()> {
        let mut keep_alive = ticker(self.service.config().ack_wait / 3);
        let (mut watch, mut tidy, mut fill) = (ticker(WATCH), ticker(TIDY), ticker(FILL));
        loop {
            let in_hand = self.waiting.len() + self.finishing.len();
            let room = self.window.room(in_hand, self.pull.outstanding());
            if room > 0 {
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
                    Pulled::Doubtful(reason) => self.look_for_position(reason),
                },
                Some(handled) = self.running.next() => self.finish(handled),
                Some(finished) = self.finishing.next() => self.settle(finished?).await,
                Some(done) = self.chores.next() => done?,
                _ = keep_alive.tick() => self.held.keep_alive().await,
                _ = watch.tick() => {
                    if let Some(reason) = self.pull.lost() {
                        self.look_for_position(reason.to_owned());
                    }
                }
                _ = tidy.tick() => self.tidy(),
                _ = fill.tick() => self.look_at_fill(),
            }
        }
    }

    /// Decides what a delivered packet is to this service.
    async fn take(&mut self, message: Message) {
        self.tally.received += 1;
        let (sequence, delivered) = match message.info() {
            Ok(info) => (info.stream_sequence, u32::try_from(info.delivered).unwrap_or(u32::MAX)),
            Err(error) => return warn!(%error, "a delivery without the stream's facts is dropped"),
        };
        if !self.held.add(sequence, &message) {
            return;
        }
        match rapids::read(&message, self.rapids.facts().created) {
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
        let (mut taking, mut meant) = (Vec::new(), false);
        for (river, verdict) in self.service.judge(packet) {
            let (name, packet_id) = (river.name(), packet.id());
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

    async fn settle(&mut self, (sequence, outcome): (u64, Outcome)) {
        match outcome {
            Outcome::Done => self.tally.handled += 1,
            Outcome::Rejected => self.tally.rejected += 1,
            Outcome::Failed(_) => self.tally.failed += 1,
            Outcome::Released => {}
        }
        self.held.settle(sequence, outcome.fate()).await;
    }

    /// Makes sure that the position still exists, when there is reason to doubt it.
    fn look_for_position(&self, reason: String) {
        let (connection, name) = (self.rapids.connection().clone(), self.service.name().to_owned());
        self.chores.push(Box::pin(async move {
            let consumer = Consumer::new(&connection, &name);
            match consumer.info().await {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(consumer.lost(format!(
                    "its consumer or the stream was deleted while it ran ({reason}); start the                      service again to begin a new position"
                ))),
                // A server that is away says nothing about the position.
                Err(error) => {
                    warn!(reason, error = with_causes(&error), "waiting for the server");
                    Ok(())
                }
            }
        }));
    }

    fn tidy(&self) {
        let memories = self.handling.memories.as_ref();
        if !memories.is_some_and(Memories::take_moved) {
            return;
        }
        let (connection, name) = (self.rapids.connection().clone(), self.service.name().to_owned());
        let handling = self.handling.clone();
        self.chores.push(Box::pin(async move {
            if let Some(memories) = &handling.memories {
                if let Ok(Some(info)) = Consumer::new(&connection, &name).info().await {
                    memories.acknowledged_to(info.ack_floor.stream_sequence);
                }
                memories.tidy().await;
            }
            Ok(())
        }));
    }

    fn look_at_fill(&self) {
        let connection = self.rapids.connection().clone();
        self.chores.push(Box::pin(async move {
            if let Ok(Some(info)) = stream::info(&connection).await {
                stream::warn_if_nearly_full(&info);
            }
            Ok(())
        }));
    }

    async fn close(self) {
        let Self { service, handling, announcement, pull, mut held, mut tally, .. } = self;
        let (mut running, mut finishing) = (self.running, self.finishing);
        announcement.withdraw().await;
        for message in timeout(LAST_WORDS, pull.close()).await.unwrap_or_default() {
            if let Ok(info) = message.info() {
                held.add(info.stream_sequence, &message);
            }
        }
        let _ = timeout(LAST_WORDS, held.keep_alive()).await;
        let deadline = Instant::now() + service.config().grace;
        while !(running.is_empty() && finishing.is_empty()) {
            let progress = async {
                tokio::select! {
                    Some(handled) = running.next() => Err(handled),
                    Some(finished) = finishing.next() => Ok(finished),
                }
            };
            match timeout_at(deadline, progress).await {
                Ok(Err(handled)) => finishing.push(Box::pin(handling.clone().finish(handled))),
                Ok(Ok(Ok((sequence, outcome)))) => {
                    tally.handled += u64::from(outcome == Outcome::Done);
                    held.settle(sequence, outcome.fate()).await;
                }
                Ok(Ok(Err(error))) => error!("{}", with_causes(&error)),
                Err(_) => {
                    warn!("the grace period ends with a packet unfinished; it will come again");
                    break;
                }
            }
        }
        let last = async {
            if let Some(memories) = &handling.memories {
                memories.tidy().await;
            }
            let released = held.release_all().await;
            held.flush().await;
            released
        };
        let released = timeout(LAST_WORDS, last).await.unwrap_or_default();
        info!("stopped: {tally}; {released} handed back");
    }
}

fn ticker(period: Duration) -> Interval {
    let mut ticker = interval(period);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}
