//! The loop of a running service, on the library's own thread.
//!
//! Owns the state and waits for whatever happens next. What a delivery means is left to
//! [`taking`](crate::delivery::receive), what the end of a reaction means to [`turning`](crate::delivery::turn), the
//! end of it all to [`closing`](crate::delivery::shutdown).

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::{info, warn};

use crate::Result;
use crate::announcement::Announcement;
use crate::delivery::acquire::TakenUp;
use crate::delivery::counters::Counters;
use crate::delivery::dead_letter_writer::DeadLetterWriter;
use crate::delivery::forged::Forgeries;
use crate::delivery::handling::{Handling, Ran};
use crate::delivery::held::Held;
use crate::delivery::in_flight::InHand;
use crate::delivery::maintenance::Maintenance;
use crate::delivery::maintenance::report::News;
use crate::delivery::packet_source::PacketSource;
use crate::delivery::publish_order::PublishOrder;
use crate::delivery::pull_window::PullWindow;
use crate::delivery::quarantine::clearing::{Lone, Unmarked};
use crate::delivery::quarantine::{Clearance, Quarantine};
use crate::delivery::receive::Recalled;
use crate::delivery::schedule::Schedule;
use crate::delivery::startup::Opened;
use crate::delivery::turn::Finished;
use crate::jetstream::pull::{Pull, Pulled};
use crate::jetstream::sequence::{StreamName, StreamPlace, TurnId};
use crate::matcher::Matcher;
use crate::notices::Notices;
use crate::position::active_lease::{ActiveLease, kept};
use crate::position::renewal::Renewed;
use crate::rapids::Rapids;
use crate::river::River;
use crate::service::Service;

/// How often lost requests are looked for.
const WATCH: Duration = Duration::from_millis(250);
/// How often lost packets are looked for.
const LOSSES: Duration = Duration::from_secs(5);
/// How often it is noted how far the service is.
const ENTRY: Duration = Duration::from_secs(5);
/// How often memories are tidied up.
const TIDY: Duration = Duration::from_secs(2);
/// How often the limits of stream and position are looked at.
const LIMITS: Duration = Duration::from_secs(60);
/// The longest pause between two signs of life for the packets in hand: another instance may have
/// shortened the wait.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// How long a stopping service may take to hand back, and to tidy up.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);
/// Packets taken before anything else gets its turn.
const AT_ONCE: usize = 256;
/// Replays asked for at a time. They are few, and each runs like any other packet.
const REPLAYS_AT_ONCE: usize = 16;

/// How the work of an instance ended, if by no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to stop.
    Stopped,
    /// Another instance is active now, in exclusive delivery.
    Replaced,
    /// Its position in shared delivery was deleted or moved, and has to be taken up anew.
    Deserted,
}

/// A service at work.
pub(crate) struct Engine {
    pub(super) service: Service,
    /// The service's rivers, as reactions get them.
    pub(super) rivers: Vec<Arc<River>>,
    pub(super) rapids: Rapids,
    pub(super) matcher: Matcher,
    pub(super) handling: Rc<Handling>,
    pub(super) suspects: Rc<Quarantine>,
    pub(super) burials: Rc<DeadLetterWriter>,
    pub(super) announcement: Announcement,
    pub(super) intake: PacketSource,
    pub(super) replays: Pull,
    /// In exclusive delivery, what this instance holds as the active one.
    pub(super) tenure: Option<ActiveLease>,
    pub(super) held: Held,
    pub(super) window: PullWindow,
    pub(super) tally: Counters,
    pub(super) notices: Notices,
    /// Every packet that was delivered and that a river is still to handle.
    pub(super) in_hand: BTreeMap<StreamPlace, InHand>,
    pub(super) schedule: Schedule,
    /// Packets that came again, while it is read what was written down of them.
    pub(super) recalling: FuturesUnordered<LocalBoxFuture<'static, Recalled>>,
    pub(super) clearing: FuturesUnordered<LocalBoxFuture<'static, (TurnId, Clearance)>>,
    pub(super) running: FuturesUnordered<LocalBoxFuture<'static, Ran>>,
    pub(super) unmarking: FuturesUnordered<LocalBoxFuture<'static, Unmarked>>,
    /// The permission to run alone, while it is given back.
    pub(super) freeing: FuturesUnordered<LocalBoxFuture<'static, ()>>,
    pub(super) finishing: FuturesUnordered<LocalBoxFuture<'static, Finished>>,
    /// Packets that are handed back once a note about them is saved.
    pub(super) leaving: FuturesUnordered<LocalBoxFuture<'static, (StreamPlace, Option<Duration>)>>,
    /// Forged packets of which something is still under way.
    pub(super) forged: Forgeries,
    pub(super) chores: Maintenance,
    /// For how long the server waits for an acknowledgement.
    ack_wait: Duration,
    /// The suspect that was cleared, until it has ended.
    pub(super) alone: Option<Lone>,
    /// The order of what is published, where reactions run one at a time.
    pub(super) tickets: PublishOrder,
    /// Whether no river needs anything beside its packet, so that turns may begin ahead.
    pub(super) begins_ahead: bool,
    /// How many letters could not be stored when it was looked at last.
    unburied: usize,
    /// Whether so much is held that no more is asked for.
    pub(super) is_paused: bool,
    pub(super) is_closing: bool,
}

