//! What a service opens on the server before it reads packets, and how it acquires its position.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::acquire::Position;
use super::context::Context;
use super::dead_letter_writer::DeadLetterWriter;
use super::done_before::DoneBefore;
use super::engine::Engine;
use super::executor::{Executor, JobQueue};
use super::health::{Lacks, Opened};
use super::memory_step::{MemoryRecords, MemoryStore, Trial};
use super::progress::ProgressStore;
use super::quarantine::Quarantine;
use super::quarantine::mark::SuspectMark;
use super::taken_ids::TakenIds;
use crate::Result;
use crate::announcement::Announcement;
use crate::connection::Connection;
use crate::dead_letters::LetterStore;
use crate::jetstream::claims::Claims;
use crate::jetstream::output_sender::OutputSender;
use crate::jetstream::pull::Pull;
use crate::jetstream::sequence::StreamName;
use crate::jetstream::stream::StreamFacts;
use crate::jetstream::timers::TimerStore;
use crate::live::shared_feed::FeedSubscriber;
use crate::metrics::ServiceMetrics;
use crate::mirror::Mirror;
use crate::names::REPLAYS;
use crate::notices::Notices;
use crate::position::derivation::Derivation;
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::entry_updater::EntryUpdater;
use crate::position::floor::Floor;
use crate::position::{entry_updater, replay_consumer};
use crate::rapids::Rapids;
use crate::service::{Service, ServiceNeeds};

/// How often the server sends a heartbeat while it has no replays.
const REPLAYS_HEARTBEAT: Duration = Duration::from_secs(5);
/// An instance that has not renewed the mark of its suspect for as many acknowledgement waits is gone.
const SILENT: u32 = 2;

/// A service that has opened everything, and has not acquired its position yet.
pub(crate) struct Startup {
    started: Started,
    position: Position,
    subscriber: Option<FeedSubscriber>,
}

/// What a service has opened beside its position.
pub(super) struct Started {
    pub(super) service: Arc<Service>,
    pub(super) connection: Connection,
    pub(super) rapids: Rapids,
    pub(super) context: Rc<Context>,
    pub(super) announcement: Announcement,
    pub(super) replays: Pull,
    pub(super) floor: Floor,
    pub(super) entry: Rc<EntryUpdater>,
    pub(super) lacks: Lacks,
    /// How long the server waits for an acknowledgement.
    pub(super) ack_wait: Duration,
}

impl Startup {
    /// Opens everything that the service needs on the server.
    ///
    /// # Errors
    /// `Position` if the position does not fit the stream, or is gone; `NotPermitted`, `Server`.
    pub(crate) async fn begin(
        service: Service,
        connection: Connection,
        queue: Arc<JobQueue>,
        subscriber: Option<FeedSubscriber>,
    ) -> Result<Self> {
        let rapids = Rapids::over(connection.clone()).await?;
        let instance = Uuid::now_v7().simple().to_string();
        let of = (&connection, &service, instance.as_str());
        let stores = Box::pin(OpenedStores::open(of, rapids.facts())).await?;
        let OpenedStores { position, memories, derivation, entry, letters, .. } = stores;
        let (replays_wait, progress, claims) =
            (stores.replays_wait, stores.progress, stores.claims);
        let metrics = Arc::new(ServiceMetrics::of(service.rivers()));
        let announcement =
            announce(&connection, (&service, &instance, metrics.clone()), &entry).await?;
        let source = (StreamName::Replays, REPLAYS);
        let replays = Pull::open(&connection, source, service.name(), REPLAYS_HEARTBEAT).await?;
        let (validity, floor) = (position.validity(), position.floor());
        let ack_wait = position.ack_wait().map_or(replays_wait, |wait| wait.min(replays_wait));
        let letters = Rc::new(DeadLetterWriter::new(connection.clone(), letters));
        let service = Arc::new(service);
        let stored = (progress, letters.clone());
        let context = Context {
            connection: connection.clone(),
            quarantine: quarantine(&connection, &service, &instance, &position, stored),
            service: service.clone(),
            instance,
            timers: TimerStore::new(connection.clone(), rapids.facts().form, validity.clone()),
            outputs: OutputSender::new(rapids.publisher_while_valid(validity.clone()).into()),
            executor: Executor::new(queue, validity),
            memories: memories.map(|store| {
                MemoryRecords::new(store, connection.clone(), &service, floor.clone())
            }),
            before: DoneBefore::default(),
            derivation,
            taken: TakenIds::default(),
            trial: Trial::default(),
            claims,
            letters,
            metrics,
            notices: Notices::default(),
            undeclared: Notices::default(),
        };
        // Before the position is acquired, which others may wait for.
        context.trial.begin(&context).await;
        let started = Started {
            service,
            connection,
            rapids,
            context: Rc::new(context),
            announcement,
            replays,
            floor,
            entry: Rc::new(entry),
            lacks: Lacks::default(),
            ack_wait,
        };
        Ok(Self { started, position, subscriber })
    }

