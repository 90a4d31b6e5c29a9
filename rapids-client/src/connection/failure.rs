//! Logging what fails on the connection: once a minute, and not where an outage explains it.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt::Arguments;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Connection;
use crate::error::with_causes;

/// Between two warnings about the same thing, however many meet it at once.
const REMINDER: Duration = Duration::from_secs(60);

/// What fails so soon after an outage fails because of it: an answer that was lost is missed after
/// five seconds, and JetStream begins to answer later than the server.
const AFTERMATH: Duration = Duration::from_secs(10);

/// When there was a warning about a thing.
#[derive(Debug, Default)]
pub(super) struct Warned {
    // A lock, since several threads use a connection; held for a moment.
    times: Mutex<HashMap<&'static str, Instant>>,
}

impl Warned {
    /// Whether it is time for a warning, which counts as written then.
    fn is_due(&self, what: &'static str, now: Instant) -> bool {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let last = times.get(what).copied();
        let is_due = last.is_none_or(|last| now.saturating_duration_since(last) >= REMINDER);
        if is_due {
            times.insert(what, now);
        }
        is_due
    }
}

impl Connection {
    /// Logs what follows from an error, such as `the position is not saved`: as a warning, once a
    /// minute at most. What an outage explains goes to the debug log, since the outage is logged.
    pub(crate) fn warn(&self, what: &'static str, error: &dyn StdError) {
        self.log_failure(what, format_args!("{what}: {}", with_causes(error)));
    }

    /// As [`warn`](Self::warn), with a line of its own for `what`.
    pub(super) fn log_failure(&self, what: &'static str, line: Arguments<'_>) {
        if !self.is_outage() && self.warned.is_due(what, Instant::now()) {
            tracing::warn!("{line}");
        } else {
            tracing::debug!("{line}");
        }
    }

    /// Whether an outage explains what fails now.
    pub(super) fn is_outage(&self) -> bool {
        let aftermath = Instant::now().checked_sub(AFTERMATH);
        !self.is_connected() || aftermath.is_some_and(|since| self.outages.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_due_once_a_minute_for_each_thing() {
        let (warned, start) = (Warned::default(), Instant::now());
        let is_due = |what, second| warned.is_due(what, start + Duration::from_secs(second));
        assert_eq!([is_due("a", 0), is_due("a", 59), is_due("b", 59)], [true, false, true]);
        assert_eq!([is_due("a", 60), is_due("a", 61)], [true, false]);
    }
}
