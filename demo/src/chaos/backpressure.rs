//! Holds the publisher back while the shop does not keep up.
//!
//! Without it a slow machine would build up a backlog, and the run would test that instead of a shop
//! at work.

use std::time::Duration;

use rapids_client::Rapids;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::positions;

/// How many packets the slowest service may be behind.
const MOST: u64 = 1_000;

const POLL: Duration = Duration::from_millis(500);

/// Watches how far the slowest of some services is behind.
#[derive(Debug)]
pub(crate) struct Backpressure {
    behind: watch::Receiver<u64>,
    task: JoinHandle<()>,
    /// How long the publisher may still wait.
    budget: Duration,
}

impl Backpressure {
    /// Watches these services. All waits together take no longer than the budget: a service that is
    /// stuck must not make the run endless, and the verification will name it.
    pub(crate) fn of(services: Vec<String>, rapids: Rapids, budget: Duration) -> Self {
        let (sender, behind) = watch::channel(0);
        let task = tokio::spawn(async move {
            loop {
                // While the server is away, no service falls behind.
                if let Ok(found) = positions::read(&rapids, &services).await {
                    let backlogs = found.iter().map(|at| at.pending + at.unacknowledged);
                    sender.send_replace(backlogs.max().unwrap_or_default());
                }
                sleep(POLL).await;
            }
        });
        Self { behind, task, budget }
    }

    /// Waits until no service is too far behind, or the budget is used up.
    pub(crate) async fn wait(&mut self) {
        let begun = Instant::now();
        let caught_up = self.behind.wait_for(|behind| *behind <= MOST);
        // The publisher goes on either way.
        let _ = timeout(self.budget, caught_up).await;
        self.budget = self.budget.saturating_sub(begun.elapsed());
    }
}

impl Drop for Backpressure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn backpressure(behind: u64, budget: Duration) -> (watch::Sender<u64>, Backpressure) {
        let (sender, behind) = watch::channel(behind);
        let task = tokio::spawn(std::future::pending());
        (sender, Backpressure { behind, task, budget })
    }

    #[tokio::test]
    async fn publisher_waits_until_the_slowest_service_has_caught_up() {
        let (sender, mut backpressure) = backpressure(MOST + 1, DEADLINE);
        tokio::join!(backpressure.wait(), async { sender.send(MOST).unwrap() });
        assert!(!backpressure.budget.is_zero());
    }

    #[tokio::test]
    async fn publisher_waits_no_longer_than_its_budget_in_all() {
        let (_sender, mut backpressure) = backpressure(MOST + 1, Duration::from_millis(20));
        for _ in 0..1_000 {
            timeout(DEADLINE, backpressure.wait()).await.unwrap();
        }
        assert_eq!(backpressure.budget, Duration::ZERO);
    }
}
