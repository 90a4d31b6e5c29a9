//! Turns that are ready, river by river, and the gates of the rivers: throttle and circuit breaker.
//!
//! A lane without a throttle and with a closed breaker is free; its first turn stands in one
//! order with those of the other free lanes. The others are gated and looked at one by one, so
//! that ten thousand turns behind an open breaker cost no more than one.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Instant;

use crate::delivery::schedule::breaker::Breaker;
use crate::delivery::schedule::throttle::Throttle;
use crate::delivery::schedule::{BreakerNews, Health};
use crate::jetstream::sequence::TurnId;

#[derive(Debug)]
pub(crate) struct Queues {
    lanes: Vec<Queue>,
    /// The first ordinary turns of the free lanes.
    heads: BTreeSet<TurnId>,
    gated: BTreeSet<usize>,
    /// Queues in which suspects wait.
    suspected: BTreeSet<usize>,
    queued: usize,
}

#[derive(Debug)]
struct Queue {
    ordinary: BTreeSet<TurnId>,
    suspects: BTreeSet<TurnId>,
    rate: Option<Throttle>,
    breaker: Breaker,
    /// The turn that the breaker waits for.
    trial: Option<TurnId>,
    /// Whose failure opened the breaker last: the next trial is another turn, so that no packet
    /// uses up all its attempts on finding out whether the river is well again.
    tried: Option<TurnId>,
    /// What `heads` and `queued` hold of this lane.
    head: Option<TurnId>,
    counted: usize,
}

impl Queues {
    pub(crate) fn new(rivers: &[(Option<f64>, u32)]) -> Self {
        let lane = |&(rate, breaker): &(Option<f64>, u32)| Queue {
            ordinary: BTreeSet::new(),
            suspects: BTreeSet::new(),
            rate: rate.map(Throttle::new),
            breaker: Breaker::new(breaker),
            trial: None,
            tried: None,
            head: None,
            counted: 0,
        };
        let lanes: Vec<_> = rivers.iter().map(lane).collect();
        let gated = (0..lanes.len()).filter(|&river| lanes[river].is_gated()).collect();
        Self { lanes, heads: BTreeSet::new(), gated, suspected: BTreeSet::new(), queued: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    pub(crate) fn enter(&mut self, turn: TurnId, suspect: bool) {
        self.change(turn.river, |lane| lane.waiting(suspect).insert(turn));
    }

    pub(crate) fn leave(&mut self, turn: TurnId, suspect: bool) {
        self.change(turn.river, |lane| lane.waiting(suspect).remove(&turn));
    }

    /// Lets the smallest turn begin whose gate permits it, and says whether it is a suspect.
    pub(crate) fn begin(&mut self, now: Instant, with_suspects: bool) -> Option<(TurnId, bool)> {
        let permitting = |&&river: &&usize| self.lanes[river].permits(now);
        let gated = self.gated.iter().filter(permitting);
        let ordinary = gated.filter_map(|&river| self.lanes[river].candidate());
        let ordinary = ordinary.chain(self.heads.first().copied()).min();
        let suspected = self.suspected.iter().filter(|_| with_suspects).filter(permitting);
        let suspect = suspected.filter_map(|&river| self.lanes[river].suspects.first()).min();
        let (turn, suspect) = match (ordinary, suspect.copied()) {
            (Some(ordinary), Some(suspect)) if ordinary < suspect => (ordinary, false),
            (_, Some(suspect)) => (suspect, true),
            (ordinary, None) => (ordinary?, false),
        };
        self.change(turn.river, |lane| {
            lane.waiting(suspect).remove(&turn);
            lane.begin(turn, now);
        });
        Some((turn, suspect))
    }

    /// When a gate opens that turns wait at.
    pub(crate) fn wake(&self, with_suspects: bool) -> Option<Instant> {
        let lanes = self.gated.iter().map(|&river| &self.lanes[river]);
        let wanted = lanes
            .filter(|lane| !lane.ordinary.is_empty() || with_suspects && !lane.suspects.is_empty());
        wanted.filter_map(Queue::opens_at).min()
    }

    /// A turn that had begun has ended.
    pub(crate) fn ended(&mut self, turn: TurnId, how: Health, now: Instant) -> Option<BreakerNews> {
        self.change(turn.river, |lane| lane.ended(turn, how, now)).flatten()
    }

    /// A turn that had begun did not run.
    pub(crate) fn abandoned(&mut self, turn: TurnId) {
        self.change(turn.river, |lane| {
            if let Some(rate) = &mut lane.rate {
                rate.give_back();
            }
            lane.abandon(turn);
        });
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    #[cfg(test)]
    pub(crate) fn breaker(&self, river: usize) -> &Breaker {
        &self.lanes[river].breaker
    }

    /// Changes a lane and brings up to date what is known of it outside.
    fn change<T>(&mut self, river: usize, change: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let lane = self.lanes.get_mut(river)?;
        let result = change(lane);
        let gated = lane.is_gated();
        let (head, counted) =
            if gated { (None, 0) } else { (lane.ordinary.first().copied(), lane.ordinary.len()) };
        if head != lane.head {
            if let Some(old) = lane.head {
                self.heads.remove(&old);
            }
            self.heads.extend(head);
            lane.head = head;
        }
        self.queued = self.queued - lane.counted + counted;
        lane.counted = counted;
        let suspected = !lane.suspects.is_empty();
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
    fn waiting(&mut self, suspect: bool) -> &mut BTreeSet<TurnId> {
        if suspect { &mut self.suspects } else { &mut self.ordinary }
    }

    fn is_gated(&self) -> bool {
        self.rate.is_some() || !self.breaker.is_closed()
    }

    fn permits(&self, now: Instant) -> bool {
        self.breaker.permits(now) && self.rate.as_ref().is_none_or(|rate| rate.permits(now))
    }

    /// When the gate opens by the passing of time alone.
    fn opens_at(&self) -> Option<Instant> {
        let rate = self.rate.as_ref().and_then(Throttle::next_at);
        if self.breaker.is_closed() {
            return rate;
        }
        self.breaker.opens_at().map(|at| rate.map_or(at, |rate| rate.max(at)))
    }

    /// The ordinary turn that is next here: the smallest, but in trials one after the other.
    fn candidate(&self) -> Option<TurnId> {
        let after = |tried| self.ordinary.range((Excluded(tried), Unbounded)).next();
        self.tried.and_then(after).or_else(|| self.ordinary.first()).copied()
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

    fn ended(&mut self, turn: TurnId, how: Health, now: Instant) -> Option<BreakerNews> {
        let is_trial = self.trial == Some(turn);
        if !is_trial && !self.breaker.is_closed() {
            // It began before the breaker opened, and says nothing of the river as it is now.
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
