//! How often something took how long.

use std::array;
use std::time::Duration;

use super::counter::Counter;
use super::figures::Durations;

/// Upper bounds in seconds: those of OpenTelemetry's conventions for messaging, and two below them, since
/// most reactions take less than five milliseconds.
const BOUNDS: [f64; 16] = [
    0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Counts durations in buckets; those beyond the last bound have one of their own.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    nanoseconds: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| Counter::default()), nanoseconds: Counter::default() }
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.buckets[BOUNDS.partition_point(|bound| *bound < seconds)].increment();
        self.nanoseconds.add(nanoseconds(time));
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::get).sum()
    }

    /// What they took together.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.get())
    }

    pub(crate) fn figures(&self) -> Durations {
        let bounds = BOUNDS.map(Some).into_iter().chain([None]);
        Durations {
            sum: self.total().as_secs_f64(),
            buckets: bounds.zip(self.buckets.iter().map(Counter::get)).collect(),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_up_to_and_with_their_bound() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 1_000, 10_000_000, 10_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let buckets = histogram.figures().buckets;
        assert_eq!(buckets[..2], [(Some(0.0005), 2), (Some(0.001), 2)]);
        assert_eq!(buckets[15..], [(Some(10.0), 1), (None, 1)]);
        assert_eq!((histogram.count(), histogram.total().as_micros()), (6, 20_002_002));
    }
}
