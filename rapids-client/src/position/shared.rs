//! Where a service begins in shared delivery: where its consumer stands, and where there is none,
//! where its entry says; anew only where it has neither.

use std::time::Duration;

use async_nats::jetstream::consumer::Info;
use jiff::Timestamp;
use tracing::{debug, info, warn};

use crate::connection::Connection;
use crate::error::with_causes;
use crate::jetstream::stream::StreamFacts;
use crate::names::STARTS;
use crate::position::consumer::{Consumer, epoch_of, starts_of};
use crate::position::entries::ServiceEntries;
use crate::position::entry::{NotedFloor, ServiceEntry};
use crate::position::exclusive;
use crate::position::expired::PositionState;
use crate::position::status;
use crate::service::Service;
use crate::start::{Start, timestamp};
use crate::{Error, Result};

/// A position in shared delivery, as it was found or made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedPosition {
    pub(crate) standing: PositionState,
    pub(crate) epoch: u64,
    /// When its consumer was created: one that was made anew is another position.
    pub(crate) created: Timestamp,
    /// For how long the server waits for an acknowledgement.
    pub(crate) ack_wait: Duration,
}

/// Why a position is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartReason {
    /// The service is new.
    New(Start),
    /// It had its position in exclusive delivery, done up to there.
    Exclusive(u64),
    /// Its position was moved there by command.
    Moved(u64),
    /// Its consumer was deleted.
    Deleted(NotedFloor),
}

impl StartReason {
    /// Where to begin a service without a consumer; `None` if that is not known.
    pub(crate) fn of(
        entry: &ServiceEntry,
        released: Option<u64>,
        start: Option<Start>,
    ) -> Option<Self> {
        if entry.is_new() {
            return Some(Self::New(start.unwrap_or_default()));
        }
        released
            .map(Self::Exclusive)
            .or(entry.target().map(Self::Moved))
            .or(entry.floor().map(Self::Deleted))
    }

    /// Up to where the service was done, if it goes on from there.
    fn floor(self) -> Option<u64> {
        match self {
            Self::New(_) | Self::Moved(_) => None,
            Self::Exclusive(floor) | Self::Deleted(NotedFloor { sequence: floor, .. }) => {
                Some(floor)
            }
        }
    }

    fn start(self) -> Start {
        match self {
            Self::New(start) => start,
            Self::Exclusive(floor) => Start::Sequence(floor + 1),
            Self::Moved(target) => Start::Sequence(target),
            Self::Deleted(floor) => Start::Sequence(floor.sequence + 1),
        }
    }

    /// Makes sure that the stream reaches so far.
    async fn check(self, consumer: &Consumer<'_>, facts: &StreamFacts) -> Result<()> {
        let name = consumer.service;
        let Self::Deleted(NotedFloor { sequence: at, .. }) = self else {
            return status::check(consumer.connection, name, self.start()).await;
        };
        let last = facts.last_sequence.max(consumer.last_sequence().await?);
        if at <= last {
            return Ok(());
        }
        Err(consumer.lost(format!(
            "it was deleted, and was done up to sequence {at}, but the stream ends at {last}: the \
             stream was restored from a backup; set it with `rapids position {name} --to-end`, or \
             `--set SEQUENCE`"
        )))
    }

    /// The sequence in front of it, in a stream that reaches so far.
    ///
    /// # Errors
    /// `Position` if the stream does not.
    pub(crate) async fn before(self, consumer: &Consumer<'_>, facts: &StreamFacts) -> Result<u64> {
        self.check(consumer, facts).await?;
        match self.floor() {
            Some(floor) => Ok(floor),
            None => status::before(consumer.connection, consumer.service, self.start()).await,
        }
    }

    /// Says where a position was made, and why.
    pub(crate) fn announce(self, name: &str, facts: &StreamFacts, behind: u64) {
        match self {
            Self::New(start) => {
                let skipped = facts.packets.saturating_sub(behind);
                let remedy = match skipped {
                    0 => String::new(),
                    _ => format!("; to read them too, run `rapids position {name} --to-beginning`"),
                };
                info!(
                    sequence = facts.last_sequence,
                    behind,
                    skipped,
                    "{name} is new and starts {start}: {behind} packets to read, {skipped} earlier ones \
                     skipped{remedy}"
                );
            }
            Self::Exclusive(floor) => {
                info!(behind, "{name} goes on behind sequence {floor}: {behind} packets to read");
            }
            Self::Moved(target) => {
                info!(
                    behind,
                    "{name} was moved and goes on with sequence {target}: {behind} to read"
                );
            }
            Self::Deleted(NotedFloor { sequence, written }) => {
                let age = Timestamp::now().duration_since(written).as_secs();
                warn!(
                    sequence,
                    behind,
                    "the position of {name} was deleted; it goes on behind sequence {sequence}, noted \
                     {age} s before: {behind} packets are read, up to all of them again. What a reaction \
                     that neither remembers nor runs once published about them more than ten minutes ago \
                     is published anew"
                );
            }
        }
    }
}

