//! Which turn runs next, and which one waits for what.
//!
//! Pure bookkeeping: time is passed in, and nothing runs here. Running the turns, and finding out
//! whether a suspect may run, is left to the [`engine`](super::engine).

mod breaker;
mod key_order;
mod queues;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod throttle;
mod turns;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[cfg(test)]
use crate::delivery::schedule::breaker::Breaker;
use crate::delivery::schedule::key_order::KeyOrder;
use crate::delivery::schedule::queues::Queues;
use crate::delivery::schedule::turns::{State, Turns};
use crate::jetstream::sequence::{StreamPlace, TurnId};

/// The turns of the packets in hand.
///
/// Of the turns that may begin, the smallest does: by place, then by river. The turns of one
/// packet are independent of each other. Calls that name a turn or a place that is not in hand
/// change nothing.
#[derive(Debug)]
pub(crate) struct Schedule {
    concurrency: usize,
    turns: Turns,
    lines: KeyOrder,
    lanes: Queues,
    later: BTreeSet<(Instant, TurnId)>,
    /// The one suspect that is being cleared, or is and waits, or runs.
    suspect: Option<TurnId>,
    running: usize,
    ended: usize,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Run(TurnId),
    /// Find out whether this suspect may run; then say `cleared`, `postpone` or `done`.
    Clear(TurnId),
    Wait,
}

/// What the end of a reaction tells of its river's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Success,
    Failure,
    /// Nothing.
    Neutral,
}

/// What became of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BreakerNews {
    /// It is open for this time, after so many failures in a row.
    Opened(Duration, u32),
    Closed,
}

impl Schedule {
    /// For rivers with these rates per second and failures that open the breaker, in the order of
    /// their declaration, and at most so many turns at once.
    pub(crate) fn new(rivers: &[(Option<f64>, u32)], concurrency: usize) -> Self {
        Self {
            concurrency: concurrency.max(1),
            turns: Turns::default(),
            lines: KeyOrder::default(),
            lanes: Queues::new(rivers),
            later: BTreeSet::new(),
            suspect: None,
            running: 0,
            ended: 0,
        }
    }

    /// Changes how many turns run at once.
    pub(crate) fn allow(&mut self, concurrency: usize) {
        self.concurrency = concurrency;
    }

    /// Takes in a packet: the rivers that are to run on it; its order key; whether its turns are
    /// suspects, which are to be cleared and run alone. A packet that is in hand already, or that
    /// no river is to run on, is not taken in.
    pub(crate) fn add(
        &mut self,
        place: StreamPlace,
        key: Option<String>,
        rivers: impl IntoIterator<Item = usize>,
        suspect: bool,
    ) {
        let known = 0..self.lanes.len();
        let rivers: BTreeSet<_> =
            rivers.into_iter().filter(|river| known.contains(river)).collect();
        if rivers.is_empty() || self.turns.holds(place) {
            return;
        }
        let current = key.as_deref().is_none_or(|key| self.lines.enter(key, place));
        self.turns.insert(place, key, rivers, suspect);
        if current {
            self.let_in(place);
        }
    }

