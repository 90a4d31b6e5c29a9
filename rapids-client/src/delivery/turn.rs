//! The life of a turn: begun, ended, tried again or finished; and of a packet, until no river needs
//! it any more.

use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use tracing::{info, warn};

use crate::dead_letters::{DeadLetter, Kind};
use crate::delivery::engine::Engine;
use crate::delivery::executor::TimedOut;
use crate::delivery::handling::{End, Ran, Sending, Task};
use crate::delivery::held::AckAction;
use crate::delivery::in_flight::Cause;
use crate::delivery::quarantine::clearing::Sequel;
use crate::delivery::schedule::{BreakerNews, Health, Next};
use crate::error::{chain, with_causes};
use crate::jetstream::sequence::{StreamPlace, TurnId};
use crate::river::{Failure, failure};
use crate::{Error, Result};

/// Up to this wait a packet is held in the process; for longer it is handed back to the server.
const LONGEST_HELD: Duration = Duration::from_secs(60);

/// No wait is longer, or the clock could not tell its end.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// When a turn begins again that the caller's side has refused. By then the engine has been told to
/// stop too; a turn that began at once would keep it from hearing that.
const STOPPING: Duration = Duration::from_secs(1);

/// When a packet runs again whose outputs the stream does not take any more.
const OUTPUTS_REFUSED: Duration = Duration::from_secs(30);

/// What is still to be done about a turn that has ended.
pub(crate) enum Work {
    Nothing,
    /// Its outputs are on their way.
    Store(Sending),
    Bury(Box<DeadLetter>),
}

/// What becomes of a turn once that is done.
#[derive(Debug)]
pub(crate) enum Then {
    Done,
    /// To be tried again after this time.
    Again(Duration),
    /// Not an attempt; to be begun again after this time.
    Postpone(Duration),
    /// The server does not permit what it takes.
    End(Error),
}

/// A turn whose work is done.
pub(crate) struct Finished {
    turn: TurnId,
    then: Then,
}

impl Engine {
    /// Begins whatever may begin now. Reactions that need nothing but their packet are handed to
    /// the caller's side ahead of their time, where they begin in this order.
    pub(crate) fn begin_turns(&mut self) {
        let ahead = if self.begins_ahead { self.window.ahead() } else { 0 };
        let (at_once, running) = (self.service.concurrency_limit(), self.schedule.running());
        // Several at a time, or each would wake the caller's side.
        let has_enough = running > at_once + ahead / 2;
        self.schedule.allow(if has_enough { running } else { at_once + ahead });
        loop {
            match self.schedule.next(Instant::now()) {
                Next::Wait => return,
                Next::Run(turn) => self.begin(turn),
                Next::Clear(turn) => self.clear(turn),
            }
        }
    }

    fn begin(&mut self, turn: TurnId) {
        let (Some(in_hand), Some(river)) =
            (self.in_hand.get(&turn.place), self.rivers.get(turn.river))
        else {
            return;
        };
        let is_ordered = self.service.concurrency_limit() == 1;
        let ticket = is_ordered.then(|| self.tickets.next());
        let task = Task { turn, river: river.clone(), packet: in_hand.packet.clone(), ticket };
        if self.alone.as_ref().is_some_and(|lone| lone.turn == turn) {
            self.begin_alone(task);
        } else {
            self.running.push(Box::pin(self.handling.clone().handle(task)));
        }
    }

    /// Decides what follows from the end of a reaction, and of those that have ended with it.
    ///
    /// # Errors
    /// What the server does not permit.
    pub(crate) fn all_ran(&mut self, first: Ran) -> Result<()> {
        self.ran(first)?;
        while let Some(Some(ran)) = self.running.next().now_or_never() {
            self.ran(ran)?;
        }
        Ok(())
    }

    /// Decides what follows from the end of a reaction.
    ///
    /// # Errors
    /// What the server does not permit.
    pub(crate) fn ran(&mut self, ran: Ran) -> Result<()> {
        self.window.handled(ran.took);
        let turn = ran.turn;
        let (work, then, told) = match ran.end {
            End::Reacted(sending) => {
                self.tally.handled += 1;
                (Work::Store(sending), Then::Done, Health::Success)
            }
            End::Failed(error) => self.failed(turn, &error),
            End::Unready(wait) => (Work::Nothing, Then::Postpone(wait), Health::Neutral),
            End::Stopping => (Work::Nothing, Then::Postpone(STOPPING), Health::Neutral),
            End::Refused(error) => return Err(error),
        };
        if self.alone.as_ref().is_none_or(|lone| lone.turn != turn) {
            self.tell_breaker(turn, told);
            self.finish(turn, work, then);
        } else if let Then::Postpone(wait) = then {
            self.ran_alone(turn, ran.noted, Sequel::Later(Instant::now() + wait));
        } else {
            self.ran_alone(turn, ran.noted, Sequel::Ended(work, then, told));
        }
        Ok(())
    }

