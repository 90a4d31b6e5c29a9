//! Moving the position of a service in exclusive delivery, whether an instance is active or not.
//!
//! The record is taken over first, so that nobody works meanwhile: an instance that is active finds itself
//! replaced, and may not act any more once its lease has run out. Then a note says where the service is to
//! go on, and the record is written anew there. Should that end halfway, the instance that takes the record
//! over next does what the note asks for.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Result;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::stream;
use crate::names::POSITIONS;
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::lease::holder_watch::LEASE;
use crate::position::record::{PositionRecord, deleted};
use crate::position::seek::report::SeekReport;
use crate::position::seek::{Moving, finish};

/// How often a record is renewed that is held meanwhile.
const RENEWAL: Duration = Duration::from_secs(1);
/// With what the name begins by which a record is held meanwhile.
const MOVING: &str = "moving-";

/// A record as it was found, or what is wrong with it.
struct FoundRecord {
    record: Result<PositionRecord, String>,
    revision: u64,
}

/// Moves the position of one service in exclusive delivery.
pub(super) struct ExclusiveSeek<'a> {
    pub(super) moving: Moving<'a>,
    pub(super) bucket: Bucket,
    pub(super) entries: ServiceEntries,
}

/// What a move would mean, and up to where everything was done, and some of it.
pub(super) async fn plan(moving: &Moving<'_>) -> Result<(SeekReport, Option<(u64, u64)>)> {
    let bucket = Bucket::existing(moving.connection, POSITIONS).await?;
    let found = look(moving, bucket.as_ref()).await?;
    let done = found.record.as_ref().ok().map(|record| done(record, moving.facts.last_sequence));
    Ok((report(moving, &found), done))
}

impl ExclusiveSeek<'_> {
    pub(super) async fn run(&self) -> Result<SeekReport> {
        let Moving { facts, floor, .. } = &self.moving;
        let (found, mut revision) = self.hold().await?;
        let mut report = report(&self.moving, &found);
        let past = self.moving.past().await?;
        // It was written up to a quarter of a second before, and the stream has grown until nobody was active.
        let last = stream::facts(self.moving.connection).await?.last_sequence;
        let done = found.record.as_ref().ok().map(|record| done(record, last));
        let moved = self.moving.note(&self.entries, (past.as_ref(), done)).await?;
        self.moving.clear(past.as_ref(), &moved, &mut report).await?;
        let record = PositionRecord::at(facts.created.to_string(), *floor)
            .of_memory_epoch(moved.memory_epoch());
        while self.save(&record, revision).await?.is_none() {
            if self.is_made(&moved).await? {
                return Ok(report);
            }
            revision = self.hold().await?.1;
        }
        finish(&self.entries, &moved).await?;
        Ok(report)
    }

    /// Whether an instance that has taken the record over meanwhile has moved it, or it is moved once more.
    async fn is_made(&self, moved: &ServiceEntry) -> Result<bool> {
        let entry = self.entries.load().await?.unwrap_or_default();
        Ok(entry.epoch() != moved.epoch() || entry.target().is_none())
    }

    /// Sees to it that no instance works until the record is written again, and returns it with the revision
    /// to do so.
    async fn hold(&self) -> Result<(FoundRecord, u64)> {
        loop {
            let found = look(&self.moving, Some(&self.bucket)).await?;
            let Ok(record) = &found.record else {
                if self.moving.seek.forgets {
                    // Nobody takes it over, and whoever was active gives up meanwhile.
                    sleep(LEASE).await;
                }
                let revision = found.revision;
                return Ok((found, revision));
            };
            let instance = format!("{MOVING}{:08x}", fastrand::u32(..));
            let held = PositionRecord { instance, ..record.clone() };
            let since = Instant::now();
            let mut saved = self.save(&held, found.revision).await?;
            // The one that was active may act until its lease has run out.
            while let Some(revision) = saved
                && record.holder().is_some()
                && since.elapsed() < LEASE
            {
                sleep(RENEWAL).await;
                saved = self.save(&held, revision).await?;
            }
            if let Some(revision) = saved {
                return Ok((found, revision));
            }
        }
    }

    async fn save(&self, record: &PositionRecord, revision: u64) -> Result<Option<u64>> {
        self.bucket.save(self.moving.service, record.to_json().into(), revision).await
    }
}

/// What the move means, from where the service was.
fn report(moving: &Moving<'_>, found: &FoundRecord) -> SeekReport {
    let instance = found.record.as_ref().ok().and_then(PositionRecord::holder);
    let replaced = instance.filter(|id| !id.starts_with(MOVING)).map(str::to_owned);
    SeekReport { replaced, ..moving.report(&found.record) }
}

/// Up to where everything was done, and some of it, in a stream that ends with `last`.
fn done(record: &PositionRecord, last: u64) -> (u64, u64) {
    (record.done().floor(), record.begun.min(last))
}

async fn look(moving: &Moving<'_>, bucket: Option<&Bucket>) -> Result<FoundRecord> {
    let Moving { service, facts, entry, .. } = moving;
    let (json, revision) = match bucket {
        Some(bucket) => bucket.load(service).await?,
        None => (None, 0),
    };
    let is_exclusive = entry.as_ref().is_some_and(ServiceEntry::is_exclusive);
    let record = match json {
        Some(json) => {
            PositionRecord::refuse_newer(service, &json)?;
            PositionRecord::of_stream(&json, facts.created)
        }
        None if revision == 0 && !is_exclusive => Err("it had none".to_owned()),
        None => Err(deleted()),
    };
    Ok(FoundRecord { record, revision })
}
