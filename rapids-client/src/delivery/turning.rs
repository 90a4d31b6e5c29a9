//! The life of a turn: begun, ended, tried again or finished; and of a packet, until no river needs
//! it any more.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{error, info, warn};

use super::engine::Engine;
use super::handling::{End, Handling, Ran, Sending, Task};
use super::held::Fate;
use super::in_hand::{Cause, letter_id};
use super::place::{Place, Turn};
use super::reactor::TimedOut;
use super::schedule::{BreakerNews, Next, Told};
use super::suspects::{Clearance, Suspects};
use crate::backoff;
use crate::dead_letters::{DeadLetter, Kind, LetterStore};
use crate::error::with_causes;
use crate::river::{Failure, failure};
use crate::{Error, Result};

/// Up to this wait a packet is held in the process; for longer it is handed back to the server.
const LONGEST_HELD: Duration = Duration::from_secs(60);

/// When a packet runs again whose outputs the stream does not take any more.
const OUTPUTS_REFUSED: Duration = Duration::from_secs(30);

/// What is still to be done about a turn that has ended.
pub(super) enum Work {
    Nothing,
    /// Its outputs are on their way.
    Store(Sending),
    Bury(Box<DeadLetter>),
}

/// What becomes of a turn once that is done.
#[derive(Debug)]
pub(super) enum Then {
    Done,
    /// To be tried again after this time.
    Again(Duration),
    /// Not an attempt; to be begun again after this time.
    Postpone(Duration),
    /// The server does not permit what it takes.
    End(Error),
}

/// A turn whose work is done.
pub(super) struct Finished {
    turn: Turn,
    then: Then,
    /// Of a suspect: what its end tells of its river, and its note's new revision.
    suspect: Option<(Told, u64)>,
}

impl Engine {
    /// Begins whatever may begin now.
    pub(super) fn begin_turns(&mut self) {
        loop {
            match self.schedule.next(Instant::now()) {
                Next::Wait => return,
                Next::Run(turn) => self.begin(turn),
                Next::Clear(turn) => self.clear(turn),
            }
        }
    }

    fn begin(&mut self, turn: Turn) {
        let (Some(in_hand), Some(river)) =
            (self.in_hand.get(&turn.place), self.service.rivers().get(turn.river))
        else {
            return;
        };
        let task = Task { turn, river: river.clone(), packet: in_hand.packet.clone() };
        let handling = self.handling.clone();
        self.alone = self.is_suspect(turn).then_some(turn);
        self.running.push(if self.alone.is_some() {
            Box::pin(self.suspects.clone().run(handling, task))
        } else {
            Box::pin(handling.handle(task))
        });
    }

    /// Whether the turn is marked as one that may end the process.
    fn is_suspect(&self, turn: Turn) -> bool {
        let in_hand = self.in_hand.get(&turn.place);
        in_hand.and_then(|packet| packet.rivers.get(&turn.river)).is_some_and(|it| it.starts > 0)
    }

