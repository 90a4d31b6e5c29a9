//! A second instance of a service, which runs for some time on request.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Request;
use super::supervisor::{Supervisor, finish, signal};

/// Serves requests, each for some time to run, until the fleet stops. Each run ends with SIGTERM.
/// It is reported if the process ends by itself or fails.
pub(super) async fn run_on_request(
    mut supervisor: Supervisor,
    mut calls: mpsc::Receiver<Request<Duration>>,
) {
    loop {
        let (length, began) = tokio::select! {
            biased;
            () = supervisor.fleet_stops() => return,
            Some(call) = calls.recv() => call,
            else => return,
        };
        // Dropping `began` tells the caller that the process did not start.
        let Ok(mut process) = supervisor.spawn() else { continue };
        // Fails only if the caller has been dropped.
        let _ = began.send(());
        let stopped = tokio::select! {
            stopped = supervisor.pause(length) => stopped,
            how = process.wait() => {
                supervisor.report(how).await;
                continue;
            }
        };
        if !stopped {
            signal(&process, "-TERM").await;
        }
        if let Some(status) = finish(&mut process).await
            && !status.success()
        {
            supervisor.report(Ok(status)).await;
        }
    }
}
