//! A long run of random packets and results, to see that the rules hold together.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::jetstream::sequence::StreamName;

const RIVERS: [(Option<f64>, u32); 4] = [(None, 0), (Some(40.0), 0), (None, 3), (Some(200.0), 2)];
const CONCURRENCY: usize = 4;

/// What the calls so far imply about the turns, without looking into the schedule.
struct World {
    random: fastrand::Rng,
    now: Instant,
    schedule: Schedule<()>,
    next_sequence: u64,
    keys: HashMap<StreamPlace, Option<u64>>,
    suspects: BTreeMap<TurnId, bool>,
    deciding: Vec<TurnId>,
    may_run: Option<TurnId>,
    running: Vec<TurnId>,
    ended: Vec<TurnId>,
    finished: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            now: Instant::now(),
            schedule: Schedule::new(&RIVERS, CONCURRENCY),
            next_sequence: 1,
            keys: HashMap::new(),
            suspects: BTreeMap::new(),
            deciding: Vec::new(),
            may_run: None,
            running: Vec::new(),
            ended: Vec::new(),
            finished: 0,
        }
    }

    fn step(&mut self, arrivals: bool) {
        match self.random.u8(0..10) {
            0..=1 if arrivals => self.arrive(),
            2 if arrivals => self.remove(),
            0..=5 => self.begin(),
            6 => self.now += Duration::from_millis(self.random.u64(0..30)),
            7 => self.decide_about_a_suspect(),
            8 => self.end(),
            _ => self.settle(),
        }
        self.check();
    }

    fn arrive(&mut self) {
        let random = &mut self.random;
        let feed = if random.u8(0..10) == 0 { StreamName::Replays } else { StreamName::Rapids };
        // Not always in order: packets are delivered again.
        let sequence = self.next_sequence + random.u64(0..2) * 5_000;
        self.next_sequence += 1;
        let place = StreamPlace { stream: feed, sequence };
        let mut rivers: Vec<_> = (0..RIVERS.len()).filter(|_| random.bool()).collect();
        rivers.push(random.usize(0..RIVERS.len()));
        let key = random.bool().then(|| random.u64(0..5));
        let suspect = random.u8(0..8) == 0;
        self.schedule.add(place, key.map(|key| key.to_string()), rivers.clone(), suspect);
        if self.keys.insert(place, key).is_none() {
            let turns = rivers.into_iter().map(|river| (TurnId { place, river }, suspect));
            self.suspects.extend(turns);
        }
    }

    fn begin(&mut self) {
        match self.schedule.next(self.now) {
            Next::Wait => {}
            Next::Decide(turn) => {
                assert!(self.suspects[&turn], "{turn:?} is no suspect");
                assert!(self.may_run.is_none());
                self.deciding.push(turn);
            }
            Next::Run(turn) => {
                assert_eq!(self.suspects[&turn], self.may_run == Some(turn), "{turn:?}");
                assert!(!self.running.contains(&turn) && !self.ended.contains(&turn));
                self.running.push(turn);
            }
        }
    }

    fn decide_about_a_suspect(&mut self) {
        let Some(turn) = self.deciding.pop() else { return };
        match self.random.u8(0..4) {
            0 => {
                let soon = self.soon();
                self.schedule.postpone(turn, soon);
            }
            1 if self.random.bool() => self.tell(turn),
            1 => self.finish(turn),
            _ => {
                self.schedule.may_run(turn);
                self.may_run = Some(turn);
            }
        }
    }

    fn end(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let turn = self.running.swap_remove(self.random.usize(0..self.running.len()));
        self.may_run = self.may_run.filter(|&may_run| may_run != turn);
        if self.random.u8(0..10) == 0 {
            let soon = self.soon();
            self.schedule.postpone(turn, soon);
            return;
        }
        let how = match self.random.u8(0..10) {
            0..=4 => Health::Success,
            5 => Health::Neutral,
            _ => Health::Failure,
        };
        self.schedule.free_slot(turn, how, self.now);
        self.suspects.insert(turn, false);
        self.ended.push(turn);
    }

    fn settle(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        let turn = self.ended.swap_remove(self.random.usize(0..self.ended.len()));
        match self.random.u8(0..6) {
            0..2 => {
                let soon = self.soon();
                self.schedule.postpone(turn, soon);
            }
            2 => self.tell(turn),
            _ => self.finish(turn),
        }
    }

    fn tell(&mut self, turn: TurnId) {
        let is_suspect = self.random.bool();
        self.schedule.tell(turn, is_suspect);
        self.suspects.insert(turn, is_suspect);
    }

    fn finish(&mut self, turn: TurnId) {
        self.suspects.remove(&turn);
        self.finished += 1;
        let last = !self.suspects.keys().any(|open| open.place == turn.place);
        assert_eq!(self.schedule.finish(turn), last);
    }

    fn remove(&mut self) {
        let nth = self.random.usize(0..20);
        let Some(&TurnId { place, .. }) = self.suspects.keys().nth(nth) else { return };
        let busy = self.running.iter().chain(&self.ended).any(|turn| turn.place == place);
        assert_eq!(self.schedule.removes(place), !busy);
        if !busy {
            self.suspects.retain(|turn, _| turn.place != place);
            self.deciding.retain(|turn| turn.place != place);
            self.may_run = self.may_run.filter(|turn| turn.place != place);
        }
    }

    fn soon(&mut self) -> Instant {
        self.now + Duration::from_millis(self.random.u64(0..200))
    }

    fn check(&self) {
        let schedule = &self.schedule;
        assert!(self.running.len() <= CONCURRENCY);
        assert_eq!(schedule.running(), self.running.len());
        assert!(self.deciding.len() + usize::from(self.may_run.is_some()) <= 1);
        if self.may_run.is_some_and(|turn| self.running.contains(&turn)) {
            assert_eq!(self.running.len(), 1, "a suspect runs alone");
        }
        let open = schedule.waiting() + schedule.queued() + schedule.running() + self.ended.len();
        assert_eq!(open, self.suspects.len());
        let mut current = HashMap::new();
        let may_run = self.deciding.iter().chain(&self.may_run);
        for turn in self.running.iter().chain(&self.ended).chain(may_run) {
            if let Some(key) = self.keys[&turn.place] {
                assert_eq!(*current.entry(key).or_insert(turn.place), turn.place);
            }
        }
    }

    /// Nothing arrives any more, and time passes as far as the schedule wants it to.
    fn drain(&mut self) {
        for _ in 0..200_000 {
            if self.suspects.is_empty() {
                return;
            }
            self.step(false);
            self.begin();
            let under_way = self.running.len() + self.ended.len() + self.deciding.len();
            if under_way == 0 && !self.suspects.is_empty() {
                let wake = self.schedule.wake(self.now);
                self.now = wake.expect("turns are open, none is under way, and none waits");
            }
        }
        panic!("{} turns are left", self.suspects.len());
    }
}

#[test]
fn the_rules_hold_whatever_comes() {
    for seed in 0..6 {
        let mut world = World::new(seed);
        (0..5_000).for_each(|_| world.step(true));
        assert!(world.finished > 100, "{} of seed {seed}", world.finished);
        world.drain();
        let schedule = &world.schedule;
        assert_eq!((schedule.waiting(), schedule.queued(), schedule.running()), (0, 0, 0));
        assert_eq!(schedule.wake(world.now), None);
    }
}
