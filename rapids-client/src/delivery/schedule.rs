//! Which turn runs next, and which one waits for what.
//!
//! Pure bookkeeping: time is passed in, and nothing runs here. The [`engine`](super::engine) runs the
//! turns, and the [`quarantine`](super::quarantine) decides whether a suspect may run.

mod breaker;
mod key_order;
mod queues;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod throttle;
mod turns;
mod waiting;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[cfg(test)]
use crate::delivery::schedule::breaker::Breaker;
use crate::delivery::schedule::key_order::KeyOrder;
use crate::delivery::schedule::queues::Queues;
use crate::delivery::schedule::turns::{ScheduledTurn, State, Turns};
use crate::delivery::turn_id::TurnId;
use crate::jetstream::sequence::StreamPlace;

/// The packets in flight with their turns. It keeps a row `R` for each packet, and does not look into
/// it.
///
/// Of the turns that may begin, the first one does: by place, then by river. The turns of one packet
/// are independent of each other. Calls for a turn or a place that is not in flight change nothing.
#[derive(Debug)]
pub(crate) struct Schedule<R> {
    /// Whether the service handles one packet at a time, in the order of the stream.
    is_serial: bool,
    /// How many turns may run now.
    concurrency: usize,
    turns: Turns<R>,
    key_order: KeyOrder,
    queues: Queues,
    later: BTreeSet<(Instant, TurnId)>,
    /// The suspect about which the quarantine decides, or that may run, or runs: one at a time.
    suspect: Option<TurnId>,
    running: usize,
    /// How many turns have ended their reaction and are not settled.
    finishing: usize,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Run(TurnId),
    /// Decide whether this suspect may run; then call `may_run`, `postpone`, `free_slot` or `done`.
    Decide(TurnId),
    Wait,
}

/// What the end of a reaction says about its river's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Success,
    Failure,
    Neutral,
}

/// What became of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerNews {
    /// It is open for this time, after so many failures in a row.
    Opened(Duration, u32),
    Closed,
}

impl<R> Schedule<R> {
    /// For rivers in the order of their declaration, each with its rate per second and with how many
    /// failures open its breaker; and for at most so many turns at once.
    pub(crate) fn new(rivers: &[(Option<f64>, u32)], concurrency: usize) -> Self {
        Self {
            is_serial: concurrency <= 1,
            concurrency: concurrency.max(1),
            turns: Turns::default(),
            key_order: KeyOrder::default(),
            queues: Queues::new(rivers),
            later: BTreeSet::new(),
            suspect: None,
            running: 0,
            finishing: 0,
        }
    }

    /// Changes how many turns may run at once.
    pub(crate) fn set_concurrency(&mut self, concurrency: usize) {
        self.concurrency = concurrency;
    }

    /// Adds a packet that is not admitted yet.
    pub(crate) fn insert(&mut self, place: StreamPlace, row: R) {
        self.turns.insert(place, row);
    }

    /// Adds the turns of a packet: of the rivers that are to handle it, and of those for which only a
    /// dead letter is being written, each once. Suspects are decided about first, and run alone. A
    /// packet that is admitted keeps the turns that it has.
    pub(crate) fn admit(
        &mut self,
        place: StreamPlace,
        key: Option<String>,
        (to_run, finishing): (&[usize], &[usize]),
        suspect: bool,
    ) {
        let known = 0..self.queues.rivers();
        let to_run = to_run.iter().filter(|river| known.contains(river));
        let runs = to_run.clone().next().is_some();
        let key = key.filter(|_| runs);
        let behind = |&river| ScheduledTurn { river, suspect, state: State::BehindKey(None) };
        let over = |&river| ScheduledTurn { river, suspect: false, state: State::Finishing };
        let turns = to_run.map(behind).chain(finishing.iter().map(over));
        if !self.turns.admit(place, key.clone(), turns) {
            return;
        }
        self.finishing += finishing.len();
        if runs && key.is_none_or(|key| self.key_order.enter(&key, place)) {
            self.enter_queues(place);
        }
    }

    pub(crate) fn row(&self, place: StreamPlace) -> Option<&R> {
        self.turns.row(place)
    }

    pub(crate) fn row_mut(&mut self, place: StreamPlace) -> Option<&mut R> {
        self.turns.row_mut(place)
    }

