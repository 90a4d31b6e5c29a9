//! Holds up whoever publishes while the shop does not keep up.
//!
//! A backlog that grows measures the machine, and makes every memory in it larger; what is to be
//! seen here is what becomes of a shop at work.

use std::time::Duration;

use rapids_client::Rapids;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::rest;

/// How many packets a service may have before it.
const MOST: u64 = 1_000;

const POLL: Duration = Duration::from_millis(500);

/// How far the slowest of some services is behind.
#[derive(Debug)]
pub(crate) struct Pace {
    behind: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Pace {
    /// Looks at these services from now on.
    pub(crate) fn of(services: Vec<String>, rapids: Rapids) -> Self {
        let (tell, behind) = watch::channel(0);
        let task = tokio::spawn(async move {
            loop {
                // While the server is away nobody falls behind.
                if let Ok(positions) = rest::positions(&rapids, &services).await {
                    let backlogs = positions.iter().map(|at| at.pending + at.unacknowledged);
                    tell.send_replace(backlogs.max().unwrap_or_default());
                }
                sleep(POLL).await;
            }
        });
        Self { behind, task }
    }

    /// Waits until none of them is too far behind.
    pub(crate) async fn keep(&mut self) {
        // Fails only without the task, and then there is nothing to wait for.
        let _ = self.behind.wait_for(|behind| *behind <= MOST).await;
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.task.abort();
    }
}
