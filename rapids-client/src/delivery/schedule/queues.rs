//! The turns that are ready, in one queue for each river, and what may stop a queue: the river's
//! throttle and circuit breaker. Turns in which rivers only tell something are in a queue of their own,
//! which nothing stops.
//!
//! A queue without a throttle and with a closed breaker is free. The first turns of all free queues are
//! kept in one ordered set. The other queues are gated, and are looked at one by one: ten thousand
//! turns behind an open breaker cost no more than one.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::delivery::schedule::breaker::Breaker;
use crate::delivery::schedule::throttle::Throttle;
use crate::delivery::schedule::waiting::WaitingTurns;
use crate::delivery::schedule::{BreakerNews, Health};
use crate::delivery::turn_id::TurnId;

#[derive(Debug)]
pub(crate) struct Queues {
    /// One for each river, and behind them that of the turns that tell.
    queues: Vec<Queue>,
    /// The turns that tell.
    telling: BTreeSet<TurnId>,
    /// The first ordinary turns of the free queues.
    heads: BTreeSet<TurnId>,
    gated: BTreeSet<usize>,
    /// Queues in which suspects wait.
    suspected: BTreeSet<usize>,
    queued: usize,
}

#[derive(Debug)]
struct Queue {
    ordinary: WaitingTurns,
    suspects: WaitingTurns,
    rate: Option<Throttle>,
    breaker: Breaker,
    /// The turn that runs as the breaker's trial.
    trial: Option<TurnId>,
    /// The turn whose failure opened the breaker last. The next trial is another turn, so that no
    /// packet uses up all its attempts as trials.
    tried: Option<TurnId>,
    /// What `heads` and `queued` contain of this queue.
    head: Option<TurnId>,
    counted: usize,
}

impl Queues {
    pub(crate) fn new(rivers: &[(Option<f64>, u32)]) -> Self {
        let queue = |&(rate, breaker): &(Option<f64>, u32)| Queue {
            ordinary: WaitingTurns::default(),
            suspects: WaitingTurns::default(),
            rate: rate.map(Throttle::new),
            breaker: Breaker::new(breaker),
            trial: None,
            tried: None,
            head: None,
            counted: 0,
        };
        let queues: Vec<_> = rivers.iter().chain([&(None, 0)]).map(queue).collect();
        let gated = (0..queues.len()).filter(|&river| queues[river].is_gated()).collect();
        Self {
            queues,
            telling: BTreeSet::new(),
            heads: BTreeSet::new(),
            gated,
            suspected: BTreeSet::new(),
            queued: 0,
        }
    }

    /// How many rivers there are.
    pub(crate) fn rivers(&self) -> usize {
        self.queues.len() - 1
    }

    /// From now on it is a turn that tells.
    pub(crate) fn tells(&mut self, turn: TurnId) {
        self.telling.insert(turn);
    }

    /// The turn is over.
    pub(crate) fn forget(&mut self, turn: TurnId) {
        self.telling.remove(&turn);
    }

    fn queue_of(&self, turn: TurnId) -> usize {
        if self.telling.contains(&turn) { self.rivers() } else { turn.river }
    }

    pub(crate) fn enter(&mut self, turn: TurnId, suspect: bool) {
        self.change(turn, |queue| queue.waiting(suspect).insert(turn));
    }

    pub(crate) fn leave(&mut self, turn: TurnId, suspect: bool) {
        self.change(turn, |queue| queue.waiting(suspect).remove(turn));
    }

    /// Begins the first turn that its throttle and breaker permit, and returns whether it is a suspect.
    pub(crate) fn begin(&mut self, now: Instant, with_suspects: bool) -> Option<(TurnId, bool)> {
        let permitting = |&&river: &&usize| self.queues[river].permits(now);
        let gated = self.gated.iter().filter(permitting);
        let ordinary = gated.filter_map(|&river| self.queues[river].candidate());
        let ordinary = ordinary.chain(self.heads.first().copied()).min();
        let suspected = self.suspected.iter().filter(|_| with_suspects).filter(permitting);
        let suspect = suspected.filter_map(|&river| self.queues[river].suspects.first()).min();
        let (turn, suspect) = match (ordinary, suspect) {
            (Some(ordinary), Some(suspect)) if ordinary < suspect => (ordinary, false),
            (_, Some(suspect)) => (suspect, true),
            (ordinary, None) => (ordinary?, false),
        };
        self.change(turn, |queue| {
            queue.waiting(suspect).remove(turn);
            queue.begin(turn, now);
        });
        Some((turn, suspect))
    }

