//! What a service opens on the server before it reads packets, and the wait for its turn to.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::alone::Alone;
use super::burials::Burials;
use super::desk::Desk;
use super::engine::Engine;
use super::exclusive::Seat;
use super::floor::Floor;
use super::handling::Handling;
use super::ledger::Ledger;
use super::memories::Memories;
use super::notes::Notes;
use super::place::Feed;
use super::position::Position;
use super::pull::Pull;
use super::replays;
use super::suspects::Suspects;
use crate::Result;
use crate::connection::Connection;
use crate::dead_letters::LetterStore;
use crate::names::REPLAYS;
use crate::rapids::{Outputs, Publisher, Rapids};
use crate::service::{Announcement, Service};

/// How often the server says that it is alive to those who wait for replays.
const REPLAYS_HEARTBEAT: Duration = Duration::from_secs(5);
/// An instance that holds a permission and was silent for as many acknowledgement waits is gone.
const SILENT: u32 = 2;

/// A service that waits for its turn to read packets.
pub(crate) struct Opening {
    opened: Opened,
    position: Position,
    seat: Option<Seat>,
}

/// What a service has open beside its position.
pub(crate) struct Opened {
    pub(super) service: Service,
    pub(super) connection: Connection,
    pub(super) rapids: Rapids,
    pub(super) handling: Rc<Handling>,
    pub(super) suspects: Rc<Suspects>,
    pub(super) burials: Rc<Burials>,
    pub(super) announcement: Announcement,
    pub(super) replays: Pull,
    pub(super) floor: Floor,
}

impl Opening {
    /// Opens everything that the service needs on the server.
    ///
    /// # Errors
    /// `Position` if the position does not fit the stream, or is gone; `NotPermitted`, `Server`.
    pub(crate) async fn begin(
        service: Service,
        connection: Connection,
        desk: Arc<Desk>,
        seat: Option<Seat>,
    ) -> Result<Self> {
        let (name, config) = (service.name(), service.config());
        let rapids = Rapids::over(connection.clone()).await?;
        let (created, max_age) = (rapids.facts().created, rapids.facts().max_age);
        let instance = Uuid::now_v7().simple().to_string();
        // Each is a round trip or two to the server, and none waits for another.
        let (memories, letters, notes, ledger, position) = Box::pin(async {
            tokio::try_join!(
                Memories::open_for(&connection, &service),
                letters(&connection, name, config.ack_wait),
                Notes::open(&connection, name, created, max_age),
                Ledger::open_for(&connection, &service, &instance, max_age),
                Position::open(&connection, &service, &instance, rapids.facts()),
            )
        })
        .await?;
        let announcement = Announcement::publish(&connection, &service, &instance).await?;
        let replays =
            Pull::open(&connection, (Feed::Replays, REPLAYS), name, REPLAYS_HEARTBEAT).await?;
        let (permit, floor) = (position.permit(), position.floor());
        // In exclusive delivery the one that was active is gone for certain.
        let silence =
            if service.is_exclusive() { Duration::ZERO } else { config.ack_wait * SILENT };
        let alone = Alone::new(notes.bucket().clone(), name, &instance, silence);
        let publisher = Publisher::new(connection.clone(), rapids.facts());
        let outputs = Outputs::new(Arc::new(publisher.permitted_by(permit.clone())));
        let handling = Rc::new(Handling { desk, permit, outputs, memories, ledger });
        let burials = Rc::new(Burials::new(letters));
        let suspicion = (notes, alone, burials.clone());
        let suspects = Rc::new(Suspects::new(&connection, name, suspicion, floor.clone()));
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
        let taken_up = position.take_up(&opened.connection, name, seat, announced).await?;
        Ok(taken_up.map(|taken_up| Engine::new(opened, taken_up)))
    }
}

/// Where letters go, and what is replayed of them comes from.
async fn letters(
    connection: &Connection,
    service: &str,
    ack_wait: Duration,
) -> Result<LetterStore> {
    let letters = LetterStore::open(connection).await?;
    replays::ensure(connection, service, ack_wait).await?;
    Ok(letters)
}