impl Engine {
    /// Puts to work what was opened, at the position that was taken up.
    pub(super) fn new(opened: Opened, taken_up: TakenUp) -> Self {
        let Opened { service, connection, rapids, handling, floor, entry, ack_wait, .. } = opened;
        let TakenUp { intake, standing, tenure, done } = taken_up;
        let (name, created) = (service.name(), rapids.facts().created);
        let limits: Vec<_> = service
            .rivers()
            .iter()
            .map(|river| (river.limits().rate, river.limits().breaker))
            .collect();
        Self {
            intake,
            replays: opened.replays,
            tenure,
            matcher: Matcher::new(service.rivers()),
            rivers: service.rivers().iter().cloned().map(Arc::new).collect(),
            held: Held::new(connection.client.clone(), done),
            schedule: Schedule::new(&limits, service.concurrency_limit()),
            suspects: opened.suspects,
            chores: Maintenance::new(
                connection,
                name,
                created,
                standing,
                (handling.clone(), floor, entry),
            ),
            ack_wait,
            burials: opened.burials,
            announcement: opened.announcement,
            window: PullWindow::new(service.concurrency_limit()),
            tally: Counters::default(),
            notices: Notices::default(),
            in_hand: BTreeMap::new(),
            recalling: FuturesUnordered::new(),
            clearing: FuturesUnordered::new(),
            running: FuturesUnordered::new(),
            unmarking: FuturesUnordered::new(),
            freeing: FuturesUnordered::new(),
            finishing: FuturesUnordered::new(),
            leaving: FuturesUnordered::new(),
            forged: Forgeries::default(),
            alone: None,
            tickets: PublishOrder::default(),
            begins_ahead: !service.remembers()
                && service.rivers().iter().all(|river| !river.is_once()),
            unburied: 0,
            is_paused: false,
            is_closing: false,
            handling,
            rapids,
            service,
        }
    }

