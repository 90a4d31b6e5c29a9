//! How an instance acquires the position of its service, in both ways of delivery.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::Result;
use crate::announcement::Announcement;
use crate::connection::{Connection, Retry};
use crate::delivery::packet_source::PacketSource;
use crate::jetstream::pull::Pull;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::sequence::StreamName;
use crate::jetstream::stream;
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::validity::LeaseValidity;
use crate::live::feed::LiveFeed;
use crate::live::shared_feed::FeedSubscriber;
use crate::position::ack_set::AckSet;
use crate::position::consumer::group;
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::entry_updater::EntryUpdater;
use crate::position::expired::PositionState;
use crate::position::floor::Floor;
use crate::position::lease::active::ActiveLease;
use crate::position::lease::{Lease, Written};
use crate::position::record::PositionRecord;
use crate::position::shared::{SharedPosition, ensure_consumer};
use crate::position::{exclusive, record};
use crate::service::ServiceNeeds;

/// How often the server sends a heartbeat while it has no packets.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long the server may take to answer one that took its position over, and is asked to stop.
const STOPPING: Duration = Duration::from_secs(1);

/// A position that exists on the server, for this instance or another one to acquire.
pub(crate) enum Position {
    Shared { at: SharedPosition, pull: Box<Pull> },
    Exclusive { lease: Rc<Lease>, read_from: ReadFrom, source: StreamFacts },
}

/// A position from which this instance reads.
pub(crate) struct Acquired {
    pub(crate) source: PacketSource,
    pub(crate) state: PositionState,
    /// The lease, in exclusive delivery.
    pub(crate) active: Option<ActiveLease>,
    /// The packets that are done, in exclusive delivery.
    pub(crate) done: Rc<RefCell<AckSet>>,
}

impl Position {
    /// Makes sure that it exists.
    ///
    /// # Errors
    /// `Position` if it does not fit the stream, or is gone; `NotPermitted`, `Server`.
    pub(crate) async fn open(
        connection: &Connection,
        needs: &ServiceNeeds,
        instance: &str,
        facts: &StreamFacts,
        entry: (&ServiceEntries, &ServiceEntry),
    ) -> Result<Self> {
        let name = &needs.name;
        let read_from = ReadFrom::stated(connection);
        let source = read_from.ensure(connection, facts).await?;
        let of_source = read_from.connection();
        if !needs.is_exclusive {
            let facts = StreamFacts { first_sequence: source.first_sequence, ..*facts };
            let at = Box::pin(ensure_consumer(connection, needs, &facts, entry)).await?;
            let stream = (StreamName::Rapids, read_from.stream());
            let pull = Pull::open(of_source, stream, name, HEARTBEAT).await?;
            let pull = pull.in_group(group(entry.1.memory_epoch()));
            return Ok(Self::Shared { at, pull: Box::new(pull) });
        }
        let has_live = source.has_live || stream::allow_live(of_source, read_from.stream()).await?;
        let source = StreamFacts { has_live, ..source };
        let lease = Lease::open(connection, (name, instance), facts.created).await?;
        lease.set_memory_epoch(entry.1.memory_epoch());
        exclusive::ensure_record(&lease, connection, needs, facts, entry).await?;
        Ok(Self::Exclusive { lease: Rc::new(lease), read_from, source })
    }

    /// While its instance may run reactions and publish.
    pub(crate) fn validity(&self) -> LeaseValidity {
        match self {
            Self::Shared { .. } => LeaseValidity::endless(),
            Self::Exclusive { lease, .. } => lease.validity(),
        }
    }

    /// How long the server waits for an acknowledgement; `None` in exclusive delivery, without any.
    pub(crate) fn ack_wait(&self) -> Option<Duration> {
        match self {
            Self::Shared { at, .. } => Some(at.ack_wait),
            Self::Exclusive { .. } => None,
        }
    }

