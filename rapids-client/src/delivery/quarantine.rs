//! Decides about suspects: packets that are delivered again, and whose handling may have ended a
//! process.
//!
//! Packets are also redelivered because an instance stopped, was slow, or was ended by another packet.
//! So a suspect runs alone, behind a mark on the server that outlives the process. A river that was
//! begun alone too often without coming to an end writes a dead letter about the packet.

pub(crate) mod mark;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tracing::warn;

use super::context::Context;
use super::dead_letter_writer::DeadLetterWriter;
use super::in_flight::{Cause, InFlight};
use super::progress::{ProgressStore, SavedProgress, of_telling};
use super::slot::Turn;
use crate::connection::Connection;
use crate::dead_letters::{DeadLetter, Kind};
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::position::floor::Floor;
use crate::position::replay_consumer;
use crate::service::Service;
use crate::{Error, Result};
use mark::{Mark, READ_AGAIN, SuspectMark};

/// After as many starts alone that came to no end, a packet goes to the dead letters.
const MOST_STARTS: u32 = 3;
/// How long to wait after the server did not answer.
const UNANSWERED: Duration = Duration::from_secs(1);

/// What to do with a suspect.
pub(super) enum Decision {
    /// Run it: it is marked, and nothing else runs.
    Run,
    /// Write a dead letter: it has ended the process too often.
    GiveUp(Cause),
    /// Nothing: there is this dead letter about it already.
    HasDeadLetter(Box<DeadLetter>),
    /// Nothing but to tell: it is a replay that was handled, as is saved.
    Handled,
    /// Ask again after this time.
    Later(Duration),
}

/// What the server knows about a suspect.
enum Check {
    /// It may run. It was begun alone so often, and this is its saved progress.
    MayRun(u32, SavedProgress),
    Decided(Decision),
}

pub(super) struct Quarantine {
    pub(super) store: ProgressStore,
    pub(super) mark: SuspectMark,
    letters: Rc<DeadLetterWriter>,
    connection: Connection,
    service: Arc<Service>,
    floor: Floor,
    /// Locked while a suspect is decided about, and while the mark is released: each would take what the
    /// other writes for the mark of another instance.
    deciding: Mutex<()>,
    /// Until when no other suspect is checked: all wait for the same mark or server.
    wait_until: Cell<Option<Instant>>,
}

impl Quarantine {
    pub(super) fn new(
        connection: &Connection,
        service: &Arc<Service>,
        (store, mark, letters): (ProgressStore, SuspectMark, Rc<DeadLetterWriter>),
        floor: Floor,
    ) -> Self {
        let (connection, service) = (connection.clone(), service.clone());
        Self {
            store,
            mark,
            letters,
            connection,
            service,
            floor,
            deciding: Mutex::new(()),
            wait_until: Cell::new(None),
        }
    }

    /// Decides about a suspect. Marks one that may run, but only once nothing else runs: if another
    /// packet ended the process, the mark would blame this one.
    pub(super) async fn decide(&self, turn: &Turn, context: &Context) -> Decision {
        let packet = &turn.packet;
        let _deciding = self.deciding.lock().await;
        let starts = match self.check(turn).await {
            Check::MayRun(starts, saved) => {
                packet.reload(&self.service, saved);
                packet.update_starts(turn.id.river, |known| *known = starts);
                starts
            }
            Check::Decided(decision) => return decision,
        };
        if !context.wait_until_alone(turn).await {
            return Decision::Later(UNANSWERED);
        }
        let marking = async {
            // If this river ends the process, rivers that are done with the packet do not run again.
            self.save(packet).await?;
            self.mark.take(packet.place, &turn.name_alone(), starts + 1).await
        };
        let wait = match marking.await {
            Ok(true) => return Decision::Run,
            Ok(false) => READ_AGAIN,
            Err(error) => {
                self.connection.warn("a redelivered packet has to wait", &error);
                UNANSWERED
            }
        };
        self.mark.release().await;
        Decision::Later(wait)
    }

    /// Whether there is a mark of this instance to release, and no suspect is decided about.
    pub(super) fn may_release(&self) -> bool {
        self.mark.is_mine() && self.deciding.try_lock().is_ok()
    }

    /// Releases the mark, unless the next suspect is decided about.
    pub(super) async fn release(&self) {
        if let Ok(_deciding) = self.deciding.try_lock() {
            self.mark.release().await;
        }
    }

