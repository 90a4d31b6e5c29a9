//! The limits that a river sets to its reaction: attempts, time, rate, failures in a row.
//!
//! Declares them. Keeping them is left to [`delivery`](crate::delivery).

use std::time::Duration;

use super::{RetryPolicy, River};

/// The limits of a river.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) retry: RetryPolicy,
    /// How long one reaction may take.
    pub(crate) timeout: Duration,
    /// How many reactions may begin per second; finite and above 0.
    pub(crate) rate: Option<f64>,
    /// How many failures in a row open the circuit breaker; 0 if none does.
    pub(crate) breaker: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            timeout: Duration::from_secs(30),
            rate: None,
            breaker: 10,
        }
    }
}

impl River {
    /// Sets how often a reaction that failed is tried again, and after what time. Default:
    /// [`RetryPolicy::default`].
    ///
    /// Only this river runs again: what other rivers made of the packet stands.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.limits.retry = policy;
        self
    }

    /// Sets how long one reaction may take before it is cut off, which is a failure like any
    /// other. Default: 30 s.
    ///
    /// A reaction that blocks its thread cannot be cut off.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        if timeout.is_zero() {
            return self.fault("its time-out is 0; a reaction needs some time".to_owned());
        }
        self
    }

    /// Sets how many reactions may begin per second in each instance of the service, such as
    /// `0.5` for one in two seconds. Default: no limit.
    ///
    /// Packets wait meanwhile; other rivers of the service go on.
    #[must_use]
    pub fn rate(mut self, per_second: f64) -> Self {
        self.limits.rate = Some(per_second);
        if per_second.is_finite() && per_second > 0.0 {
            return self;
        }
        self.fault(format!("its rate is `{per_second}` per second, expected a number above 0"))
    }

    /// Sets after how many failures in a row the circuit breaker opens; 0 if never. Default: 10.
    ///
    /// While it is open, the river takes no packets, so that they do not use up their attempts
    /// while something that it depends on is down. After a second one packet is tried; if that
    /// fails too, the next after two, and so on up to a minute. The first success closes it.
    /// A packet that is refused for good ([`reject`](crate::reject)) is no failure here: it says
    /// nothing of the river's health.
    #[must_use]
    pub fn breaker(mut self, failures: u32) -> Self {
        self.limits.breaker = failures;
        self
    }

    /// How often a reaction that failed is tried again, and after what time.
    pub fn retry_policy(&self) -> &RetryPolicy {
        &self.limits.retry
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packet;

    fn river() -> River {
        River::new("charge").event("order_placed").react(|_: Packet| async { Ok(()) })
    }

    #[test]
    fn the_limits_of_a_river_are_those_that_it_sets() {
        let plain = river();
        let limits = plain.limits();
        assert_eq!(limits.retry, RetryPolicy::default());
        assert_eq!((limits.timeout, limits.rate), (Duration::from_secs(30), None));
        assert_eq!(limits.breaker, 10);

        let careful = river()
            .retry(RetryPolicy::new().attempts(2))
            .timeout(Duration::from_secs(1))
            .rate(0.5)
            .breaker(0);
        let limits = careful.limits();
        assert_eq!(careful.retry_policy().attempts_allowed(), 2);
        assert_eq!((limits.timeout, limits.rate), (Duration::from_secs(1), Some(0.5)));
        assert_eq!(limits.breaker, 0);
        assert!(careful.check().is_ok());
    }

    #[test]
    fn a_limit_that_lets_nothing_through_is_a_fault() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = river().rate(rate).check().unwrap_err().to_string();
            assert!(error.contains(&format!("its rate is `{rate}` per second")), "{error}");
        }
        let error = river().timeout(Duration::ZERO).check().unwrap_err().to_string();
        assert!(error.contains("its time-out is 0"), "{error}");
    }
}
