//! Ends what a service remembers of a key, by command, and tells why and when something has ended.

use jiff::Timestamp;

use super::source::Source;
use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::end_ages::EndAges;
use crate::jetstream::stream;
use crate::jetstream::timestamp;
use crate::memory::{EntryKey, Floors, Reason, Record};
use crate::position::{replay_consumer, status};
use crate::{Error, Result};

/// That what a service remembered of a key has ended; see [`MemoryView::end`](crate::MemoryView::end).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryEnd {
    /// Why: by its reaction, because it expired, or the reason that was given to
    /// [`Rapids::forget_memory`](crate::Rapids::forget_memory).
    pub reason: String,
    /// When that was written last, by the server's clock.
    pub written: Timestamp,
}

/// Ends what is remembered of a key, for this reason; `false` if nothing is.
pub(super) async fn forget(source: &Source, key: &EntryKey, reason: &str) -> Result<bool> {
    source.check().await?;
    let connection = source.connection();
    let Some(bucket) = Bucket::existing(connection, source.bucket()).await? else {
        return Ok(false);
    };
    let packets =
        stream::info(connection).await?.map_or_else(Default::default, |it| it.config.max_age);
    let ages = EndAges::of(connection, source.service(), packets).await?;
    let floors = floors(connection, source.service()).await?;
    let key = source.stored(key);
    loop {
        let (found, revision) = bucket.read::<Record>(key.as_ref()).await?;
        let found = found.filter(|record| record.epoch() >= source.epoch());
        let Some(record) = found.filter(|record| record.current().is_some()) else {
            return Ok(false);
        };
        let epoch = record.epoch();
        let mut record = record.of_key(&key, epoch);
        record.end(Reason::from(reason));
        record.forget_below(floors);
        let mut record = record.marker().unwrap_or(record);
        let keep = ages.keep(record.kept_as());
        let json = record.json().into();
        if bucket.save_kept(key.as_ref(), json, (revision, keep)).await?.is_some() {
            return Ok(true);
        }
    }
}

/// Up to where the service is done; zero where that is not known.
async fn floors(connection: &Connection, service: &str) -> Result<Floors> {
    let rapids = match Box::pin(status::one(connection, service)).await {
        Ok(position) => position.map_or(0, |position| position.acknowledged),
        Err(Error::Position { .. }) => 0,
        Err(error) => return Err(error),
    };
    Ok(Floors { rapids, replays: replay_consumer::floor(connection, service).await? })
}

/// How what was remembered of a key has ended; `None` if it has not, or that is not known any more.
pub(super) async fn of(source: &Source, key: &EntryKey) -> Result<Option<MemoryEnd>> {
    source.check().await?;
    let Some(message) = source.message(key, false).await? else { return Ok(None) };
    let key = source.stored(key);
    // A key that was purged by others has no record.
    if message.payload.is_empty() {
        return Ok(None);
    }
    let record: Record = crate::stored::read(source.bucket(), key.as_ref(), &message.payload)?;
    let end = |reason: &Reason| MemoryEnd {
        reason: reason.to_string(),
        written: timestamp(message.time),
    };
    Ok(record.ended().filter(|_| record.epoch() >= source.epoch()).map(end))
}