    /// Saves the progress of a packet, if it has changed.
    pub(super) async fn save(&self, packet: &InFlight) -> Result<()> {
        if let Some(unsaved) = packet.unsaved(&self.service) {
            packet.set_saved(self.store.replace(packet.place, unsaved).await?);
        }
        Ok(())
    }

    async fn check(&self, turn: &Turn) -> Check {
        let wait =
            self.wait_until.get().map(|until| until.saturating_duration_since(Instant::now()));
        // The packet of the mark is checked all the same: it is known sooner whether its instance is
        // gone.
        if let Some(wait) =
            wait.filter(|wait| !wait.is_zero() && !self.mark.is_about(turn.id.place))
        {
            return Check::Decided(Decision::Later(wait));
        }
        let (check, delays_others) = match self.try_check(turn).await {
            Ok(check) => (check, true),
            Err(error) => {
                self.connection.warn("redelivered packets have to wait", &error);
                (Check::Decided(Decision::Later(UNANSWERED)), error.is_passing())
            }
        };
        if let Check::Decided(Decision::Later(wait)) = check
            && delays_others
        {
            self.wait_until.set(Some(Instant::now() + wait));
        }
        check
    }

    async fn try_check(&self, turn: &Turn) -> Result<Check> {
        let (place, river) = (turn.id.place, &*turn.name_alone());
        let looking = async {
            if turn.tells() {
                return Ok(None);
            }
            let letter = turn.packet.letter_id(&self.service, turn.id.river);
            self.letters.about(&letter, turn.packet.packet.id()).await
        };
        // First, since it may wait for another instance, which saves progress and letters meanwhile.
        let is_free = self.mark.is_free_for(place).await?;
        let (letter, mut saved) = tokio::try_join!(looking, self.store.load(place))?;
        if let Some(letter) = letter {
            return Ok(Check::Decided(Decision::HasDeadLetter(letter)));
        }
        let told = || of_telling(turn.packet.river_name(&self.service, turn.id.river));
        if turn.packet.letters().is_some()
            && !turn.tells()
            && saved.progress.0.contains_key(&told())
        {
            return Ok(Check::Decided(Decision::Handled));
        }
        if is_free
            && let Some((other, mark)) = self.mark.unfinished(place, river)
            && !self.is_done(other).await?
        {
            match self.save_start(other, &mark).await {
                // The progress of the other packet cannot be read. That packet waits, and no other.
                Err(error @ Error::Record { .. }) => warn!("a start is not counted: {error}"),
                counted => counted?,
            }
            saved = self.store.load(place).await?;
        }
        let starts = saved.progress.0.get(river).map_or(0, |progress| progress.starts);
        // A start that another instance still runs may yet come to an end, and does not count.
        let starts = if is_free { starts.max(self.mark.starts(place, river)) } else { starts };
        Ok(if starts >= MOST_STARTS {
            turn.packet.update_starts(turn.id.river, |known| *known = starts);
            let reason = format!("handling it ended the process {starts} times in a row");
            Check::Decided(Decision::GiveUp(Cause::new(Kind::Crashed, reason)))
        } else if is_free {
            Check::MayRun(starts, saved)
        } else {
            Check::Decided(Decision::Later(READ_AGAIN))
        })
    }

    /// Whether a packet is done, and all before it. Its mark is then left from an instance that ended
    /// before it could release it, and saved progress would never be deleted.
    async fn is_done(&self, place: StreamPlace) -> Result<bool> {
        let (connection, service) = (&self.connection, self.service.name());
        let floor = match place.stream {
            StreamName::Rapids => self.floor.read(connection, service).await?,
            StreamName::Replays => replay_consumer::floor(connection, service).await?,
        };
        Ok(place.sequence <= floor)
    }

    /// Counts a start of another instance that came to no end, before its mark is overwritten.
    async fn save_start(&self, place: StreamPlace, mark: &Mark) -> Result<()> {
        loop {
            let SavedProgress { mut progress, revision } = self.store.load(place).await?;
            let river = progress.0.entry(mark.river.clone()).or_default();
            if river.starts >= mark.starts {
                return Ok(());
            }
            river.starts = mark.starts;
            if self.store.save(place, &progress, revision).await?.is_some() {
                return Ok(());
            }
        }
    }
}