    /// Its epoch; `None` in exclusive delivery, where only the entry contains it.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match self {
            Self::Shared { at, .. } => Some(at.epoch),
            Self::Exclusive { .. } => None,
        }
    }

    /// Where its floor is saved.
    pub(crate) fn floor(&self) -> Floor {
        match self {
            Self::Shared { at, .. } => Floor::Consumer(at.created),
            Self::Exclusive { lease, .. } => Floor::Record(lease.clone()),
        }
    }

    /// Acquires it; in exclusive delivery once no other instance is active. Until then it answers the
    /// questions that the announcement gets. `None` if the service is asked to stop before.
    ///
    /// # Errors
    /// `Position` if it is gone; `NotPermitted`.
    pub(crate) async fn acquire(
        self,
        (connection, entry): (&Connection, &EntryUpdater),
        service: &str,
        subscriber: Option<FeedSubscriber>,
        (announcement, stop): (&mut Announcement, &mut watch::Receiver<bool>),
    ) -> Result<Option<Acquired>> {
        let (lease, read_from, stream) = match self {
            Self::Shared { at, pull } => {
                let state = at.state;
                let (source, active, done) = (PacketSource::Shared(pull), None, Rc::default());
                return Ok(Some(Acquired { source, state, active, done }));
            }
            Self::Exclusive { lease, read_from, source } => (lease, read_from, source),
        };
        announcement.show("delivery", Some("standing by".to_owned()));
        let (record, now) = loop {
            let free = tokio::select! {
                free = announcement.answer_during(lease.free()) => free?,
                // Also when the caller was dropped.
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
            };
            // After the record is read, which may be newer than what was known of the stream. Without
            // an answer, more packets than necessary count as begun.
            connection.known_end().reaches(free.reached());
            let now = tokio::select! {
                now = stream::info(connection) => now.ok().flatten(),
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
            };
            let now = now.as_ref().map(StreamFacts::from);
            if let Some(fault) = free.fault(now.as_ref()) {
                return Err(record::lost(service, &fault));
            }
            if let Some(record) = lease.take(free).await? {
                break (record, now);
            }
        };
        let mut finishing = Box::pin(finish_move(&lease, entry));
        let moved = tokio::select! {
            moved = &mut finishing => moved?,
            // Where the server answers it goes on, and hands the lease over like any other that stops.
            _ = stop.wait_for(|stop| *stop) => match timeout(STOPPING, &mut finishing).await {
                Ok(moved) => moved?,
                Err(_) => return Ok(None),
            },
        };
        drop(finishing);
        let record = moved.unwrap_or(record);
        let last = now.map_or(record.begun, |now| now.last_sequence);
        let active = ActiveLease::new(lease, &record, last);
        let of = (service, announcement.id());
        let mut feed = LiveFeed::new(&read_from, of, subscriber, &stream, &record);
        feed.allow_to(active.renewal.reserved());
        Ok(Some(Acquired {
            source: PacketSource::Exclusive(Box::new(feed)),
            state: PositionState { first: 0, deliveries: 0, delivered: record.floor },
            done: active.renewal.done(),
            active: Some(active),
        }))
    }
}

/// Reads the entry that belongs to a position that was taken over just now: whoever moves a position writes
/// the entry while nobody else holds the lease. If that program did not get to the position itself, it is moved
/// here, and returned.
///
/// # Errors
/// `Record`, `NotPermitted`, `Position`.
async fn finish_move(lease: &Lease, entry: &EntryUpdater) -> Result<Option<PositionRecord>> {
    let finishing = async || -> Result<_> {
        let target = entry.reload().await?;
        lease.set_memory_epoch(entry.epochs().memory);
        let Some(target) = target else { return Ok(None) };
        let record = lease.record_at(target.saturating_sub(1));
        // Where another instance was faster, this one is told so when it renews the lease.
        if let Written::Renewed = lease.write(&record).await? {
            entry.position_made().await?;
        }
        Ok(Some(record))
    };
    let mut retry = Retry::new(lease.connection(), "read to where the position was moved");
    loop {
        match finishing().await {
            Ok(moved) => return Ok(moved),
            Err(error) => retry.again_if_passing(error).await?,
        }
    }
}
