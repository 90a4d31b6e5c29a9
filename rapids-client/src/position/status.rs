//! How far each service is: the durable consumers of the stream, and the records of services in
//! exclusive delivery.

use async_nats::jetstream::consumer::Info;
use jiff::Timestamp;
use serde_json::Map;
use tracing::warn;

use crate::connection::Connection;
use crate::error::with_causes;
use crate::jetstream::api::{ask, consumers, is_absent};
use crate::jetstream::bucket::Bucket;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::stored_message::first_since;
use crate::jetstream::stream;
use crate::jetstream::stream::StreamFacts;
use crate::names::{POSITIONS, STREAM};
use crate::position::entries::ServiceEntries;
use crate::position::lease::holder_watch::LEASE;
use crate::position::record::{PositionRecord, deleted, lost};
use crate::start::Start;
use crate::{Error, Result, names};

/// How far a service is in the stream, all its instances together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The service's name.
    pub service: String,
    /// The sequence of the last packet that an instance was given; 0 if there was none.
    pub delivered: u64,
    /// The sequence up to which every packet is acknowledged.
    pub acknowledged: u64,
    /// How many packets no instance was given yet: how far the service is behind.
    pub pending: u64,
    /// How many packets were given to an instance and not acknowledged: in hand, or waiting to be
    /// tried again.
    pub unacknowledged: u64,
    /// Of these, how many were delivered more than once.
    pub redelivered: u64,
    /// Whether an instance is there for certain, though it may not answer: one waits for packets or,
    /// in exclusive delivery, wrote the position down within the last three seconds. One that has its
    /// hands full does not wait.
    pub is_read: bool,
    /// Who reads, in exclusive delivery; then the numbers are those that were written down last, at
    /// most a second ago while an instance is active. `None` in shared delivery.
    pub exclusive: Option<Holder>,
}

/// The active instance of a service in exclusive delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its id; `None` if no instance is active, because the last one ended by itself. The id of one
    /// that ended otherwise stays until another takes over.
    pub instance: Option<String>,
    /// Whether it is behind the live feed, and reads from the stream.
    pub is_catching_up: bool,
    /// When it wrote its position down last.
    pub written: Timestamp,
}

impl Position {
    /// The position that a consumer is; `None` if it is no service's.
    fn read(info: &Info) -> Option<Self> {
        let service = info.config.durable_name.as_deref()?;
        // Other programs may have durable consumers on the stream.
        let is_position = info.config.description == Some(description(service));
        (names::is_name(service) && is_position).then(|| Self {
            service: service.to_owned(),
            delivered: info.delivered.stream_sequence,
            acknowledged: info.ack_floor.stream_sequence,
            pending: info.num_pending,
            unacknowledged: u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX),
            redelivered: u64::try_from(info.num_redelivered).unwrap_or(u64::MAX),
            is_read: info.num_waiting > 0,
            exclusive: None,
        })
    }

    /// With how far the service is behind the rapids, where its consumer is that of a mirror, which is behind them too.
    fn in_rapids(self, rapids: &StreamFacts) -> Self {
        Self { pending: rapids.last_sequence.saturating_sub(self.delivered), ..self }
    }

    /// The position that a record is, in a stream that ends with `last`.
    fn of_record(service: &str, record: PositionRecord, written: Timestamp, last: u64) -> Self {
        let done = record.done();
        let delivered = record.given.max(done.floor());
        let is_held = !record.instance.is_empty();
        let age = Timestamp::now().duration_since(written).unsigned_abs();
        let ended: u64 = done.above().map(|(first, last)| last - first + 1).sum();
        Self {
            service: service.to_owned(),
            delivered,
            acknowledged: done.floor(),
            pending: last.saturating_sub(delivered),
            unacknowledged: (delivered - done.floor()).saturating_sub(ended),
            redelivered: 0,
            is_read: is_held && age < LEASE,
            exclusive: Some(Holder {
                is_catching_up: record.is_catching_up,
                instance: Some(record.instance).filter(|instance| !instance.is_empty()),
                written,
            }),
        }
    }
}

/// The description by which the consumer of a service is told from others.
pub(crate) fn description(service: &str) -> String {
    format!("position of the service {service}")
}

/// What the server knows of the consumer of this name; `None` if there is none.
pub(crate) async fn info(read_from: &ReadFrom, service: &str) -> Result<Option<Info>> {
    let elsewhere = read_from.mirror().filter(|mirror| mirror.domain.is_some());
    let remedy = |mirror| {
        format!(
            " in {mirror} (if that is gone for good, start the service once without RAPIDS_READ_FROM)"
        )
    };
    let place = elsewhere.map(remedy).unwrap_or_default();
    let action = format!("read the position of `{service}`{place}");
    let request = format!("CONSUMER.INFO.{}.{service}", read_from.stream());
    match ask(read_from.connection(), &action, &request, &Map::new()).await? {
        Ok(info) => Ok(Some(info)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::Server { action, source: error.into() }),
    }
}

/// Makes sure that a reader can start there.
///
/// # Errors
/// `Position` for a sequence beyond the next one.
pub(crate) async fn check(connection: &Connection, service: &str, start: Start) -> Result<()> {
    let last = stream::info(connection).await?.map_or(0, |info| info.state.last_sequence);
    check_reaches(service, start, last)
}

