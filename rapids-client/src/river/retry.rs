//! When a reaction that failed runs again, and how often it may.
//!
//! Computes numbers only. What counts as a failure is told by [`outcome`](super::outcome); waiting
//! is left to [`delivery`](crate::delivery).

use std::time::Duration;

/// How often a reaction may fail, and how long it waits in between: exponential backoff with full
/// jitter, as in [Exponential Backoff And Jitter][aws].
///
/// After the n-th failed attempt the wait is any time from nothing to
/// [`ceiling(n)`](Self::ceiling), so that packets that failed together are not tried again
/// together. For another wait after one certain failure, return
/// [`retry_after`](crate::retry_after).
///
/// ```
/// use std::time::Duration;
/// use rapids_client::{Packet, RetryPolicy, River};
///
/// let patient = RetryPolicy::new().attempts(8).first(Duration::from_secs(1));
/// assert_eq!(patient.ceiling(3), Duration::from_secs(4));
/// assert_eq!(patient.ceiling(7), Duration::from_secs(30));
///
/// let charge = River::new("charge").event("order_placed").retry(patient);
/// assert_eq!(charge.retry_policy().attempts_allowed(), 8);
/// ```
///
/// [aws]: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    attempts: u32,
    first: Duration,
    factor: f64,
    cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first: Duration::from_millis(100),
            factor: 2.0,
            cap: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// The default: 5 attempts, and waits of at most 100 ms, 200 ms, 400 ms and 800 ms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many attempts there are, the first one included. Default: 5; 0 counts as 1.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the longest wait after the first failed attempt. Default: 100 ms.
    #[must_use]
    pub fn first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets by how much the longest wait grows with each further failure. Default: 2; what is
    /// less than 1, or no number, counts as 1.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        // `max` of a number and NaN is the number.
        self.factor = factor.max(1.0);
        self
    }

    /// Sets what no wait exceeds. Default: 30 s.
    #[must_use]
    pub fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// How many attempts there are, the first one included.
    pub fn attempts_allowed(&self) -> u32 {
        self.attempts
    }

    /// The longest wait after the n-th failed attempt, counted from 1.
    pub fn ceiling(&self, failed: u32) -> Duration {
        let steps = f64::from(failed.saturating_sub(1));
        // Zero times an infinite growth would be NaN.
        let growth = self.factor.powf(steps).min(f64::MAX);
        let seconds = self.first.as_secs_f64() * growth;
        Duration::try_from_secs_f64(seconds).unwrap_or(self.cap).min(self.cap)
    }

    /// The wait after the n-th failed attempt, with a random number of at least 0 and below 1.
    pub(crate) fn wait(&self, failed: u32, random: f64) -> Duration {
        let ceiling = self.ceiling(failed);
        let seconds = ceiling.as_secs_f64() * random.max(0.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(ceiling).min(ceiling)
    }

    /// Whether no attempt is left after this many failures.
    pub(crate) fn is_exhausted(&self, failed: u32) -> bool {
        failed >= self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(waits: impl IntoIterator<Item = Duration>) -> Vec<u128> {
        waits.into_iter().map(|wait| wait.as_millis()).collect()
    }

    #[test]
    fn the_longest_wait_doubles_up_to_the_cap() {
        let policy = RetryPolicy::new();
        assert_eq!(
            millis((1..=11).map(|failed| policy.ceiling(failed))),
            [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]
        );
        assert_eq!(millis([0, u32::MAX].map(|failed| policy.ceiling(failed))), [100, 30_000]);
    }

    #[test]
    fn the_wait_is_that_share_of_the_longest() {
        let policy = RetryPolicy::new();
        let waits = |random| millis([1, 2, 3, 4, 20].map(|failed| policy.wait(failed, random)));
        assert_eq!(waits(0.0), [0; 5]);
        assert_eq!(waits(0.5), [50, 100, 200, 400, 15_000]);
        assert_eq!(waits(0.999), [99, 199, 399, 799, 29_970]);
    }

    #[test]
    fn the_settings_are_what_counts() {
        let policy = RetryPolicy::new()
            .attempts(3)
            .first(Duration::from_secs(1))
            .factor(1.5)
            .cap(Duration::from_secs(3));
        let waits = millis((1..=5).map(|failed| policy.ceiling(failed)));
        assert_eq!(waits, [1_000, 1_500, 2_250, 3_000, 3_000]);
        let spent = [0, 2, 3, 4].map(|failed| policy.is_exhausted(failed));
        assert_eq!(spent, [false, false, true, true]);
    }

    #[test]
    fn there_is_one_attempt_at_least() {
        let policy = RetryPolicy::new().attempts(0);
        assert_eq!(policy.attempts_allowed(), 1);
        assert!(!policy.is_exhausted(0) && policy.is_exhausted(1));
    }

    #[test]
    fn no_numbers_are_too_odd() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -1.0, 0.0, 1e-300];
        let long = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
        for (factor, first, cap) in odd
            .into_iter()
            .flat_map(|factor| long.map(|first| (factor, first)))
            .flat_map(|(factor, first)| long.map(|cap| (factor, first, cap)))
        {
            let policy = RetryPolicy::new().factor(factor).first(first).cap(cap);
            for failed in [0, 1, 2, 1_000, u32::MAX] {
                let ceiling = policy.ceiling(failed);
                assert!(ceiling <= cap, "{policy:?}");
                assert!(odd.into_iter().all(|random| policy.wait(failed, random) <= ceiling));
            }
        }
        let level = RetryPolicy::new().factor(f64::NAN);
        assert_eq!(millis([1, 2, 9].map(|failed| level.ceiling(failed))), [100, 100, 100]);
        let at_once = RetryPolicy::new().first(Duration::ZERO).factor(f64::INFINITY);
        assert_eq!(at_once.ceiling(9), Duration::ZERO);
    }
}
