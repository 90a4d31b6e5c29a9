//! What happens to an open connection: one calm log line each, and refusals are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::{ClientError, Event, ServerError};

use super::reconnecting::Reconnecting;
use super::violation::Violations;

/// Takes note of what happens to one connection.
pub(super) struct Observer {
    /// Fit for printing.
    url: String,
    violations: Arc<Violations>,
    reconnecting: Arc<Reconnecting>,
    lost: AtomicBool,
}

impl Observer {
    pub(super) fn new(
        url: String,
        violations: Arc<Violations>,
        reconnecting: Arc<Reconnecting>,
    ) -> Self {
        Self { url, violations, reconnecting, lost: AtomicBool::new(false) }
    }

    pub(super) fn observe(&self, event: &Event) {
        let url = &self.url;
        match event {
            Event::Connected => {
                self.reconnecting.connected();
                // The first time is no news: whoever connects says what comes of it.
                if self.lost.swap(false, Ordering::Relaxed) {
                    tracing::info!("connected to {url} again");
                } else {
                    tracing::debug!("connected to {url}");
                }
            }
            Event::Disconnected => {
                self.lost.store(true, Ordering::Relaxed);
                self.violations.clear();
                self.reconnecting.disconnected();
                tracing::warn!("disconnected from {url}; connecting again");
            }
            Event::LameDuckMode => tracing::info!("server is about to stop; moving when it does"),
            Event::SlowConsumer(subscription) => tracing::warn!(
                subscription,
                "subscription is read too slowly; messages are dropped from its buffer"
            ),
            Event::ServerError(ServerError::Other(words)) => match self.violations.record(words) {
                Some(violation) => {
                    // Under a name of its own: programs whose errors say it already leave it out.
                    tracing::warn!(
                        target: "rapids_client::refusal",
                        "the server does not permit {}",
                        violation.description
                    );
                }
                None => tracing::debug!("server reports: {words}"),
            },
            Event::ServerError(error) => tracing::warn!("server reports: {error}"),
            // Each failed attempt to connect again comes as one.
            Event::ClientError(ClientError::Other(words)) => self.reconnecting.failed(words),
            Event::ClientError(error) => tracing::debug!("client reports: {error}"),
            Event::Draining | Event::Closed => tracing::debug!("connection is {event}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use futures::FutureExt;
    use std::time::Instant;

    #[test]
    fn refusal_is_kept_until_the_connection_is_lost() {
        let (violations, since) = (Arc::new(Violations::new("_INBOX")), Instant::now());
        let reconnecting = Arc::new(Reconnecting::new(Config::new("host")));
        let observer = Observer::new("nats://host".into(), Arc::clone(&violations), reconnecting);
        let words = r#"Permissions Violation for Publish to "rapids""#.to_owned();
        observer.observe(&Event::ServerError(ServerError::Other(words)));
        assert!(violations.of("rapids", since).now_or_never().is_some());
        observer.observe(&Event::Disconnected);
        assert!(violations.of("rapids", since).now_or_never().is_none());
    }
}
