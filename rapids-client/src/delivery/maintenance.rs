//! What goes on beside the packets, without holding them up.

pub(crate) mod report;

use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::consumer::Info;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tracing::{debug, error, warn};

use crate::connection::Connection;
use crate::delivery::handling::Handling;
use crate::delivery::maintenance::report::{News, Outcome};
use crate::delivery::quarantine::Quarantine;
use crate::error::with_causes;
use crate::jetstream::message::RawPacket;
use crate::jetstream::sequence::StreamPlace;
use crate::jetstream::stream;
use crate::memory::Floors;
use crate::position::check::{PositionCheck, look};
use crate::position::consumer::Consumer;
use crate::position::entry_updater::{EntryNews, EntryUpdater};
use crate::position::expired::{ExpiredPackets, Loss, PositionState};
use crate::position::floor::Floor;
use crate::position::replay_consumer;
use crate::{Error, Result};

/// The chores of one service; each kind runs at most once at a time.
pub(crate) struct Maintenance {
    connection: Connection,
    service: String,
    stream_created: Timestamp,
    handling: Rc<Handling>,
    floor: Floor,
    entry: Rc<EntryUpdater>,
    losses: ExpiredPackets,
    under_way: FuturesUnordered<LocalBoxFuture<'static, (Chore, Result<Outcome>)>>,
    kinds: Vec<Chore>,
    forgetting: FuturesUnordered<LocalBoxFuture<'static, ()>>,
    /// Why to look for the position once more, since what is under way began before the reason.
    look_again: Option<String>,
    /// Why it is not noted how far the service is, as it was told last.
    unnoted: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chore {
    Position,
    Replays,
    Tidy,
    Limits,
    Entry,
}

impl Maintenance {
    /// `standing` is that of a position of which nothing was asked for yet.
    pub(crate) fn new(
        connection: Connection,
        service: &str,
        stream_created: Timestamp,
        standing: PositionState,
        (handling, floor, entry): (Rc<Handling>, Floor, Rc<EntryUpdater>),
    ) -> Self {
        let mut chores = Self {
            connection,
            service: service.to_owned(),
            stream_created,
            handling,
            floor,
            entry,
            losses: ExpiredPackets::new(standing),
            under_way: FuturesUnordered::new(),
            kinds: Vec::new(),
            forgetting: FuturesUnordered::new(),
            look_again: None,
            unnoted: None,
        };
        let loss = chores.losses.stands(standing);
        chores.report(loss);
        chores
    }

    /// Waits until a chore is done.
    ///
    /// # Errors
    /// What ends the service.
    pub(crate) async fn next(&mut self) -> Result<News> {
        let (kind, done) = loop {
            tokio::select! {
                Some(done) = self.under_way.next() => break done,
                Some(()) = self.forgetting.next() => {}
                else => return pending().await,
            }
        };
        self.kinds.retain(|other| *other != kind);
        let outcome = done?;
        if kind == Chore::Position
            && let Some(reason) = self.look_again.take()
        {
            self.look(Some(reason));
            return Ok(News::None);
        }
        Ok(match outcome {
            Outcome::Nothing => News::None,
            Outcome::Checked(PositionCheck::Stands(standing)) => {
                let loss = self.losses.stands(standing);
                self.report(loss);
                News::None
            }
            Outcome::Checked(PositionCheck::Gone(how)) => News::Gone(how),
            Outcome::Unnoted(error) => {
                self.unnoted(&error);
                News::None
            }
            // In exclusive delivery the record tells by itself.
            Outcome::Entry(EntryNews { is_moved: true, .. }) if self.is_shared() => {
                News::Gone("was moved")
            }
            Outcome::Entry(EntryNews { conflict, .. }) => News::Rivers(conflict),
        })
    }

    /// Says so once if it is refused. A server that is away is told of by others.
    fn unnoted(&mut self, error: &Error) {
        let told = with_causes(error);
        if matches!(error, Error::Server { .. }) || self.unnoted.as_ref() == Some(&told) {
            return debug!("how far it is, is not noted: {told}");
        }
        warn!("how far {} is, is not noted, for when its position is lost: {told}", self.service);
        self.unnoted = Some(told);
    }

    fn is_shared(&self) -> bool {
        matches!(self.floor, Floor::Consumer(_))
    }

    fn begin(&mut self, kind: Chore, chore: impl Future<Output = Result<Outcome>> + 'static) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
            self.under_way.push(Box::pin(async move { (kind, chore.await) }));
        }
    }

    /// Learns of a packet of the rapids that was delivered to this instance.
    pub(crate) fn delivered(&mut self, delivered: &RawPacket) {
        if delivered.answer.is_none() {
            return;
        }
        let (number, sequence) = (delivered.number, delivered.place.sequence);
        let loss = self.losses.delivered(number, sequence, delivered.is_again);
        self.report(loss);
    }

    /// Learns of packets that the stream does not hold any more.
    pub(crate) fn gone(&mut self, from: u64, to: u64) {
        let loss = self.losses.gone(from, to);
        self.report(Some(loss));
    }

