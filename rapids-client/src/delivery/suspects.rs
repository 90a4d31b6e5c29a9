//! Packets whose handling may have ended a process: run alone, after a durable mark, and condemned
//! when the marks are too many.
//!
//! A delivery that is not the first makes a suspect, and nothing more: packets are also delivered
//! again because an instance stopped, was slow, or died of their neighbour. What counts is how
//! often one was begun alone and came to no end. When to ask, and what follows, is left to
//! [`clearing`](super::clearing).

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::interval;
use tracing::warn;

use super::alone::Alone;
use super::burials::Burials;
use super::handling::{End, Handling, Ran, Task};
use super::notes::{Note, Notes};
use super::place::{Place, Turn};
use crate::Result;
use crate::dead_letters::LetterId;
use crate::error::with_causes;

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
    /// It may run, as soon as nothing else does. This is written down about its packet.
    Run { note: Note, revision: u64 },
    /// It has ended the process too often.
    Condemned { starts: u32 },
    /// It lies in the dead letters already.
    Buried,
    /// To be asked about again.
    Later(Duration),
}

pub(crate) struct Suspects {
    pub(crate) notes: Notes,
    pub(crate) alone: Alone,
    burials: Rc<Burials>,
    /// Until when no suspect is asked about: many wait for the same permission or server.
    busy: Cell<Option<Instant>>,
}

impl Suspects {
    pub(crate) fn new(notes: Notes, alone: Alone, burials: Rc<Burials>) -> Self {
        Self { notes, alone, burials, busy: Cell::new(None) }
    }

    /// Decides about one river's part of a packet, and takes the permission for it.
    pub(crate) async fn clear(&self, turn: Turn, river: &str, letter: &LetterId) -> Clearance {
        let busy = self.busy.get().map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(wait) = busy.filter(|wait| !wait.is_zero()) {
            return Clearance::Later(wait);
        }
        let clearance = self.try_clear(turn, river, letter).await.unwrap_or_else(|error| {
            warn!("packets that came again have to wait: {}", with_causes(&error));
            Clearance::Later(UNANSWERED)
        });
        if let Clearance::Later(wait) = clearance {
            self.busy.set(Some(Instant::now() + wait));
        }
        clearance
    }

    async fn try_clear(&self, turn: Turn, river: &str, letter: &LetterId) -> Result<Clearance> {
        let (is_buried, (note, revision)) =
            tokio::try_join!(self.burials.holds(letter), self.notes.load(turn.place))?;
        if is_buried {
            return Ok(Clearance::Buried);
        }
        let starts = note.0.get(river).map_or(0, |progress| progress.starts);
        if starts >= STARTS {
            return Ok(Clearance::Condemned { starts });
        }
        Ok(if self.alone.take(turn).await? {
            Clearance::Run { note, revision }
        } else {
            Clearance::Later(BUSY)
        })
    }

    /// Marks a suspect with this note and runs it, and keeps the permission meanwhile. It is marked
    /// here and not before, so that what ran until then cannot bring it into discredit.
    pub(crate) async fn run(
        self: Rc<Self>,
        handling: Rc<Handling>,
        task: Task,
        (note, revision): (Note, u64),
    ) -> Ran {
        let turn = task.turn;
        let begun = Instant::now();
        let unready =
            |wait| Ran { turn, took: begun.elapsed(), end: End::Unready(wait), marked: None };
        let marking = async {
            if !self.alone.confirm(turn).await? {
                return Ok(None);
            }
            self.notes.save(turn.place, &note, revision).await
        };
        let marked = match marking.await {
            Ok(Some(revision)) => revision,
            Ok(None) => return unready(BUSY),
            Err(error) => {
                warn!("a packet that came again has to wait: {}", with_causes(&error));
                return unready(UNANSWERED);
            }
        };
        let running = handling.handle(task);
        tokio::pin!(running);
        let mut renewal = interval(RENEWAL);
        renewal.tick().await;
        loop {
            tokio::select! {
                ran = &mut running => return Ran { marked: Some(marked), ..ran },
                _ = renewal.tick() => self.alone.renew(turn).await,
            }
        }
    }

    /// Replaces the mark of a suspect by what there is to note without it, and gives the permission
    /// back. Returns the note's revision, if there is still one.
    pub(crate) async fn unmark(&self, place: Place, note: Option<Note>, revision: u64) -> u64 {
        let removed = async {
            match note {
                Some(note) => self.notes.replace(place, &note, revision).await,
                None => self.notes.forget(place).await.map(|()| 0),
            }
        };
        let revision = removed.await.unwrap_or_else(|error| {
            // Counted once more if it comes again, which alone condemns nothing.
            warn!("the mark of a suspect stays: {}", with_causes(&error));
            revision
        });
        self.alone.free().await;
        revision
    }
}
