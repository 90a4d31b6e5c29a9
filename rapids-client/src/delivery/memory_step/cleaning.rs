//! Keeps records small, and rids the bucket of those that have ended.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tracing::{debug, warn};

use super::kept_record::{KeptRecord, Save};
use super::records::{MemoryRecords, NextRecord};
use crate::error::with_causes;
use crate::jetstream::bucket::Written;
use crate::jetstream::ensure::info_of;
use crate::memory::{MemoryKey, Reason, Record};
use crate::names::STREAM;
use crate::service::SharedMemory;
use crate::{Error, Result};

/// How many records are cleaned up at once.
const AT_ONCE: usize = 16;
/// The longest time between two looks for memories that have expired.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// How many times as many records one such look goes through at most, so that other work gets its turn.
const PORTIONS: usize = 500;

/// A memory whose values expire.
pub(super) struct Expiring {
    name: String,
    after: Duration,
    /// Everything that was written before this sequence has been looked at.
    next: Cell<u64>,
    looked: Cell<Option<Instant>>,
    /// Where the rapids ended at a time.
    end_seen: Cell<Option<(u64, Timestamp)>>,
    /// Everything that was stored up to this time is handled.
    done_to: Cell<Option<Timestamp>>,
}

impl Expiring {
    pub(super) fn of(memory: &SharedMemory<'_>) -> Option<Self> {
        Some(Self {
            name: memory.name().to_owned(),
            after: memory.expires?,
            next: Cell::default(),
            looked: Cell::default(),
            end_seen: Cell::default(),
            done_to: Cell::default(),
        })
    }

    /// Whether it is time to look; it counts as looked at from now on.
    fn is_due(&self) -> bool {
        let period = (self.after / 10).min(LONGEST_LOOK);
        let is_due = self.looked.get().is_none_or(|looked| looked.elapsed() >= period);
        if is_due {
            self.looked.set(Some(Instant::now()));
        }
        is_due
    }
}

impl MemoryRecords {
    /// Removes packets that were published this long ago from the records that have not been saved since:
    /// most are saved again soon, with their next step. Of records that have ended, it leaves a marker once
    /// none of their packets can come again.
    pub(crate) async fn clean_up(&self, after: Duration) {
        let mut keys = self.published.older_than(after);
        keys.extend(self.over());
        let cleaning = stream::iter(keys).for_each_concurrent(AT_ONCE, async |key| {
            if let Err(error) = self.tidy(&key, Occasion::CleanUp).await {
                debug!(%error, %key, "the record of a memory is not cleaned up");
            }
        });
        cleaning.await;
    }

    /// Ends what no packet has moved for as long as its memory lives.
    pub(crate) async fn expire(&self) {
        for memory in self.expiring.iter().filter(|memory| memory.is_due()) {
            match self.expire_in(memory).await {
                Err(error @ Error::NotPermitted { .. }) => {
                    self.warn_once(&format!("`{}` does not expire: {error}", memory.name));
                }
                Err(error) => debug!("nothing expires now: {}", with_causes(&error)),
                Ok(()) => {}
            }
        }
    }

    fn warn_once(&self, notice: &str) {
        if self.store.connection().is_news(notice) {
            warn!("{notice}");
        }
    }

    /// Goes through the records in the order in which they were written, up to the first that lives or is in
    /// use.
    async fn expire_in(&self, memory: &Expiring) -> Result<()> {
        let Some(now) = self.done_to(memory).await? else { return Ok(()) };
        for _ in 0..PORTIONS {
            let expired = self.next_expired(memory, now).await?;
            let is_last = expired.len() < AT_ONCE;
            let ending = expired.iter().map(|written| self.expire_record(written));
            for (written, is_past) in expired.iter().zip(join_all(ending).await) {
                if !is_past? {
                    return Ok(());
                }
                memory.next.set(written.revision + 1);
            }
            if is_last {
                return Ok(());
            }
        }
        // The next look goes on here.
        memory.looked.take();
        Ok(())
    }

