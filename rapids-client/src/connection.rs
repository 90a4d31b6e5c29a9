//! The one connection of a service to its server.
//!
//! Opens it, keeps it, and turns what goes wrong on it into errors that name the remedy. What is
//! sent over it is the business of the files that use it.

mod event;
mod options;
mod reconnecting;
mod signing;
mod unreachable;
mod violation;

use std::collections::HashSet;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::jetstream::account::Account;
use async_nats::jetstream::context::{AccountErrorKind, ContextBuilder};
use async_nats::jetstream::{Context, ErrorCode};
use futures::FutureExt;

use crate::config::{Config, Provision};
use crate::error::{Error, Result};
use crate::jetstream::{self, Allowance};

use event::Observer;
use options::TIMEOUT;
use reconnecting::Reconnecting;
use unreachable::unreachable;
pub(crate) use unreachable::{is_absent, is_turned_away};
use violation::{Violation, Violations};

/// What requests to the JetStream of no domain begin with.
const API: &str = "$JS.API";

/// Publishes on their way to the server at once; the client library makes the next one wait. As good
/// as no limit: whoever sends many waits for the answers after the last, and would wait for ever.
/// What is under way is bounded by the windows of the senders.
const MAX_ACK_INFLIGHT: usize = 1_000_000;

/// A refusal is told apart from the operation that it refuses, and may come after it.
const REFUSAL_DELAY: Duration = Duration::from_millis(50);

/// A connection; clones share it, also among runtimes. It lives in the runtime that opened it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    api_prefix: Arc<str>,
    violations: Arc<Violations>,
    reconnecting: Arc<Reconnecting>,
    provision: Provision,
    allowance: Arc<Allowance>,
    /// What was told already. A lock, since clones are used by several threads; held for a moment.
    told: Arc<Mutex<HashSet<String>>>,
}

impl Connection {
    /// Connects as `name`, which the server shows in its list of connections, and makes sure that
    /// JetStream answers. Tries each address once; a connection lost later is made again for as
    /// long as it takes.
    ///
    /// # Errors
    /// `Config` for an address or a file that cannot be used; `Connect`, with the remedy, if the
    /// server cannot be reached, turns the login away or has no JetStream; `NotPermitted` if the
    /// user may not receive answers.
    pub(crate) async fn open(config: &Config, name: &str) -> Result<Self> {
        let servers = config.server_url.servers()?;
        let login = config.login()?;
        let inbox = config.inbox()?;
        let violations = Arc::new(Violations::new(inbox));
        let opened = Arc::new(AtomicBool::new(false));
        let reconnecting = Arc::new(Reconnecting::new(config.clone()));
        let options = options::options(config, Arc::clone(&opened), Arc::clone(&reconnecting))?
            .name(name)
            .custom_inbox_prefix(inbox)
            .event_callback({
                let (violations, reconnecting) = (violations.clone(), reconnecting.clone());
                let observer = Observer::new(config.url(), violations, reconnecting);
                move |event| {
                    observer.observe(&event);
                    std::future::ready(())
                }
            });
        let connecting = Box::pin(options.connect(servers.addresses));
        let client = connecting.await.map_err(|error| unreachable(config, &login, &error))?;
        opened.store(true, Ordering::Relaxed);
        let mut connection = Self {
            jetstream: context(client.clone(), config.jetstream_domain.as_deref()),
            client,
            api_prefix: api_prefix(config.jetstream_domain.as_deref()).into(),
            violations,
            reconnecting,
            provision: config.provision,
            allowance: Arc::default(),
            told: Arc::default(),
        };
        if let Some(account) = connection.require_jetstream(config).await? {
            let replicas = config.provision.replicas.unwrap_or(1);
            connection.allowance = Arc::new(Allowance::new(&account, replicas));
        }
        Ok(connection)
    }

    /// Waits until the server has turned the login away for so long, after the connection was lost,
    /// that it is given up: `Connect`, with the file or variable that states it.
    pub(crate) async fn given_up(&self) -> Error {
        self.reconnecting.given_up().await
    }

    /// What was stated about streams and buckets.
    pub(crate) fn provision(&self) -> &Provision {
        &self.provision
    }

    /// What the account allows.
    pub(crate) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// How many packets of a service may be unacknowledged over all its instances.
    pub(crate) fn max_ack_pending(&self) -> u32 {
        self.allowance.max_ack_pending(self.provision.max_ack_pending)
    }

