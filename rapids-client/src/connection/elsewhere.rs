//! To which of several servers a lost connection is made again, and when one that is there is left for another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::{Client, ReconnectToServer, Server, ServerAddr};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, info};

/// A server is left at most this often because it answers nothing.
const LEAVING: Duration = Duration::from_secs(10);

/// Clients of a server that is about to stop leave it within this time, and not all at once.
const SPREAD: Duration = Duration::from_secs(2);

/// The choice among the servers of one connection.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    choice: Mutex<Choice>,
    leave: Notify,
}

#[derive(Debug, Default)]
struct Choice {
    /// The server that was chosen last.
    chosen: Option<ServerAddr>,
    /// When a request was answered last.
    answered: Option<Instant>,
    /// When a server was left last because it had answered nothing.
    left: Option<Instant>,
}

impl Elsewhere {
    /// The server to try next: another one than the last one, which may still accept connections although it
    /// stands still. `None` where there is only one.
    pub(super) fn next(&self, servers: &[Server]) -> Option<ReconnectToServer> {
        let mut choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        let last = choice.chosen.clone().or_else(|| {
            // The first connection was made without a choice.
            servers.iter().find(|server| server.did_connect).map(|server| server.addr.clone())
        });
        let others = || servers.iter().filter(|server| Some(&server.addr) != last.as_ref());
        let fewest = others().map(|server| server.failed_attempts).min()?;
        let best: Vec<_> = others().filter(|server| server.failed_attempts == fewest).collect();
        let addr = best[fastrand::usize(..best.len())].addr.clone();
        choice.chosen = Some(addr.clone());
        Some(ReconnectToServer { addr, delay: None })
    }

    /// The server is about to stop.
    pub(super) fn leave(&self) {
        self.leave.notify_one();
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        let mut choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        choice.answered = Some(Instant::now());
    }

    /// A request that was sent then was not answered in time. If none was since, the server may be cut off from
    /// the others of its cluster.
    pub(super) fn unanswered(&self, since: Instant) {
        let mut choice = self.choice.lock().unwrap_or_else(PoisonError::into_inner);
        let is_silent = choice.answered.is_none_or(|answered| answered < since);
        let is_due = choice.left.is_none_or(|left| left.elapsed() >= LEAVING);
        if is_silent && is_due {
            choice.left = Some(Instant::now());
            self.leave.notify_one();
        }
    }

    /// Leaves a server for another whenever that is asked for, until what is returned is dropped.
    pub(super) fn keep_leaving(self: &Arc<Self>, client: Client) -> JoinSet<()> {
        let (elsewhere, mut task) = (Arc::clone(self), JoinSet::new());
        task.spawn(async move {
            loop {
                elsewhere.leave.notified().await;
                sleep(SPREAD.mul_f64(fastrand::f64())).await;
                let is_one = client.server_pool().await.is_ok_and(|servers| servers.len() < 2);
                if is_one {
                    debug!("there is no other server to go to");
                } else if client.force_reconnect().await.is_ok() {
                    info!("leaving the server for another one");
                }
            }
        });
        task
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16, failed_attempts: usize, did_connect: bool) -> Server {
        let addr = format!("nats://127.0.0.1:{port}").parse().unwrap();
        Server { addr, failed_attempts, did_connect, is_discovered: false, last_error: None }
    }

    #[test]
    fn another_server_is_tried_than_the_last_one_and_first_those_that_failed_less() {
        let elsewhere = Elsewhere::default();
        assert!(elsewhere.next(&[server(1, 0, true)]).is_none(), "there is no other");
        let servers = [server(1, 0, true), server(2, 0, false), server(3, 1, false)];
        let chosen = || elsewhere.next(&servers).unwrap().addr.port();
        assert_eq!(chosen(), 2, "the first is left, and the third has failed");
        assert_eq!(chosen(), 1);
        assert_eq!(chosen(), 2);
    }

    #[test]
    fn a_server_is_left_once_it_has_answered_nothing_since_a_request() {
        let elsewhere = Elsewhere::default();
        let is_left = || {
            let notified = elsewhere.leave.notified();
            futures::FutureExt::now_or_never(notified).is_some()
        };
        let since = Instant::now();
        elsewhere.answered();
        elsewhere.unanswered(since);
        assert!(!is_left(), "another request was answered");
        elsewhere.unanswered(Instant::now());
        assert!(is_left());
        elsewhere.unanswered(Instant::now());
        assert!(!is_left(), "it was left just now");
    }
}
