//! How fast the server answers, and whether batches are faster therefore.

use std::time::Duration;

/// How many packets the window has in flight, at first and at most. It begins with few, because it takes
/// that many slow answers to find out that a server is slow.
const NARROWEST: usize = 256;
const WIDEST: usize = 4_096;

/// If an answer takes longer than this, batches are faster: they cost the server some 20 us for each
/// packet. Large packets take longer either way.
const SLOW: Duration = Duration::from_micros(50);
const SLOW_PER_KIBIBYTE: Duration = Duration::from_micros(10);

/// So many slow windows in a row show that the server is slow, and not just busy for a moment.
const SLOW_WINDOWS: u32 = 2;

/// How long the answers of the present window took. Servers send answers in bursts, so that only a
/// whole window shows how fast they are.
pub(crate) struct Pace {
    pub(super) width: usize,
    answers: usize,
    bytes: usize,
    waited: Duration,
    slow_windows: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { width: NARROWEST, answers: 0, bytes: 0, waited: Duration::ZERO, slow_windows: 0 }
    }
}

impl Pace {
    /// Takes note that it took so long to wait for the answer to a packet of so many bytes.
    pub(super) fn answered(&mut self, bytes: usize, waited: Duration) {
        self.answers += 1;
        self.bytes += bytes;
        self.waited += waited;
        if self.answers < self.width {
            return;
        }
        let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let slow = SLOW * times(self.answers) + SLOW_PER_KIBIBYTE * times(self.bytes >> 10);
        *self = if self.waited > slow {
            Self { width: self.width, slow_windows: self.slow_windows + 1, ..Self::default() }
        } else {
            Self { width: (self.width * 2).min(WIDEST), ..Self::default() }
        };
    }

    pub(super) fn is_slow(&self) -> bool {
        self.slow_windows >= SLOW_WINDOWS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After windows in which each answer was waited for so long, with packets of these bytes.
    fn after(bytes: usize, waits: &[Duration]) -> Pace {
        let mut pace = Pace::default();
        for waited in waits {
            // The answers of a window come at once, behind the first one.
            let width = pace.width;
            pace.answered(bytes, *waited * u32::try_from(width).unwrap());
            (1..width).for_each(|_| pace.answered(bytes, Duration::ZERO));
        }
        pace
    }

    const LONG: Duration = Duration::from_micros(70);
    const SHORT: Duration = Duration::from_micros(7);

    #[test]
    fn a_server_is_slow_whose_answers_are_waited_for_twice_in_a_row() {
        assert!(!after(600, &[LONG]).is_slow());
        assert!(!after(600, &[LONG, SHORT, LONG]).is_slow());
        assert!(after(600, &[LONG, LONG]).is_slow());
    }

    #[test]
    fn answers_to_large_packets_may_take_longer() {
        assert!(!after(100 << 10, &[LONG, LONG]).is_slow());
    }

    #[test]
    fn the_window_widens_as_long_as_the_server_is_fast() {
        let widths = [1, 2, 3, 9].map(|windows| after(600, &vec![SHORT; windows]).width);
        assert_eq!(widths, [512, 1_024, 2_048, 4_096]);
        assert_eq!(after(600, &[SHORT, LONG]).width, 512);
    }
}
