//! Moving the position of a service, and making it forget what it has seen.
//!
//! The way of shared delivery is left to [`moving_shared`](crate::position::seek_shared).

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::sleep;

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::ensure::info_of;
use crate::jetstream::revision_watch::RevisionWatch;
use crate::jetstream::stream;
use crate::jetstream::stream::StreamFacts;
use crate::names::{POSITIONS, STREAM, memory_bucket};
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::forget::{forget, memory_created};
use crate::position::lease::{LEASE, open_bucket};
use crate::position::record::{PositionRecord, deleted};
use crate::position::seek_report::Moved;
use crate::position::seek_shared::SharedMove;
use crate::position::status;
use crate::start::Start;
use crate::{Error, Result, names};

/// How often it is looked whether the active instance has written its record.
const LOOK: Duration = Duration::from_millis(250);
/// How often a record is renewed that is held meanwhile.
const RENEWAL: Duration = Duration::from_secs(1);

/// How a position is moved, by [`Rapids::move_position`](crate::Rapids::move_position). Without
/// more: in exclusive delivery only while no instance of the service is active, and nothing else is
/// touched.
///
/// ```no_run
/// # async fn example(rapids: rapids_client::Rapids) -> rapids_client::Result<()> {
/// use rapids_client::{Moving, Start};
///
/// // The whole past once more, as if the service had never seen it.
/// let moved = rapids.move_position("payment", Start::Beginning, Moving::new().forget()).await?;
/// if let Some(moved) = moved {
///     println!("{} packets are read again", moved.again);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "nothing is moved before `Rapids::move_position`"]
pub struct Moving {
    is_forced: bool,
    forgets: bool,
}

impl Moving {
    /// Only while no instance is active.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also while an instance is active in exclusive delivery. It finds itself replaced when it writes its position the
    /// next time, and begins nothing more. Once its lease has run out, after three seconds, it or
    /// one that stands by goes on from the new position.
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
    how: Moving,
) -> Result<Option<Moved>> {
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
    if !how.forgets
        && let Some(other) = entry.as_ref().and_then(|it| it.other_than(facts.created))
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
    if is_shared {
        let forgets = how.forgets;
        let shared = SharedMove { connection, service, entry, facts, floor, forgets };
        return Box::pin(shared.run()).await.map(Some);
    }
    let bucket = open_bucket(connection).await?;
    let entries = Box::pin(ServiceEntries::open(connection, service)).await?;
    let mover = Mover { connection, service, bucket, entries, facts, floor, how };
    let moved = loop {
        if let Some(moved) = Box::pin(mover.attempt(is_exclusive)).await? {
            break moved;
        }
    };
    Ok(Some(moved))
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

pub(crate) fn not_moved(service: &str, reason: &str) -> Error {
    Error::NotMoved { service: service.to_owned(), reason: reason.to_owned() }
}

/// A record as it was found, or what is wrong with it.
struct Found {
    record: Result<PositionRecord, String>,
    revision: u64,
}

impl Found {
    /// The instance that may be active.
    fn holder(&self) -> Option<&str> {
        let record = self.record.as_ref().ok()?;
        Some(record.instance.as_str()).filter(|instance| !instance.is_empty())
    }
}

/// One position on its way.
struct Mover<'a> {
    connection: &'a Connection,
    service: &'a str,
    bucket: Bucket,
    entries: ServiceEntries,
    facts: StreamFacts,
    /// Everything up to here is to count as done.
    floor: u64,
    how: Moving,
}

impl Mover<'_> {
    /// Moves it; `None` if the record was written by another meanwhile.
    async fn attempt(&self, is_exclusive: bool) -> Result<Option<Moved>> {
        let mut found = self.at_rest().await?;
        if found.revision == 0 && !is_exclusive {
            found.record = Err("it had none".to_owned());
        }
        let mut moved = Moved::of(self.service, &found.record, self.floor, &self.facts);
        moved.replaced = found.holder().filter(|_| self.how.is_forced).map(str::to_owned);
        let Some(revision) = self.hold(&found).await? else {
            return Ok(None);
        };
        if self.how.forgets {
            match forget(self.connection, self.service).await {
                Ok(memories) => moved.forgotten = Some(memories),
                Err(error) => {
                    self.give_back(&found, revision).await;
                    return Err(error);
                }
            }
        }
        // First, so that whoever takes the position up knows its epoch. One in which nothing was
        // moved does no harm.
        let memory = memory_created(self.connection, self.service).await?;
        let begin = |entry: &mut ServiceEntry| {
            entry.stands_in(self.facts.created, true);
            entry.begin_epoch(self.floor, Timestamp::now());
            if self.how.forgets {
                entry.note_memory(memory);
            }
        };
        self.entries.update(begin).await?;
        let record = PositionRecord::at(self.facts.created.to_string(), self.floor);
        let saved = self.save(&record, revision).await?;
        Ok(saved.map(|_| moved))
    }

    /// The record, once no instance is active; at once if that does not matter.
    async fn at_rest(&self) -> Result<Found> {
        let found = self.look().await?;
        if found.holder().is_none() || self.how.is_forced {
            return Ok(found);
        }
        let mut stillness = RevisionWatch::new(LOOK * 2);
        while stillness.look(found.revision, Instant::now()) < LEASE {
            sleep(LOOK).await;
            let now = self.look().await?;
            if now.holder().is_none() {
                return Ok(now);
            }
            if now.revision != found.revision {
                let reason = "an instance of it is active; stop all of them first, or move it by \
                              force";
                return Err(not_moved(self.service, reason));
            }
        }
        Ok(found)
    }

    async fn look(&self) -> Result<Found> {
        let (json, revision) = self.bucket.load(self.service).await?;
        if let Some(json) = &json {
            PositionRecord::refuse_newer(self.service, json)?;
        }
        let record = match json {
            Some(json) => PositionRecord::of_stream(&json, self.facts.created),
            None => Err(deleted()),
        };
        Ok(Found { record, revision })
    }

    /// Sees to it that no instance works until the record is written again, where that matters, and
    /// returns the revision to do so; `None` if another wrote it meanwhile.
    async fn hold(&self, found: &Found) -> Result<Option<u64>> {
        let may_be_active = found.holder().is_some() && self.how.is_forced;
        if !may_be_active && !self.how.forgets {
            return Ok(Some(found.revision));
        }
        let Ok(record) = &found.record else {
            // Nobody takes it over, and whoever was active gives up meanwhile.
            sleep(LEASE).await;
            return Ok(Some(found.revision));
        };
        let instance = format!("moving-{:08x}", fastrand::u32(..));
        let record = PositionRecord { instance, ..record.clone() };
        let mut saved = self.save(&record, found.revision).await?;
        if !may_be_active {
            return Ok(saved);
        }
        // The one that was active may act until its lease has run out.
        let since = Instant::now();
        while let Some(revision) = saved
            && since.elapsed() < LEASE
        {
            sleep(RENEWAL).await;
            saved = self.save(&record, revision).await?;
        }
        Ok(saved)
    }

    /// Lets the service go on from where it was.
    async fn give_back(&self, found: &Found, revision: u64) {
        if let Ok(record) = &found.record {
            let record = PositionRecord { instance: String::new(), ..record.clone() };
            // If this fails too, others take over once the lease has run out.
            let _ = self.save(&record, revision).await;
        }
    }

    async fn save(&self, record: &PositionRecord, revision: u64) -> Result<Option<u64>> {
        self.bucket.save(self.service, record.written().into(), revision).await
    }
}