    /// What to do now. Call it until it says [`Wait`](Next::Wait).
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        while let Some(&(at, turn)) = self.later.first()
            && at <= now
        {
            self.later.pop_first();
            self.make_ready(turn);
        }
        match self.suspect.map(|turn| (turn, self.turns.state(turn))) {
            Some((turn, Some(State::Cleared))) if self.running == 0 => {
                self.turns.set(turn, State::Running);
                self.running += 1;
                return Next::Run(turn);
            }
            Some((_, Some(State::Cleared | State::Running))) => return Next::Wait,
            _ => {}
        }
        if self.running >= self.concurrency {
            return Next::Wait;
        }
        let Some((turn, suspect)) = self.lanes.begin(now, self.suspect.is_none()) else {
            return Next::Wait;
        };
        if suspect {
            self.suspect = Some(turn);
            self.turns.set(turn, State::Clearing);
            return Next::Clear(turn);
        }
        self.turns.set(turn, State::Running);
        self.running += 1;
        Next::Run(turn)
    }

    /// When `next` may say something new by the passing of time alone; not before now.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        let alone = self.suspect.and_then(|turn| self.turns.state(turn));
        if self.running >= self.concurrency
            || matches!(alone, Some(State::Cleared | State::Running))
        {
            return None;
        }
        let later = self.later.first().map(|&(at, _)| at);
        let gate = self.lanes.wake(self.suspect.is_none());
        later.into_iter().chain(gate).min().map(|at| at.max(now))
    }

    /// The suspect may run: alone, as soon as nothing else does.
    pub(crate) fn cleared(&mut self, turn: TurnId) {
        if self.turns.state(turn) == Some(State::Clearing) {
            self.turns.set(turn, State::Cleared);
        }
    }

    /// The suspect that was to be cleared will not run, and is none any more. What becomes of the
    /// turn is still to be told, as after [`ended`](Self::ended).
    pub(crate) fn decided(&mut self, turn: TurnId) {
        if self.turns.state(turn) != Some(State::Clearing) {
            return;
        }
        self.free(turn);
        if let Some(part) = self.turns.part(turn) {
            part.state = State::Ended;
            part.suspect = false;
            self.ended += 1;
        }
    }

    /// A turn that was begun or to be cleared did not run, which is no attempt: again at this
    /// time. A suspect remains one. A turn that waits does so until this time then.
    pub(crate) fn postpone(&mut self, turn: TurnId, until: Instant) {
        let Some(state) = self.turns.state(turn) else { return };
        self.free(turn);
        match state {
            State::Behind(_) => self.turns.set(turn, State::Behind(Some(until))),
            _ => self.make_wait(turn, until),
        }
    }

    /// The reaction of a running turn has ended: its slot is free, the breaker hears of it. The
    /// turn itself stays open until [`again`](Self::again) or [`done`](Self::done). A suspect is
    /// none any more: it ended.
    pub(crate) fn ended(&mut self, turn: TurnId, how: Health, now: Instant) -> Option<BreakerNews> {
        let part = self.turns.part(turn)?;
        if part.state != State::Running {
            return None;
        }
        part.state = State::Ended;
        part.suspect = false;
        self.running -= 1;
        self.ended += 1;
        self.suspect = self.suspect.filter(|&suspect| suspect != turn);
        self.lanes.ended(turn, how, now)
    }

    /// A turn that has ended is to run again at this time.
    pub(crate) fn again(&mut self, turn: TurnId, at: Instant) {
        self.postpone(turn, at);
    }

    /// The river is done with the packet. True if no river needs the packet any more; it is
    /// forgotten then, and its successor by key may run.
    pub(crate) fn done(&mut self, turn: TurnId) -> bool {
        self.free(turn);
        let whole = self.turns.end(turn);
        if whole {
            self.forget(turn.place);
        }
        whole
    }

    /// How many turns of a packet are not done.
    pub(crate) fn turns(&self, place: StreamPlace) -> usize {
        self.turns.of(place).len()
    }

    /// Takes out a packet of which no turn is running, or ended with its further way untold. True
    /// if it was taken out.
    pub(crate) fn remove(&mut self, place: StreamPlace) -> bool {
        let turns = self.turns.of(place);
        let busy = |state| matches!(state, Some(State::Running | State::Ended));
        if turns.is_empty() || turns.iter().any(|&turn| busy(self.turns.state(turn))) {
            return false;
        }
        for turn in turns {
            self.free(turn);
            self.turns.end(turn);
        }
        self.forget(place);
        true
    }

    /// How many turns wait for more than a free slot: for a time, a breaker, a throttle, a
    /// suspect's clearing or a predecessor of the same key.
    pub(crate) fn held(&self) -> usize {
        self.turns.len() - self.running - self.ended - self.queued()
    }

    /// How many turns wait for nothing but a free slot. Those of a river with a rate are never
    /// among them.
    pub(crate) fn queued(&self) -> usize {
        self.lanes.queued()
    }

    /// How many turns run: have a slot.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Whether a suspect is being cleared, or is and waits, or runs.
    pub(crate) fn has_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    /// The breaker of a river of the declaration.
    #[cfg(test)]
    fn breaker(&self, river: usize) -> &Breaker {
        self.lanes.breaker(river)
    }

    /// Takes a turn out of what it is in; the next state is still to be set.
    fn free(&mut self, turn: TurnId) {
        let Some(part) = self.turns.part(turn) else { return };
        match part.state {
            State::Behind(_) => {}
            State::Later(at) => {
                self.later.remove(&(at, turn));
            }
            State::Ready => self.lanes.leave(turn, part.suspect),
            State::Ended => self.ended -= 1,
            State::Clearing | State::Cleared | State::Running => {
                self.running -= usize::from(part.state == State::Running);
                self.suspect = self.suspect.filter(|&suspect| suspect != turn);
                self.lanes.abandoned(turn);
            }
        }
    }

    /// Lets the next packet of the same key follow one of which nothing is left.
    fn forget(&mut self, place: StreamPlace) {
        let key = self.turns.forget(place);
        if let Some(successor) = key.and_then(|key| self.lines.leave(&key, place)) {
            self.let_in(successor);
        }
    }

    /// Begins with a packet that is current for its key, or has none.
    fn let_in(&mut self, place: StreamPlace) {
        for turn in self.turns.of(place) {
            match self.turns.state(turn) {
                Some(State::Behind(Some(at))) => self.make_wait(turn, at),
                _ => self.make_ready(turn),
            }
        }
    }

    fn make_wait(&mut self, turn: TurnId, until: Instant) {
        self.turns.set(turn, State::Later(until));
        self.later.insert((until, turn));
    }

    fn make_ready(&mut self, turn: TurnId) {
        if let Some(part) = self.turns.part(turn) {
            part.state = State::Ready;
            self.lanes.enter(turn, part.suspect);
        }
    }
}
