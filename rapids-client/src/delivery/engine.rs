//! The loop of a running service, on the library's own thread.
//!
//! It owns the state, and waits for whatever happens next. What a delivery means is decided in
//! [`receive`](super::receive), what happens to a packet in [`turn`](super::turn), what follows from
//! that in [`settle`](super::settle), what is looked after in [`watch`](super::watch), and how it all ends
//! in [`shutdown`](super::shutdown).

use std::cell::Cell;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::acks::Acks;
use super::acquire::Acquired;
use super::begun::{BegunTurns, Unfinished};
use super::blocked::Blocked;
use super::clock::{Clock, Due};
use super::context::Context;
use super::demand::Demand;
use super::health::Lacks;
use super::in_flight::Row;
use super::maintenance::{Finding, Maintenance};
use super::packet_source::PacketSource;
use super::publish_order::PublishOrder;
use super::rebuilding::Rebuilding;
use super::receive::PendingAdmission;
use super::schedule::{Next, Schedule};
use super::slot::{Slot, Step, Turn};
use super::startup::Started;
use crate::announcement::Announcement;
use crate::delivery::turn_id::TurnId;
use crate::jetstream::pull::Pull;
use crate::live::incoming::Incoming;
use crate::matcher::Matcher;
use crate::position::entry_updater::EntryNews;
use crate::position::lease::active::{ActiveLease, renewed};
use crate::position::lease::renewal::Renewed;
use crate::rapids::Rapids;
use crate::river::River;
use crate::service::Service;
use crate::{Error, Result};

/// The longest time between two keep-alives for the packets in flight: another instance may have
/// shortened the acknowledgement wait.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// How many packets are received before the loop goes on.
const AT_ONCE: usize = 256;

/// The fact in which an instance announces how far it has remembered the past anew.
const REBUILDING: &str = "rebuilding";

/// How an engine ended, without a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EngineEnd {
    /// It was asked to stop.
    Stopped,
    /// Another instance is active now, in exclusive delivery.
    Replaced,
    /// Its position in shared delivery was deleted or moved, and has to be acquired again.
    PositionGone,
}

/// The state of a running service.
pub(super) struct Engine {
    pub(super) service: Arc<Service>,
    /// The service's rivers, as reactions get them.
    pub(super) rivers: Vec<Arc<River>>,
    pub(super) rapids: Rapids,
    pub(super) matcher: Matcher,
    pub(super) context: Rc<Context>,
    pub(super) announcement: Announcement,
    pub(super) source: PacketSource,
    pub(super) replays: Pull,
    /// The lease of the active instance, in exclusive delivery.
    pub(super) active: Option<ActiveLease>,
    pub(super) acks: Rc<Acks>,
    /// Every packet in flight, with its turns.
    pub(super) schedule: Schedule<Row>,
    /// Packets to be admitted, in the order of their delivery. A redelivered one comes out when its
    /// saved progress is loaded, and those behind it wait.
    pub(super) pending_admissions: FuturesOrdered<LocalBoxFuture<'static, PendingAdmission>>,
    pub(super) turns: BegunTurns,
    /// What those turns send before they end.
    pub(super) steps: mpsc::UnboundedReceiver<Step>,
    step_sender: mpsc::UnboundedSender<Step>,
    /// Writes that nothing waits for.
    pub(super) background: FuturesUnordered<LocalBoxFuture<'static, ()>>,
    pub(super) maintenance: Maintenance,
    pub(super) demand: Demand,
    pub(super) blocked: Blocked,
    pub(super) lacks: Lacks,
    rebuilding: Rebuilding,
    /// How long the server waits for an acknowledgement.
    ack_wait: Duration,
    /// The order of publishing, where the service handles one packet at a time.
    publish_order: PublishOrder,
    /// Whether reactions may be queued ahead of their time: no river needs more than its packet.
    may_queue_ahead: bool,
    pub(super) is_closing: bool,
    /// What was found that ends the service.
    pub(super) fault: Option<Error>,
}

