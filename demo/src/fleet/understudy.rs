//! A second instance of a service, which runs for a while whenever it is called.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Request;
use super::member::{Member, finish, signal};

/// Waits for calls, each with the time to run for, until the fleet stops. Each run ends with
/// SIGTERM; an end by itself, or one that is no success, is reported.
pub(super) async fn wait_in_the_wings(
    mut member: Member,
    mut calls: mpsc::Receiver<Request<Duration>>,
) {
    loop {
        let (length, began) = tokio::select! {
            biased;
            () = member.told() => return,
            Some(call) = calls.recv() => call,
            else => return,
        };
        // Without a process `began` is dropped, which tells whoever called.
        let Ok(mut process) = member.spawn() else { continue };
        // Whoever asked may have stopped listening.
        let _ = began.send(());
        let stopped = tokio::select! {
            stopped = member.rest(length) => stopped,
            how = process.wait() => {
                member.report(how).await;
                continue;
            }
        };
        if !stopped {
            signal(&process, "-TERM").await;
        }
        if let Some(status) = finish(&mut process).await
            && !status.success()
        {
            member.report(Ok(status)).await;
        }
    }
}
