//! Packets whose handling may have ended a process: run alone, after a durable mark, and condemned
//! when the marks are too many.
//!
//! A delivery that is not the first makes a suspect, and nothing more: packets are also delivered
//! again because an instance stopped, was slow, or died of their neighbour. What counts is how
//! often one was begun alone and came to no end. When to ask, and what follows, is left to
//! [`clearing`](crate::delivery::quarantine::clearing).

pub(crate) mod clearing;
pub(crate) mod mark;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::interval;
use tracing::warn;

use crate::connection::Connection;
use crate::dead_letters::LetterId;
use crate::delivery::dead_letter_writer::DeadLetterWriter;
use crate::delivery::handling::{End, Handling, Ran, Task};
use crate::delivery::progress::{ProgressStore, SavedProgress};
use crate::delivery::quarantine::mark::{Mark, SuspectMark};
use crate::error::with_causes;
use crate::jetstream::sequence::{StreamName, StreamPlace};
use crate::position::floor::Floor;
use crate::position::replay_consumer;
use crate::{Error, Result};

/// After as many starts alone that came to no end, a packet is condemned.
const STARTS: u32 = 3;
/// How often the permission to run alone is renewed.
const RENEWAL: Duration = Duration::from_secs(1);
/// Until another instance's suspect is asked about again.
const BUSY: Duration = Duration::from_millis(100);
/// Until a server that did not answer is asked again.
const UNANSWERED: Duration = Duration::from_secs(1);

/// What is to become of a suspect.
pub(crate) enum Clearance {
    /// It may run, as soon as nothing else does. It was begun alone so often, and this is written
    /// down about its packet.
    Run { starts: u32, noted: SavedProgress },
    /// It has ended the process too often.
    Condemned { starts: u32 },
    /// It lies in the dead letters already.
    Buried,
    /// To be asked about again.
    Later(Duration),
}

pub(crate) struct Quarantine {
    pub(crate) notes: ProgressStore,
    pub(crate) alone: SuspectMark,
    burials: Rc<DeadLetterWriter>,
    connection: Connection,
    service: String,
    floor: Floor,
    /// Until when no suspect is asked about: many wait for the same permission or server.
    busy: Cell<Option<Instant>>,
}

impl Quarantine {
    pub(crate) fn new(
        connection: &Connection,
        service: &str,
        (notes, alone, burials): (ProgressStore, SuspectMark, Rc<DeadLetterWriter>),
        floor: Floor,
    ) -> Self {
        let (connection, service) = (connection.clone(), service.to_owned());
        Self { notes, alone, burials, connection, service, floor, busy: Cell::new(None) }
    }

    /// Decides about one river's part of a packet. The letter is the one that it would have, by its
    /// id and that of the packet.
    pub(crate) async fn clear(
        &self,
        place: StreamPlace,
        river: &str,
        letter: (&LetterId, &str),
    ) -> Clearance {
        let busy = self.busy.get().map(|until| until.saturating_duration_since(Instant::now()));
        // One that another instance had begun is told from a silence that is worth waiting for.
        if let Some(wait) = busy.filter(|wait| !wait.is_zero() && !self.alone.is_about(place)) {
            return Clearance::Later(wait);
        }
        let clearance = match self.try_clear(place, river, letter).await {
            Ok(clearance) => clearance,
            Err(error) => {
                warn!("packets that came again have to wait: {}", with_causes(&error));
                let later = Clearance::Later(UNANSWERED);
                if !error.is_passing() {
                    // The others do not wait for what is wrong with this one.
                    return later;
                }
                later
            }
        };
        if let Clearance::Later(wait) = clearance {
            self.busy.set(Some(Instant::now() + wait));
        }
        clearance
    }