    /// What to tell of packets that expired before this service read them; `None` if there are
    /// none.
    pub(crate) fn lost(&self) -> Option<String> {
        self.losses.told()
    }

    fn report(&self, loss: Option<Loss>) {
        if let Some(loss) = loss {
            let (name, lost) = (&self.service, loss.count);
            error!(lost, "{loss} expired before {name} read them: keep packets for longer");
        }
    }

    /// Whether packets may be asked for: not before it is known where a position stands that is in
    /// doubt, or nobody would see what expired meanwhile.
    pub(crate) fn may_pull(&self) -> bool {
        !(self.losses.are_in_doubt() && self.kinds.contains(&Chore::Position))
    }

    /// Makes sure that the position still exists and fits the stream, when there is reason to
    /// doubt it.
    pub(crate) fn look_for_position(&mut self, reason: String) {
        self.losses.doubt();
        if self.kinds.contains(&Chore::Position) {
            self.look_again = Some(reason);
        } else {
            self.look(Some(reason));
        }
    }

    /// Looks how the position stands, and whether packets were lost.
    pub(crate) fn look_for_losses(&mut self) {
        if self.is_shared() {
            self.look(None);
        }
    }

    fn look(&mut self, reason: Option<String>) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let Floor::Consumer(consumer_created) = self.floor else {
            return;
        };
        let created = (self.stream_created, consumer_created);
        let reached = self.losses.reached();
        let remembers = self.handling.memories.is_some();
        self.begin(Chore::Position, async move {
            let consumer = Consumer::new(&connection, &service);
            match look(&consumer, created, reached, remembers).await {
                // A server that is away says nothing about the position.
                Err(error @ Error::Server { .. }) => {
                    if let Some(reason) = reason {
                        warn!(reason, "waiting for the server: {}", with_causes(&error));
                    }
                    Ok(Outcome::Nothing)
                }
                looked => looked.map(Outcome::Checked),
            }
        });
    }

    /// Makes the position on the stream of replays anew, if it is gone.
    pub(crate) fn look_for_replays(&mut self, ack_wait: Option<Duration>) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        self.begin(Chore::Replays, async move {
            match replay_consumer::ensure(&connection, &service, ack_wait).await {
                Err(error @ Error::NotPermitted { .. }) => Err(error),
                Err(error) => {
                    warn!("replays have to wait: {}", with_causes(&error));
                    Ok(Outcome::Nothing)
                }
                Ok(_) => Ok(Outcome::Nothing),
            }
        });
    }

    /// Deletes the note about a packet that is done. One that stays says nothing any more.
    pub(crate) fn forget(&mut self, suspects: Rc<Quarantine>, place: StreamPlace) {
        self.forgetting.push(Box::pin(async move {
            if let Err(error) = suspects.notes.forget(place).await {
                debug!(
                    sequence = place.packet(),
                    replay = place.replay(),
                    "its note stays: {}",
                    with_causes(&error)
                );
            }
        }));
    }

    /// Writes down which remembered packets are published, and forgets old ids.
    pub(crate) fn tidy(&mut self) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let (handling, floor) = (self.handling.clone(), self.floor.clone());
        self.begin(Chore::Tidy, async move {
            if let Some(memories) = &handling.memories
                && memories.take_moved()
            {
                if let (Ok(rapids), Ok(replays)) = (
                    floor.read(&connection, &service).await,
                    replay_consumer::floor(&connection, &service).await,
                ) {
                    memories.acknowledged_to(Floors { rapids, replays });
                }
                memories.tidy().await;
            }
            Ok(Outcome::Nothing)
        });
    }

    /// ProgressStore how far the service is, and looks what others have noted.
    pub(crate) fn look_at_entry(&mut self) {
        let noting = self.noting();
        self.begin(Chore::Entry, async move {
            match noting.await {
                Ok(learned) => Ok(Outcome::Entry(learned)),
                Err(error) => Ok(Outcome::Unnoted(error)),
            }
        });
    }

    /// ProgressStore how far the service is.
    pub(crate) fn noting(&self) -> impl Future<Output = Result<EntryNews>> + use<> {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let (floor, entry) = (self.floor.clone(), self.entry.clone());
        async move { entry.look(floor.read(&connection, &service).await?).await }
    }

    /// Warns of a stream that is nearly full, and of a position that is nearly stuck, and keeps up
    /// with settings that were changed meanwhile.
    pub(crate) fn look_at_limits(&mut self) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let has_once = self.handling.ledger.is_some();
        self.begin(Chore::Limits, async move {
            if let Ok(Some(info)) = stream::info(&connection).await {
                stream::warn_if_nearly_full(&info);
                Box::pin(stream::keep_up(&connection, info, has_once)).await;
            }
            if let Ok(Some(info)) = Consumer::new(&connection, &service).info().await {
                warn_if_nearly_stuck(&info);
            }
            Ok(Outcome::Nothing)
        });
    }
}

/// Says so when a position comes near the packets that may be unacknowledged.
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
