//! The one connection of a service to its server.
//!
//! Opens it, keeps it, and turns what goes wrong on it into errors that name the remedy. What is
//! sent over it is left to the files that use it.

mod allowance;
mod answer;
mod elsewhere;
mod event;
mod failure;
mod jetstream;
mod known_end;
mod options;
mod outage;
mod probe;
mod reconnecting;
mod retry;
mod signing;
mod unreachable;
mod violation;

use std::collections::HashSet;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::Context;
use futures::FutureExt;
use tokio::task::JoinSet;

use crate::config::{Config, Provision};
use crate::error::{Error, Result, with_causes};
use crate::mirror::Mirror;

pub(crate) use allowance::{Allowance, in_words};
pub(crate) use answer::server_answer;
use elsewhere::Elsewhere;
use event::Observer;
use failure::Warned;
pub(crate) use jetstream::api_prefix;
use jetstream::{API, context};
pub(crate) use known_end::CUT_OFF;
use known_end::KnownEnd;
use outage::Outages;
pub(crate) use probe::{Probe, Reply};
use reconnecting::Reconnecting;
pub(crate) use retry::Retry;
use unreachable::unreachable;
use violation::{Violation, Violations};

/// The server sends a refusal separately from the failed operation, and it may arrive a little later.
const REFUSAL_DELAY: Duration = Duration::from_millis(50);

