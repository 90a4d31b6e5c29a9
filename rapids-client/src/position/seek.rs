//! Moving the position of a service, and making it forget what it has seen.
//!
//! The two ways of delivery are left to [`ExclusiveSeek`] and [`SharedSeek`].

mod exclusive;
mod planned;
mod report;
mod shared;

use jiff::Timestamp;

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::ensure::info_of;
use crate::jetstream::stream;
use crate::jetstream::stream::StreamFacts;
use crate::names::{POSITIONS, STREAM, memory_bucket};
use crate::position::consumer::Consumer;
use crate::position::entries::ServiceEntries;
use crate::position::entry::{Epochs, ServiceEntry};
use crate::position::forget::Past;
use crate::position::lease::open_bucket;
use crate::position::record::PositionRecord;
use crate::position::seek::exclusive::ExclusiveSeek;
use crate::position::seek::planned::Planned;
pub use crate::position::seek::report::SeekReport;
use crate::position::seek::report::not_moved;
use crate::position::seek::shared::SharedSeek;
use crate::position::status;
use crate::start::Start;
use crate::{Error, Result, names};

/// How a position is moved, by [`Rapids::move_position`](crate::Rapids::move_position). Without more,
/// nothing else is touched.
///
/// ```no_run
/// # async fn example(rapids: rapids_client::Rapids) -> rapids_client::Result<()> {
/// use rapids_client::{Seek, Start};
///
/// // What it remembers is made anew from the whole past.
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
    forgets: bool,
    publishes: bool,
    planned: Option<Planned>,
}

impl Seek {
    /// Moves the position, and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also forgets what the service remembers, for good: its memories, and its notes about packets
    /// that it has not finished. Instances may run meanwhile: what one that does not know of it yet
    /// still writes counts for nothing.
    ///
    /// Packets up to the position that was held are then read **quietly**: reactions run and move
    /// memories, but what they return is not published, `once` reactions do not run, and nobody is
    /// told of packets that are given up. So a memory is rebuilt without last year's mails being sent
    /// again. Behind a packet that was still in hand, what the stream does not hold yet is published.
    pub fn forget(self) -> Self {
        Self { forgets: true, ..self }
    }

    /// Has a service that [forgets](Self::forget) act on the past as if it had never seen it: what
    /// reactions return is published, and `once` reactions run again. What is published about the same
    /// packets within the stream's duplicate window, ten minutes by default, is still stored once only.
    pub fn publish(self) -> Self {
        Self { publishes: true, ..self }
    }

    /// Moves it only if it stands where a [plan](crate::Rapids::plan_move) has found it, or further:
    /// with [`moves`](SeekReport::moves) and [`before`](SeekReport::before) of that plan. Otherwise somebody
    /// was quicker, and it is [not moved](crate::Error::NotMoved).
    pub fn planned(self, moves: u64, before: Option<u64>) -> Self {
        Self { planned: Some(Planned { moves, before }), ..self }
    }
}

/// A service whose position is moved.
struct Moving<'a> {
    connection: &'a Connection,
    service: &'a str,
    facts: StreamFacts,
    /// Everything up to here is to count as done.
    floor: u64,
    seek: Seek,
    /// What is noted of it.
    entry: Option<ServiceEntry>,
    /// Whether its position is that of shared delivery.
    is_shared: bool,
}

