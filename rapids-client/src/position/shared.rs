//! Where a service begins in shared delivery: at its consumer; without one, where its entry in
//! `RAPIDS_SERVICES` says; as a new service only if it has neither.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::Info;
use jiff::Timestamp;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::announcement::instances::instances_of;
use crate::connection::Connection;
use crate::error::with_causes;
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::timestamp;
use crate::names::STARTS;
use crate::position::consumer::{
    Consumer, epoch_of, is_outdated, memory_epoch_of, reset_command, starts_of,
};
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::exclusive;
use crate::position::expired::PositionState;
use crate::position::start_reason::StartReason;
use crate::service::ServiceNeeds;
use crate::{Error, Result};

/// Instances that do not answer for so long are not there.
const ANSWERS: Duration = Duration::from_millis(500);

/// For how long whoever moves a position is left to make its consumer, and how often it is looked for that.
const MADE_SOON: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(50);

/// A position in shared delivery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedPosition {
    pub(crate) state: PositionState,
    pub(crate) epoch: u64,
    /// When its consumer was created. One that is made anew is another position.
    pub(crate) created: Timestamp,
    /// For how long the server waits for an acknowledgement.
    pub(crate) ack_wait: Duration,
}

/// Makes sure that the service has a position, and logs how far it is. Several instances may do so
/// at once.
///
/// # Errors
/// `Position` if it does not fit the stream, or if it is not noted where a known service was.
pub(crate) async fn ensure_consumer(
    connection: &Connection,
    needs: &ServiceNeeds,
    facts: &StreamFacts,
    (entries, entry): (&ServiceEntries, &ServiceEntry),
) -> Result<SharedPosition> {
    let name = &needs.name;
    let consumer = Consumer::stated(connection, name);
    if let Some(other) = entry.other_stream(facts.created) {
        return Err(consumer.lost(format!(
            "it was in a stream created at {other}, and this one was created at {}; to begin anew \
             in it, run {}",
            facts.created,
            reset_command(name, needs.remembers())
        )));
    }
    let moved = match entry.mirror() != connection.mirror() && has_consumer(entry) {
        true => Some(change_stream(&consumer, facts, (entries, entry)).await?),
        false => None,
    };
    let entry = moved.as_ref().unwrap_or(entry);
    let released = match entry.is_exclusive() {
        true => Some(exclusive::release(connection, name, facts.created).await?),
        false => None,
    };
    let (found, delivered) = match current(&consumer, entry).await? {
        Some(found) => resume(&consumer, needs, found).await?,
        None => make(&consumer, needs, facts, (entry, released)).await?,
    };
    // A consumer that the operator made by hand says no epoch.
    let epoch = epoch_of(&found).max(entry.epoch());
    let (memory_epoch, acknowledged) = (memory_epoch_of(&found), found.ack_floor.stream_sequence);
    let note = |entry: &mut ServiceEntry| {
        entry.set_stream(facts.created, false);
        entry.note_mirror(connection.mirror());
        entry.position_made(epoch, memory_epoch);
        entry.note_floor(epoch, acknowledged, Timestamp::now());
    };
    match entries.update_from(entry, note).await {
        // The position exists, and its floor will be noted once there is room.
        Err(error @ Error::Full { .. }) if epoch == entry.epoch() && !entry.is_new() => {
            warn!("how far {name} is, is not noted: {}", with_causes(&error));
        }
        noted => noted?,
    }
    if released.is_some() {
        exclusive::forget(connection, name).await?;
    }
    Ok(SharedPosition {
        state: PositionState {
            first: facts.first_sequence,
            deliveries: found.delivered.consumer_sequence,
            delivered,
        },
        epoch,
        created: timestamp(found.created),
        ack_wait: needs.ack_wait.unwrap_or(found.config.ack_wait),
    })
}

/// Whether the position of a service is a consumer.
fn has_consumer(entry: &ServiceEntry) -> bool {
    !entry.is_new() && !entry.is_exclusive()
}