    /// Whether the server is one of several.
    pub(crate) fn is_clustered(&self) -> bool {
        self.client.server_info().cluster.is_some()
    }

    /// Whether the JetStream is that of a domain.
    pub(crate) fn has_domain(&self) -> bool {
        *self.api_prefix != *API
    }

    /// Whether this was not told on this connection before; it counts as told from now on.
    pub(crate) fn is_news(&self, text: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned())
    }

    /// The largest message that the server takes, headers included, in bytes.
    pub(crate) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// The subject of a request to the JetStream API, such as `STREAM.INFO.RAPIDS`; with a final
    /// `>`, all that begin so, for [`attempt`](Self::attempt).
    pub(crate) fn api(&self, request: &str) -> String {
        format!("{}.{request}", self.api_prefix)
    }

    /// Runs an operation on `subject` until it is done, fails or is refused; a refusal does not
    /// wait for the time-out. A `subject` that ends in `>` stands for all that begin so.
    ///
    /// # Errors
    /// `NotPermitted` if the server refuses it, else `Server` with `action` ("cannot ...").
    pub(crate) fn attempt<T, E>(
        &self,
        action: &str,
        subject: &str,
        operation: impl IntoFuture<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T>>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        // Operations of the client library are large, and so would be all that wait for one.
        let operation = Box::pin(operation.into_future());
        self.attempt_since(Instant::now(), action, subject, operation)
    }

    /// As [`attempt`](Self::attempt), for an operation that was handed over before: a refusal from
    /// then on is about it.
    pub(crate) async fn attempt_since<T, E>(
        &self,
        since: Instant,
        action: &str,
        subject: &str,
        operation: impl IntoFuture<Output = Result<T, E>>,
    ) -> Result<T>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        tokio::select! {
            biased;
            outcome = operation.into_future() => match outcome {
                Ok(value) => Ok(value),
                Err(source) => Err(self.explain(action, subject, since, source).await),
            },
            violation = self.violations.of(subject, since) => Err(not_permitted(violation)),
        }
    }

    /// What the server has refused on `subject` since then, if it is known already.
    pub(crate) fn refusal(&self, subject: &str, since: Instant) -> Option<Error> {
        self.violations.of(subject, since).now_or_never().map(not_permitted)
    }

    async fn explain(
        &self,
        action: &str,
        subject: &str,
        since: Instant,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        let refused = self.violations.of(subject, since);
        match tokio::time::timeout(REFUSAL_DELAY, refused).await {
            Ok(violation) => not_permitted(violation),
            Err(_) => {
                let source = source.into();
                jetstream::refusal::limit(action, source.as_ref(), &self.provision, &self.allowance)
                    .unwrap_or_else(|| Error::Server { action: action.to_owned(), source })
            }
        }
    }

    /// The account, as far as this user may know of it.
    async fn require_jetstream(&self, config: &Config) -> Result<Option<Account>> {
        let request = self.api("INFO");
        let since = Instant::now();
        let error = tokio::select! {
            biased;
            answer = self.jetstream.query_account() => match answer {
                Ok(account) => return Ok(Some(account)),
                Err(error) => error,
            },
            violation = self.violations.of(&request, since) => {
                // A user may lack this permission and have all that matter.
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
                format!("no server of the JetStream domain `{domain}` answers; check its name")
            }
            // A cluster that elects a leader has one soon.
            (AccountErrorKind::JetStream(answer), _)
                if answer.error_code() == ErrorCode::CLUSTER_NOT_AVAILABLE =>
            {
                return Err(self.explain("reach JetStream", &request, since, error).await);
            }
            (AccountErrorKind::JetStream(error), _) => format!(
                "JetStream is not available to this login's account: {error}; enable it there, \
                 as `jetstream: enabled` in the server's configuration"
            ),
            _ => {
                return Err(self.explain("reach JetStream", &request, since, error).await);
            }
        };
        Err(Error::Connect { url: config.url(), source: reason.into() })
    }
}

fn not_permitted(violation: Violation) -> Error {
    Error::NotPermitted { violation: violation.description }
}

fn api_prefix(domain: Option<&str>) -> String {
    domain.map_or(API.to_owned(), |domain| format!("$JS.{domain}.API"))
}

fn context(client: Client, domain: Option<&str>) -> Context {
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
