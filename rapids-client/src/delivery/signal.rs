//! Being told to stop.

/// Waits until the process gets SIGTERM or Ctrl-C.
///
/// What [`Service::run`](crate::Service::run) stops at, for programs that wait for more than that
/// and use [`Service::run_until`](crate::Service::run_until).
pub async fn told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    if interrupted.await.is_err() {
        // A process that hears no signals is not told to stop by one.
        std::future::pending::<()>().await;
    }
}