    /// Up to which time the service has handled everything that was stored: a service that was down, or is
    /// behind, may yet be given a packet that comes in time. `None` if that is not known yet.
    async fn done_to(&self, memory: &Expiring) -> Result<Option<Timestamp>> {
        let floor = self.read_floors().await.rapids;
        if let Some((end, at)) = memory.end_seen.get() {
            if floor < end {
                return Ok(memory.done_to.get());
            }
            memory.done_to.set(Some(at));
        }
        let at = Timestamp::now();
        let info = info_of(self.store.connection(), STREAM).await?;
        let end = info.map_or(0, |info| info.state.last_sequence);
        memory.end_seen.set(Some((end, at)));
        if floor >= end {
            memory.done_to.set(Some(at));
        }
        Ok(memory.done_to.get())
    }

    /// The next records that nobody had written for long enough at this time, as many as are ended at once.
    async fn next_expired(&self, memory: &Expiring, now: Timestamp) -> Result<Vec<Written>> {
        let (mut expired, mut from) = (Vec::new(), memory.next.get());
        while expired.len() < AT_ONCE
            && let Some(written) = self.store.next_written(&memory.name, from).await?
        {
            let age = now.duration_since(written.at);
            if Duration::try_from(age).unwrap_or_default() < memory.after {
                break;
            }
            from = written.revision + 1;
            expired.push(written);
        }
        Ok(expired)
    }

    /// Ends a record that has expired; `false` if it is in use.
    async fn expire_record(&self, written: &Written) -> Result<bool> {
        if written.is_marker {
            return Ok(true);
        }
        let key = MemoryKey::stored(&written.key);
        match self.tidy(&key, Occasion::Expired(written.revision)).await {
            // Others behind it expire all the same.
            Err(error @ Error::Record { .. }) => {
                self.warn_once(&format!("`{key}` does not expire: {error}"));
                Ok(true)
            }
            tidied => tidied,
        }
    }

    /// Saves a record without what is done; of one that has ended, what is left of it. `false` if it is in
    /// use: whoever uses it saves it next.
    async fn tidy(&self, key: &MemoryKey, occasion: Occasion) -> Result<bool> {
        let kept = &self.enter(key);
        let (Ok(_saving), Ok(value)) = (kept.saving.try_lock(), kept.value.try_lock()) else {
            return Ok(false);
        };
        if kept.record.borrow().unwritten().next().is_some() {
            return Ok(false);
        }
        let must_load = occasion != Occasion::CleanUp || kept.record.borrow().record().is_none();
        if must_load {
            self.load(key, kept).await?;
        }
        let is_gone = kept.record.borrow().record().is_none_or(Record::is_empty);
        if is_gone {
            // It was deleted, and the packets with it.
            self.published.remove_all(key);
            self.ended.borrow_mut().remove(key);
            return Ok(true);
        }
        let Some((next, save)) = self.next_tidy(key, &mut kept.record.borrow_mut(), occasion)
        else {
            return Ok(true);
        };
        drop(value);
        let saved = self.save((key, kept), (next.json, &next.settled), &save).await;
        if !matches!(saved, Ok(Some(_))) {
            let _value = kept.value.lock().await;
            kept.record.borrow_mut().outdated();
        }
        saved.map(|_| true)
    }

    /// What of a record is to be saved; `None` if nothing of it is done.
    fn next_tidy(
        &self,
        key: &MemoryKey,
        kept: &mut KeptRecord,
        occasion: Occasion,
    ) -> Option<(NextRecord, Save)> {
        let mut next = self.next_record(key, kept);
        let is_alive = next.record.ended().is_none();
        match occasion {
            Occasion::Expired(revision) if is_alive && kept.revision() == revision => {
                next.record.end(Reason::expired());
            }
            Occasion::Expired(_) => return None,
            Occasion::CleanUp => {}
        }
        match next.record.marker() {
            Some(marker) => next.record = marker,
            None if next.settled.is_empty() && occasion == Occasion::CleanUp => return None,
            None => {}
        }
        next.json = next.record.json();
        let save = kept.begin_save(std::mem::take(&mut next.record));
        Some((next, save))
    }
}

/// Why a record is tidied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    CleanUp,
    /// It was written at this revision, and has expired unless it was written since.
    Expired(u64),
}
