//! Spreads a river's turns over time: a throttle.
//!
//! The generic cell rate algorithm of ITU-T I.371, which needs one time and no queue. The
//! [`schedule`](crate::delivery::schedule) does the waiting.

use std::time::{Duration, Instant};

/// How much too early a turn may begin. Timers fire a millisecond or more too late, and each delay
/// would lower the rate.
const TOLERANCE: Duration = Duration::from_millis(10);

/// The longest time between two turns. Times further away would leave the range of an [`Instant`].
const LONGEST_INTERVAL: Duration = Duration::from_secs(365 * 24 * 3600);

/// The throttle of one river.
#[derive(Debug, Clone)]
pub(crate) struct Throttle {
    interval: Duration,
    /// When the rate permits the next turn; `None` before the first.
    next: Option<Instant>,
}

impl Throttle {
    /// Permits so many turns per second: a number above 0.
    pub(crate) fn new(per_second: f64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(LONGEST_INTERVAL);
        Self { interval: interval.min(LONGEST_INTERVAL), next: None }
    }

    /// Whether a turn may begin.
    pub(crate) fn permits(&self, now: Instant) -> bool {
        self.next_at().is_none_or(|next| now >= next)
    }

    /// A turn begins.
    pub(crate) fn take(&mut self, now: Instant) {
        self.next = Some(self.next.map_or(now, |next| next.max(now)) + self.interval);
    }

    /// The turn that began did not run.
    pub(crate) fn give_back(&mut self) {
        self.next = self.next.and_then(|next| next.checked_sub(self.interval));
    }

    /// When the next turn may begin; `None` if none has begun yet.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next.and_then(|next| next.checked_sub(TOLERANCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// How many turns begin in ten seconds, if that is checked every so often.
    fn in_ten_seconds(per_second: f64, every: Duration) -> u32 {
        let start = Instant::now();
        let mut rate = Throttle::new(per_second);
        let mut begun = 0;
        let mut now = start;
        while now - start < Duration::from_secs(10) {
            while rate.permits(now) {
                rate.take(now);
                begun += 1;
            }
            now += every;
        }
        begun
    }

    #[test]
    fn the_rate_holds_on_average() {
        for (per_second, expected) in [
            (1.0, 10..=11),
            (0.5, 5..=6),
            (5_000.0, 49_500..=50_500),
            (3.0, 30..=31),
            (99.0, 981..=1_000),
            (700.0, 6_993..=7_070),
        ] {
            let begun = in_ten_seconds(per_second, MILLISECOND);
            assert!(expected.contains(&begun), "{begun} at {per_second}/s");
        }
    }

    #[test]
    fn a_late_timer_costs_nothing() {
        let late = Duration::from_micros(6_700);
        let begun = in_ten_seconds(99.0, late);
        assert!((981..=1_000).contains(&begun), "{begun}");
    }

    #[test]
    fn an_idle_time_is_not_saved_up() {
        let now = Instant::now();
        let mut rate = Throttle::new(10.0);
        rate.take(now);
        let later = now + Duration::from_secs(100);
        assert!(rate.permits(later));
        rate.take(later);
        assert!(!rate.permits(later));
        assert_eq!(rate.next_at(), Some(later + 90 * MILLISECOND));
    }

    #[test]
    fn a_turn_that_did_not_run_frees_its_place_in_the_rate() {
        let now = Instant::now();
        let mut rate = Throttle::new(0.1);
        rate.take(now);
        assert!(!rate.permits(now));
        rate.give_back();
        assert!(rate.permits(now));
        rate.take(now);
        assert!(!rate.permits(now + Duration::from_secs(9)));
    }

    #[test]
    fn no_rate_is_too_odd() {
        let now = Instant::now();
        for odd in [f64::MIN_POSITIVE, f64::MAX, f64::NAN, f64::INFINITY, 0.0, -1.0] {
            let mut rate = Throttle::new(odd);
            rate.take(now);
            rate.take(now);
            rate.give_back();
            rate.permits(now);
        }
    }
}
