//! Stops a river whose reactions keep failing, so that packets wait instead of using up their
//! attempts: a circuit breaker.
//!
//! It only counts. The [`schedule`](crate::delivery::schedule) decides which turn is its trial, and
//! which results are too late to count.

use std::time::{Duration, Instant};

const FIRST_COOL_OFF: Duration = Duration::from_secs(1);
const LONGEST_COOL_OFF: Duration = Duration::from_secs(60);

/// The circuit breaker of one river.
#[derive(Debug, Clone)]
pub(crate) struct Breaker {
    /// How many failures in a row open it; 0 if it never opens.
    limit: u32,
    /// Failures in a row.
    failures: u32,
    /// How long it stays open, or stayed open last.
    cool_off: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// Nothing runs before this time, and then one trial.
    Open(Instant),
    /// The trial that was due at this time runs.
    Trial(Instant),
}

impl Breaker {
    /// A closed breaker that opens after so many failures in a row; with 0 it never opens.
    pub(crate) fn new(failures: u32) -> Self {
        Self { limit: failures, failures: 0, cool_off: FIRST_COOL_OFF, state: State::Closed }
    }

    /// Whether a turn may begin.
    pub(crate) fn permits(&self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open(due) => now >= due,
            State::Trial(_) => false,
        }
    }

    /// A turn begins. It is the trial, if one is due.
    pub(crate) fn begin(&mut self, now: Instant) {
        if let State::Open(due) = self.state
            && now >= due
        {
            self.state = State::Trial(due);
        }
    }

    /// A turn succeeded; `true` if that closes the breaker. A turn that began before the breaker opened
    /// does not close it.
    pub(crate) fn succeeded(&mut self) -> bool {
        if matches!(self.state, State::Open(_)) {
            return false;
        }
        let closes = !self.is_closed();
        *self = Self::new(self.limit);
        closes
    }

    /// A turn failed. Returns for how long the breaker is open, if this failure opens it.
    pub(crate) fn failed(&mut self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Open(_) => return None,
            State::Closed => {
                self.failures = self.failures.saturating_add(1);
                if self.limit == 0 || self.failures < self.limit {
                    return None;
                }
            }
            State::Trial(_) => {
                self.failures = self.failures.saturating_add(1);
                self.cool_off = (self.cool_off * 2).min(LONGEST_COOL_OFF);
            }
        }
        self.state = State::Open(now + self.cool_off);
        Some(self.cool_off)
    }

    /// The trial did not run, or says nothing about the river's health: another one is due.
    pub(crate) fn abandoned(&mut self) {
        if let State::Trial(due) = self.state {
            self.state = State::Open(due);
        }
    }

    /// When an open breaker lets a trial through; `None` while it is closed or the trial runs.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        match self.state {
            State::Open(due) => Some(due),
            State::Closed | State::Trial(_) => None,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// How many turns failed in a row, trials included.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Opened by a third failure.
    fn open(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(3);
        assert_eq!([(); 3].map(|()| breaker.failed(now)), [None, None, Some(SECOND)]);
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_for_a_second() {
        let now = Instant::now();
        let breaker = open(now);
        assert_eq!(breaker.opens_at(), Some(now + SECOND));
        assert!(!breaker.permits(now + SECOND - Duration::from_nanos(1)));
        assert!(breaker.permits(now + SECOND));
        assert_eq!((breaker.failures(), breaker.is_closed()), (3, false));
    }

    #[test]
    fn a_success_in_between_resets_the_count() {
        let now = Instant::now();
        let mut breaker = Breaker::new(2);
        for _ in 0..5 {
            assert_eq!(breaker.failed(now), None);
            assert!(!breaker.succeeded());
        }
        assert!(breaker.permits(now));
    }

    #[test]
    fn a_limit_of_zero_never_opens() {
        let now = Instant::now();
        let mut breaker = Breaker::new(0);
        assert!((0..1_000).all(|_| breaker.failed(now).is_none()));
        assert!(breaker.permits(now));
    }

    #[test]
    fn trials_are_one_at_a_time_and_double_the_cool_off_up_to_a_minute() {
        let mut now = Instant::now();
        let mut breaker = open(now);
        let mut cool_offs = Vec::new();
        for _ in 0..8 {
            now = breaker.opens_at().unwrap();
            breaker.begin(now);
            assert!(!breaker.permits(now + 100 * SECOND));
            cool_offs.push(breaker.failed(now).unwrap().as_secs());
        }
        assert_eq!(cool_offs, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(breaker.failures(), 11);
    }

    #[test]
    fn a_trial_that_succeeds_closes_it_and_forgets_the_cool_off() {
        let now = Instant::now();
        let mut breaker = open(now);
        breaker.begin(now + SECOND);
        assert_eq!(breaker.failed(now), Some(2 * SECOND));
        breaker.begin(now + 2 * SECOND);
        assert!(breaker.succeeded());
        assert_eq!((breaker.failures(), breaker.is_closed()), (0, true));
        assert_eq!([(); 3].map(|()| breaker.failed(now))[2], Some(SECOND));
    }

    #[test]
    fn results_of_turns_begun_before_it_opened_change_nothing() {
        let now = Instant::now();
        let mut breaker = open(now);
        assert!(!breaker.succeeded());
        assert_eq!(breaker.failed(now + SECOND / 2), None);
        assert_eq!(breaker.opens_at(), Some(now + SECOND));
        breaker.begin(now);
        assert_eq!(breaker.opens_at(), Some(now + SECOND), "not due yet");
    }

    #[test]
    fn after_an_abandoned_trial_another_one_is_due() {
        let now = Instant::now();
        let mut breaker = open(now);
        breaker.begin(now + SECOND);
        breaker.abandoned();
        assert!(breaker.permits(now + SECOND));
        breaker.begin(now + SECOND);
        assert_eq!(breaker.failed(now + SECOND), Some(2 * SECOND));
    }
}
