//! How long packets take from the publisher to the reaction. Both are in one process, so that they
//! read the same clock.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::packets::WANTED;
use crate::samples::quantile;
use crate::task::Measured;

/// The first tenth of the hops does not count: connections, caches and timers warm up.
const WARM_UP: usize = 10;

/// The body of a packet, with the time at which it was published.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stamp {
    event: String,
    /// Nanoseconds since the origin.
    pub(crate) sent: u64,
}

#[derive(Debug)]
pub(crate) struct Hops {
    origin: Instant,
    micros: Vec<f64>,
}

impl Stamp {
    pub(crate) fn now(origin: Instant) -> Self {
        Self { event: WANTED.to_owned(), sent: nanoseconds(origin.elapsed()) }
    }
}

impl Hops {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, micros: Vec::new() }
    }

    pub(crate) fn now(&self) -> u64 {
        nanoseconds(self.origin.elapsed())
    }

    pub(crate) fn add(&mut self, stamp: &Stamp, arrived: u64) {
        self.micros.push(arrived.saturating_sub(stamp.sent) as f64 / 1e3);
    }

    pub(crate) fn took(&mut self, time: Duration) {
        self.micros.push(time.as_secs_f64() * 1e6);
    }

    pub(crate) fn measured(&self) -> Measured {
        let counting = &self.micros[self.micros.len() / WARM_UP..];
        Measured {
            p50_micros: quantile(counting, 0.5),
            p99_micros: quantile(counting, 0.99),
            ..Measured::default()
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_hops_do_not_count() {
        let mut hops = Hops::new(Instant::now());
        for number in 0..100 {
            let took = if number < 10 { 9_000_000 } else { 200_000 };
            hops.add(&Stamp { event: String::new(), sent: 5 }, 5 + took);
        }
        let measured = hops.measured();
        assert_eq!(measured.p50_micros, Some(200.0));
        assert_eq!(measured.p99_micros, Some(200.0));
    }
}
