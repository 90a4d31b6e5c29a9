//! What a service does beside handling packets, without delaying them.

use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::consumer::Info;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use tracing::{debug, error, warn};

use super::context::Context;
use crate::connection::Connection;
use crate::error::with_causes;
use crate::jetstream::created::Identity;
use crate::jetstream::message::RawPacket;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::stream::{self, StreamFacts};
use crate::position::check::{PositionCheck, look, same};
use crate::position::consumer::Consumer;
use crate::position::entry_updater::{EntryNews, EntryUpdater};
use crate::position::expired::{ExpiredPackets, ExpiredRange, PositionState};
use crate::position::floor::Floor;
use crate::position::replay_consumer;
use crate::{Error, Result};

/// For how long what is published may stay in the records of memories.
const PUBLISHED: Duration = Duration::from_secs(5);

/// The tasks of one service. Each kind of task runs at most once at a time.
pub(crate) struct Maintenance {
    connection: Connection,
    service: String,
    stream: Identity,
    context: Rc<Context>,
    floor: Floor,
    entry: Rc<EntryUpdater>,
    expired: ExpiredPackets,
    tasks: FuturesUnordered<LocalBoxFuture<'static, (Task, Result<Outcome>)>>,
    running: Vec<Task>,
    /// Why to check the position once more: the check that runs began before there was this reason.
    check_again: Option<String>,
    /// Why the entry is not saved, as logged last.
    entry_fault: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Position,
    Replays,
    Memories,
    Limits,
    Entry,
    Trial,
}

/// The outcome of a task.
enum Outcome {
    Nothing,
    Checked(PositionCheck),
    Entry(EntryNews),
    EntryNotSaved(Error),
    Tried(Option<String>),
}

/// What the engine has to know.
pub(super) enum Finding {
    Nothing,
    /// The position is gone, in this way, and has to be acquired again.
    PositionGone(&'static str),
    /// What the entry of the service says, and what to announce of it.
    Entry(EntryNews),
    /// What to announce of values of memories that cannot be read.
    UnreadableMemories(Option<String>),
}

impl Maintenance {
    /// With the state of the position before any packet is asked for.
    pub(crate) fn new(
        connection: Connection,
        service: &str,
        stream: Identity,
        state: PositionState,
        (context, floor, entry): (Rc<Context>, Floor, Rc<EntryUpdater>),
    ) -> Self {
        let mut maintenance = Self {
            connection,
            service: service.to_owned(),
            stream,
            context,
            floor,
            entry,
            expired: ExpiredPackets::new(state),
            tasks: FuturesUnordered::new(),
            running: Vec::new(),
            check_again: None,
            entry_fault: None,
        };
        let expired = maintenance.expired.learn_state(state);
        maintenance.report(expired);
        maintenance.try_memories();
        maintenance
    }

    /// Waits until a task is done.
    ///
    /// # Errors
    /// What ends the service.
    pub(crate) async fn next(&mut self) -> Result<Finding> {
        let (task, outcome) = match self.tasks.next().await {
            Some(done) => done,
            None => pending().await,
        };
        self.running.retain(|other| *other != task);
        let outcome = outcome?;
        if task == Task::Position
            && let Some(reason) = self.check_again.take()
        {
            self.begin_position_check(Some(reason));
            return Ok(Finding::Nothing);
        }
        Ok(match outcome {
            Outcome::Nothing => Finding::Nothing,
            Outcome::Checked(PositionCheck::Exists(state, pending)) => {
                self.context.metrics.set_place(state.delivered, pending);
                let expired = self.expired.learn_state(state);
                self.report(expired);
                Finding::Nothing
            }
            Outcome::Checked(PositionCheck::Gone(how)) => Finding::PositionGone(how),
            Outcome::Tried(found) => Finding::UnreadableMemories(found),
            Outcome::EntryNotSaved(error) => {
                self.warn_of_entry(&error);
                Finding::Nothing
            }
            // In exclusive delivery the lease shows by itself that the position was moved.
            Outcome::Entry(EntryNews { is_moved: true, .. }) if self.is_shared() => {
                Finding::PositionGone("was moved")
            }
            Outcome::Entry(news) => Finding::Entry(news),
        })
    }

    /// Warns once for each fault. That the server is away is logged by the connection.
    fn warn_of_entry(&mut self, error: &Error) {
        let fault = with_causes(error);
        if matches!(error, Error::Server { .. }) || self.entry_fault.as_ref() == Some(&fault) {
            return debug!("the entry of the service is not saved: {fault}");
        }
        warn!("how far {} is cannot be saved for when its position is lost: {fault}", self.service);
        self.entry_fault = Some(fault);
    }

    fn is_shared(&self) -> bool {
        matches!(self.floor, Floor::Consumer(_))
    }

    fn begin(&mut self, task: Task, running: impl Future<Output = Result<Outcome>> + 'static) {
        if !self.running.contains(&task) {
            self.running.push(task);
            self.tasks.push(Box::pin(async move { (task, running.await) }));
        }
    }

    /// Learns that a packet of the rapids was delivered to this instance.
    pub(crate) fn delivered(&mut self, raw: &RawPacket) {
        if raw.answer.is_none() {
            return;
        }
        let expired = self.expired.delivered(raw.number, raw.place.sequence, raw.is_again);
        self.report(expired);
    }

    /// Learns that the stream does not contain these packets any more.
    pub(crate) fn gone(&mut self, from: u64, to: u64) {
        let expired = self.expired.add(from, to);
        self.report(Some(expired));
    }

    /// What to announce of packets that expired before this service read them; `None` if there are none.
    pub(crate) fn expired(&self) -> Option<String> {
        self.expired.summary()
    }