/// Makes sure that the service has a position, and says where it stands. Several instances may do so
/// at once.
///
/// # Errors
/// `Position` if it does not fit the stream, or if nobody knows where a known service was.
pub(crate) async fn ensure_consumer(
    connection: &Connection,
    service: &Service,
    facts: &StreamFacts,
    (entries, entry): (&ServiceEntries, &ServiceEntry),
) -> Result<SharedPosition> {
    let name = service.name();
    let consumer = Consumer::new(connection, name);
    if let Some(other) = entry.other_than(facts.created) {
        return Err(consumer.lost(format!(
            "it was in a stream created at {other}, and this one was created at {}; to begin anew \
             in it, run {}",
            facts.created,
            consumer.reset_command(service.remembers())
        )));
    }
    let released = match entry.is_exclusive() {
        true => Some(exclusive::release(connection, name, facts.created).await?),
        false => None,
    };
    let mut found = consumer.info().await?;
    let is_older = |found: &Info| epoch_of(found) < entry.epoch();
    if entry.target().is_some() && found.as_ref().is_some_and(is_older) {
        // It was moved, and whoever did so did not get to this.
        consumer.delete().await?;
        found = None;
    }
    let (ensured, done) = match found {
        Some(found) => {
            resume(&consumer, service, &found).await?;
            let delivered = found.delivered.stream_sequence;
            (found, delivered)
        }
        None => make(&consumer, service, facts, (entry, released)).await?,
    };
    // The operator may have made one by hand, which has none.
    let epoch = epoch_of(&ensured).max(entry.epoch());
    let acknowledged = ensured.ack_floor.stream_sequence;
    let note = |entry: &mut ServiceEntry| {
        entry.stands_in(facts.created, false);
        entry.is_made(epoch);
        entry.note_floor(epoch, acknowledged, Timestamp::now());
    };
    match entries.update_from(entry, note).await {
        // The position is there, and how far it is will be noted once there is room.
        Err(error @ Error::Full { .. }) if epoch == entry.epoch() && !entry.is_new() => {
            warn!("how far {name} is, is not noted: {}", with_causes(&error));
        }
        noted => noted?,
    }
    if released.is_some() {
        exclusive::forget(connection, name).await?;
    }
    Ok(SharedPosition {
        standing: PositionState {
            first: facts.first_sequence,
            deliveries: ensured.delivered.consumer_sequence,
            // What expired behind the floor was read by nobody, and the consumer begins behind that.
            delivered: done,
        },
        epoch,
        created: timestamp(ensured.created),
        ack_wait: service.config().ack_wait.unwrap_or(ensured.config.ack_wait),
    })
}

/// Makes a position where there is none, and tells up to where everything was delivered or skipped;
/// another instance may be faster.
async fn make(
    consumer: &Consumer<'_>,
    service: &Service,
    facts: &StreamFacts,
    (entry, released): (&ServiceEntry, Option<u64>),
) -> Result<(Info, u64)> {
    let name = service.name();
    let Some(beginning) = StartReason::of(entry, released, service.start()) else {
        return Err(consumer.lost(format!(
            "its consumer was deleted, and it is not noted how far it was; say where it is to go on, \
             with `rapids position {name} --set SEQUENCE`, `--to-time TIME`, `--to-beginning` or \
             `--to-end`"
        )));
    };
    let start = beginning.start();
    beginning.check(consumer, facts).await?;
    let mut wanted = consumer.wanted(start, service.config().ack_wait, entry.epoch());
    if let StartReason::New(start) = beginning {
        wanted.metadata.insert(STARTS.to_owned(), start.to_string());
    }
    if let Some(created) = consumer.create(wanted).await? {
        beginning.announce(name, facts, created.num_pending);
        let begins = created.delivered.stream_sequence;
        return Ok((created, beginning.floor().unwrap_or(begins)));
    }
    let found = consumer.info().await?.ok_or_else(|| {
        consumer.lost("its consumer is deleted as fast as it is created".to_owned())
    })?;
    resume(consumer, service, &found).await?;
    let delivered = found.delivered.stream_sequence;
    Ok((found, delivered))
}

/// Goes on at a consumer that is there.
async fn resume(consumer: &Consumer<'_>, service: &Service, found: &Info) -> Result<()> {
    consumer.check(found, service.config().ack_wait).await?;
    let name = service.name();
    let at = found.delivered.stream_sequence;
    let behind = found.num_pending + u64::try_from(found.num_ack_pending).unwrap_or_default();
    info!(sequence = at, behind, "{name} continues after sequence {at}, {behind} packets behind");
    if let Some(start) = service.start() {
        match starts_of(found) {
            Some(then) if then != start.to_string() => warn!(
                "{name} is to start {start}, and was made to start {then}: it has a position, and \
                 goes on there; `rapids position {name} --help` tells how to move it"
            ),
            _ => debug!("{name} has a position, and goes on there"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_service_that_is_known_never_begins_as_a_new_one() {
        let mut entry = ServiceEntry::default();
        let start = Some(Start::Beginning);
        assert_eq!(StartReason::of(&entry, None, start), Some(StartReason::New(Start::Beginning)));
        entry.stands_in(NOW, false);
        assert_eq!(StartReason::of(&entry, None, start), None);
        entry.note_floor(0, 7, NOW);
        let start_of = |entry: &ServiceEntry, released| {
            StartReason::of(entry, released, start).map(StartReason::start)
        };
        assert_eq!(start_of(&entry, None), Some(Start::Sequence(8)));
        entry.move_to(3, NOW);
        assert_eq!(start_of(&entry, None), Some(Start::Sequence(3)));
        assert_eq!(start_of(&entry, Some(20)), Some(Start::Sequence(21)));
    }
}
