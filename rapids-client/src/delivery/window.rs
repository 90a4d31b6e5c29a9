//! How many packets to have in hand.
//!
//! Packets that are skipped cost nothing, so many may come at once; packets that are worked on
//! for long should rather wait on the server, where another instance can take them.

use std::time::Duration;

const LARGEST: usize = 512;
const SMALLEST: usize = 2;

/// About how long the packets in hand should last.
const HORIZON: Duration = Duration::from_millis(500);

/// The size of the window, from how long handling took of late.
#[derive(Debug)]
pub(crate) struct Window {
    /// Moving average of the handling time in seconds.
    average: f64,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { average: 0.0 }
    }

    /// Learns how long a packet was worked on.
    pub(crate) fn handled(&mut self, took: Duration) {
        const WEIGHT: f64 = 0.2;
        self.average += (took.as_secs_f64() - self.average) * WEIGHT;
    }

    /// How many to ask the server for, with this many in hand and this many asked for. Small
    /// top-ups are saved up: each costs the server a request.
    pub(crate) fn room(&self, in_hand: usize, outstanding: usize) -> usize {
        let size = self.size();
        let free = size.saturating_sub(in_hand + outstanding);
        if free * 2 >= size { free } else { 0 }
    }

    fn size(&self) -> usize {
        let fitting = HORIZON.as_secs_f64() / self.average.max(1e-9);
        // A float beyond usize saturates, which the clamp then cuts.
        (fitting as usize).clamp(SMALLEST, LARGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_asks_for_many_and_slow_handling_for_few() {
        let mut window = Window::new();
        assert_eq!(window.room(0, 0), LARGEST);
        for _ in 0..50 {
            window.handled(Duration::from_millis(50));
        }
        assert_eq!(window.room(0, 0), 10);
        for _ in 0..50 {
            window.handled(Duration::from_secs(20));
        }
        assert_eq!(window.room(0, 0), SMALLEST);
        for _ in 0..100 {
            window.handled(Duration::from_micros(10));
        }
        assert_eq!(window.room(0, 0), LARGEST);
    }

    #[test]
    fn small_top_ups_are_saved_up() {
        let window = Window::new();
        assert_eq!(window.room(0, LARGEST - 10), 0);
        assert_eq!(window.room(0, LARGEST / 2), LARGEST / 2);
        assert_eq!(window.room(LARGEST, 0), 0);
    }
}
