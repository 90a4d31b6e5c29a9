//! What goes on beside the packets, without holding them up.

use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::consumer::Info;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tracing::{debug, error, warn};

use super::consumer::Consumer;
use super::delivered::Delivered;
use super::floor::Floor;
use super::handling::Handling;
use super::losses::{Loss, Losses, Standing};
use super::place::Place;
use super::replays;
use super::suspects::Suspects;
use crate::connection::Connection;
use crate::error::with_causes;
use crate::memory::Floors;
use crate::rapids::stream;
use crate::rapids::timestamp;
use crate::{Error, Result};

/// The chores of one service; each kind runs at most once at a time.
pub(crate) struct Chores {
    connection: Connection,
    service: String,
    stream_created: Timestamp,
    handling: Rc<Handling>,
    floor: Floor,
    losses: Losses,
    under_way: FuturesUnordered<LocalBoxFuture<'static, (Chore, Result<Option<Standing>>)>>,
    kinds: Vec<Chore>,
    forgetting: FuturesUnordered<LocalBoxFuture<'static, ()>>,
    /// Why to look for the position once more, since what is under way began before the reason.
    look_again: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chore {
    Position,
    Replays,
    Tidy,
    Limits,
}

impl Chores {
    /// `standing` is that of a position of which nothing was asked for yet.
    pub(crate) fn new(
        connection: Connection,
        service: &str,
        stream_created: Timestamp,
        standing: Standing,
        (handling, floor): (Rc<Handling>, Floor),
    ) -> Self {
        let mut chores = Self {
            connection,
            service: service.to_owned(),
            stream_created,
            handling,
            floor,
            losses: Losses::new(standing),
            under_way: FuturesUnordered::new(),
            kinds: Vec::new(),
            forgetting: FuturesUnordered::new(),
            look_again: None,
        };
        let loss = chores.losses.stands(standing);
        chores.report(loss);
        chores
    }

    /// Waits until a chore is done.
    ///
    /// # Errors
    /// What ends the service.
    pub(crate) async fn next(&mut self) -> Result<()> {
        let (kind, done) = loop {
            tokio::select! {
                Some(done) = self.under_way.next() => break done,
                Some(()) = self.forgetting.next() => {}
                else => return pending().await,
            }
        };
        self.kinds.retain(|other| *other != kind);
        let standing = done?;
        if kind == Chore::Position
            && let Some(reason) = self.look_again.take()
        {
            self.look(Some(reason));
        } else if let Some(standing) = standing {
            let loss = self.losses.stands(standing);
            self.report(loss);
        }
        Ok(())
    }

    fn begin(
        &mut self,
        kind: Chore,
        chore: impl Future<Output = Result<Option<Standing>>> + 'static,
    ) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
            self.under_way.push(Box::pin(async move { (kind, chore.await) }));
        }
    }

    /// Learns of a packet of the rapids that was delivered to this instance.
    pub(crate) fn delivered(&mut self, delivered: &Delivered) {
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
        if let Floor::Consumer = self.floor {
            self.look(None);
        }
    }

    fn look(&mut self, reason: Option<String>) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        let created = self.stream_created;
        let reached = self.losses.reached();
        let remembers = self.handling.memories.is_some();
        self.begin(Chore::Position, async move {
            let consumer = Consumer::new(&connection, &service);
            match standing(&connection, &consumer, created, reached, remembers).await {
                // A server that is away says nothing about the position.
                Err(error @ Error::Server { .. }) => {
                    if let Some(reason) = reason {
                        warn!(reason, "waiting for the server: {}", with_causes(&error));
                    }
                    Ok(None)
                }
                stands => stands.map(Some),
            }
        });
    }

    /// Makes the position on the stream of replays anew, if it is gone.
    pub(crate) fn look_for_replays(&mut self, ack_wait: Duration) {
        let (connection, service) = (self.connection.clone(), self.service.clone());
        self.begin(Chore::Replays, async move {
            match replays::ensure(&connection, &service, ack_wait).await {
                Err(error @ Error::NotPermitted { .. }) => Err(error),
                Err(error) => {
                    warn!("replays have to wait: {}", with_causes(&error));
                    Ok(None)
                }
                Ok(()) => Ok(None),
            }
        });
    }

    /// Deletes the note about a packet that is done. One that stays says nothing any more.
    pub(crate) fn forget(&mut self, suspects: Rc<Suspects>, place: Place) {
        self.forgetting.push(Box::pin(async move {
            if let Err(error) = suspects.notes.forget(place).await {
                debug!(%place, "its note stays: {}", with_causes(&error));
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
                    replays::floor(&connection, &service).await,
                ) {
                    memories.acknowledged_to(Floors { rapids, replays });
                }
                memories.tidy().await;
            }
            Ok(None)
        });
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
            Ok(None)
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

/// How the position, which had reached this sequence, stands to the stream.
///
/// # Errors
/// `Position` if it is gone or does not fit.
async fn standing(
    connection: &Connection,
    consumer: &Consumer<'_>,
    created: Timestamp,
    reached: u64,
    remembers: bool,
) -> Result<Standing> {
    let anew = || {
        let oblivion = consumer.oblivion(remembers);
        format!("to begin anew in another one, run {oblivion} and start the service again")
    };
    // The stream before the position: what is beyond the position then, expired before.
    let Some(stream) = stream::info(connection).await? else {
        return Err(consumer.lost(format!("the stream was deleted while it ran; {}", anew())));
    };
    if timestamp(stream.created) != created {
        return Err(consumer.lost(format!("the stream was made anew while it ran; {}", anew())));
    }
    let Some(position) = consumer.info().await? else {
        return Err(consumer.lost(
            "its consumer was deleted while it ran; start the service again to begin a new position"
                .to_owned(),
        ));
    };
    let (deliveries, delivered) =
        (position.delivered.consumer_sequence, position.delivered.stream_sequence);
    // The server moves a position back together with a stream that has lost its end.
    let reached = reached.max(delivered);
    if reached > stream.state.last_sequence {
        // Others may have published and read meanwhile.
        let last = consumer.last_sequence().await?;
        if reached > last {
            return Err(consumer.lost(format!(
                "it was at sequence {reached}, but the stream ends at {last} now: the server has \
                 lost packets, or has older ones from a backup; start the service again to go on \
                 with what comes"
            )));
        }
    }
    Ok(Standing { first: stream.state.first_sequence, deliveries, delivered })
}
