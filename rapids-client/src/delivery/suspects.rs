//! Packets whose handling may have ended a process: run alone, after a durable mark, and condemned
//! when the marks are too many.
//!
//! A delivery that is not the first makes a suspect, and nothing more: packets are also delivered
//! again because an instance stopped, was slow, or died of their neighbour. What counts is how
//! often one was begun alone and came to no end.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::interval;
use tracing::warn;

use super::alone::Alone;
use super::handling::{Handling, Ran, Task};
use super::notes::{Note, Notes};
use super::place::Turn;
use crate::Result;
use crate::dead_letters::{LetterId, LetterStore};
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
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clearance {
    /// It may run, alone. Its note has this revision now.
    Run { starts: u32, revision: u64 },
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
    pub(crate) letters: LetterStore,
}

impl Suspects {
    /// Decides about one river's part of a packet, and marks it before it runs.
    pub(crate) async fn clear(&self, turn: Turn, river: &str, letter: &LetterId) -> Clearance {
        match self.try_clear(turn, river, letter).await {
            Ok(clearance) => clearance,
            Err(error) => {
                warn!("a packet that came again has to wait: {}", with_causes(&error));
                Clearance::Later(UNANSWERED)
            }
        }
    }

    async fn try_clear(&self, turn: Turn, river: &str, letter: &LetterId) -> Result<Clearance> {
        if self.letters.holds(letter).await? {
            return Ok(Clearance::Buried);
        }
        if !self.alone.take(turn).await? {
            return Ok(Clearance::Later(BUSY));
        }
        let (mut note, revision) = self.notes.load(turn.place).await?;
        let progress = note.0.entry(river.to_owned()).or_default();
        if progress.starts >= STARTS {
            let starts = progress.starts;
            self.alone.free().await;
            return Ok(Clearance::Condemned { starts });
        }
        progress.starts += 1;
        let starts = progress.starts;
        match self.notes.save(turn.place, &note, revision).await? {
            Some(revision) => Ok(Clearance::Run { starts, revision }),
            None => {
                self.alone.free().await;
                Ok(Clearance::Later(BUSY))
            }
        }
    }

    /// Runs a suspect, and keeps the permission meanwhile.
    pub(crate) async fn run(self: Rc<Self>, handling: Rc<Handling>, task: Task) -> Ran {
        let turn = task.turn;
        let running = handling.handle(task);
        tokio::pin!(running);
        let mut renewal = interval(RENEWAL);
        renewal.tick().await;
        loop {
            tokio::select! {
                ran = &mut running => return ran,
                _ = renewal.tick() => self.alone.renew(turn).await,
            }
        }
    }

    /// Removes the mark: the suspect came to an end, of whatever kind. Returns the note's revision,
    /// if there is still one.
    pub(crate) async fn ended(&self, turn: Turn, note: Option<Note>, revision: u64) -> u64 {
        let removed = async {
            match note {
                Some(note) => self.notes.save(turn.place, &note, revision).await,
                None => self.notes.forget(turn.place).await.map(|()| None),
            }
        };
        let revision = match removed.await {
            Ok(saved) => saved.unwrap_or_default(),
            Err(error) => {
                // Counted once more if it comes again, which alone condemns nothing.
                warn!("the mark of a suspect stays: {}", with_causes(&error));
                revision
            }
        };
        self.alone.free().await;
        revision
    }
}