    fn clear(&mut self, turn: Turn) {
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
            Clearance::Run { starts, revision } => {
                (in_hand.revision, in_hand.is_noted) = (revision, true);
                in_hand.rivers.entry(turn.river).or_default().starts = starts;
                self.schedule.cleared(turn);
            }
            Clearance::Later(wait) => self.schedule.postpone(turn, Instant::now() + wait),
            Clearance::Buried => self.finish(turn, Work::Nothing, Then::Done),
            Clearance::Condemned { starts } => {
                in_hand.rivers.entry(turn.river).or_default().attempts += starts;
                let reason = format!("handling it ended the process {starts} times in a row");
                let work = self.give_up(turn, Cause::new(Kind::Crashed, reason));
                self.finish(turn, work, Then::Done);
            }
        }
    }

    /// Decides what follows from the end of a reaction.
    ///
    /// # Errors
    /// What the server does not permit.
    pub(super) fn ran(&mut self, ran: Ran) -> Result<()> {
        self.window.handled(ran.took);
        let turn = ran.turn;
        let (work, then, told) = match ran.end {
            End::Reacted(sending) => {
                self.tally.handled += 1;
                (Work::Store(sending), Then::Done, Told::Success)
            }
            End::Failed(error) => self.failed(turn, &error),
            End::Unready(wait) => (Work::Nothing, Then::Postpone(wait), Told::Neutral),
            End::Stopping => (Work::Nothing, Then::Postpone(Duration::ZERO), Told::Neutral),
            End::Refused(error) => return Err(error),
        };
        if self.alone.take_if(|alone| *alone == turn).is_some() {
            // Alone until all of it is done: what it has to say, and the end of its mark.
            self.finish_suspect(turn, work, then, told);
        } else {
            self.tell_breaker(turn, told);
            self.finish(turn, work, then);
        }
        Ok(())
    }

    fn failed(&mut self, turn: Turn, error: &anyhow::Error) -> (Work, Then, Told) {
        let failure = failure(error);
        let Some(in_hand) = self.in_hand.get_mut(&turn.place) else {
            return (Work::Nothing, Then::Done, Told::Failure);
        };
        let river = &self.service.rivers()[turn.river];
        let progress = in_hand.rivers.entry(turn.river).or_default();
        progress.attempts += 1;
        progress.first_failure.get_or_insert_with(Timestamp::now);
        let Failure::Retry(asked) = failure else {
            let cause = Cause::of_error(Kind::Rejected, error);
            return (self.give_up(turn, cause), Then::Done, Told::Success);
        };
        self.tally.failed += 1;
        let (attempt, policy) = (progress.attempts, river.retry_policy());
        if policy.is_exhausted(attempt) {
            let kind = if error.is::<TimedOut>() { Kind::TimedOut } else { Kind::Exhausted };
            let cause = Cause::of_error(kind, error);
            return (self.give_up(turn, cause), Then::Done, Told::Failure);
        }
        let wait = asked.unwrap_or_else(|| policy.wait(attempt, fastrand::f64()));
        let (river, packet, place) = (river.name(), in_hand.packet.id(), turn.place);
        warn!(river, packet, %place, attempt, ?wait, "failed, to be tried again: {error:#}");
        (Work::Nothing, Then::Again(wait), Told::Failure)
    }

    fn tell_breaker(&mut self, turn: Turn, told: Told) {
        let Some(news) = self.schedule.ended(turn, told, Instant::now()) else {
            return;
        };
        let river = self.service.rivers()[turn.river].name();
        let fact = format!("{river}.breaker");
        match news {
            BreakerNews::Opened(wait, failures) => {
                warn!(river, failures, ?wait, "the breaker opens: packets wait");
                let until = Timestamp::now() + wait;
                let told = format!("open until {until}, after {failures} failures in a row");
                self.announcement.show(fact, Some(told));
            }
            BreakerNews::Closed => {
                info!(river, "the breaker closes");
                self.announcement.show(fact, None);
            }
        }
    }

    /// Does what is left to do about a turn, beside the packets that follow.
    pub(super) fn finish(&mut self, turn: Turn, work: Work, then: Then) {
        let (handling, letters) = (self.handling.clone(), self.suspects.letters.clone());
        self.finishing.push(Box::pin(async move {
            Finished { turn, then: done(&handling, &letters, work, then).await, suspect: None }
        }));
    }

    /// Ends the marks of suspects that were cleared and have not begun; returns their packets.
    pub(super) fn unmark(&mut self) -> Vec<Place> {
        let (alone, mut places) = (self.alone, Vec::new());
        let marked: Vec<_> = self
            .in_hand
            .iter()
            .flat_map(|(place, in_hand)| {
                let marked = in_hand.rivers.iter().filter(|(_, progress)| progress.starts > 0);
                marked.map(|(river, _)| Turn { place: *place, river: *river })
            })
            .filter(|turn| Some(*turn) != alone)
            .collect();
        for turn in marked {
            self.finish_suspect(turn, Work::Nothing, Then::Postpone(Duration::ZERO), Told::Neutral);
            places.push(turn.place);
        }
        places
    }

    fn finish_suspect(&mut self, turn: Turn, work: Work, then: Then, told: Told) {
        let (handling, suspects) = (self.handling.clone(), self.suspects.clone());
        let Some(in_hand) = self.in_hand.get_mut(&turn.place) else {
            return;
        };
        let progress = in_hand.rivers.entry(turn.river).or_default();
        progress.starts = 0;
        let is_last = matches!(then, Then::Done) && in_hand.open() == 1;
        let note = if is_last { None } else { in_hand.note(&self.service) };
        let revision = in_hand.revision;
        let finishing = async move {
            let then = done(&handling, &suspects.letters, work, then).await;
            let revision = Suspects::ended(&suspects, turn, note, revision).await;
            Finished { turn, then, suspect: Some((told, revision)) }
        };
        self.finishing.push(Box::pin(finishing));
    }

    /// Brings a turn to its end, or to its next beginning.
    ///
    /// # Errors
    /// What the server does not permit.
    pub(super) async fn finished(&mut self, finished: Finished) -> Result<()> {
        let Finished { turn, then, suspect } = finished;
        if let Some((told, revision)) = suspect {
            self.tell_breaker(turn, told);
            if let Some(in_hand) = self.in_hand.get_mut(&turn.place) {
                (in_hand.revision, in_hand.is_noted) = (revision, revision > 0);
            }
        }
        match then {
            Then::End(error) => return Err(error),
            Then::Postpone(wait) => self.schedule.postpone(turn, Instant::now() + wait),
            Then::Again(wait) => {
                self.schedule.again(turn, Instant::now() + wait);
                let is_long = wait > LONGEST_HELD;
                let in_hand = self.in_hand.get(&turn.place);
                if is_long && in_hand.is_some_and(|in_hand| in_hand.open() == 1) {
                    self.leave(turn.place, Some(wait));
                }
            }
            Then::Done => {
                self.schedule.done(turn);
                if let Some(in_hand) = self.in_hand.get_mut(&turn.place) {
                    in_hand.rivers.entry(turn.river).or_default().is_done = true;
                }
                self.settle(turn.place).await;
            }
        }
        if self.is_closing {
            self.leave(turn.place, None);
        }
        Ok(())
    }

    /// Acknowledges a packet that no river needs any more.
    pub(super) async fn settle(&mut self, place: Place) {
        if !self.in_hand.get(&place).is_some_and(|in_hand| in_hand.is_done()) {
            return;
        }
        if let Some(in_hand) = self.in_hand.remove(&place)
            && in_hand.is_noted
        {
            self.chores.forget(self.suspects.clone(), place);
        }
        self.held.settle(place, Fate::Acknowledge).await;
    }

    /// Hands a packet back that nothing is under way for, at once or to come again after this
    /// time, with a note of what has happened to it.
    pub(super) fn leave(&mut self, place: Place, wait: Option<Duration>) {
        if !self.schedule.remove(place) {
            return;
        }
        let Some(in_hand) = self.in_hand.remove(&place) else {
            return;
        };
        let (note, revision) = (in_hand.note(&self.service), in_hand.revision);
        let suspects = self.suspects.clone();
        self.leaving.push(Box::pin(async move {
            if let Some(note) = note
                && let Err(error) = suspects.notes.replace(place, &note, revision).await
            {
                warn!(%place, "its attempts are forgotten: {}", with_causes(&error));
            }
            (place, wait)
        }));
    }

    pub(super) async fn left(&mut self, place: Place, wait: Option<Duration>) {
        self.held.settle(place, wait.map_or(Fate::Release, Fate::Again)).await;
    }
}

/// Does what is to be done about a turn, and tells what becomes of it.
async fn done(handling: &Handling, letters: &LetterStore, work: Work, then: Then) -> Then {
    let worked = match work {
        Work::Nothing => Ok(true),
        Work::Store(sending) => handling.stored(sending).await,
        Work::Bury(letter) => bury(letters, &letter).await.map(|()| true),
    };
    match worked {
        Ok(true) => then,
        Ok(false) => Then::Postpone(OUTPUTS_REFUSED),
        Err(error) => Then::End(error),
    }
}

/// Stores a letter, for as long as it takes: until then the packet is not acknowledged.
///
/// # Errors
/// What the server does not permit.
async fn bury(letters: &LetterStore, letter: &DeadLetter) -> Result<()> {
    let mut attempt = 0;
    loop {
        match letters.store(letter).await {
            Ok(()) => return Ok(()),
            Err(error @ Error::NotPermitted { .. }) => return Err(error),
            Err(error) => {
                attempt += 1;
                let wait = backoff::exponential(attempt);
                let id = &letter.id;
                error!(%id, ?wait, "a dead letter is not stored yet: {}", with_causes(&error));
                tokio::time::sleep(wait).await;
            }
        }
    }
}