impl Engine {
    /// Starts from what was opened, at the position that was acquired.
    pub(super) fn new(started: Started, acquired: Acquired) -> Self {
        let Started { service, connection, rapids, context, floor, entry, ack_wait, .. } = started;
        let Acquired { source, state, active, done } = acquired;
        let limits: Vec<_> = service
            .rivers()
            .iter()
            .map(|river| (river.limits().rate, river.limits().breaker))
            .collect();
        let stream = rapids.facts().identity();
        context.metrics.is_active.set(true);
        let (name, first) = (service.name(), rapids.facts().first_sequence);
        let rebuilding = Rebuilding::begin(name, context.before.last(), first);
        let (step_sender, steps) = mpsc::unbounded_channel();
        Self {
            source,
            replays: started.replays,
            active,
            matcher: Matcher::new(service.rivers()),
            rivers: service.rivers().iter().cloned().map(Arc::new).collect(),
            acks: Rc::new(Acks::new(connection.clone(), done)),
            schedule: Schedule::new(&limits, service.concurrency_limit()),
            maintenance: Maintenance::new(
                connection,
                service.name(),
                stream,
                state,
                (context.clone(), floor, entry),
            ),
            ack_wait,
            announcement: started.announcement,
            demand: Demand::new(&service, &rapids),
            blocked: Blocked::default(),
            lacks: started.lacks,
            rebuilding,
            pending_admissions: FuturesOrdered::new(),
            turns: BegunTurns::default(),
            steps,
            step_sender,
            background: FuturesUnordered::new(),
            publish_order: PublishOrder::default(),
            may_queue_ahead: !service.remembers()
                && service.rivers().iter().all(|river| !river.is_once()),
            is_closing: false,
            fault: None,
            context,
            rapids,
            service,
        }
    }

    /// Works until it is asked to stop; then finishes what runs, and hands back the rest. Reactions that are not
    /// to run again go on behind its end, as `unfinished`.
    ///
    /// # Errors
    /// `Position`, `NotPermitted`: errors that a retry does not remove.
    pub(super) async fn run(
        mut self,
        mut stop: watch::Receiver<bool>,
        unfinished: &Unfinished,
    ) -> Result<EngineEnd> {
        let ended = tokio::select! {
            biased;
            ended = self.work() => ended,
            // Here rather than in the loop, which may wait for a server that takes nothing.
            _ = stop.wait_for(|stop| *stop) => Ok(EngineEnd::Stopped),
        };
        self.context.metrics.is_active.set(false);
        let name = self.service.name();
        match ended {
            Ok(EngineEnd::Replaced) => {
                warn!("{name} was replaced by another instance, begins nothing more and stands by");
                self.context.executor.queue.clear();
                unfinished.push(self.finish_claimed());
                return ended;
            }
            Ok(EngineEnd::PositionGone) => self.acks.set_position_gone(),
            _ => {}
        }
        self.shut_down(unfinished).await;
        info!("{} stopped: {}", self.service.name(), self.context.metrics);
        ended
    }

    /// Drops the turns but those whose reactions are not to run again, which go on.
    pub(super) fn finish_claimed(&mut self) -> impl Future<Output = ()> + use<> {
        mem::take(&mut self.turns).finish_claimed(self.context.clone())
    }

    async fn work(&mut self) -> Result<EngineEnd> {
        let mut clock = Clock::new(self.keep_alive());
        self.announcement.show(REBUILDING, self.rebuilding.fact(0));
        loop {
            if let Some(error) = self.fault.take() {
                return Err(error);
            }
            self.context.executor.queue.deliver_answers();
            self.begin_turns();
            self.release_mark();
            self.ask_for_more().await?;
            let wake = self.schedule.wake(Instant::now());
            let progress = self.source.progress();
            // Turns whose slot is free may have jobs, too: their memories are written out.
            let may_have_jobs = self.schedule.running() + self.schedule.finishing() > 0;
            tokio::select! {
                // What ends work comes before what brings more of it.
                biased;
                due = clock.next(wake) => self.on_due(due).await,
                renewed = renewed(&mut self.active, progress) => match renewed? {
                    Renewed::To(sequence) => self.source.allow_to(sequence),
                    Renewed::Replaced => return Ok(EngineEnd::Replaced),
                },
                finding = self.maintenance.next() => {
                    if let Some(ended) = self.on_finding(finding?) {
                        return Ok(ended);
                    }
                }
                () = self.announcement.answer_next() => {}
                (turn, end) = self.turns.next_end(&self.context.executor) => {
                    self.on_turn_end(turn, end).await?;
                }
                Some(step) = self.steps.recv() => self.on_steps(step),
                () = self.context.executor.queue.answered(), if may_have_jobs => {}
                Some(()) = self.background.next() => {}
                Some(pending) = self.pending_admissions.next() => self.on_admission(pending).await,
                pulled = self.replays.next() => self.on_replay(pulled).await,
                incoming = self.source.next() => self.on_incoming(incoming).await?,
            }
        }
    }

    async fn on_due(&mut self, due: Due) {
        match due {
            Due::Wake => {}
            Due::KeepAlive => self.keep_packets_alive().await,
            Due::Watch => self.check_requests_and_reactions(),
            Due::Expired => self.maintenance.check_expired(),
            Due::Entry => self.maintenance.update_entry(),
            Due::CleanUp => self.maintenance.clean_up_memories(),
            Due::Limits => self.maintenance.check_limits(),
        }
    }

