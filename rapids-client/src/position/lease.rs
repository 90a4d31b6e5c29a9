//! The lease of a service in exclusive delivery: its record, which the active instance holds, read and
//! written by compare-and-set.
//!
//! The active instance renews the record ([`LeaseRenewal`](renewal::LeaseRenewal)). One that stands
//! by takes it over when it names nobody, or has stood unchanged for the length of the lease while
//! the server answered. What all leases have in common is in [`jetstream::lease`](crate::jetstream::lease).

pub(crate) mod active;
pub(crate) mod holder_watch;
pub(crate) mod renewal;

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use futures::StreamExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::resource::Resource;
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::validity::LeaseValidity;
use crate::names::POSITIONS;
use crate::notices::Notices;
use crate::position::lease::holder_watch::{HolderState, HolderWatch, LEASE};
use crate::position::record::{PositionRecord, deleted, lost};
use crate::{Error, Result};

/// So much before the lease runs out, its holder stops by itself.
const MARGIN: Duration = Duration::from_millis(200);
/// How often one that stands by looks at the record.
const LOOK: Duration = Duration::from_millis(500);

/// The record of one service, as one of its instances sees it.
pub(crate) struct Lease {
    bucket: Bucket,
    connection: Connection,
    service: String,
    instance: String,
    stream_created: Timestamp,
    /// The epoch in which the service began to remember.
    memory_epoch: Cell<u64>,
    revision: Cell<u64>,
    /// Up to where everything is done, as it is written down.
    floor: Cell<u64>,
    validity: LeaseValidity,
    /// Says until when this instance may act; gone when it never may again.
    until: RefCell<Option<watch::Sender<Instant>>>,
}

/// A record that can be taken over, as it was seen.
pub(crate) struct FreeRecord {
    record: PositionRecord,
    revision: u64,
}

impl FreeRecord {
    /// Up to where packets were given, as the record has it.
    pub(crate) fn reached(&self) -> u64 {
        self.record.reached()
    }

    /// What is wrong with the record in a stream that stands so, if that is the one that it is of.
    pub(crate) fn fault(&self, facts: Option<&StreamFacts>) -> Option<String> {
        let facts =
            facts.filter(|facts| facts.created.to_string() == self.record.stream_created)?;
        self.record.fault(facts.last_sequence)
    }
}

/// What came of writing the record.
#[derive(Debug)]
pub(crate) enum Written {
    Renewed,
    /// Another instance holds it, or it was taken away from this one.
    Replaced,
}

impl Lease {
    pub(crate) async fn open(
        connection: &Connection,
        (service, instance): (&str, &str),
        stream_created: Timestamp,
    ) -> Result<Self> {
        let (until, validity) = LeaseValidity::until(Instant::now());
        Ok(Self {
            bucket: open_bucket(connection).await?,
            connection: connection.clone(),
            service: service.to_owned(),
            instance: instance.to_owned(),
            stream_created,
            memory_epoch: Cell::default(),
            revision: Cell::new(0),
            floor: Cell::new(0),
            validity,
            until: RefCell::new(Some(until)),
        })
    }

    /// The record of this instance as the active one, at this position.
    pub(crate) fn record_at(&self, floor: u64) -> PositionRecord {
        let record = self.record_behind(floor);
        PositionRecord { instance: self.instance.clone(), ..record }
    }

    fn record_behind(&self, floor: u64) -> PositionRecord {
        let record = PositionRecord::at(self.stream_created.to_string(), floor);
        record.of_memory_epoch(self.memory_epoch.get())
    }