fn check_reaches(service: &str, start: Start, last: u64) -> Result<()> {
    let Start::Sequence(sequence) = start else {
        return Ok(());
    };
    if sequence.saturating_sub(1) <= last {
        return Ok(());
    }
    let reason = format!("it is to start at sequence {sequence}, but the stream ends at {last}");
    Err(Error::Position { service: service.to_owned(), reason })
}

/// The sequence before the first packet of a reader that starts there.
///
/// # Errors
/// As for [`check`].
pub(crate) async fn before(connection: &Connection, service: &str, start: Start) -> Result<u64> {
    let StreamFacts { first_sequence, last_sequence, .. } = stream::facts(connection).await?;
    check_reaches(service, start, last_sequence)?;
    let first = match start {
        Start::Now => return Ok(last_sequence),
        Start::Beginning => first_sequence,
        Start::Sequence(sequence) => sequence.max(first_sequence),
        Start::Time(time) => {
            let action = format!("find where `{service}` is to start");
            match first_since(connection, &action, STREAM, time).await? {
                Some(first) => first,
                None => return Ok(last_sequence),
            }
        }
    };
    Ok(first.saturating_sub(1))
}

pub(crate) async fn one(connection: &Connection, service: &str) -> Result<Option<Position>> {
    // Other texts may be no subjects.
    if !names::is_name(service) {
        return Ok(None);
    }
    let of_rapids = info(&ReadFrom::rapids(connection), service).await?;
    if let Some(position) = of_rapids.as_ref().and_then(Position::read) {
        return Ok(Some(position));
    }
    let found = match Bucket::existing(connection, POSITIONS).await? {
        Some(bucket) => bucket.written(service).await?,
        None => None,
    };
    let Some((json, written)) = found else {
        return noted_position(connection, service).await;
    };
    let Some(facts) = stream::info(connection).await?.as_ref().map(StreamFacts::from) else {
        return Ok(None);
    };
    PositionRecord::refuse_newer(service, &json)?;
    let record =
        PositionRecord::of_stream(&json, facts.created).map_err(|fault| lost(service, &fault))?;
    Ok(Some(Position::of_record(service, record, written, facts.last_sequence)))
}

/// The position that is noted of a service which has no consumer on the rapids and no record: that in a mirror, or,
/// where the consumer was deleted, how far it was.
async fn noted_position(connection: &Connection, service: &str) -> Result<Option<Position>> {
    let Some(entry) = ServiceEntries::entry(connection, service).await? else {
        return Ok(None);
    };
    if entry.is_exclusive() {
        return Err(lost(service, &deleted()));
    }
    let in_mirror = match entry.mirror() {
        Some(mirror) => info(&ReadFrom::noted(connection, Some(mirror)), service).await?,
        None => None,
    };
    let facts = stream::info(connection).await?.as_ref().map(StreamFacts::from);
    if let Some(position) = in_mirror.as_ref().and_then(Position::read) {
        return Ok(facts.map(|facts| position.in_rapids(&facts)));
    }
    let facts = facts.filter(|facts| entry.other_stream(facts.created).is_none());
    // When it is started again, it goes on there.
    Ok(facts.zip(entry.floor()).map(|(facts, floor)| Position {
        service: service.to_owned(),
        delivered: floor.sequence,
        acknowledged: floor.sequence,
        pending: facts.last_sequence.saturating_sub(floor.sequence),
        unacknowledged: 0,
        redelivered: 0,
        is_read: false,
        exclusive: None,
    }))
}

pub(crate) async fn all(connection: &Connection) -> Result<Vec<Position>> {
    let mut positions = in_stream(&ReadFrom::rapids(connection)).await?;
    let facts = stream::info(connection).await?.as_ref().map(StreamFacts::from);
    if let Some(facts) = facts {
        let mirrors = match ServiceEntries::mirrors(connection).await {
            // A login that was given its rights before there were mirrors.
            Err(Error::NotPermitted { .. }) => Vec::new(),
            mirrors => mirrors?,
        };
        for mirror in mirrors {
            let read_from = ReadFrom::noted(connection, Some(&mirror));
            let in_mirror = match in_stream(&read_from).await {
                // Its site may be cut off, and the others are to be seen all the same.
                Err(error @ Error::Server { .. }) => {
                    warn!("positions in {mirror} are not known: {}", with_causes(&error));
                    continue;
                }
                positions => positions?.into_iter().map(|position| position.in_rapids(&facts)),
            };
            positions.extend(in_mirror);
        }
    }
    if let Some(facts) = facts
        && let Some(bucket) = Bucket::existing(connection, POSITIONS).await?
    {
        for service in bucket.keys().await? {
            // A service with both a consumer and a record is changing its delivery.
            if positions.iter().all(|position| position.service != service)
                && let Some((json, written)) = bucket.written(&service).await?
                && let Ok(record) = PositionRecord::of_stream(&json, facts.created)
            {
                let last = facts.last_sequence;
                positions.push(Position::of_record(&service, record, written, last));
            }
        }
    }
    positions.sort_by(|one, two| one.service.cmp(&two.service));
    Ok(positions)
}

/// The positions that are consumers of a stream.
async fn in_stream(read_from: &ReadFrom) -> Result<Vec<Position>> {
    let (connection, stream) = (read_from.connection(), read_from.stream());
    let found: Vec<Info> = consumers(connection, "list the positions", stream).await?;
    Ok(found.iter().filter_map(Position::read).collect())
}
