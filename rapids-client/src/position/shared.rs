//! Where a service begins in shared delivery: at its consumer; without one, where its entry in
//! `RAPIDS_SERVICES` says; as a new service only if it has neither.

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::Info;
use jiff::Timestamp;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::connection::Connection;
use crate::error::with_causes;
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::timestamp;
use crate::names::STARTS;
use crate::position::consumer::{Consumer, epoch_of, is_outdated, memory_epoch_of, starts_of};
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::exclusive;
use crate::position::expired::PositionState;
use crate::position::start_reason::StartReason;
use crate::service::ServiceNeeds;
use crate::{Error, Result};

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
    let consumer = Consumer::new(connection, name);
    if let Some(other) = entry.other_stream(facts.created) {
        return Err(consumer.lost(format!(
            "it was in a stream created at {other}, and this one was created at {}; to begin anew \
             in it, run {}",
            facts.created,
            consumer.reset_command(needs.remembers())
        )));
    }
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
    let mut wanted = consumer.wanted(reason.start(), needs.ack_wait, entry);
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