    /// When a throttle or a breaker permits the next turn that waits for it.
    pub(crate) fn wake(&self, with_suspects: bool) -> Option<Instant> {
        let queues = self.gated.iter().map(|&river| &self.queues[river]);
        let wanted = queues.filter(|queue| {
            !queue.ordinary.is_empty() || with_suspects && !queue.suspects.is_empty()
        });
        wanted.filter_map(Queue::opens_at).min()
    }

    /// A turn that had begun has ended.
    pub(crate) fn end_turn(
        &mut self,
        turn: TurnId,
        how: Health,
        now: Instant,
    ) -> Option<BreakerNews> {
        self.change(turn, |queue| queue.end_turn(turn, how, now)).flatten()
    }

    /// A turn that had begun did not run.
    pub(crate) fn abandoned(&mut self, turn: TurnId) {
        self.change(turn, |queue| {
            if let Some(rate) = &mut queue.rate {
                rate.give_back();
            }
            queue.abandon(turn);
        });
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    #[cfg(test)]
    pub(crate) fn breaker(&self, river: usize) -> &Breaker {
        &self.queues[river].breaker
    }

    /// Changes the queue of a turn, and updates what `Queues` keeps about it.
    fn change<T>(&mut self, turn: TurnId, change: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let river = self.queue_of(turn);
        let queue = self.queues.get_mut(river)?;
        let result = change(queue);
        let gated = queue.is_gated();
        let (head, counted) =
            if gated { (None, 0) } else { (queue.ordinary.first(), queue.ordinary.len()) };
        if head != queue.head {
            if let Some(old) = queue.head {
                self.heads.remove(&old);
            }
            self.heads.extend(head);
            queue.head = head;
        }
        self.queued = self.queued - queue.counted + counted;
        queue.counted = counted;
        let suspected = !queue.suspects.is_empty();
        set(&mut self.gated, river, gated);
        set(&mut self.suspected, river, suspected);
        Some(result)
    }
}

fn set(rivers: &mut BTreeSet<usize>, river: usize, wanted: bool) {
    if wanted {
        rivers.insert(river);
    } else {
        rivers.remove(&river);
    }
}

impl Queue {
    fn waiting(&mut self, suspect: bool) -> &mut WaitingTurns {
        if suspect { &mut self.suspects } else { &mut self.ordinary }
    }

    fn is_gated(&self) -> bool {
        self.rate.is_some() || !self.breaker.is_closed()
    }

    fn permits(&self, now: Instant) -> bool {
        self.breaker.permits(now) && self.rate.as_ref().is_none_or(|rate| rate.permits(now))
    }

    /// When throttle and breaker permit a turn, if nothing happens until then.
    fn opens_at(&self) -> Option<Instant> {
        let rate = self.rate.as_ref().and_then(Throttle::next_at);
        if self.breaker.is_closed() {
            return rate;
        }
        self.breaker.opens_at().map(|at| rate.map_or(at, |rate| rate.max(at)))
    }

    /// The ordinary turn that is next here: the first one, or the one behind the last trial.
    fn candidate(&self) -> Option<TurnId> {
        let after = |tried| self.ordinary.after(tried);
        self.tried.and_then(after).or_else(|| self.ordinary.first())
    }

    fn begin(&mut self, turn: TurnId, now: Instant) {
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
        if !self.breaker.is_closed() {
            self.breaker.begin(now);
            self.trial = Some(turn);
        }
    }

    fn end_turn(&mut self, turn: TurnId, how: Health, now: Instant) -> Option<BreakerNews> {
        let is_trial = self.trial == Some(turn);
        if !is_trial && !self.breaker.is_closed() {
            // It began before the breaker opened, and says nothing about the river as it is now.
            return None;
        }
        match how {
            Health::Neutral => {
                self.abandon(turn);
                None
            }
            Health::Success => {
                self.trial = None;
                self.tried = None;
                self.breaker.succeeded().then_some(BreakerNews::Closed)
            }
            Health::Failure => {
                self.trial = None;
                let cool_off = self.breaker.failed(now)?;
                self.tried = Some(turn);
                Some(BreakerNews::Opened(cool_off, self.breaker.failures()))
            }
        }
    }

    fn abandon(&mut self, turn: TurnId) {
        if self.trial == Some(turn) {
            self.trial = None;
            self.breaker.abandoned();
        }
    }
}
