//! Where a service begins in exclusive delivery: at its record; without one, where it was in shared
//! delivery, or as a new service. And how it goes back to shared delivery.

use async_nats::jetstream::consumer::Info;
use jiff::Timestamp;
use tracing::info;

use crate::connection::Connection;
use crate::jetstream::stream::{self, StreamFacts};
use crate::names::{POSITIONS, memory_bucket};
use crate::position::consumer::{self, Consumer, is_outdated};
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::lease::{Lease, open_bucket};
use crate::position::record::{PositionRecord, deleted, lost};
use crate::position::start_reason::StartReason;
use crate::service::ServiceNeeds;
use crate::{Error, Result};

/// Makes sure that the service has a record. Several instances may do so at once.
///
/// # Errors
/// `Position` if the record was deleted or cannot be used, or while instances of the service run in
/// shared delivery; `NotPermitted`, `Server`.
pub(crate) async fn ensure_record(
    lease: &Lease,
    connection: &Connection,
    needs: &ServiceNeeds,
    facts: &StreamFacts,
    (entries, entry): (&ServiceEntries, &ServiceEntry),
) -> Result<()> {
    let name = &needs.name;
    let unfit = |reason: String| Error::Position { service: name.to_owned(), reason };
    let consumer = Consumer::noted(connection, name, Some(entry));
    if let Some(other) = entry.other_stream(facts.created) {
        return Err(unfit(format!(
            "it was in a stream created at {other}, and this one was created at {}; {}",
            facts.created,
            reset_command(name)
        )));
    }
    let (record, revision) = match lease.load().await {
        // Taking it up waits, as for a record that another instance holds.
        Err(Error::Record { is_newer: true, .. }) if entry.is_exclusive() => return Ok(()),
        loaded => loaded?,
    };
    if entry.is_exclusive() {
        let record = record.ok_or_else(|| lost(name, &deleted()))?;
        resume(connection, needs, facts, &record).await?;
        return note_mirror(connection, (entries, entry)).await;
    }
    let shared = consumer.info().await?;
    if shared.as_ref().is_some_and(|shared| shared.num_waiting > 0) {
        return Err(unfit(
            "instances of it run in shared delivery; stop them first, and it goes on where they are"
                .to_owned(),
        ));
    }
    let is_current = |shared: &&Info| !is_outdated(shared, entry);
    let floor = match shared.as_ref().filter(is_current) {
        Some(shared) => {
            let floor = shared.ack_floor.stream_sequence;
            info!("{name} moves to exclusive delivery, behind sequence {floor}");
            log_start(needs);
            // A record that exists is older, or says the same.
            lease.create(floor, shared.delivered.stream_sequence, revision).await?;
            floor
        }
        None => {
            begin(lease, &consumer, needs, facts, entry, (record, revision)).await?;
            0
        }
    };
    if shared.is_some() {
        consumer.remove().await?;
    }
    // Those that were read: the position may be moved meanwhile.
    let (epoch, memory_epoch) = (entry.epoch(), entry.memory_epoch());
    let note = |entry: &mut ServiceEntry| {
        entry.set_stream(facts.created, true);
        entry.note_mirror(connection.mirror());
        entry.position_made(epoch, memory_epoch);
        entry.note_floor(epoch, floor, Timestamp::now());
    };
    entries.update_from(entry, note).await
}

/// Goes on at a record that exists.
async fn resume(
    connection: &Connection,
    needs: &ServiceNeeds,
    facts: &StreamFacts,
    record: &PositionRecord,
) -> Result<()> {
    let name = &needs.name;
    let mut fault = record.fault(facts.last_sequence);
    if fault.is_some() {
        // Others may have published and read meanwhile.
        connection.known_end().reaches(record.reached());
        fault = record.fault(stream::facts(connection).await?.last_sequence);
    }
    if let Some(fault) = fault {
        return Err(lost(name, &fault));
    }
    info!("{name} has a position, behind sequence {}", record.floor);
    log_start(needs);
    Ok(())
}

/// Notes from where the service reads. Its record goes by sequences, which are the same there.
async fn note_mirror(
    connection: &Connection,
    (entries, entry): (&ServiceEntries, &ServiceEntry),
) -> Result<()> {
    let note = |entry: &mut ServiceEntry| entry.note_mirror(connection.mirror());
    entries.update_from(entry, note).await
}

/// Makes the record of a service that has no consumer, if there is none yet.
async fn begin(
    lease: &Lease,
    consumer: &Consumer<'_>,
    needs: &ServiceNeeds,
    facts: &StreamFacts,
    entry: &ServiceEntry,
    (record, revision): (Option<PositionRecord>, u64),
) -> Result<()> {
    let name = &needs.name;
    let noted = entry.floor().map_or(0, |noted| noted.sequence);
    // An instance may have ended after it made the record and before it changed the entry. Other
    // records are older.
    if entry.target().is_none() && record.is_some_and(|record| record.floor >= noted) {
        return Ok(());
    }
    let reason = StartReason::of(entry, None, needs.start).ok_or_else(|| {
        lost(name, "its position was deleted, and it is not noted how far it was")
    })?;
    let floor = reason.before(consumer, facts).await?;
    reason.announce(name, facts, facts.last_sequence.saturating_sub(floor));
    lease.create(floor, floor, revision).await
}

/// The commands by which a service begins anew in another stream, and forgets the one before.
pub(crate) fn reset_command(service: &str) -> String {
    // A position does not know whether its service remembers.
    let entry = consumer::reset_command(service, false);
    format!(
        "to begin anew in another one, run {entry}, `nats kv del {POSITIONS} {service}` and, if the \
         service remembers, `nats kv rm {}`, and start it again",
        memory_bucket(service)
    )
}

fn log_start(needs: &ServiceNeeds) {
    if let Some(start) = needs.start {
        let name = &needs.name;
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