    fn failed(&mut self, turn: TurnId, error: &anyhow::Error) -> (Work, Then, Health) {
        let Some(in_hand) = self.in_hand.get_mut(&turn.place) else {
            return (Work::Nothing, Then::Done, Health::Neutral);
        };
        let progress = in_hand.rivers.entry(turn.river).or_default();
        progress.attempts += 1;
        progress.first_failure.get_or_insert_with(Timestamp::now);
        let Failure::Retry(asked) = failure(error) else {
            let cause = Cause::of_error(Kind::Rejected, error);
            return (self.give_up(turn, cause), Then::Done, Health::Neutral);
        };
        self.tally.failed += 1;
        let river = &self.service.rivers()[turn.river];
        let (attempt, policy) = (progress.attempts, river.retry_policy());
        if policy.is_exhausted(attempt) {
            let kind = if error.is::<TimedOut>() { Kind::TimedOut } else { Kind::Exhausted };
            let cause = Cause::of_error(kind, error);
            return (self.give_up(turn, cause), Then::Done, Health::Failure);
        }
        let wait = asked.unwrap_or_else(|| policy.wait(attempt, fastrand::f64()));
        let wait = wait.min(LONGEST_WAIT);
        let (river, packet, place) = (river.name(), in_hand.packet.id(), turn.place);
        let (sequence, replay) = (place.packet(), place.replay());
        let causes = chain(error.chain()).join(": ");
        warn!(
            river,
            packet,
            sequence,
            replay,
            attempt,
            ?wait,
            "failed, to be tried again: {causes}"
        );
        (Work::Nothing, Then::Again(wait), Health::Failure)
    }

    pub(crate) fn tell_breaker(&mut self, turn: TurnId, told: Health) {
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
    pub(crate) fn finish(&mut self, turn: TurnId, work: Work, then: Then) {
        let (handling, burials) = (self.handling.clone(), self.burials.clone());
        self.finishing.push(Box::pin(async move {
            let worked = match work {
                Work::Nothing => Ok(true),
                Work::Store(sending) => handling.stored(sending).await,
                // Boxed, or the futures of all turns would be as large.
                Work::Bury(letter) => Box::pin(burials.bury(&letter)).await.map(|()| true),
            };
            let then = match worked {
                Ok(true) => then,
                Ok(false) => Then::Postpone(OUTPUTS_REFUSED),
                Err(error) => Then::End(error),
            };
            Finished { turn, then }
        }));
    }

    /// Brings a turn to its end, and those whose work was done with it.
    ///
    /// # Errors
    /// What the server does not permit.
    pub(crate) async fn all_finished(&mut self, first: Finished) -> Result<()> {
        self.finished(first).await?;
        while let Some(Some(finished)) = self.finishing.next().now_or_never() {
            self.finished(finished).await?;
        }
        Ok(())
    }

    /// Brings a turn to its end, or to its next beginning.
    ///
    /// # Errors
    /// What the server does not permit.
    pub(crate) async fn finished(&mut self, finished: Finished) -> Result<()> {
        let Finished { turn, then } = finished;
        match then {
            Then::End(error) => return Err(error),
            Then::Postpone(wait) => self.schedule.postpone(turn, Instant::now() + wait),
            Then::Again(wait) => {
                self.schedule.again(turn, Instant::now() + wait);
                if wait > LONGEST_HELD && self.tenure.is_none() && self.may_leave(turn.place, wait)
                {
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
        self.forged_ended(turn.place).await;
        if self.is_closing {
            self.leave(turn.place, None);
        }
        Ok(())
    }

    /// Whether a packet that waits for long may do so on the server: one river needs it, no
    /// successor in order would overtake it, and the stream keeps it until then.
    fn may_leave(&self, place: StreamPlace, wait: Duration) -> bool {
        let max_age = self.rapids.facts().max_age;
        let is_kept = |stored: Timestamp| {
            let age = Duration::try_from(Timestamp::now().duration_since(stored));
            max_age.is_zero()
                || age.unwrap_or_default().saturating_add(wait.saturating_mul(2)) < max_age
        };
        self.in_hand.get(&place).is_some_and(|in_hand| {
            let stored = in_hand.packet.arrival().map(|arrival| arrival.stored);
            in_hand.open() == 1
                && self.service.order_key(&in_hand.packet).is_none()
                && stored.is_some_and(is_kept)
        })
    }

    /// Acknowledges a packet that no river needs any more.
    pub(crate) async fn settle(&mut self, place: StreamPlace) {
        if !self.in_hand.get(&place).is_some_and(|in_hand| in_hand.is_done()) {
            return;
        }
        if let Some(in_hand) = self.in_hand.remove(&place)
            && in_hand.is_noted()
        {
            self.chores.forget(self.suspects.clone(), place);
        }
        if self.is_forged(place) {
            return self.held.settle(place, AckAction::Release).await;
        }
        self.held.settle(place, AckAction::Acknowledge).await;
        if let Some(tenure) = &mut self.tenure {
            tenure.keeper.moved();
            self.intake.handled();
        }
    }

    /// Hands a packet back that nothing is under way for, at once or to come again after this
    /// time, with a note of what has happened to it.
    pub(crate) fn leave(&mut self, place: StreamPlace, wait: Option<Duration>) {
        if !self.schedule.remove(place) {
            return;
        }
        let Some(in_hand) = self.in_hand.remove(&place) else {
            return;
        };
        let (unnoted, suspects) = (in_hand.unnoted(&self.service), self.suspects.clone());
        self.leaving.push(Box::pin(async move {
            if let Err(error) = suspects.note(place, unnoted).await {
                warn!(
                    sequence = place.packet(),
                    replay = place.replay(),
                    "its attempts are forgotten: {}",
                    with_causes(&error)
                );
            }
            (place, wait)
        }));
    }

    pub(crate) async fn left(&mut self, place: StreamPlace, wait: Option<Duration>) {
        self.held.settle(place, wait.map_or(AckAction::Release, AckAction::Again)).await;
    }
}