impl Moving<'_> {
    /// The consumer of a service in shared delivery.
    fn consumer(&self) -> Consumer<'_> {
        Consumer::noted(self.connection, self.service, self.entry.as_ref())
    }

    /// What the move means, from where the service was, if that is known.
    fn report(&self, before: &Result<PositionRecord, String>) -> SeekReport {
        let moves = self.entry.as_ref().map_or(0, ServiceEntry::epoch);
        let report = SeekReport::of(self.service, before, self.floor, &self.facts);
        SeekReport { moves, ..report }
    }

    /// What the move would mean now. Nothing is touched.
    async fn plan(&self) -> Result<SeekReport> {
        let (mut report, done) = match self.is_shared {
            true => shared::plan(self).await?,
            false => exclusive::plan(self).await?,
        };
        let past = self.past().await?;
        let mut entry = self.entry.clone().unwrap_or_default();
        self.change(&mut entry, (past.as_ref(), done));
        self.count_quiet(&entry, &mut report);
        report.forgotten = past.as_ref().map(Past::memories);
        Ok(report)
    }

    /// Opens what the service is to forget, if it is to.
    async fn past(&self) -> Result<Option<Past>> {
        match self.seek.forgets {
            true => Past::open(self.connection, self.service).await.map(Some),
            false => Ok(None),
        }
    }

    /// Notes in the entry, before anything else is touched, where the service is to go on, and what it is to
    /// forget. Whoever takes up the position then does what this program does not get to. `done` says up to
    /// where everything was done, and some of it; without it, that is as far as it was noted.
    async fn note(
        &self,
        entries: &ServiceEntries,
        (past, done): (Option<&Past>, Option<(u64, u64)>),
    ) -> Result<ServiceEntry> {
        if let Some(past) = past
            && self.seek.publishes
        {
            past.clear_once().await?;
        }
        let note = |entry: &mut ServiceEntry| {
            if let Some(planned) = self.seek.planned {
                planned.check_moves(self.service, entry.epoch())?;
            }
            self.change(entry, (past, done));
            Ok(())
        };
        entries.try_update(note).await
    }

    /// Changes the entry as [`note`](Self::note) does.
    fn change(&self, entry: &mut ServiceEntry, (past, done): (Option<&Past>, Option<(u64, u64)>)) {
        let noted = entry.floor().filter(|_| entry.other_stream(self.facts.created).is_none());
        let is_same = entry.other_stream(self.facts.created).is_none() && !entry.is_new();
        // Where the position is gone, any packet behind the noted floor may have been done.
        let noted = is_same.then(|| {
            let floor = noted.map_or(0, |noted| noted.sequence);
            (floor, self.facts.last_sequence.max(floor))
        });
        entry.set_stream(self.facts.created, !self.is_shared);
        entry.move_to(self.floor + 1, Timestamp::now());
        let Some(past) = past else { return };
        entry.note_memory(past.memory_created());
        if self.seek.publishes {
            entry.remember_and_publish_anew();
        } else {
            entry.remember_anew(done.or(noted).unwrap_or_default());
        }
    }

    /// Adds to the report how much is read quietly, as the entry says.
    fn count_quiet(&self, entry: &ServiceEntry, report: &mut SeekReport) {
        let Epochs { quiet_until, doubtful_until, .. } = entry.epochs();
        report.count_quiet(quiet_until.max(doubtful_until), &self.facts);
    }

    /// Clears what is forgotten, which counts for nothing by now, and adds that to the report.
    async fn clear(
        &self,
        past: Option<&Past>,
        entry: &ServiceEntry,
        report: &mut SeekReport,
    ) -> Result<()> {
        self.count_quiet(entry, report);
        if let Some(past) = past {
            report.forgotten = Some(past.clear().await?);
        }
        Ok(())
    }
}

/// Notes that the position is where it was to be moved.
async fn finish(entries: &ServiceEntries, moved: &ServiceEntry) -> Result<()> {
    let (epoch, memory_epoch) = (moved.epoch(), moved.memory_epoch());
    entries.update(|entry| entry.position_made(epoch, memory_epoch)).await.map(drop)
}

pub(crate) async fn move_position(
    connection: &Connection,
    service: &str,
    to: Start,
    seek: Seek,
) -> Result<Option<SeekReport>> {
    let Some(moving) = find(connection, service, to, seek).await? else {
        return Ok(None);
    };
    if let Some(planned) = seek.planned {
        planned.check(&Box::pin(moving.plan()).await?)?;
    }
    let entries = Box::pin(ServiceEntries::open(connection, service)).await?;
    if moving.is_shared {
        let shared = SharedSeek { moving, entries };
        return Box::pin(shared.run()).await.map(Some);
    }
    let bucket = open_bucket(connection).await?;
    let exclusive = ExclusiveSeek { moving, bucket, entries };
    Box::pin(exclusive.run()).await.map(Some)
}

/// What a move would mean, without making it.
pub(crate) async fn plan(
    connection: &Connection,
    service: &str,
    to: Start,
    seek: Seek,
) -> Result<Option<SeekReport>> {
    match find(connection, service, to, seek).await? {
        Some(moving) => Box::pin(moving.plan()).await.map(Some),
        None => Ok(None),
    }
}

/// The service, and that it can be moved there; `None` if it is not known.
async fn find<'a>(
    connection: &'a Connection,
    service: &'a str,
    to: Start,
    seek: Seek,
) -> Result<Option<Moving<'a>>> {
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
    let consumer = Consumer::noted(connection, service, entry.as_ref());
    let has_consumer = !is_exclusive && consumer.info().await?.is_some();
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
    Ok(Some(Moving { connection, service, facts, floor, seek, entry, is_shared }))
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