    /// Learns the epoch in which the service began to remember.
    pub(crate) fn set_memory_epoch(&self, epoch: u64) {
        self.memory_epoch.set(epoch);
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn validity(&self) -> LeaseValidity {
        self.validity.clone()
    }

    /// Up to where everything is done, as it is written down.
    pub(crate) fn floor(&self) -> u64 {
        self.floor.get()
    }

    /// The record with its revision; none if there is none, and then the revision to make one.
    ///
    /// # Errors
    /// `Position` for one that is not of this stream, or is none; `Record` for a newer one.
    pub(crate) async fn load(&self) -> Result<(Option<PositionRecord>, u64)> {
        let (found, revision) = self.bucket.load(&self.service).await?;
        let Some(json) = found else {
            return Ok((None, revision));
        };
        PositionRecord::refuse_newer(&self.service, &json)?;
        match PositionRecord::of_stream(&json, self.stream_created) {
            Ok(record) => Ok((Some(record), revision)),
            Err(fault) => Err(lost(&self.service, &fault)),
        }
    }

    /// Makes the record where there is none; another instance may be faster.
    pub(crate) async fn create(&self, floor: u64, begun: u64, revision: u64) -> Result<()> {
        let mut record = self.record_behind(floor);
        record.begun = begun.max(floor);
        self.bucket.save(&self.service, record.to_json().into(), revision).await?;
        Ok(())
    }

    /// The record, once no instance is active.
    ///
    /// # Errors
    /// `Position` while one is.
    pub(crate) async fn abandoned(&self) -> Result<PositionRecord> {
        let mut watch = HolderWatch::new(LEASE);
        loop {
            let (Some(record), revision) = self.load().await? else {
                return Err(self.deleted());
            };
            match watch.look(record.holder(), revision) {
                HolderState::Absent => return Ok(record),
                HolderState::Active => {
                    let reason = "an instance of it is active in exclusive delivery; stop it first, \
                                  and it goes on where that was";
                    let (service, reason) = (self.service.clone(), reason.to_owned());
                    return Err(Error::Position { service, reason });
                }
                HolderState::Unknown => sleep(HolderWatch::LOOK).await,
            }
        }
    }

    /// Waits until the record can be taken over, and returns it as it was left. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// `Position` if there is no record any more, or none that can be used; `NotPermitted`.
    pub(crate) async fn free(&self) -> Result<FreeRecord> {
        let mut writes = self.writes().await;
        let (mut watch, mut is_told) = (HolderWatch::new(LEASE), false);
        let notices = Notices::default();
        loop {
            match self.load().await {
                Ok((Some(record), revision)) => {
                    let is_free = watch.look(record.holder(), revision) == HolderState::Absent;
                    // Its own name is there where it took the record and the answer was lost.
                    if is_free || record.instance == self.instance {
                        return Ok(FreeRecord { record, revision });
                    }
                    if !is_told {
                        is_told = true;
                        let (service, holder) = (&self.service, &record.instance);
                        info!(holder, "{service} stands by: another instance is active");
                    }
                }
                Ok((None, _)) => return Err(self.deleted()),
                Err(error) if error.is_passing() => {
                    self.connection.warn("a standby waits for the server", &error);
                }
                Err(error @ Error::Record { is_newer: true, .. }) => {
                    if notices.is_new("newer") {
                        warn!("{} stands by: {error}", self.service);
                    }
                }
                Err(error) => return Err(error),
            }
            // A holder that stops gives the record back, and that is seen at once.
            let _ = timeout(LOOK, given_back(&mut writes)).await;
        }
    }

    /// Takes a record over, and returns it as it was left; `None` if another instance was faster.
    ///
    /// # Errors
    /// `NotPermitted`.
    pub(crate) async fn take(&self, free: FreeRecord) -> Result<Option<PositionRecord>> {
        let begun = Instant::now();
        let FreeRecord { record: found, revision } = free;
        let record = PositionRecord { instance: self.instance.clone(), ..found.clone() };
        let saved = match self.bucket.save(&self.service, record.to_json().into(), revision).await {
            // It may be written: the next look tells.
            Err(error) if error.is_passing() => None,
            saved => saved?,
        };
        Ok(saved.map(|revision| {
            self.holds(revision, found.floor, begun);
            found
        }))
    }

    /// Writes the record over the one that this instance wrote last, also where that was not
    /// answered.
    ///
    /// # Errors
    /// `Position` if it was deleted or written by others; `Server`.
    pub(crate) async fn write(&self, record: &PositionRecord) -> Result<Written> {
        if self.overwrite(record, self.revision.get()).await? {
            return Ok(Written::Renewed);
        }
        let (found, revision) = match self.load().await {
            // Another instance, of a newer version.
            Err(Error::Record { is_newer: true, .. }) => {
                self.replaced();
                return Ok(Written::Replaced);
            }
            loaded => loaded?,
        };
        let Some(found) = found else {
            return Err(self.deleted());
        };
        // Its own name is there where an earlier write was not answered.
        if found.instance == self.instance && self.overwrite(record, revision).await? {
            return Ok(Written::Renewed);
        }
        self.replaced();
        Ok(Written::Replaced)
    }

    /// Writes the record over this revision; `false` if there is another by now.
    async fn overwrite(&self, record: &PositionRecord, revision: u64) -> Result<bool> {
        let begun = Instant::now();
        let saved = self.bucket.save(&self.service, record.to_json().into(), revision).await?;
        if let Some(revision) = saved {
            self.holds(revision, record.floor, begun);
        }
        Ok(saved.is_some())
    }

    /// From now on this instance may not act any more.
    pub(crate) fn replaced(&self) {
        if let Some(until) = self.until.take() {
            until.send_replace(Instant::now());
        }
    }

    fn holds(&self, revision: u64, floor: u64, begun: Instant) {
        self.revision.set(revision);
        self.floor.set(floor);
        if let Some(until) = &*self.until.borrow() {
            until.send_replace(begun + LEASE.saturating_sub(MARGIN));
        }
    }

    /// What is written of the record; `None` where this user may not see it.
    async fn writes(&self) -> Option<Subscriber> {
        let subject = format!("$KV.{POSITIONS}.{}", self.service);
        self.connection.client.subscribe(subject).await.ok()
    }

    fn deleted(&self) -> Error {
        lost(&self.service, &deleted())
    }
}

/// Waits until a record is written that names nobody.
async fn given_back(writes: &mut Option<Subscriber>) {
    if let Some(writes) = writes {
        while let Some(message) = writes.next().await {
            if PositionRecord::read(&message.payload).is_ok_and(|record| record.holder().is_none())
            {
                return;
            }
        }
    }
    std::future::pending().await
}

/// The bucket of all services' records.
pub(crate) async fn open_bucket(connection: &Connection) -> Result<Bucket> {
    Bucket::open(connection, &Resource::positions()).await
}
