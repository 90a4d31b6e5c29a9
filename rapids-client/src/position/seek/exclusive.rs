//! Moving the position of a service in exclusive delivery: writing its record anew while no instance
//! is active, or by force.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::sleep;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::stream::StreamFacts;
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::forget::{forget, memory_created};
use crate::position::lease::holder_watch::{HolderState, HolderWatch, LEASE};
use crate::position::record::{PositionRecord, deleted};
use crate::position::seek::report::{SeekReport, not_moved};

/// How often a record is renewed that is held meanwhile.
const RENEWAL: Duration = Duration::from_secs(1);

/// A record as it was found, or what is wrong with it.
struct FoundRecord {
    record: Result<PositionRecord, String>,
    revision: u64,
}

impl FoundRecord {
    /// The instance that may be active.
    fn holder(&self) -> Option<&str> {
        self.record.as_ref().ok()?.holder()
    }
}

/// Moves the position of one service in exclusive delivery.
pub(super) struct ExclusiveSeek<'a> {
    pub(super) connection: &'a Connection,
    pub(super) service: &'a str,
    pub(super) bucket: Bucket,
    pub(super) entries: ServiceEntries,
    pub(super) facts: StreamFacts,
    /// Everything up to here is to count as done.
    pub(super) floor: u64,
    pub(super) is_forced: bool,
    pub(super) forgets: bool,
}

impl ExclusiveSeek<'_> {
    pub(super) async fn run(&self, is_exclusive: bool) -> Result<SeekReport> {
        loop {
            if let Some(report) = self.attempt(is_exclusive).await? {
                return Ok(report);
            }
        }
    }

    /// Moves it; `None` if another has written the record meanwhile.
    async fn attempt(&self, is_exclusive: bool) -> Result<Option<SeekReport>> {
        let mut found = self.at_rest().await?;
        if found.revision == 0 && !is_exclusive {
            found.record = Err("it had none".to_owned());
        }
        let mut report = SeekReport::of(self.service, &found.record, self.floor, &self.facts);
        report.replaced = found.holder().filter(|_| self.is_forced).map(str::to_owned);
        let Some(revision) = self.hold(&found).await? else {
            return Ok(None);
        };
        if self.forgets {
            match forget(self.connection, self.service).await {
                Ok(memories) => report.forgotten = Some(memories),
                Err(error) => {
                    self.give_back(&found, revision).await;
                    return Err(error);
                }
            }
        }
        // The epoch first, so that whoever takes up the position knows it. An epoch in which nothing
        // was moved does no harm.
        let memory = memory_created(self.connection, self.service).await?;
        let begin = |entry: &mut ServiceEntry| {
            entry.set_stream(self.facts.created, true);
            entry.begin_epoch(self.floor, Timestamp::now());
            if self.forgets {
                entry.note_memory(memory);
            }
        };
        self.entries.update(begin).await?;
        let record = PositionRecord::at(self.facts.created.to_string(), self.floor);
        let saved = self.save(&record, revision).await?;
        Ok(saved.map(|_| report))
    }

    /// The record, once no instance is active; at once if that does not matter.
    async fn at_rest(&self) -> Result<FoundRecord> {
        let mut watch = HolderWatch::new(Duration::ZERO);
        loop {
            let found = self.look().await?;
            if self.is_forced {
                return Ok(found);
            }
            match watch.look(found.holder(), found.revision) {
                HolderState::Absent => return Ok(found),
                HolderState::Active => {
                    let reason = "an instance of it is active; stop all of them first, or move it by \
                                  force";
                    return Err(not_moved(self.service, reason));
                }
                HolderState::Unknown => sleep(HolderWatch::LOOK).await,
            }
        }
    }

    async fn look(&self) -> Result<FoundRecord> {
        let (json, revision) = self.bucket.load(self.service).await?;
        if let Some(json) = &json {
            PositionRecord::refuse_newer(self.service, json)?;
        }
        let record = match json {
            Some(json) => PositionRecord::of_stream(&json, self.facts.created),
            None => Err(deleted()),
        };
        Ok(FoundRecord { record, revision })
    }

    /// Sees to it that no instance works until the record is written again, where that matters, and
    /// returns the revision to do so; `None` if another wrote it meanwhile.
    async fn hold(&self, found: &FoundRecord) -> Result<Option<u64>> {
        let may_be_active = found.holder().is_some() && self.is_forced;
        if !may_be_active && !self.forgets {
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
    async fn give_back(&self, found: &FoundRecord, revision: u64) {
        if let Ok(record) = &found.record {
            let record = PositionRecord { instance: String::new(), ..record.clone() };
            // If this fails too, others take over once the lease has run out.
            let _ = self.save(&record, revision).await;
        }
    }

    async fn save(&self, record: &PositionRecord, revision: u64) -> Result<Option<u64>> {
        self.bucket.save(self.service, record.to_json().into(), revision).await
    }
}
