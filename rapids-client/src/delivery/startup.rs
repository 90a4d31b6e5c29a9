//! What a service opens on the server before it reads packets, and the wait for its turn to.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use crate::Result;
use crate::announcement::Announcement;
use crate::connection::Connection;
use crate::dead_letters::LetterStore;
use crate::delivery::acquire::Position;
use crate::delivery::dead_letter_writer::DeadLetterWriter;
use crate::delivery::engine::Engine;
use crate::delivery::executor::queue::JobQueue;
use crate::delivery::handling::Handling;
use crate::delivery::live::shared_feed::FeedSubscriber;
use crate::delivery::memory_step::MemorySteps;
use crate::delivery::once::OnceLedger;
use crate::delivery::progress::ProgressStore;
use crate::delivery::quarantine::Quarantine;
use crate::delivery::quarantine::mark::SuspectMark;
use crate::error::with_causes;
use crate::jetstream::outputs::Outputs;
use crate::jetstream::publisher::Publisher;
use crate::jetstream::pull::Pull;
use crate::jetstream::sequence::StreamName;
use crate::jetstream::stream::StreamFacts;
use crate::names::REPLAYS;
use crate::notices::Notices;
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::entry_updater::EntryUpdater;
use crate::position::floor::Floor;
use crate::position::{entry_updater, replay_consumer};
use crate::rapids::Rapids;
use crate::service::Service;

/// How often the server says that it is alive to those who wait for replays.
const REPLAYS_HEARTBEAT: Duration = Duration::from_secs(5);
/// An instance that holds a permission and was silent for as many acknowledgement waits is gone.
const SILENT: u32 = 2;

/// A service that waits for its turn to read packets.
pub(crate) struct Startup {
    opened: Opened,
    position: Position,
    seat: Option<FeedSubscriber>,
}

/// What a service has open beside its position.
pub(crate) struct Opened {
    pub(crate) service: Service,
    pub(crate) connection: Connection,
    pub(crate) rapids: Rapids,
    pub(crate) handling: Rc<Handling>,
    pub(crate) suspects: Rc<Quarantine>,
    pub(crate) burials: Rc<DeadLetterWriter>,
    pub(crate) announcement: Announcement,
    pub(crate) replays: Pull,
    pub(crate) floor: Floor,
    pub(crate) entry: Rc<EntryUpdater>,
    /// For how long the server waits for an acknowledgement.
    pub(crate) ack_wait: Duration,
}

impl Startup {
    /// Opens everything that the service needs on the server.
    ///
    /// # Errors
    /// `Position` if the position does not fit the stream, or is gone; `NotPermitted`, `Server`.
    pub(crate) async fn begin(
        service: Service,
        connection: Connection,
        desk: Arc<JobQueue>,
        seat: Option<FeedSubscriber>,
    ) -> Result<Self> {
        let (name, config) = (service.name(), service.config());
        let rapids = Rapids::over(connection.clone()).await?;
        let (created, max_age) = (rapids.facts().created, rapids.facts().max_age);
        let instance = Uuid::now_v7().simple().to_string();
        // Each is a round trip or two to the server, and none waits for another.
        let (((position, memories), entry), letters, notes, ledger) = Box::pin(async {
            tokio::try_join!(
                noted(&connection, &service, &instance, rapids.facts()),
                letters(&connection, name, config.ack_wait),
                ProgressStore::open(&connection, name, created, max_age),
                OnceLedger::open_for(&connection, &service, &instance, max_age),
            )
        })
        .await?;
        let mut announcement = Announcement::publish(&connection, &service, &instance).await?;
        announcement.show("rivers", entry.compare_at_start().await);
        let replays =
            Pull::open(&connection, (StreamName::Replays, REPLAYS), name, REPLAYS_HEARTBEAT)
                .await?;
        let (permit, floor) = (position.permit(), position.floor());
        let (letters, replays_wait) = letters;
        let ack_wait = position.ack_wait().map_or(replays_wait, |wait| wait.min(replays_wait));
        // In exclusive delivery the one that was active is gone for certain.
        let silence = position.ack_wait().map_or(Duration::ZERO, |ack_wait| ack_wait * SILENT);
        let alone = SuspectMark::new(notes.bucket().clone(), name, &instance, silence);
        let publisher = Publisher::new(connection.clone(), rapids.facts());
        let outputs = Outputs::new(Arc::new(publisher.permitted_by(permit.clone())));
        let notices = Notices::default();
        let handling = Rc::new(Handling { desk, permit, outputs, memories, ledger, notices });
        let burials = Rc::new(DeadLetterWriter::new(letters));
        let suspicion = (notes, alone, burials.clone());
        let suspects = Rc::new(Quarantine::new(&connection, name, suspicion, floor.clone()));
        let opened = Opened {
            service,
            connection,
            rapids,
            handling,
            suspects,
            burials,
            announcement,
            replays,
            floor,
            entry: Rc::new(entry),
            ack_wait,
        };
        Ok(Self { opened, position, seat })
    }

    /// Takes up the position, when it is this instance's turn to. `None` if it is told to stop
    /// before.
    ///
    /// # Errors
    /// `Position` if the position is gone; `NotPermitted`.
    pub(crate) async fn take_up(self, stop: &mut watch::Receiver<bool>) -> Result<Option<Engine>> {
        let Self { mut opened, position, seat } = self;
        let name = opened.service.name();
        let announced = (&mut opened.announcement, stop);
        let Some(taken_up) = position.take_up(&opened.connection, name, seat, announced).await?
        else {
            return Ok(None);
        };
        if opened.service.is_exclusive()
            && let Err(error) = opened.entry.learn_epoch().await
        {
            warn!("the position may be of a later epoch: {}", with_causes(&error));
        }
        opened.burials.begin_epoch(opened.entry.epoch());
        Ok(Some(Engine::new(opened, taken_up)))
    }
}

/// What is kept from one run of a service to the next, with what is noted of it: its position, and
/// its memories.
async fn noted(
    connection: &Connection,
    service: &Service,
    instance: &str,
    facts: &StreamFacts,
) -> Result<((Position, Option<MemorySteps>), EntryUpdater)> {
    let entries = ServiceEntries::open(connection, service.name()).await?;
    let entry = entries.load().await?.unwrap_or_default();
    let (position, (memories, memory_created)) = tokio::try_join!(
        Position::open(connection, service, instance, facts, (&entries, &entry)),
        MemorySteps::open_for(connection, service, &entry),
    )?;
    let note = |entry: &mut ServiceEntry| {
        entry.note_rivers(entry_updater::own(service));
        if memory_created.is_some() {
            entry.note_memory(memory_created);
        }
    };
    entries.update_from(&entry, note).await?;
    let before = (position.epoch().unwrap_or(entry.epoch()), entry.rivers());
    let keeper = EntryUpdater::new((connection, service, instance), entries, before);
    Ok(((position, memories), keeper))
}

/// Where letters go, and what is replayed of them comes from; with for how long the server waits for
/// a replay to be acknowledged.
async fn letters(
    connection: &Connection,
    service: &str,
    ack_wait: Option<Duration>,
) -> Result<(LetterStore, Duration)> {
    let letters = LetterStore::open(connection).await?;
    let ack_wait = replay_consumer::ensure(connection, service, ack_wait).await?;
    Ok((letters, ack_wait))
}