    /// The rows of all packets, in no order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (StreamPlace, &R)> {
        self.turns.rows()
    }

    /// What to do now. Call it until it returns [`Wait`](Next::Wait).
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        while let Some(&(at, turn)) = self.later.first()
            && at <= now
        {
            self.later.pop_first();
            self.make_ready(turn);
        }
        match self.suspect.map(|turn| (turn, self.turns.state(turn))) {
            Some((turn, Some(State::MayRun))) if self.running == 0 => {
                self.turns.set(turn, State::Running);
                self.running += 1;
                return Next::Run(turn);
            }
            Some((_, Some(State::MayRun | State::Running))) => return Next::Wait,
            // The turns behind it would overtake it.
            Some((_, Some(State::Deciding))) if self.is_serial => return Next::Wait,
            _ => {}
        }
        if self.running >= self.concurrency {
            return Next::Wait;
        }
        let Some((turn, suspect)) = self.queues.begin(now, self.suspect.is_none()) else {
            return Next::Wait;
        };
        if suspect {
            self.suspect = Some(turn);
            self.turns.set(turn, State::Deciding);
            return Next::Decide(turn);
        }
        self.turns.set(turn, State::Running);
        self.running += 1;
        Next::Run(turn)
    }

    /// When to call `next` again even if nothing happens until then; not before now.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        let suspect = self.suspect.and_then(|turn| self.turns.state(turn));
        let is_held_up = match suspect {
            Some(State::MayRun | State::Running) => true,
            Some(State::Deciding) => self.is_serial,
            _ => false,
        };
        if self.running >= self.concurrency || is_held_up {
            return None;
        }
        let later = self.later.first().map(|&(at, _)| at);
        let gate = self.queues.wake(self.suspect.is_none());
        later.into_iter().chain(gate).min().map(|at| at.max(now))
    }

    /// The quarantine has decided that this suspect may run, as soon as nothing else does.
    pub(crate) fn may_run(&mut self, turn: TurnId) {
        if self.turns.state(turn) == Some(State::Deciding) {
            self.turns.set(turn, State::MayRun);
        }
    }

    /// Runs a turn at this time, whatever its state is now. A suspect whose reaction has not ended
    /// remains one. A turn that waits behind its key goes on waiting, and then until this time.
    pub(crate) fn postpone(&mut self, turn: TurnId, until: Instant) {
        let Some(state) = self.turns.state(turn) else { return };
        self.detach(turn);
        match state {
            State::BehindKey(_) => self.turns.set(turn, State::BehindKey(Some(until))),
            _ => self.run_later(turn, until),
        }
    }

    /// The reaction of a turn has ended: its slot is free, and its river's breaker counts the result.
    /// The turn itself is over with [`postpone`](Self::postpone) or [`done`](Self::done). A suspect is
    /// none any more, also one that the quarantine has decided not to run.
    pub(crate) fn free_slot(
        &mut self,
        turn: TurnId,
        how: Health,
        now: Instant,
    ) -> Option<BreakerNews> {
        let state = self.turns.state(turn)?;
        if !matches!(state, State::Running | State::Deciding) {
            return None;
        }
        self.suspect = self.suspect.filter(|&suspect| suspect != turn);
        if let Some(scheduled) = self.turns.turn_mut(turn) {
            scheduled.state = State::Finishing;
            scheduled.suspect = false;
        }
        self.finishing += 1;
        if state == State::Deciding {
            self.queues.abandoned(turn);
            return None;
        }
        self.running -= 1;
        self.queues.end_turn(turn, how, now)
    }

    /// The river has come to an end with the packet, and tells the others of it in a turn of its own, for
    /// which neither its rate nor its breaker counts. That of a packet that is delivered again is a suspect:
    /// what tells may end the process, too.
    pub(crate) fn tell(&mut self, turn: TurnId, is_suspect: bool) {
        if self.turns.state(turn).is_none() {
            return;
        }
        self.detach(turn);
        if let Some(scheduled) = self.turns.turn_mut(turn) {
            scheduled.suspect = is_suspect;
        }
        self.queues.tells(turn);
        self.make_ready(turn);
    }

    /// The river is done with the packet.
    pub(crate) fn done(&mut self, turn: TurnId) {
        self.remove_turn(turn);
    }

    /// Removes a packet that no river needs any more.
    pub(crate) fn remove_done(&mut self, place: StreamPlace) -> Option<R> {
        if self.turns.is_done(place) { self.remove_row(place) } else { None }
    }

    /// Whether a turn of a packet runs, or is not settled.
    pub(crate) fn is_busy(&self, place: StreamPlace) -> bool {
        self.turns.any(place, |state| matches!(state, State::Running | State::Finishing))
    }

    /// Whether a packet must not overtake another one, should another instance handle both.
    pub(crate) fn is_behind(&self, place: StreamPlace, other: StreamPlace) -> bool {
        let key = || self.turns.key(place);
        other.stream == place.stream
            && other < place
            && (self.is_serial || key().is_some() && key() == self.turns.key(other))
    }

    /// Removes a packet that is not [busy](Self::is_busy).
    pub(crate) fn remove_idle(&mut self, place: StreamPlace) -> Option<R> {
        if self.is_busy(place) { None } else { self.remove(place) }
    }

    /// Removes a packet in whatever state its turns are.
    pub(crate) fn remove(&mut self, place: StreamPlace) -> Option<R> {
        while let Some((turn, _)) = self.turns.nth(place, 0) {
            self.remove_turn(turn);
        }
        self.remove_row(place)
    }

    /// How many turns wait for more than a free slot: for a time, a breaker, a throttle, a decision
    /// about a suspect, or a packet of the same key in front of them.
    pub(crate) fn waiting(&self) -> usize {
        self.turns.len() - self.running - self.finishing - self.queued()
    }

    /// How many turns wait only for a free slot. Turns of a river with a rate never count.
    pub(crate) fn queued(&self) -> usize {
        self.queues.queued()
    }

    /// How many turns have a slot.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// How many turns have ended their reaction and are not settled.
    pub(crate) fn finishing(&self) -> usize {
        self.finishing
    }

    /// Whether there is a suspect about which the quarantine decides, or that may run, or runs.
    pub(crate) fn has_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    #[cfg(test)]
    fn breaker(&self, river: usize) -> &Breaker {
        self.queues.breaker(river)
    }

    /// Takes a turn out of the queue or count that its state means. The caller sets its next state.
    fn detach(&mut self, turn: TurnId) {
        let Some(scheduled) = self.turns.turn_mut(turn) else { return };
        match scheduled.state {
            State::BehindKey(_) => {}
            State::Later(at) => {
                self.later.remove(&(at, turn));
            }
            State::Ready => self.queues.leave(turn, scheduled.suspect),
            State::Finishing => self.finishing -= 1,
            State::Deciding | State::MayRun | State::Running => {
                self.running -= usize::from(scheduled.state == State::Running);
                self.suspect = self.suspect.filter(|&suspect| suspect != turn);
                self.queues.abandoned(turn);
            }
        }
    }

    fn remove_turn(&mut self, turn: TurnId) {
        self.detach(turn);
        self.queues.forget(turn);
        self.turns.remove_turn(turn);
    }

    /// Removes a packet without turns. The next packet of its key may run.
    fn remove_row(&mut self, place: StreamPlace) -> Option<R> {
        let (row, key) = self.turns.remove(place)?;
        if let Some(successor) = key.and_then(|key| self.key_order.leave(&key, place)) {
            self.enter_queues(successor);
        }
        Some(row)
    }

    /// Lets the turns of a packet run that is the first of its key, or has no key.
    fn enter_queues(&mut self, place: StreamPlace) {
        let mut position = 0;
        while let Some((turn, state)) = self.turns.nth(place, position) {
            match state {
                State::BehindKey(Some(at)) => self.run_later(turn, at),
                State::BehindKey(None) => self.make_ready(turn),
                _ => {}
            }
            position += 1;
        }
    }

    fn run_later(&mut self, turn: TurnId, until: Instant) {
        self.turns.set(turn, State::Later(until));
        self.later.insert((until, turn));
    }

    fn make_ready(&mut self, turn: TurnId) {
        if let Some(scheduled) = self.turns.turn_mut(turn) {
            scheduled.state = State::Ready;
            self.queues.enter(turn, scheduled.suspect);
        }
    }
}
