//! What happens to an open connection: one calm log line each, and refusals are kept.

use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};

use super::violation::Violations;

/// Takes note of an event of the connection to `url`, which is fit for printing.
pub(super) fn observe(event: &Event, url: &str, violations: &Violations) {
    match event {
        Event::Connected => tracing::info!("connected to {url}"),
        Event::Disconnected => {
            violations.clear();
            tracing::warn!("disconnected from {url}; connecting again");
        }
        Event::LameDuckMode => tracing::info!("server is about to stop; moving when it does"),
        Event::SlowConsumer(subscription) => tracing::warn!(
            subscription,
            "subscription is read too slowly; messages are dropped from its buffer"
        ),
        Event::ServerError(ServerError::Other(words)) => match violations.record(words) {
            Some(violation) => {
                tracing::warn!("the server does not permit {}", violation.description);
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
        let (violations, since) = (Violations::new("_INBOX"), Instant::now());
        let words = r#"Permissions Violation for Publish to "rapids""#.to_owned();
        observe(
            &Event::ServerError(ServerError::Other(words)),
            "nats://host",
            &violations,
        );
        assert!(violations.of("rapids", since).now_or_never().is_some());
        observe(&Event::Disconnected, "nats://host", &violations);
        assert!(violations.of("rapids", since).now_or_never().is_none());
    }
}
