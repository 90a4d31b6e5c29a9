//! Quarantine in the engine: asked about, run alone, unmarked when they have ended.
//!
//! What decides about a suspect, and what is written down of it, is left to
//! [`suspects`](crate::delivery::quarantine).

use std::time::Instant;

use crate::dead_letters::Kind;
use crate::delivery::engine::Engine;
use crate::delivery::handling::Task;
use crate::delivery::in_flight::{Cause, letter_id};
use crate::delivery::progress::SavedProgress;
use crate::delivery::quarantine::Clearance;
use crate::delivery::schedule::Health;
use crate::delivery::turn::{Then, Work};
use crate::jetstream::sequence::TurnId;

/// The suspect that may run alone.
pub(crate) struct Lone {
    pub(crate) turn: TurnId,
    pub(crate) has_begun: bool,
}

/// A suspect that is unmarked, and what is left to do about it.
pub(crate) struct Unmarked {
    turn: TurnId,
    noted: Option<SavedProgress>,
    sequel: Sequel,
}

/// What follows from the end of a suspect.
pub(crate) enum Sequel {
    /// It came to an end like any other.
    Ended(Work, Then, Health),
    /// It is still to run, and still a suspect.
    Later(Instant),
}

impl Engine {
    /// Finds out whether a suspect may run.
    pub(crate) fn clear(&mut self, turn: TurnId) {
        let Some(in_hand) = self.in_hand.get(&turn.place) else {
            return;
        };
        let (suspects, packet_id) = (self.suspects.clone(), in_hand.packet.id().to_owned());
        let (place, river) = (turn.place, self.service.rivers()[turn.river].name().to_owned());
        let letter = letter_id(&self.service, place, &river);
        self.clearing.push(Box::pin(async move {
            (turn, suspects.clear(place, &river, (&letter, &packet_id)).await)
        }));
    }

    pub(crate) fn cleared(&mut self, turn: TurnId, clearance: Clearance) {
        let Some(in_hand) = self.in_hand.get_mut(&turn.place) else {
            return;
        };
        match clearance {
            Clearance::Run { starts, noted } => {
                in_hand.learn(&self.service, noted);
                in_hand.rivers.entry(turn.river).or_default().starts = starts;
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
                in_hand.rivers.entry(turn.river).or_default().starts = starts;
                let reason = format!("handling it ended the process {starts} times in a row");
                let work = self.give_up(turn, Cause::new(Kind::Crashed, reason));
                self.finish(turn, work, Then::Done);
            }
        }
    }

    /// Marks the suspect that may run, and begins it.
    pub(crate) fn begin_alone(&mut self, task: Task) {
        let turn = task.turn;
        let (Some(in_hand), Some(lone)) = (self.in_hand.get(&turn.place), &mut self.alone) else {
            return;
        };
        lone.has_begun = true;
        let starts = in_hand.rivers.get(&turn.river).map_or(0, |progress| progress.starts);
        // So that a sibling that is done does not run again, should this one end the process.
        let unnoted = in_hand.unnoted(&self.service);
        let (suspects, handling) = (self.suspects.clone(), self.handling.clone());
        self.running.push(Box::pin(suspects.run(handling, task, starts, unnoted)));
    }

    /// Sees to the mark of the suspect that ran, before anything else may run.
    pub(crate) fn ran_alone(&mut self, turn: TurnId, noted: Option<SavedProgress>, sequel: Sequel) {
        let Some(in_hand) = self.in_hand.get_mut(&turn.place) else {
            return;
        };
        if let Some(noted) = noted {
            in_hand.noted = noted;
        }
        if let Sequel::Ended(..) = sequel {
            in_hand.rivers.entry(turn.river).or_default().starts = 0;
        }
        if let Sequel::Ended(work @ Work::Store(_), then, told) = sequel {
            // It will not come again, so its mark says nothing: the next suspect's may replace it.
            self.alone = None;
            self.tell_breaker(turn, told);
            return self.finish(turn, work, then);
        }
        let (unnoted, suspects) = (in_hand.unnoted(&self.service), self.suspects.clone());
        self.unmarking.push(Box::pin(async move {
            let noted = suspects.unmark(turn.place, unnoted).await;
            Unmarked { turn, noted, sequel }
        }));
    }

    pub(crate) fn unmarked(&mut self, unmarked: Unmarked) {
        let Unmarked { turn, noted, sequel } = unmarked;
        self.alone = None;
        if let (Some(in_hand), Some(noted)) = (self.in_hand.get_mut(&turn.place), noted) {
            in_hand.noted = noted;
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

    /// Gives the permission to run alone back when no suspect is to follow.
    pub(crate) fn give_way(&mut self) {
        let is_idle = self.alone.is_none() && self.freeing.is_empty();
        if is_idle && !self.schedule.has_suspect() && self.suspects.alone.is_mine() {
            let suspects = self.suspects.clone();
            self.freeing.push(Box::pin(async move { suspects.alone.free().await }));
        }
    }
}