    async fn try_clear(
        &self,
        place: StreamPlace,
        river: &str,
        (letter, packet_id): (&LetterId, &str),
    ) -> Result<Clearance> {
        let (is_buried, mut noted, is_free) = tokio::try_join!(
            self.burials.holds(letter, packet_id),
            self.notes.load(place),
            self.alone.is_free_for(place)
        )?;
        if is_buried {
            return Ok(Clearance::Buried);
        }
        if is_free
            && let Some((other, mark)) = self.alone.unfinished(place, river)
            && !self.is_over(other).await?
        {
            match self.note_start(other, &mark).await {
                // The note about the other cannot be read: that one waits, and nobody else.
                Err(error @ Error::Record { .. }) => warn!("a start is not noted: {error}"),
                noted => noted?,
            }
            noted = self.notes.load(place).await?;
        }
        let starts = noted.note.0.get(river).map_or(0, |progress| progress.starts);
        let starts = starts.max(self.alone.starts(place, river));
        Ok(if starts >= STARTS {
            Clearance::Condemned { starts }
        } else if is_free {
            Clearance::Run { starts, noted }
        } else {
            Clearance::Later(BUSY)
        })
    }

    /// Whether a packet is acknowledged, and all before it: its mark is left from an instance that
    /// died behind its end, and a note about it would never go.
    async fn is_over(&self, place: StreamPlace) -> Result<bool> {
        let (connection, service) = (&self.connection, self.service.as_str());
        let floor = match place.stream {
            StreamName::Rapids => self.floor.read(connection, service).await?,
            StreamName::Replays => replay_consumer::floor(connection, service).await?,
        };
        Ok(place.sequence <= floor)
    }

    /// ProgressStore what another instance has begun alone and, by all that is known, not brought to an
    /// end, before its mark is written over.
    async fn note_start(&self, place: StreamPlace, mark: &Mark) -> Result<()> {
        loop {
            let SavedProgress { mut note, revision } = self.notes.load(place).await?;
            let progress = note.0.entry(mark.river.clone()).or_default();
            if progress.starts >= mark.starts {
                return Ok(());
            }
            progress.starts = mark.starts;
            if self.notes.save(place, &note, revision).await?.is_some() {
                return Ok(());
            }
        }
    }

    /// Marks a suspect and runs it, and keeps the permission meanwhile. It is marked here and not
    /// before, so that what ran until then cannot bring it into discredit. `changed` is to be noted
    /// before that.
    pub(crate) async fn run(
        self: Rc<Self>,
        handling: Rc<Handling>,
        task: Task,
        starts: u32,
        changed: Option<SavedProgress>,
    ) -> Ran {
        let turn = task.turn;
        let begun = Instant::now();
        let mut noted = None;
        let marking = async {
            noted = self.note(turn.place, changed).await?;
            self.alone.take(turn.place, task.river.name(), starts + 1).await
        };
        let unready = match marking.await {
            Ok(true) => None,
            Ok(false) => Some(BUSY),
            Err(error) => {
                warn!("a packet that came again has to wait: {}", with_causes(&error));
                Some(UNANSWERED)
            }
        };
        if let Some(wait) = unready {
            return Ran { turn, took: begun.elapsed(), end: End::Unready(wait), noted };
        }
        let running = handling.handle(task);
        tokio::pin!(running);
        let mut renewal = interval(RENEWAL);
        renewal.tick().await;
        loop {
            tokio::select! {
                ran = &mut running => return Ran { noted, ..ran },
                _ = renewal.tick() => self.alone.renew().await,
            }
        }
    }

    /// Takes a suspect's mark away, after what there is to note of its end.
    pub(crate) async fn unmark(
        &self,
        place: StreamPlace,
        changed: Option<SavedProgress>,
    ) -> Option<SavedProgress> {
        let noted = self.note(place, changed).await.unwrap_or_else(|error| {
            warn!(
                sequence = place.packet(),
                replay = place.replay(),
                "its attempts are not noted: {}",
                with_causes(&error)
            );
            None
        });
        self.alone.free().await;
        noted
    }

    /// Writes a change down, if there is one, and returns what is written down then.
    pub(crate) async fn note(
        &self,
        place: StreamPlace,
        changed: Option<SavedProgress>,
    ) -> Result<Option<SavedProgress>> {
        match changed {
            Some(changed) => self.notes.replace(place, changed).await.map(Some),
            None => Ok(None),
        }
    }
}