    /// What others learn over HTTP of a service that has come so far, and who reads the announcement
    /// where that is; they learn, too, which rights the login lacks.
    pub(super) fn opened(&mut self, http: Option<String>, lacks: &Lacks) -> Opened {
        self.started.lacks.clone_from(lacks);
        let Started { announcement, connection, context, .. } = &mut self.started;
        announcement.show("http", http);
        Opened {
            connection: connection.clone(),
            instance: context.instance.clone(),
            started: announcement.started(),
            metrics: context.metrics.clone(),
        }
    }

    /// Acquires the position, in exclusive delivery once no other instance is active. `None` if the
    /// service is asked to stop before.
    ///
    /// # Errors
    /// `Position` if the position is gone; `NotPermitted`.
    pub(super) async fn acquire(self, stop: &mut watch::Receiver<bool>) -> Result<Option<Engine>> {
        let Self { mut started, position, subscriber } = self;
        let name = started.service.name();
        let (of, waiting) =
            ((&started.connection, &*started.entry), (&mut started.announcement, stop));
        let Some(acquired) = position.acquire(of, name, subscriber, waiting).await? else {
            return Ok(None);
        };
        started.context.set_epochs(started.entry.epochs());
        Ok(Some(Engine::new(started, acquired)))
    }
}

/// What the server keeps for a service.
struct OpenedStores {
    position: Position,
    memories: Option<MemoryStore>,
    derivation: Derivation,
    entry: EntryUpdater,
    letters: LetterStore,
    /// How long the server waits for a replay to be acknowledged.
    replays_wait: Duration,
    progress: ProgressStore,
    claims: Option<Claims>,
}

impl OpenedStores {
    async fn open(
        (connection, service, instance): (&Connection, &Service, &str),
        facts: &StreamFacts,
    ) -> Result<Self> {
        let (needs, max_age) = (service.needs(), facts.max_age);
        let name = &needs.name;
        // Each takes a round trip or two to the server, and none depends on another.
        let (at, (letters, replays_wait), progress, claims) = tokio::try_join!(
            open_position(connection, &needs, instance, facts),
            open_letters(connection, name, needs.ack_wait),
            ProgressStore::open(connection, name, facts.created, max_age),
            open_claims(connection, &needs, instance, max_age),
        )?;
        at.note(|entry| entry.note_rivers(entry_updater::own(service))).await?;
        let OpenedPosition { entries, entry, position, memories } = at;
        let derivation =
            Derivation::open(connection, service, &entries, facts.last_sequence).await?;
        let before = (entry.epochs(), entry.rivers());
        let entry = EntryUpdater::new((connection, service, instance), entries, before);
        Ok(Self { position, memories, derivation, entry, letters, replays_wait, progress, claims })
    }
}

