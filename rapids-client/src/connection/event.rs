//! What happens to an open connection: one calm log line each, and refusals are kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};

use super::violation::Violations;

/// Takes note of what happens to one connection.
pub(super) struct Observer {
    /// Fit for printing.
    url: String,
    violations: Arc<Violations>,
    lost: AtomicBool,
}

impl Observer {
    pub(super) fn new(url: String, violations: Arc<Violations>) -> Self {
        Self { url, violations, lost: AtomicBool::new(false) }
    }

    pub(super) fn observe(&self, event: &Event) {
        let url = &self.url;
        match event {
            // The first time is no news: whoever connects says what comes of it.
            Event::Connected if self.lost.swap(false, Ordering::Relaxed) => {
                tracing::info!("connected to {url} again");
            }
            Event::Connected => tracing::debug!("connected to {url}"),
            Event::Disconnected => {
                self.lost.store(true, Ordering::Relaxed);
                self.violations.clear();
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
            Event::ClientError(ClientError::Other(words)) if *words == login_refused() => {
                tracing::warn!("the server at {url} turns this login away; trying again");
            }
            // Each failed attempt to connect again comes as one; the line for the first is enough.
            Event::ClientError(error) => tracing::debug!("client reports: {error}"),
            Event::Draining | Event::Closed => tracing::debug!("connection is {event}"),
        }
    }
}

/// The words in which the client reports an attempt to connect again with a login that is no
/// longer valid; it hands over the kind as text only.
fn login_refused() -> String {
    ConnectErrorKind::AuthorizationViolation.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Instant;

    #[test]
    fn refusal_is_kept_until_the_connection_is_lost() {
        let (violations, since) = (Arc::new(Violations::new("_INBOX")), Instant::now());
        let observer = Observer::new("nats://host".to_owned(), Arc::clone(&violations));
        let words = r#"Permissions Violation for Publish to "rapids""#.to_owned();
        observer.observe(&Event::ServerError(ServerError::Other(words)));
        assert!(violations.of("rapids", since).now_or_never().is_some());
        observer.observe(&Event::Disconnected);
        assert!(violations.of("rapids", since).now_or_never().is_none());
    }
}
