//! How long to wait before trying again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);

/// The longest wait between two attempts.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// The wait after the n-th failed attempt, counted from 1. It doubles from 100 ms up to 30 s; a random
/// part of its second half is left out, so that instances do not try again in step.
pub(crate) fn exponential(attempt: u32) -> Duration {
    let ceiling = ceiling(attempt);
    ceiling.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn ceiling(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = [0, 1, 2, 3, 9, 10, u32::MAX].map(|n| ceiling(n).as_millis()).into();
        assert_eq!(waits, [100, 100, 200, 400, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn jitter_stays_in_the_upper_half() {
        for _ in 0..1_000 {
            let wait = exponential(3).as_millis();
            assert!((200..=400).contains(&wait), "{wait}");
        }
    }
}