/// A connection. Clones share it, also among runtimes; it runs in the runtime that opened it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    api_prefix: Arc<str>,
    violations: Arc<Violations>,
    reconnecting: Arc<Reconnecting>,
    outages: Arc<Outages>,
    elsewhere: Arc<Elsewhere>,
    known_end: Arc<KnownEnd>,
    // Ends with the last clone.
    _leaving: Arc<JoinSet<()>>,
    provision: Arc<Provision>,
    /// The mirror from which services read.
    mirror: Option<Arc<Mirror>>,
    allowance: Arc<Allowance>,
    /// Whether the configuration asks for TLS.
    requires_tls: bool,
    /// The notices that were logged. A lock, since several threads use a connection; held for a moment.
    logged: Arc<Mutex<HashSet<String>>>,
    warned: Arc<Warned>,
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
        let outages = Arc::new(Outages::default());
        let elsewhere = Arc::new(Elsewhere::default());
        let choosing = (Arc::clone(&opened), Arc::clone(&elsewhere));
        let options = options::options(config, choosing, Arc::clone(&reconnecting))?
            .name(name)
            .custom_inbox_prefix(inbox)
            .event_callback({
                let observer = Observer {
                    url: config.url(),
                    violations: Arc::clone(&violations),
                    reconnecting: Arc::clone(&reconnecting),
                    outages: Arc::clone(&outages),
                    elsewhere: Arc::clone(&elsewhere),
                };
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
            _leaving: Arc::new(elsewhere.keep_leaving(client.clone())),
            elsewhere,
            known_end: Arc::default(),
            client,
            api_prefix: api_prefix(config.jetstream_domain.as_deref()).into(),
            violations,
            reconnecting,
            outages,
            provision: Arc::new(config.provision.clone()),
            mirror: None,
            allowance: Arc::default(),
            requires_tls: options::requires_tls(config)?,
            logged: Arc::default(),
            warned: Arc::default(),
        };
        connection = connection.reading_from(config.read_from.as_ref());
        if let Some(account) = connection.require_jetstream(config).await? {
            let replicas = config.provision.replicas.unwrap_or(1);
            connection.allowance = Arc::new(Allowance::new(&account, replicas));
        }
        Ok(connection)
    }

    /// As [`open`](Self::open), for an operator, who creates what services may not.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub(crate) async fn open_creating(config: &Config) -> Result<Self> {
        let mut creating = config.clone();
        creating.provision.is_provisioned = false;
        Box::pin(Self::open(&creating, "rapids")).await
    }

    /// Waits until the login is given up, because the server has turned it away for too long after
    /// the connection was lost. The error is `Connect`, with the file or variable of the login.
    pub(crate) async fn given_up(&self) -> Error {
        self.reconnecting.given_up().await
    }

    /// Whether the connection is there at present, as far as the client knows.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// How often the connection was made.
    pub(crate) fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// The same connection, whose requests go to the JetStream of this domain.
    pub(crate) fn in_domain(&self, domain: &str) -> Self {
        Self {
            jetstream: context(self.client.clone(), Some(domain)),
            api_prefix: api_prefix(Some(domain)).into(),
            ..self.clone()
        }
    }

    /// The same connection, of services that read from this mirror: one in the JetStream of the server.
    pub(crate) fn reading_from(self, mirror: Option<&String>) -> Self {
        // Unless that is the one that the rapids are in.
        let is_other =
            |domain: &String| self.has_domain() && self.domain().as_ref() != Some(domain);
        let mirror = mirror.cloned().map(|stream| {
            let domain = self.client.server_info().domain.filter(is_other);
            Arc::new(Mirror { stream, domain })
        });
        Self { mirror, ..self }
    }

    /// The JetStream domain of what is asked for, as far as that is known.
    pub(crate) fn domain(&self) -> Option<String> {
        let stated =
            self.api_prefix.strip_prefix("$JS.").and_then(|rest| rest.strip_suffix(".API"));
        stated.map(str::to_owned).or_else(|| self.client.server_info().domain)
    }

    /// The mirror from which services read; `None` if they read from the rapids.
    pub(crate) fn mirror(&self) -> Option<&Mirror> {
        self.mirror.as_deref()
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

    /// How far the rapids are known to reach.
    pub(crate) fn known_end(&self) -> &KnownEnd {
        &self.known_end
    }

    /// Whether what is sent is encrypted.
    pub(crate) fn uses_tls(&self) -> bool {
        self.requires_tls || self.client.server_info().tls_required
    }

    /// The version of the server, such as `2.15.1`.
    pub(crate) fn server_version(&self) -> String {
        self.client.server_info().version
    }

    /// Whether the JetStream of a domain is used.
    pub(crate) fn has_domain(&self) -> bool {
        *self.api_prefix != *API
    }

    /// Whether this notice was not logged before on this connection; it counts as logged from now on.
    pub(crate) fn is_news(&self, text: &str) -> bool {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned())
    }

    /// The largest message that the server takes, headers included, in bytes.
    pub(crate) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// The subject of a request to the JetStream API, such as `STREAM.INFO.RAPIDS`.
    pub(crate) fn api(&self, request: &str) -> String {
        format!("{}.{request}", self.api_prefix)
    }

    /// Runs an operation on `subject` until it is done, fails or is refused. A refusal ends it at
    /// once, without the time-out. A `subject` that ends in `>` stands for all that begin so.
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
        // The futures of the client library are large, and would make every caller's as large.
        let operation = Box::pin(operation.into_future());
        async move {
            let since = Instant::now();
            tokio::select! {
                biased;
                outcome = operation => match outcome {
                    Ok(value) => {
                        self.elsewhere.answered();
                        Ok(value)
                    }
                    Err(source) => Err(self.explain(action, subject, since, source).await),
                },
                violation = self.violations.of(subject, since) => Err(not_permitted(violation)),
            }
        }
    }

    /// Waits until an operation on `subject` is refused that was begun since then; returns what the
    /// server does not permit.
    pub(crate) async fn refused(&self, subject: &str, since: Instant) -> String {
        self.violations.of(subject, since).await.description
    }

    /// Waits until the connection is made again after this call.
    pub(crate) fn reconnected(&self) -> impl Future<Output = ()> + use<> {
        self.outages.next_end()
    }

    /// The refusal of an operation on `subject` since then, if it has arrived.
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
                if with_causes(source.as_ref()).contains("timed out") {
                    self.elsewhere.unanswered(since);
                }
                self.allowance
                    .exceeded(action, source.as_ref(), &self.provision)
                    .unwrap_or_else(|| Error::Server { action: action.to_owned(), source })
            }
        }
    }
}

/// The release of a server of this version, such as 2.15 for `2.15.1`.
pub(crate) fn release(version: &str) -> [u64; 2] {
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse().ok());
    [numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()]
}

fn not_permitted(violation: Violation) -> Error {
    Error::NotPermitted { violation: violation.description }
}