/// Moves the position from the stream that the service has read so far to another one with the same packets:
/// between the rapids and a mirror. It goes on where it was; returns the entry, which says so.
async fn change_stream(
    consumer: &Consumer<'_>,
    facts: &StreamFacts,
    (entries, entry): (&ServiceEntries, &ServiceEntry),
) -> Result<ServiceEntry> {
    let Consumer { connection, service, read_from } = consumer;
    let before = Consumer::noted(connection, service, Some(entry));
    let (from, to) = (before.read_from.name(), read_from.name());
    if !instances_of(connection, service, ANSWERS).await?.is_empty() {
        return Err(consumer.lost(format!(
            "instances of it read from {from}; stop them first, and it goes on where they are in {to}"
        )));
    }
    let found = match before.info().await {
        Err(error @ Error::Server { .. }) => {
            warn!(
                "{from} does not answer, so {service} goes on from what is noted: {}",
                with_causes(&error)
            );
            None
        }
        found => found?.filter(|found| !is_outdated(found, entry)),
    };
    let place = match &found {
        Some(found) => (found.ack_floor.stream_sequence, found.delivered.stream_sequence),
        None => (entry.floor().map_or(0, |floor| floor.sequence), facts.last_sequence),
    };
    info!("{service} moves from {from} to {to}, behind sequence {}", place.0);
    let moved = entries.update(|now| {
        // Unless another instance was quicker.
        if now.mirror() == entry.mirror() {
            now.move_to_mirror(read_from.mirror(), place, Timestamp::now());
        }
    });
    let moved = moved.await?;
    if found.is_some() {
        before.remove().await?;
    }
    Ok(moved)
}

/// The consumer, unless it is from before a move of the position. Whoever moves that is about to delete it
/// and to make another. The server may still remove the files of the one while another instance makes the
/// other, so only if nobody gets to it soon, that is done here.
async fn current(consumer: &Consumer<'_>, entry: &ServiceEntry) -> Result<Option<Info>> {
    let begun = Instant::now();
    loop {
        let found = consumer.info().await?;
        let is_past = found.as_ref().is_none_or(|found| is_outdated(found, entry));
        if is_past && entry.target().is_some() && begun.elapsed() < MADE_SOON {
            sleep(LOOK).await;
            continue;
        }
        if is_past && found.is_some() {
            consumer.remove().await?;
        }
        return Ok(found.filter(|_| !is_past));
    }
}

/// Makes a consumer where there is none; another instance may be faster. Returns with it the sequence
/// up to which every packet was delivered or is skipped.
async fn make(
    consumer: &Consumer<'_>,
    needs: &ServiceNeeds,
    facts: &StreamFacts,
    (entry, released): (&ServiceEntry, Option<u64>),
) -> Result<(Info, u64)> {
    let name = &needs.name;
    let Some(reason) = StartReason::of(entry, released, needs.start) else {
        return Err(consumer.lost(format!(
            "its consumer was deleted, and it is not noted how far it was; say where it is to go on, \
             with `rapids position {name} --set SEQUENCE`, `--to-time TIME`, `--to-beginning` or \
             `--to-end`"
        )));
    };
    reason.check(consumer, facts).await?;
    let start = consumer.start(reason.start()).await?;
    let mut wanted = consumer.wanted(start, needs.ack_wait, entry);
    if let StartReason::New(start) = reason {
        wanted.metadata.insert(STARTS.to_owned(), start.to_string());
    }
    if let Some(created) = consumer.create(wanted).await? {
        reason.announce(name, facts, created.num_pending);
        // Where packets behind the floor have expired, the server begins later than there. Counted
        // from the floor on, they show as lost.
        let delivered = reason.floor().unwrap_or(created.delivered.stream_sequence);
        return Ok((created, delivered));
    }
    let found = consumer.info().await?.ok_or_else(|| {
        consumer.lost("its consumer is deleted as fast as it is created".to_owned())
    })?;
    resume(consumer, needs, found).await
}

/// Goes on at a consumer that exists. Returns with it the highest sequence that was delivered.
async fn resume(consumer: &Consumer<'_>, needs: &ServiceNeeds, found: Info) -> Result<(Info, u64)> {
    consumer.check(&found, needs.ack_wait).await?;
    let name = &needs.name;
    let at = found.delivered.stream_sequence;
    let behind = found.num_pending + u64::try_from(found.num_ack_pending).unwrap_or_default();
    info!(sequence = at, behind, "{name} continues after sequence {at}, {behind} packets behind");
    if let Some(start) = needs.start {
        match starts_of(&found) {
            Some(then) if then != start.to_string() => warn!(
                "{name} is to start {start}, and was made to start {then}: it has a position, and \
                 goes on there; `rapids position {name} --help` tells how to move it"
            ),
            _ => debug!("{name} has a position, and goes on there"),
        }
    }
    Ok((found, at))
}
