//! When the engine looks after what nothing wakes it for.
//!
//! One timer for all of it: the loop asks in each round, and a timer of its own for each would cost more
//! than to skip a packet.

use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep_until};

/// What the time has come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The packets in flight need a keep-alive.
    KeepAlive,
    /// Whether requests were lost, and whether reactions block their thread.
    Watch,
    /// Whether packets expired before the service read them.
    Expired,
    /// The service's entry is updated, with how far it is.
    Entry,
    /// Memories are cleaned up.
    CleanUp,
    /// The limits of stream and position are checked.
    Limits,
    /// The time that the caller has named.
    Wake,
}

/// How often each is due, but for the keep-alive.
const PERIODS: [(Due, Duration); 5] = [
    (Due::Watch, Duration::from_millis(250)),
    (Due::CleanUp, Duration::from_secs(2)),
    (Due::Expired, Duration::from_secs(5)),
    (Due::Entry, Duration::from_secs(5)),
    (Due::Limits, Duration::from_secs(60)),
];

pub(super) struct Clock {
    tasks: Vec<Task>,
    timer: Pin<Box<Sleep>>,
}

struct Task {
    due: Due,
    period: Duration,
    next: Instant,
}

impl Clock {
    /// With everything due at once, and keep-alives in this period.
    pub(super) fn new(keep_alive: Duration) -> Self {
        let now = Instant::now();
        let periods = PERIODS.into_iter().chain([(Due::KeepAlive, keep_alive)]);
        let tasks = periods.map(|(due, period)| Task { due, period, next: now });
        Self { tasks: tasks.collect(), timer: Box::pin(sleep_until(now.into())) }
    }

    /// Waits until something is due, or until this time.
    pub(super) async fn next(&mut self, wake: Option<Instant>) -> Due {
        let (mut due, mut at) = (None, wake);
        for (position, task) in self.tasks.iter().enumerate() {
            if at.is_none_or(|at| task.next < at) {
                (due, at) = (Some(position), Some(task.next));
            }
        }
        if let Some(at) = at {
            if self.timer.deadline() != at.into() {
                self.timer.as_mut().reset(at.into());
            }
            self.timer.as_mut().await;
        }
        let Some(task) = due.map(|due| &mut self.tasks[due]) else {
            return Due::Wake;
        };
        // Counted from now, so that nothing is made up for after a pause.
        task.next = Instant::now() + task.period;
        task.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn everything_is_due_at_once_and_then_in_its_period() {
        let mut clock = Clock::new(LONG);
        let mut first = Vec::new();
        for _ in 0..=PERIODS.len() {
            first.push(clock.next(None).await);
        }
        for due in PERIODS.map(|(due, _)| due).into_iter().chain([Due::KeepAlive]) {
            assert!(first.contains(&due), "{due:?}");
        }
        assert_eq!(clock.next(None).await, Due::Watch);
    }

    #[tokio::test]
    async fn the_time_that_the_caller_names_comes_before_what_is_due_later() {
        let mut clock = Clock::new(LONG);
        for _ in 0..=PERIODS.len() {
            clock.next(None).await;
        }
        assert_eq!(clock.next(Some(Instant::now())).await, Due::Wake);
        assert_eq!(clock.next(Some(Instant::now() + LONG)).await, Due::Watch);
    }
}