    /// Works until told to stop, then finishes what runs and hands back the rest.
    ///
    /// # Errors
    /// What no retry mends: the position is gone, or an operation is not permitted.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<Ended> {
        let ended = tokio::select! {
            biased;
            ended = self.work() => ended,
            // From outside, so that a server which takes nothing cannot hold it up.
            _ = stop.wait_for(|stop| *stop) => Ok(Ended::Stopped),
        };
        if let Ok(Ended::Deserted) = ended {
            self.held.desert();
        }
        if let Ok(Ended::Replaced) = ended {
            let name = self.service.name();
            warn!("{name} was replaced by another instance, begins nothing more and stands by");
            return ended;
        }
        let patience = self.service.config().grace + LAST_WORDS * 2;
        if timeout(patience, self.close()).await.is_err() {
            warn!("the server takes no last words; what was in hand will come again");
        }
        info!("{} stopped: {}", self.service.name(), self.tally);
        ended
    }

    async fn work(&mut self) -> Result<Ended> {
        let mut keep_alive = self.keep_alive();
        let (mut watch, mut tidy, mut limits) = (ticker(WATCH), ticker(TIDY), ticker(LIMITS));
        let (mut losses, mut entry) = (ticker(LOSSES), ticker(ENTRY));
        loop {
            self.handling.desk.collect();
            self.begin_turns();
            self.give_way();
            self.ask_for_more().await?;
            let wake = self.schedule.wake(Instant::now());
            let progress = self.intake.progress();
            tokio::select! {
                pulled = self.intake.next() => self.pulled(StreamName::Rapids, pulled).await?,
                pulled = self.replays.next() => self.pulled(StreamName::Replays, pulled).await?,
                kept = kept(&mut self.tenure, progress) => match kept? {
                    Renewed::To(sequence) => self.intake.allow_to(sequence),
                    Renewed::Replaced => return Ok(Ended::Replaced),
                },
                Some(recalled) = self.recalling.next() => self.recalled(recalled).await,
                Some((turn, clearance)) = self.clearing.next() => self.cleared(turn, clearance),
                Some(ran) = self.running.next() => self.all_ran(ran)?,
                () = self.handling.desk.answered(), if !self.running.is_empty() => {}
                Some(unmarked) = self.unmarking.next() => self.unmarked(unmarked),
                Some(()) = self.freeing.next() => {}
                Some(finished) = self.finishing.next() => self.all_finished(finished).await?,
                Some((place, wait)) = self.leaving.next() => self.left(place, wait).await,
                () = until(wake) => {}
                done = self.chores.next() => {
                    match done? {
                        News::None => {}
                        News::Rivers(conflict) => self.announcement.show("rivers", conflict),
                        News::Gone(how) => {
                            let name = self.service.name();
                            warn!("the position of {name} {how}: it is taken up anew");
                            return Ok(Ended::Deserted);
                        }
                    }
                    self.announcement.show("lost", self.chores.lost());
                }
                () = self.announcement.answer_next() => {}
                _ = keep_alive.tick() => self.held.keep_alive().await,
                _ = watch.tick() => self.look_after_requests(),
                _ = losses.tick() => self.chores.look_for_losses(),
                _ = entry.tick() => self.chores.look_at_entry(),
                _ = tidy.tick() => self.chores.tidy(),
                _ = limits.tick() => self.chores.look_at_limits(),
            }
        }
    }

    /// Takes what came, and with it what has come behind it: to wait for that along with all else
    /// would cost more than to skip it.
    ///
    /// # Errors
    /// What ends the service.
    async fn pulled(&mut self, stream: StreamName, pulled: Pulled) -> Result<()> {
        let (mut next, mut taken) = (Some(pulled), 0);
        while let Some(pulled) = next {
            match pulled {
                Pulled::Packet(delivered) => self.take(delivered).await,
                Pulled::Real(delivered) => self.take_instead(delivered).await,
                Pulled::Forged { from, to } => self.disown(from, to).await,
                Pulled::Ended => {}
                Pulled::Doubtful(reason) => {
                    warn!("the server does not deliver: {reason}");
                    self.doubt(stream, reason);
                }
                Pulled::Passed { from, to } => self.passed(from, to),
                Pulled::Gone { from, to } => self.gone(from, to),
                Pulled::Failed(error) => return Err(error),
            }
            taken += 1;
            next = match stream {
                _ if taken == AT_ONCE => None,
                StreamName::Rapids => self.intake.ready(),
                StreamName::Replays => self.replays.ready(),
            };
        }
        Ok(())
    }

    /// Packets that the stream does not hold any more are done, and told.
    fn gone(&mut self, from: u64, to: u64) {
        self.held.pass(from, to);
        self.chores.gone(from, to);
        self.announcement.show("lost", self.chores.lost());
    }

    fn look_after_requests(&mut self) {
        if let Some(reason) = self.intake.lost() {
            self.doubt(StreamName::Rapids, reason.to_owned());
        }
        self.announcement.show("delivery", self.intake.told());
        if let Some(reason) = self.replays.lost() {
            self.doubt(StreamName::Replays, reason.to_owned());
        }
    }

    fn doubt(&mut self, stream: StreamName, reason: String) {
        match stream {
            StreamName::Rapids => self.chores.look_for_position(reason),
            StreamName::Replays => self.chores.look_for_replays(self.service.config().ack_wait),
        }
    }

    /// How many reactions may be held back: also fewer than the server delivers packets for, or it
    /// would fall silent before the service says that it pauses.
    fn held_limit(&self) -> usize {
        let stated = self.service.config().max_held;
        if self.service.is_exclusive() {
            return stated;
        }
        let unacknowledged = usize::try_from(self.rapids.max_ack_pending());
        stated.min(unacknowledged.unwrap_or(usize::MAX) / 5 * 4).max(1)
    }

    /// Asks the server for as many packets as fit, and says so when none do.
    async fn ask_for_more(&mut self) -> Result<()> {
        let limit = self.held_limit();
        let unburied = self.burials.waiting();
        if unburied != self.unburied {
            self.unburied = unburied;
            let told = format!("{unburied} cannot be stored yet");
            self.announcement.show("dead_letters", (unburied > 0).then_some(told));
        }
        let held = self.schedule.held() + self.recalling.len() + unburied;
        // With some way back, so that it does not change its mind with every packet.
        let is_paused = self.held.is_full()
            || held >= if self.is_paused { (limit * 9 / 10).max(1) } else { limit };
        if is_paused != self.is_paused {
            self.is_paused = is_paused;
            let name = self.service.name();
            if is_paused {
                warn!(held, "{name} pauses: it holds as many packets as it may");
            } else {
                info!(held, "{name} goes on");
            }
            let told = format!("since {}: {limit} packets are held", jiff::Timestamp::now());
            self.announcement.show("paused", is_paused.then_some(told));
        }
        let finishing = self.finishing.len().saturating_sub(unburied);
        let in_hand = self.schedule.queued() + finishing + self.recalling.len();
        let outstanding = self.intake.outstanding();
        let holdable = limit.saturating_sub(held + outstanding);
        let room = self.window.room(in_hand, outstanding).min(holdable);
        if room > 0 && !is_paused && self.chores.may_pull() {
            self.intake.request(room).await?;
        }
        if self.replays.outstanding() == 0 && !is_paused {
            self.replays.request(REPLAYS_AT_ONCE).await?;
        }
        Ok(())
    }

    pub(super) fn keep_alive(&self) -> Interval {
        ticker(KEEP_ALIVE.min(self.ack_wait / 3))
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}

fn ticker(period: Duration) -> Interval {
    let mut ticker = interval(period);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}
