//! Taking up the position of a service, by its way of delivery.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Result;
use crate::announcement::Announcement;
use crate::connection::Connection;
use crate::delivery::live::feed::LiveFeed;
use crate::delivery::live::shared_feed::FeedSubscriber;
use crate::delivery::packet_source::PacketSource;
use crate::jetstream::pull::Pull;
use crate::jetstream::sequence::StreamName;
use crate::jetstream::stream;
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::validity::LeaseValidity;
use crate::names::STREAM;
use crate::position::ack_set::AckSet;
use crate::position::active_lease::ActiveLease;
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::expired::PositionState;
use crate::position::floor::Floor;
use crate::position::lease::Lease;
use crate::position::shared::{SharedPosition, ensure_consumer};
use crate::position::{exclusive, record};
use crate::service::Service;

/// How often the server says that it is alive, to those who wait for packets.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A position that is ready to be taken up, by this instance or by another.
pub(crate) enum Position {
    Shared { at: SharedPosition, pull: Box<Pull> },
    Exclusive { lease: Rc<Lease>, facts: StreamFacts },
}

/// A position that this instance reads from.
pub(crate) struct TakenUp {
    pub(crate) intake: PacketSource,
    pub(crate) standing: PositionState,
    /// In exclusive delivery.
    pub(crate) tenure: Option<ActiveLease>,
    pub(crate) done: Rc<RefCell<AckSet>>,
}

impl Position {
    /// Makes sure that there is one.
    ///
    /// # Errors
    /// `Position` if it does not fit the stream, or is gone; `NotPermitted`, `Server`.
    pub(crate) async fn open(
        connection: &Connection,
        service: &Service,
        instance: &str,
        facts: &StreamFacts,
        noted: (&ServiceEntries, &ServiceEntry),
    ) -> Result<Self> {
        let name = service.name();
        if !service.is_exclusive() {
            let at = Box::pin(ensure_consumer(connection, service, facts, noted)).await?;
            let pull =
                Pull::open(connection, (StreamName::Rapids, STREAM), name, HEARTBEAT).await?;
            return Ok(Self::Shared { at, pull: Box::new(pull) });
        }
        let has_live = facts.has_live || stream::allow_live(connection).await?;
        let facts = StreamFacts { has_live, ..*facts };
        let lease = Lease::open(connection, (name, instance), facts.created).await?;
        exclusive::ensure_record(&lease, connection, service, &facts, noted).await?;
        Ok(Self::Exclusive { lease: Rc::new(lease), facts })
    }

    /// Whether its instance may act.
    pub(crate) fn permit(&self) -> LeaseValidity {
        match self {
            Self::Shared { .. } => LeaseValidity::endless(),
            Self::Exclusive { lease, .. } => lease.permit(),
        }
    }

    /// For how long the server waits for an acknowledgement; `None` where it waits for none.
    pub(crate) fn ack_wait(&self) -> Option<Duration> {
        match self {
            Self::Shared { at, .. } => Some(at.ack_wait),
            Self::Exclusive { .. } => None,
        }
    }

    /// The epoch that it is in, if its consumer tells.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match self {
            Self::Shared { at, .. } => Some(at.epoch),
            Self::Exclusive { .. } => None,
        }
    }

    /// Where it is written down what is done.
    pub(crate) fn floor(&self) -> Floor {
        match self {
            Self::Shared { at, .. } => Floor::Consumer(at.created),
            Self::Exclusive { lease, .. } => Floor::Record(lease.clone()),
        }
    }

    /// Takes it up; in exclusive delivery as soon as no other instance is active, while questions
    /// are answered. `None` if it is told to stop before that: what was taken is there to be handed
    /// over.
    ///
    /// # Errors
    /// `Position` if it is gone; `NotPermitted`.
    pub(crate) async fn take_up(
        self,
        connection: &Connection,
        service: &str,
        seat: Option<FeedSubscriber>,
        (announcement, stop): (&mut Announcement, &mut watch::Receiver<bool>),
    ) -> Result<Option<TakenUp>> {
        let (lease, facts) = match self {
            Self::Shared { at, pull } => {
                let standing = at.standing;
                let (intake, tenure, done) = (PacketSource::Shared(pull), None, Rc::default());
                return Ok(Some(TakenUp { intake, standing, tenure, done }));
            }
            Self::Exclusive { lease, facts } => (lease, facts),
        };
        announcement.show("delivery", Some("standing by".to_owned()));
        let (record, now) = loop {
            let free = tokio::select! {
                free = announcement.answer_during(lease.free()) => free?,
                // Also when the caller was dropped.
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
            };
            // Behind the look at the record, which may be newer than what is known of the stream.
            // Where nothing is told, more is taken for begun than was.
            let now = stream::info(connection).await.ok().flatten();
            let now = now.as_ref().map(StreamFacts::from);
            if let Some(fault) = free.fault(now.as_ref()) {
                return Err(record::lost(service, &fault));
            }
            if let Some(record) = lease.take(free).await? {
                break (record, now);
            }
        };
        let last = now.map_or(record.begun, |now| now.last_sequence);
        let tenure = ActiveLease::new(lease, &record, last);
        let of = (service, announcement.id());
        let mut feed = LiveFeed::new(connection, of, seat, &facts, &record);
        feed.allow_to(tenure.keeper.reserved());
        Ok(Some(TakenUp {
            intake: PacketSource::Exclusive(Box::new(feed)),
            standing: PositionState { first: 0, deliveries: 0, delivered: record.floor },
            done: tenure.keeper.done(),
            tenure: Some(tenure),
        }))
    }
}
