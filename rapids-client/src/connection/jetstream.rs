//! The JetStream of a connection: its context, and whether it answers.

use std::time::Instant;

use async_nats::Client;
use async_nats::jetstream::account::Account;
use async_nats::jetstream::context::{AccountErrorKind, ContextBuilder};
use async_nats::jetstream::{Context, ErrorCode};

use super::options::TIMEOUT;
use super::{Connection, not_permitted};
use crate::config::Config;
use crate::error::{Error, Result, Unreachable};

/// The prefix of requests to JetStream, unless it is that of a domain.
pub(super) const API: &str = "$JS.API";

/// How many messages may wait for their acknowledgement before the client library makes the next one
/// wait. It is never reached: the senders limit what is under way. A lower limit would block a sender
/// that reads the answers after it has sent its last message.
const MAX_ACK_INFLIGHT: usize = 1_000_000;

impl Connection {
    /// Makes sure that JetStream answers; returns the account, unless this user may not ask for it.
    pub(super) async fn require_jetstream(&self, config: &Config) -> Result<Option<Account>> {
        let request = self.api("INFO");
        let since = Instant::now();
        let error = tokio::select! {
            biased;
            answer = self.jetstream.query_account() => match answer {
                Ok(account) => return Ok(Some(account)),
                Err(error) => error,
            },
            violation = self.violations.of(&request, since) => {
                // A user without this permission may have all others that are needed.
                if violation.is_about(&request) {
                    return Ok(None);
                }
                return Err(not_permitted(violation));
            }
        };
        let reason = match (error.kind(), &config.jetstream_domain) {
            (AccountErrorKind::JetStreamUnavailable, None) => {
                "the server has no JetStream; start it with `nats-server -js`".to_owned()
            }
            (AccountErrorKind::JetStreamUnavailable, Some(domain)) => {
                // A service waits: the way to another site may be cut off.
                let reason = format!(
                    "no server of the JetStream domain `{domain}` answers; check its name, and the way there"
                );
                let source = Unreachable { reason, absent: true, turned_away: false };
                return Err(Error::Connect { url: config.url(), source: source.into() });
            }
            // A cluster without a leader elects one soon, so this error is worth another try.
            (AccountErrorKind::JetStream(answer), _)
                if answer.error_code() == ErrorCode::CLUSTER_NOT_AVAILABLE =>
            {
                return Err(self.explain("reach JetStream", &request, since, error).await);
            }
            (AccountErrorKind::JetStream(error), _) => format!(
                "JetStream is not available to this login's account: {error}; enable it there, as \
                 `jetstream: enabled` in the server's configuration, or import `{request}` from the \
                 account with the streams"
            ),
            _ => {
                return Err(self.explain("reach JetStream", &request, since, error).await);
            }
        };
        Err(Error::Connect { url: config.url(), source: reason.into() })
    }
}

/// What requests to the JetStream of this domain begin with; without one, to that of the server.
pub(crate) fn api_prefix(domain: Option<&str>) -> String {
    domain.map_or(API.to_owned(), |domain| format!("$JS.{domain}.API"))
}

pub(super) fn context(client: Client, domain: Option<&str>) -> Context {
    let builder = ContextBuilder::new()
        .timeout(TIMEOUT)
        .ack_timeout(TIMEOUT)
        .max_ack_inflight(MAX_ACK_INFLIGHT)
        .backpressure_on_inflight(true);
    match domain {
        Some(domain) => builder.domain(domain).build(client),
        None => builder.build(client),
    }
}
