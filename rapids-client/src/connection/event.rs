//! What happens to an open connection. This is the one place that logs the begin and the end of an
//! outage.

use std::sync::Arc;

use async_nats::{ClientError, Event, ServerError};

use super::elsewhere::Elsewhere;
use super::outage::Outages;
use super::reconnecting::Reconnecting;
use super::violation::Violations;

/// Takes note of what happens to one connection.
pub(super) struct Observer {
    /// Without credentials.
    pub(super) url: String,
    pub(super) violations: Arc<Violations>,
    pub(super) reconnecting: Arc<Reconnecting>,
    pub(super) outages: Arc<Outages>,
    pub(super) elsewhere: Arc<Elsewhere>,
}

impl Observer {
    pub(super) fn observe(&self, event: &Event) {
        let url = &self.url;
        match event {
            Event::Connected => {
                self.reconnecting.connected();
                match self.outages.end() {
                    Some(outage) => tracing::info!(
                        "connected to {url} again, after {:.1} s",
                        outage.as_secs_f64()
                    ),
                    // Whoever connects for the first time logs what comes of it.
                    None => tracing::debug!("connected to {url}"),
                }
            }
            Event::Disconnected => {
                self.outages.begin();
                self.violations.clear();
                self.reconnecting.disconnected();
                tracing::warn!("disconnected from {url}; connecting again");
            }
            Event::LameDuckMode => {
                tracing::info!(
                    "the server is about to stop; going to another one, if there is one"
                );
                self.elsewhere.leave();
            }
            Event::SlowConsumer(subscription) => tracing::warn!(
                subscription,
                "a subscription is read too slowly; messages are dropped from its buffer"
            ),
            Event::ServerError(ServerError::Other(words)) => match self.violations.record(words) {
                Some(violation) => {
                    // A target of its own lets programs filter this line, if their errors say the same.
                    tracing::warn!(
                        target: "rapids_client::refusal",
                        "the server does not permit {}",
                        violation.description
                    );
                }
                None => tracing::debug!("server reports: {words}"),
            },
            Event::ServerError(error) => tracing::warn!("server reports: {error}"),
            // This is how the client reports a failed attempt to connect again.
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
        let observer = Observer {
            url: "nats://host".to_owned(),
            violations: Arc::clone(&violations),
            reconnecting,
            outages: Arc::default(),
            elsewhere: Arc::default(),
        };
        let words = r#"Permissions Violation for Publish to "rapids""#.to_owned();
        observer.observe(&Event::ServerError(ServerError::Other(words)));
        assert!(violations.of("rapids", since).now_or_never().is_some());
        observer.observe(&Event::Disconnected);
        assert!(violations.of("rapids", since).now_or_never().is_none());
    }
}