/// Announces an instance, and whether others of its service have other rivers.
async fn announce(
    connection: &Connection,
    instance: (&Service, &str, Arc<ServiceMetrics>),
    entry: &EntryUpdater,
) -> Result<Announcement> {
    let mut announcement = Announcement::publish(connection, instance).await?;
    announcement.show("read_from", connection.mirror().map(Mirror::to_string));
    announcement.show("rivers", entry.compare_at_start().await);
    Ok(announcement)
}

/// The quarantine of an instance of a service.
fn quarantine(
    connection: &Connection,
    service: &Arc<Service>,
    instance: &str,
    position: &Position,
    (progress, letters): (ProgressStore, Rc<DeadLetterWriter>),
) -> Quarantine {
    // In exclusive delivery the instance that was active before is certainly gone.
    let silence = position.ack_wait().map_or(Duration::ZERO, |ack_wait| ack_wait * SILENT);
    let mark = SuspectMark::new(progress.bucket().clone(), service.name(), instance, silence);
    Quarantine::new(connection, service, (progress, mark, letters), position.floor())
}

/// Opens what outlasts the instances of a service: its position, its memories, and its entry.
pub(super) async fn open_position(
    connection: &Connection,
    needs: &ServiceNeeds,
    instance: &str,
    facts: &StreamFacts,
) -> Result<OpenedPosition> {
    let name = &needs.name;
    let entries = ServiceEntries::open(connection, name).await?;
    loop {
        let mut entry = entries.load().await?.unwrap_or_default();
        if let Some(key) = needs.id_key.as_ref().filter(|_| !entry.has_run()) {
            // Before any packet is handled.
            entry = entries.update(|entry| entry.note_first_id_key(key)).await?;
        }
        if entry.is_new() && needs.remembers() {
            // One of the name may have been retired that was to leave its memories.
            let epoch = MemoryStore::last_epoch(connection, name).await?;
            if epoch > entry.memory_epoch() {
                entry = entries.update(|entry| entry.remember_from(epoch)).await?;
            }
        }
        let (position, memories) = tokio::try_join!(
            Position::open(connection, needs, instance, facts, (&entries, &entry)),
            MemoryStore::open_for(connection, needs, (&entry, facts.max_age)),
        )?;
        // The position may have been moved since the entry was read, and has to be of its epochs.
        if position.epoch().is_none_or(|epoch| epoch == entry.epoch()) {
            return Ok(OpenedPosition { entries, entry, position, memories });
        }
    }
}

/// What outlasts the instances of a service.
pub(super) struct OpenedPosition {
    entries: ServiceEntries,
    /// As it was read before the rest was opened.
    entry: ServiceEntry,
    position: Position,
    memories: Option<MemoryStore>,
}

impl OpenedPosition {
    /// Notes in the entry which bucket the memories are in, and something more.
    pub(super) async fn note(&self, more: impl Fn(&mut ServiceEntry)) -> Result<()> {
        let memory_created = self.memories.as_ref().map(MemoryStore::created);
        let note = |entry: &mut ServiceEntry| {
            more(entry);
            if memory_created.is_some() {
                entry.note_memory(memory_created);
            }
        };
        self.entries.update_from(&self.entry, note).await
    }
}

/// Opens the claims of a service of which reactions run once.
async fn open_claims(
    connection: &Connection,
    needs: &ServiceNeeds,
    instance: &str,
    max_age: Duration,
) -> Result<Option<Claims>> {
    match needs.is_once {
        true => Claims::open(connection, instance, max_age).await.map(Some),
        false => Ok(None),
    }
}

/// Opens the dead letters, and the consumer of their replays. Returns how long the server waits for a
/// replay to be acknowledged.
pub(super) async fn open_letters(
    connection: &Connection,
    service: &str,
    ack_wait: Option<Duration>,
) -> Result<(LetterStore, Duration)> {
    let letters = LetterStore::open(connection).await?;
    let ack_wait = replay_consumer::ensure(connection, service, ack_wait).await?;
    Ok((letters, ack_wait))
}