    /// Receives what has come, and what has come behind it. One round of the loop for each packet would
    /// cost more than to skip it.
    ///
    /// # Errors
    /// What ends the service.
    async fn on_incoming(&mut self, first: Incoming) -> Result<()> {
        let (mut next, mut count) = (Some(first), 0);
        while let Some(incoming) = next {
            match incoming {
                Incoming::Packet(raw) => self.receive(raw).await,
                Incoming::Real(raw) => self.receive_real(raw).await,
                Incoming::Forged { from, to } => self.mark_forged(from, to).await,
                Incoming::Skipped { from, to } => self.skip_range(from, to),
                Incoming::Gone { from, to } => self.report_gone(from, to),
                Incoming::RequestEnded => {}
                Incoming::Doubtful(reason) => {
                    warn!("the server does not deliver: {reason}");
                    self.maintenance.check_position(reason);
                }
                Incoming::Failed(error) => return Err(error),
            }
            count += 1;
            next = if count < AT_ONCE { self.source.ready() } else { None };
        }
        Ok(())
    }

    /// Begins the turns that may begin now. Reactions that need nothing but their packet are queued
    /// ahead of their time; the workers still run no more of them at once than the service permits.
    fn begin_turns(&mut self) {
        let ahead = if self.may_queue_ahead { self.demand.window.ahead() } else { 0 };
        let (limit, running) = (self.service.concurrency_limit(), self.schedule.running());
        // Only several at a time: each call wakes a worker.
        let has_enough = running > limit + ahead / 2;
        self.schedule.set_concurrency(if has_enough { running } else { limit + ahead });
        loop {
            match self.schedule.next(Instant::now()) {
                Next::Wait => return,
                Next::Run(turn) => self.begin(turn, false),
                Next::Decide(turn) => self.begin(turn, true),
            }
        }
    }

    fn begin(&mut self, id: TurnId, is_suspect: bool) {
        let Some(row) = self.schedule.row_mut(id.place) else {
            return;
        };
        if let Some(suspect) = row.waiting_suspect.take() {
            // Its turn has begun before, and waits for this. It may have been dropped.
            let _ = suspect.send(());
            return;
        }
        let (Some(packet), Some(river)) = (row.packet.clone(), self.rivers.get(id.river).cloned())
        else {
            return;
        };
        let slot = Slot::new(id, self.step_sender.clone());
        let publish_ticket =
            (self.service.concurrency_limit() == 1).then(|| self.publish_order.next());
        let (took, is_once) = (Cell::new(None), river.is_once());
        let mut turn = Turn { id, river, packet, slot, publish_ticket, is_suspect, took };
        let context = self.context.clone();
        self.turns.push((id, is_once), async move { turn.run(&context).await });
    }

    /// Releases the mark of the last suspect when no other one follows.
    fn release_mark(&mut self) {
        if !self.schedule.has_suspect() && self.context.quarantine.may_release() {
            let context = self.context.clone();
            self.background.push(Box::pin(async move { context.quarantine.release().await }));
        }
    }

    /// Marks packets as done that the stream does not contain any more, and reports them.
    fn report_gone(&mut self, from: u64, to: u64) {
        self.acks.mark_done(from, to);
        self.maintenance.gone(from, to);
        self.announcement.show("lost", self.maintenance.expired());
    }

    /// Acts on what maintenance has found, and returns how that ends the engine, if it does.
    fn on_finding(&mut self, finding: Finding) -> Option<EngineEnd> {
        match finding {
            Finding::Nothing => {}
            Finding::Entry(EntryNews { conflict, floor, .. }) => {
                self.announcement.show("rivers", conflict);
                self.announcement.show(REBUILDING, self.rebuilding.fact(floor));
            }
            Finding::UnreadableMemories(found) => self.announcement.show("memories", found),
            Finding::PositionGone(how) => {
                let name = self.service.name();
                warn!("the position of {name} {how}: it is acquired again");
                return Some(EngineEnd::PositionGone);
            }
        }
        self.announcement.show("lost", self.maintenance.expired());
        None
    }

    pub(super) async fn keep_packets_alive(&self) {
        let answers = self.schedule.rows();
        let answers = answers.filter_map(|(place, row)| Some((place, row.answer.clone()?)));
        self.acks.keep_alive(answers).await;
    }

    /// The time between two keep-alives for the packets in flight.
    pub(super) fn keep_alive(&self) -> Duration {
        KEEP_ALIVE.min(self.ack_wait / 3)
    }
}
