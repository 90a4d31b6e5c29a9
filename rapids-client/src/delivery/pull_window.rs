//! How many packets to have in flight.
//!
//! Packets that are skipped cost next to nothing, so many may come at once. Packets that take long to
//! handle should wait on the server, where another instance can get them, and where their
//! acknowledgement wait does not run.

use std::time::Duration;

/// The most packets asked for at a time. Beyond about 2,000 the server delivers no faster.
const LARGEST: usize = 4096;

/// The fewest packets that wait for each reaction that may run at once.
const SMALLEST: f64 = 2.0;

/// The most packets that wait for a reaction, unless more may run at once. More make quick reactions no
/// faster: they would not stay in the processor's caches.
const MOST: f64 = 512.0;

/// For about how long the packets that wait should keep the reactions busy.
const HORIZON: Duration = Duration::from_millis(200);

/// The most reactions that are queued ahead of their time.
const MOST_AHEAD: usize = 64;

/// About how long the reactions that are queued ahead may take together.
const AHEAD: Duration = Duration::from_millis(1);

/// How long a reaction takes until the first one has ended.
const UNKNOWN: Duration = Duration::from_millis(1);

/// The size of the window, from how long recent reactions took, and how many packets needed one.
#[derive(Debug)]
pub(crate) struct PullWindow {
    /// How many packets may be handled at once.
    concurrency: f64,
    /// Moving average of the handling time in seconds.
    handling: f64,
    /// The same, but a single slow reaction counts for no more than several usual ones.
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

    /// Learns how long a reaction took.
    pub(crate) fn handled(&mut self, took: Duration) {
        const WEIGHT: f64 = 0.2;
        const SEVERAL: f64 = 8.0;
        let took = took.as_secs_f64();
        self.handling += (took - self.handling) * WEIGHT;
        self.pace += (took.min(self.pace * SEVERAL) - self.pace) * WEIGHT;
    }

    /// How many reactions to queue before those in front of them have ended. The quicker they are, the
    /// more: otherwise the way to a worker and back would take longer than the reaction.
    pub(crate) fn ahead(&self) -> usize {
        // A float out of range saturates.
        ((AHEAD.as_secs_f64() / self.pace.max(1e-9)) as usize).min(MOST_AHEAD)
    }

    /// How many packets to ask the server for, when so many wait for a reaction, and so many are asked
    /// for already. It returns 0 rather than a small number: each request costs the server something.
    pub(crate) fn room(&self, waiting: usize, outstanding: usize) -> usize {
        let size = self.size(0);
        let free = self.size(waiting).saturating_sub(outstanding);
        if free * 2 >= size { free } else { 0 }
    }

    /// How many packets bring as much work as is wanted, in addition to those that wait.
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
        assert_eq!(behind, 0, "work for the whole horizon waits");
    }

    #[test]
    fn several_at_once_need_as_many_more() {
        let mut window = PullWindow::new(8);
        (0..100).for_each(|_| window.handled(Duration::from_millis(20)));
        assert_eq!(window.room(0, 0), 80);
        assert_eq!(PullWindow::new(1_000).room(0, 0), 2_000);
    }

    #[test]
    fn only_quick_reactions_are_queued_ahead() {
        for (micros, ahead) in [(1, MOST_AHEAD), (95, 10), (900, 1), (1100, 0)] {
            let window = after(Duration::from_micros(micros), 100, 0);
            assert_eq!(window.ahead(), ahead, "{micros} us");
        }
    }

    #[test]
    fn a_single_slow_reaction_does_not_keep_others_from_being_queued_ahead() {
        let mut window = after(Duration::from_micros(10), 100, 0);
        window.handled(Duration::from_millis(10));
        assert!(window.ahead() > MOST_AHEAD / 2, "{}", window.ahead());
        (0..20).for_each(|_| window.handled(Duration::from_millis(10)));
        assert_eq!(window.ahead(), 0);
    }

    #[test]
    fn nothing_is_asked_for_while_there_is_little_room() {
        let window = after(Duration::from_micros(10), 0, 1000);
        assert_eq!(window.room(0, LARGEST - 10), 0);
        assert_eq!(window.room(0, LARGEST / 2), LARGEST / 2);
    }
}
