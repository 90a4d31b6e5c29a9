//! Suspects in the engine: asked about, run alone, unmarked when they have ended.
//!
//! What decides about a suspect, and what is written down of it, is left to
//! [`suspects`](super::suspects).

use std::time::Instant;

use super::engine::Engine;
use super::handling::Task;
use super::in_hand::{Cause, letter_id};
use super::place::Turn;
use super::schedule::Told;
use super::suspects::Clearance;
use super::turning::{Then, Work};
use crate::dead_letters::Kind;

/// The suspect that may run alone.
pub(super) struct Lone {
    pub(super) turn: Turn,
    pub(super) has_begun: bool,
}

/// A suspect that is unmarked, and what is left to do about it.
pub(super) struct Unmarked {
    turn: Turn,
    /// Of the packet's note without the mark, if there was one; 0 if that left nothing to note.
    revision: Option<u64>,
    sequel: Sequel,
}

/// What follows from the end of a suspect.
pub(super) enum Sequel {
    /// It came to an end like any other.
    Ended(Work, Then, Told),
    /// It is still to run, and still a suspect.
    Later(Instant),
}

impl Engine {
    /// Finds out whether a suspect may run.
    pub(super) fn clear(&mut self, turn: Turn) {
        let suspects = self.suspects.clone();
        let river = self.service.rivers()[turn.river].name().to_owned();
        let letter = letter_id(&self.service, turn.place, &river);
        self.clearing
            .push(Box::pin(async move { (turn, suspects.clear(turn, &river, &letter).await) }));
    }

    pub(super) fn cleared(&mut self, turn: Turn, clearance: Clearance) {
        let Some(in_hand) = self.in_hand.get_mut(&turn.place) else {
            return;
        };
        match clearance {
            Clearance::Run { note, revision } => {
                in_hand.learn(&self.service, &note, revision);
                self.alone = Some(Lone { turn, has_begun: false });
                self.schedule.cleared(turn);
            }
            Clearance::Later(wait) => self.schedule.postpone(turn, Instant::now() + wait),
            Clearance::Buried => {
                self.schedule.decided(turn);
                self.finish(turn, Work::Nothing, Then::Done);
            }
            Clearance::Condemned { starts } => {
                self.schedule.decided(turn);
                in_hand.rivers.entry(turn.river).or_default().attempts += starts;
                let reason = format!("handling it ended the process {starts} times in a row");
                let work = self.give_up(turn, Cause::new(Kind::Crashed, reason));
                self.finish(turn, work, Then::Done);
            }
        }
    }

    /// Marks the suspect that may run, and begins it.
    pub(super) fn begin_alone(&mut self, task: Task) {
        let turn = task.turn;
        let Some(in_hand) = self.in_hand.get_mut(&turn.place) else {
            return;
        };
        self.alone = Some(Lone { turn, has_begun: true });
        in_hand.rivers.entry(turn.river).or_default().starts += 1;
        let marking = (in_hand.note(&self.service).unwrap_or_default(), in_hand.revision);
        let (suspects, handling) = (self.suspects.clone(), self.handling.clone());
        self.running.push(Box::pin(suspects.run(handling, task, marking)));
    }

    /// Removes the mark of the suspect that ran, before anything else may run.
    pub(super) fn unmark(&mut self, turn: Turn, marked: Option<u64>, sequel: Sequel) {
        let Some(in_hand) = self.in_hand.get_mut(&turn.place) else {
            return;
        };
        let starts = &mut in_hand.rivers.entry(turn.river).or_default().starts;
        *starts = match sequel {
            Sequel::Ended(..) => 0,
            Sequel::Later(_) => starts.saturating_sub(1),
        };
        let (note, suspects) = (in_hand.note(&self.service), self.suspects.clone());
        self.unmarking.push(Box::pin(async move {
            let revision = match marked {
                Some(revision) => Some(suspects.unmark(turn.place, note, revision).await),
                None => {
                    suspects.alone.free().await;
                    None
                }
            };
            Unmarked { turn, revision, sequel }
        }));
    }

    /// Gives the permission back of a suspect that was cleared and has not begun.
    pub(super) fn give_way(&mut self) {
        if let Some(Lone { turn, .. }) = self.alone.take_if(|lone| !lone.has_begun) {
            let (suspects, sequel) = (self.suspects.clone(), Sequel::Later(Instant::now()));
            self.unmarking.push(Box::pin(async move {
                suspects.alone.free().await;
                Unmarked { turn, revision: None, sequel }
            }));
        }
    }

    pub(super) fn unmarked(&mut self, unmarked: Unmarked) {
        let Unmarked { turn, revision, sequel } = unmarked;
        self.alone = None;
        if let (Some(in_hand), Some(revision)) = (self.in_hand.get_mut(&turn.place), revision) {
            (in_hand.revision, in_hand.is_noted) = (revision, revision > 0);
        }
        match sequel {
            Sequel::Later(at) => {
                self.schedule.postpone(turn, at);
                if self.is_closing {
                    self.leave(turn.place, None);
                }
            }
            Sequel::Ended(work, then, told) => {
                self.tell_breaker(turn, told);
                self.finish(turn, work, then);
            }
        }
    }
}