    fn report(&self, expired: Option<ExpiredRange>) {
        if let Some(expired) = expired {
            let (name, lost) = (&self.service, expired.count);
            self.context.metrics.lost.add(lost);
            error!(lost, "{expired} expired before {name} read them: keep packets for longer");
        }
    }

    /// Whether packets may be asked for. Not while the position is checked: packets that expired
    /// meanwhile could not be counted.
    pub(crate) fn may_pull(&self) -> bool {
        !(self.expired.awaits_state() && self.running.contains(&Task::Position))
    }

    /// Checks that the position still exists and fits the stream, for this reason to doubt it.
    pub(crate) fn check_position(&mut self, reason: String) {
        self.expired.connection_lost();
        if self.running.contains(&Task::Position) {
            self.check_again = Some(reason);
        } else {
            self.begin_position_check(Some(reason));
        }
    }

    /// Checks whether packets expired before the service read them. In exclusive delivery the live feed
    /// notices that by itself.
    pub(crate) fn check_expired(&mut self) {
        if self.is_shared() {
            self.begin_position_check(None);
        }
    }

    fn begin_position_check(&mut self, reason: Option<String>) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let Floor::Consumer(consumer_created) = self.floor else {
            return;
        };
        let read = (self.stream, consumer_created);
        let reached = self.expired.reached();
        let remembers = self.context.memories.is_some();
        self.begin(Task::Position, async move {
            let consumer = Consumer::stated(&connection, &service);
            match look(&consumer, read, reached, remembers).await {
                // The answer of a server that is away is unknown.
                Err(error @ Error::Server { .. }) => {
                    if let Some(reason) = reason {
                        debug!(reason, "the position has to be checked");
                        connection.warn("the position cannot be checked", &error);
                    }
                    Ok(Outcome::Nothing)
                }
                checked => checked.map(Outcome::Checked),
            }
        });
    }

    /// Creates the consumer of the stream of replays again, if it is gone.
    pub(crate) fn ensure_replay_consumer(&mut self, ack_wait: Option<Duration>) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        self.begin(Task::Replays, async move {
            match replay_consumer::ensure(&connection, &service, ack_wait).await {
                Err(error @ Error::NotPermitted { .. }) => Err(error),
                Err(error) => {
                    connection.warn("replays have to wait", &error);
                    Ok(Outcome::Nothing)
                }
                Ok(_) => Ok(Outcome::Nothing),
            }
        });
    }

    /// Removes published packets, old ids and what has ended from the records of memories.
    pub(crate) fn clean_up_memories(&mut self) {
        let context = self.context.clone();
        self.begin(Task::Memories, async move {
            let Some(memories) = &context.memories else { return Ok(Outcome::Nothing) };
            if memories.take_changed() {
                memories.read_floors().await;
                memories.clean_up(PUBLISHED).await;
            }
            memories.expire().await;
            Ok(Outcome::Nothing)
        });
    }

    /// Goes through the values of memories.
    fn try_memories(&mut self) {
        let context = self.context.clone();
        self.begin(
            Task::Trial,
            async move { Ok(Outcome::Tried(context.trial.finish(&context).await)) },
        );
    }

    /// Saves how far the service is, and reads what other instances have saved.
    pub(crate) fn update_entry(&mut self) {
        let saving = self.save_entry();
        self.begin(Task::Entry, async move {
            match saving.await {
                Ok(news) => Ok(Outcome::Entry(news)),
                Err(error) => Ok(Outcome::EntryNotSaved(error)),
            }
        });
    }

    /// Saves how far the service is in its entry.
    pub(crate) fn save_entry(&self) -> impl Future<Output = Result<EntryNews>> + use<> {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let (floor, entry) = (self.floor.clone(), self.entry.clone());
        async move { entry.look(floor.read(&connection, &service).await?).await }
    }

    /// Warns of a stream that is nearly full, and of a position that is nearly stuck. Takes over settings
    /// of the stream that were changed.
    pub(crate) fn check_limits(&mut self) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let (has_once, context) = (self.context.claims.is_some(), self.context.clone());
        let (stream, remembers) = (self.stream, self.context.memories.is_some());
        if self.context.trial.is_open() {
            self.try_memories();
        }
        self.begin(Task::Limits, async move {
            if let Ok(found) = stream::info(&connection).await {
                // Who reads from a mirror does not see it there.
                let info = same(found, stream, (&service, remembers))?;
                stream::warn_if_nearly_full(&info);
                if let Some(memories) = &context.memories {
                    memories.learn_ages(info.config.max_age).await;
                }
                let rapids = StreamFacts::from(&info);
                Box::pin(stream::keep_up(&connection, (&service, has_once), info)).await;
                let following = ReadFrom::stated(&connection);
                if let Err(error) = Box::pin(following.ensure(&connection, &rapids)).await {
                    connection.warn("the mirror does not follow the rapids", &error);
                }
            }
            if let Ok(Some(info)) = Consumer::stated(&connection, &service).info().await {
                warn_if_nearly_stuck(&info);
            }
            Ok(Outcome::Nothing)
        });
    }
}

/// Warns when nearly as many packets are unacknowledged as may be.
fn warn_if_nearly_stuck(info: &Info) {
    let most = usize::try_from(info.config.max_ack_pending).unwrap_or(usize::MAX);
    if info.num_ack_pending > most / 5 * 4 {
        warn!(
            unacknowledged = info.num_ack_pending,
            "at {most} unacknowledged packets this service gets no more: mend what makes its \
             reactions fail"
        );
    }
}
