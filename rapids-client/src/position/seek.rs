//! Moving the position of a service, and making it forget what it has seen.
//!
//! The two ways of delivery are left to [`ExclusiveSeek`] and [`SharedSeek`].

mod exclusive;
mod report;
mod shared;

use jiff::Timestamp;

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::ensure::info_of;
use crate::jetstream::stream;
use crate::jetstream::stream::StreamFacts;
use crate::names::{POSITIONS, STREAM, memory_bucket};
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::lease::open_bucket;
use crate::position::seek::exclusive::ExclusiveSeek;
pub use crate::position::seek::report::SeekReport;
use crate::position::seek::report::not_moved;
use crate::position::seek::shared::SharedSeek;
use crate::position::status;
use crate::start::Start;
use crate::{Error, Result, names};

/// How a position is moved, by [`Rapids::move_position`](crate::Rapids::move_position). Without
/// more: in exclusive delivery only while no instance of the service is active, and nothing else is
/// touched.
///
/// ```no_run
/// # async fn example(rapids: rapids_client::Rapids) -> rapids_client::Result<()> {
/// use rapids_client::{Seek, Start};
///
/// // The whole past once more, as if the service had never seen it.
/// let moved = rapids.move_position("payment", Start::Beginning, Seek::new().forget()).await?;
/// if let Some(moved) = moved {
///     println!("{} packets are read again", moved.again);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "nothing is moved before `Rapids::move_position`"]
pub struct Seek {
    is_forced: bool,
    forgets: bool,
}

impl Seek {
    /// Only while no instance is active.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also while an instance is active in exclusive delivery. It finds itself replaced when it
    /// writes its position the next time, and begins nothing more. Once its lease has run out, after
    /// three seconds, it or one that stands by goes on from the new position.
    pub fn force(self) -> Self {
        Self { is_forced: true, ..self }
    }

    /// Also clears what would skip packets that the service has seen: its memories, what its
    /// `once` reactions have done, and the notes about packets that it has not finished. It is gone
    /// for good. What is published about the same packets within ten minutes is still stored once
    /// only.
    pub fn forget(self) -> Self {
        Self { forgets: true, ..self }
    }
}

pub(crate) async fn move_position(
    connection: &Connection,
    service: &str,
    to: Start,
    seek: Seek,
) -> Result<Option<SeekReport>> {
    // What can be no name may be no subject either.
    if !names::is_name(service) {
        return Ok(None);
    }
    if let Some(fault) = to.fault(Timestamp::now()) {
        return Err(not_moved(service, &fault));
    }
    let entry = ServiceEntries::entry(connection, service).await?;
    let is_exclusive = entry.as_ref().is_some_and(ServiceEntry::is_exclusive);
    let has_record = has_record(connection, service).await?;
    let has_consumer = !is_exclusive && status::info(connection, service).await?.is_some();
    if entry.is_none() && !has_record && !has_consumer {
        return Ok(None);
    }
    let is_shared = has_consumer || !(is_exclusive || has_record);
    let facts = stream::info(connection).await?.as_ref().map(StreamFacts::from);
    let facts = facts.ok_or_else(|| Error::Stream {
        stream: STREAM.to_owned(),
        differences: vec!["there is none; the first service that starts creates it".to_owned()],
    })?;
    if !seek.forgets
        && let Some(other) = entry.as_ref().and_then(|it| it.other_stream(facts.created))
        && has_memories(connection, service).await?
    {
        let reason = format!(
            "its memories are of a stream created at {other}, and would take no packet of this one \
             before it is as long; let it forget them (`--forget`)"
        );
        return Err(not_moved(service, &reason));
    }
    let floor = match status::before(connection, service, to).await {
        Err(Error::Position { reason, .. }) => return Err(not_moved(service, &reason)),
        floor => floor?,
    };
    let Seek { is_forced, forgets } = seek;
    if is_shared {
        let shared = SharedSeek { connection, service, entry, facts, floor, forgets };
        return Box::pin(shared.run()).await.map(Some);
    }
    let bucket = open_bucket(connection).await?;
    let entries = Box::pin(ServiceEntries::open(connection, service)).await?;
    let exclusive =
        ExclusiveSeek { connection, service, bucket, entries, facts, floor, is_forced, forgets };
    Box::pin(exclusive.run(is_exclusive)).await.map(Some)
}

async fn has_record(connection: &Connection, service: &str) -> Result<bool> {
    Ok(match Bucket::existing(connection, POSITIONS).await? {
        Some(bucket) => bucket.load(service).await?.0.is_some(),
        None => false,
    })
}

async fn has_memories(connection: &Connection, service: &str) -> Result<bool> {
    let stream = format!("KV_{}", memory_bucket(service));
    let info = info_of(connection, &stream).await?;
    Ok(info.is_some_and(|info| info.state.messages > 0))
}
