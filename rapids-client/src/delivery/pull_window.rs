//! How many packets to have in hand.
//!
//! Packets that are skipped cost next to nothing, so many may come at once; those that are worked
//! on for long should rather wait on the server, where another instance can take them and their
//! time to be acknowledged does not run.

use std::time::Duration;

/// The most packets asked for at a time. Beyond about 2,000 the server delivers no faster.
const LARGEST: usize = 4096;

/// The fewest that wait for a reaction of which nothing better is known.
const SMALLEST: f64 = 2.0;

/// The most that wait for a reaction, unless more may run at once. More make quick reactions no
/// faster: what they hold would not stay in the processor's caches.
const MOST: f64 = 512.0;

/// About how long the packets that wait for a reaction should last.
const HORIZON: Duration = Duration::from_millis(200);

/// The most reactions that begin ahead of their time.
const MOST_AHEAD: usize = 64;

/// About how long those may take.
const AHEAD: Duration = Duration::from_millis(1);

/// A reaction of which nothing is known yet counts as this fast.
const UNKNOWN: Duration = Duration::from_millis(1);

/// The size of the window, from how long handling took of late, and how many packets needed it.
#[derive(Debug)]
pub(crate) struct PullWindow {
    /// How many packets may be handled at once.
    concurrency: f64,
    /// Moving average of the handling time in seconds.
    handling: f64,
    /// The same, where one that was held up for once counts for no more than several usual ones.
    pace: f64,
    /// Moving average of the share of packets that a river takes.
    share: f64,
}

impl PullWindow {
    pub(crate) fn new(concurrency: usize) -> Self {
        let unknown = UNKNOWN.as_secs_f64();
        Self { concurrency: concurrency as f64, handling: unknown, pace: unknown, share: 1.0 }
    }

    /// Learns whether a packet is for one of the rivers.
    pub(crate) fn delivered(&mut self, is_taken: bool) {
        const WEIGHT: f64 = 1.0 / 256.0;
        self.share += (f64::from(u8::from(is_taken)) - self.share) * WEIGHT;
    }

    /// Learns how long it took until a packet was handled, once it was its turn.
    pub(crate) fn handled(&mut self, took: Duration) {
        const WEIGHT: f64 = 0.2;
        const SEVERAL: f64 = 8.0;
        let took = took.as_secs_f64();
        self.handling += (took - self.handling) * WEIGHT;
        self.pace += (took.min(self.pace * SEVERAL) - self.pace) * WEIGHT;
    }

    /// How many reactions to begin before those in front of them have ended: the quicker they are,
    /// the more, or the way to them and back would take longer than they do.
    pub(crate) fn ahead(&self) -> usize {
        // A float out of range saturates.
        ((AHEAD.as_secs_f64() / self.pace.max(1e-9)) as usize).min(MOST_AHEAD)
    }

    /// How many to ask the server for, with this many waiting for a reaction and this many asked
    /// for. Small top-ups are saved up: each costs the server a request.
    pub(crate) fn room(&self, waiting: usize, outstanding: usize) -> usize {
        let size = self.size(0);
        let free = self.size(waiting).saturating_sub(outstanding);
        if free * 2 >= size { free } else { 0 }
    }

    /// How many packets bring as much work as is wanted, beside what is waiting.
    fn size(&self, waiting: usize) -> usize {
        let fewest = SMALLEST * self.concurrency;
        let wanted = HORIZON.as_secs_f64() / self.handling.max(1e-9) * self.concurrency;
        let work = wanted.min(MOST).max(fewest) - waiting as f64;
        // A float out of range saturates.
        ((work / self.share.max(1e-9)) as usize).min(LARGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(took: Duration, taken: usize, skipped: usize) -> PullWindow {
        let mut window = PullWindow::new(1);
        for _ in 0..20 {
            (0..taken).for_each(|_| window.delivered(true));
            (0..skipped).for_each(|_| window.delivered(false));
            (0..taken).for_each(|_| window.handled(took));
        }
        window
    }

    #[test]
    fn quick_work_asks_for_many_and_slow_work_for_few() {
        assert_eq!(PullWindow::new(1).room(0, 0), 200);
        assert_eq!(after(Duration::from_micros(10), 100, 0).room(0, 0), MOST as usize);
        assert_eq!(after(Duration::from_millis(20), 100, 0).room(0, 0), 10);
        assert_eq!(after(Duration::from_secs(20), 100, 0).room(0, 0), 2);
    }

    #[test]
    fn where_most_packets_are_skipped_slow_work_asks_for_more() {
        assert_eq!(after(Duration::from_secs(20), 0, 1000).room(0, 0), LARGEST);
        let room = after(Duration::from_millis(20), 10, 90).room(0, 0);
        assert!((80..=120).contains(&room), "{room}");
        let behind = after(Duration::from_millis(20), 10, 90).room(10, 0);
        assert_eq!(behind, 0, "work for the whole horizon is waiting");
    }

    #[test]
    fn several_at_once_need_as_many_more() {
        let mut window = PullWindow::new(8);
        (0..100).for_each(|_| window.handled(Duration::from_millis(20)));
        assert_eq!(window.room(0, 0), 80);
        assert_eq!(PullWindow::new(1_000).room(0, 0), 2_000);
    }

    #[test]
    fn only_quick_reactions_begin_ahead() {
        for (micros, ahead) in [(1, MOST_AHEAD), (95, 10), (900, 1), (1100, 0)] {
            let window = after(Duration::from_micros(micros), 100, 0);
            assert_eq!(window.ahead(), ahead, "{micros} us");
        }
    }

    #[test]
    fn one_that_is_held_up_does_not_keep_its_successors_from_beginning_ahead() {
        let mut window = after(Duration::from_micros(10), 100, 0);
        window.handled(Duration::from_millis(10));
        assert!(window.ahead() > MOST_AHEAD / 2, "{}", window.ahead());
        (0..20).for_each(|_| window.handled(Duration::from_millis(10)));
        assert_eq!(window.ahead(), 0);
    }

    #[test]
    fn small_top_ups_are_saved_up() {
        let window = after(Duration::from_micros(10), 0, 1000);
        assert_eq!(window.room(0, LARGEST - 10), 0);
        assert_eq!(window.room(0, LARGEST / 2), LARGEST / 2);
    }
}
