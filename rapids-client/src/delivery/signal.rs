//! The signals that stop a process.

use std::process;
use std::time::Duration;

use tokio::time::sleep;
use tracing::error;

/// What starts a program may pass on a signal that the program has got by itself, too: one that comes so
/// soon is the same.
const SAME: Duration = Duration::from_millis(250);

/// Waits until the process gets SIGTERM or Ctrl-C.
///
/// What [`Service::run`](crate::Service::run) stops at, for programs that wait for more than that
/// and use [`Service::run_until`](crate::Service::run_until).
pub async fn shutdown_signal() {
    next_signal().await;
}

/// Exits the process at the next signal that is not the one just received, with the exit code that shells
/// use for a process that a signal ended.
pub(super) async fn exit_at_next_signal() -> ! {
    sleep(SAME).await;
    let number = next_signal().await;
    error!("a second signal to stop: exits at once; unacknowledged packets will be redelivered");
    process::exit(128 + number)
}

/// Waits for SIGTERM or Ctrl-C, and returns the number of the signal.
async fn next_signal() -> i32 {
    const SIGINT: i32 = 2;
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let kind = SignalKind::terminate();
        if let Ok(mut terminated) = signal(kind) {
            tokio::select! {
                _ = interrupted => return SIGINT,
                _ = terminated.recv() => return kind.as_raw_value(),
            }
        }
    }
    if interrupted.await.is_err() {
        // The process cannot listen to signals, so none stops it.
        std::future::pending::<()>().await;
    }
    SIGINT
}
