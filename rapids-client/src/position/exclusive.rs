//! Where a service begins in exclusive delivery: anew, or where it was in shared delivery; and the
//! way back.

use async_nats::jetstream::consumer::Info;
use jiff::Timestamp;
use tracing::info;

use crate::connection::Connection;
use crate::delivery::live::subscription::standing;
use crate::jetstream::stream::StreamFacts;
use crate::names::{POSITIONS, memory_bucket};
use crate::position::consumer::{Consumer, epoch_of};
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::lease::{Lease, open_bucket};
use crate::position::record::{PositionRecord, deleted, lost};
use crate::position::shared::StartReason;
use crate::service::Service;
use crate::{Error, Result};

/// Makes sure that the service has a record. Several instances may do so at once.
///
/// # Errors
/// `Position` if the record was deleted or cannot be used, or while instances of the service run in
/// shared delivery; `NotPermitted`, `Server`.
pub(crate) async fn ensure_record(
    lease: &Lease,
    connection: &Connection,
    service: &Service,
    facts: &StreamFacts,
    (entries, entry): (&ServiceEntries, &ServiceEntry),
) -> Result<()> {
    let name = service.name();
    let unfit = |reason: String| Error::Position { service: name.to_owned(), reason };
    let consumer = Consumer::new(connection, name);
    if let Some(other) = entry.other_than(facts.created) {
        return Err(unfit(format!(
            "it was in a stream created at {other}, and this one was created at {}; {}",
            facts.created,
            reset_command(connection, name)
        )));
    }
    let (record, revision) = match lease.load().await {
        // It is waited for like one that another instance holds.
        Err(Error::Record { is_newer: true, .. }) if entry.is_exclusive() => return Ok(()),
        loaded => loaded?,
    };
    if entry.is_exclusive() {
        let record = record.ok_or_else(|| lost(name, &deleted()))?;
        return resume(connection, service, facts, &record).await;
    }
    let shared = consumer.info().await?;
    if shared.as_ref().is_some_and(|shared| shared.num_waiting > 0) {
        return Err(unfit(
            "instances of it run in shared delivery; stop them first, and it goes on where they are"
                .to_owned(),
        ));
    }
    // One that was moved by command, and not made anew since, stands where it was before.
    let is_moved = entry.target().is_some();
    let stands = |shared: &&Info| !is_moved || epoch_of(shared) >= entry.epoch();
    let floor = match shared.as_ref().filter(stands) {
        Some(shared) => {
            let floor = shared.ack_floor.stream_sequence;
            info!("{name} moves to exclusive delivery, behind sequence {floor}");
            tell_of_start(service);
            // A record that is there is of an earlier time, or says the same.
            lease.create(floor, shared.delivered.stream_sequence, revision).await?;
            Some(floor)
        }
        None => {
            let noted = entry.floor().map_or(0, |noted| noted.sequence);
            // From a move that came no further; others are of an earlier time.
            let is_kept = |record: &PositionRecord| !is_moved && record.floor >= noted;
            if !record.is_some_and(|record| is_kept(&record)) {
                let floor = floor_of_none(service, &consumer, facts, entry).await?;
                lease.create(floor, floor, revision).await?;
            }
            None
        }
    };
    if shared.is_some() {
        consumer.delete().await?;
    }
    // Written in shared delivery for the last time: from here on the record tells.
    let note = |entry: &mut ServiceEntry| {
        entry.stands_in(facts.created, true);
        entry.is_made(entry.epoch());
        entry.note_floor(entry.epoch(), floor.unwrap_or_default(), Timestamp::now());
    };
    entries.update_from(entry, note).await
}

/// Goes on at a record that is there.
async fn resume(
    connection: &Connection,
    service: &Service,
    facts: &StreamFacts,
    record: &PositionRecord,
) -> Result<()> {
    let name = service.name();
    let mut fault = record.fault(facts.last_sequence);
    if fault.is_some() {
        // Others may have published and read meanwhile.
        fault = record.fault(standing(connection).await?.last_sequence);
    }
    if let Some(fault) = fault {
        return Err(lost(name, &fault));
    }
    info!("{name} has a position, behind sequence {}", record.floor);
    tell_of_start(service);
    Ok(())
}

/// Up to where a service is done that has neither a consumer nor a record.
async fn floor_of_none(
    service: &Service,
    consumer: &Consumer<'_>,
    facts: &StreamFacts,
    entry: &ServiceEntry,
) -> Result<u64> {
    let name = service.name();
    let beginning = StartReason::of(entry, None, service.start()).ok_or_else(|| {
        lost(name, "its position was deleted, and it is not noted how far it was")
    })?;
    let floor = beginning.before(consumer, facts).await?;
    let behind = facts.last_sequence.saturating_sub(floor);
    beginning.announce(name, facts, behind);
    Ok(floor)
}

/// How to begin anew in another stream, without what is known of the one before.
pub(crate) fn reset_command(connection: &Connection, service: &str) -> String {
    // Whether it remembers, is not for its position to know.
    let entry = Consumer::new(connection, service).reset_command(false);
    format!(
        "to begin anew in another one, run {entry}, `nats kv del {POSITIONS} {service}` and, if the \
         service remembers, `nats kv rm {}`, and start it again",
        memory_bucket(service)
    )
}

fn tell_of_start(service: &Service) {
    if let Some(start) = service.start() {
        let name = service.name();
        tracing::debug!(
            "{name} has a position, and goes on there; it started {start} when it was new"
        );
    }
}

/// Waits until no instance of the service is active in exclusive delivery, and returns the sequence
/// up to which everything is done.
///
/// # Errors
/// `Position` while one is active, or if the record cannot be used.
pub(crate) async fn release(
    connection: &Connection,
    service: &str,
    stream_created: Timestamp,
) -> Result<u64> {
    let lease = Lease::open(connection, (service, ""), stream_created).await?;
    let record = lease.abandoned().await?;
    info!("{service} moves to shared delivery, behind sequence {}", record.floor);
    Ok(record.floor)
}

/// Deletes the record of a service whose position is kept elsewhere from now on.
pub(crate) async fn forget(connection: &Connection, service: &str) -> Result<()> {
    open_bucket(connection).await?.delete(service).await
}
