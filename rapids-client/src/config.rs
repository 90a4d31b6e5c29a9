//! Where the server is, how to log in, and the settings of the rapids.
//!
//! Reading them from the environment is left to `environment`, connecting to the connection.
//! `RAPIDS_LOG_FORMAT` belongs to [`telemetry`](crate::telemetry).

mod context;
mod environment;
mod id_keys;
mod inbox;
mod known;
mod layer;
mod login;
mod login_source;
mod provision;
pub(crate) mod read_from;
mod secret;
mod server_url;
mod variable;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;

pub(crate) use id_keys::IdKeys;
use inbox::Inbox;
pub(crate) use login::{KeyFile, Login, Tls};
use login_source::LoginSource;
pub(crate) use login_source::StatedLogin;
pub(crate) use provision::Provision;
use read_from::read_from;
use secret::Secret;
pub(crate) use server_url::ServerUrl;
pub use variable::parse_duration;

const DEFAULT_URL: &str = "nats://127.0.0.1:4222";
const DEFAULT_INBOX: &str = "_INBOX";
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
const LOGIN_PATIENCE: Duration = Duration::from_secs(300);
const DEFAULT_READ_LIMIT: u32 = 9;
const DEFAULT_MAX_HELD: usize = 10_000;

const DAY: u64 = 86_400;
const ACK_WAIT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
const GRACE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
const READ_LIMIT: RangeInclusive<u32> = 1..=1000;
// Less than the unacknowledged packets that the server allows a service by default.
const MAX_HELD: RangeInclusive<usize> = 1..=40_000;

/// How the instances of a service get its packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// They share them: each packet goes to one of them.
    #[default]
    Shared,
    /// One of them gets all, in stream order; the others stand by. See
    /// [`Service::exclusive`](crate::Service::exclusive).
    Exclusive,
}

#[doc = include_str!("config/config.md")]
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) server_url: ServerUrl,
    login: LoginSource,
    /// How long a lost connection goes on while the server turns its login away.
    pub(crate) login_patience: Duration,
    pub(crate) tls: Tls,
    inbox: Option<Inbox>,
    pub(crate) jetstream_domain: Option<String>,
    pub(crate) provision: Provision,
    /// As it was stated; `None` accepts the setting of an existing consumer.
    pub(crate) ack_wait: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) read_limit: u32,
    pub(crate) max_held: usize,
    pub(crate) delivery: Delivery,
    /// The mirror from which services read; `None` for the rapids.
    pub(crate) read_from: Option<String>,
    pub(crate) show_values: bool,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) id_keys: IdKeys,
}

impl Config {
    /// Takes everything from the environment, and from the selected `nats` context when no
    /// `NATS_*` variable is set. Logs a warning about each `RAPIDS_*` variable that is not in the
    /// table, once in a process, and about other names that look like a mistake.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the variable, or the file and key, its value
    /// (`***` for secrets) and the expected values.
    pub fn from_env() -> Result<Self> {
        known::warn_of_others();
        Self::from_variables(&|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// Connects to this address, with the documented default for everything else; the
    /// environment plays no part. A comma-separated list and a login in the URL are accepted; a
    /// wrong address is reported when connecting.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            server_url: ServerUrl::new("the server's address", url),
            login: LoginSource::none(),
            login_patience: LOGIN_PATIENCE,
            tls: Tls::default(),
            inbox: None,
            jetstream_domain: None,
            provision: Provision::default(),
            ack_wait: None,
            grace: DEFAULT_GRACE,
            read_limit: DEFAULT_READ_LIMIT,
            max_held: DEFAULT_MAX_HELD,
            delivery: Delivery::default(),
            read_from: None,
            show_values: true,
            http: None,
            id_keys: IdKeys::default(),
        }
    }

    /// Connects to this address instead, with everything else as it is. A comma-separated list and
    /// a login in the URL are accepted.
    #[must_use]
    pub fn server(mut self, url: impl Into<String>) -> Self {
        self.server_url = ServerUrl::new("the server's address", url);
        self
    }

    /// Logs in as this user. Replaces any other login but one in the URL.
    #[must_use]
    pub fn user_and_password(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.logged_in(Login::User { user: user.into(), password: Secret::new(password) })
    }

    /// Logs in with this token. Replaces any other login but one in the URL.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        self.logged_in(Login::Token(Secret::new(token)))
    }

    /// Logs in with the credentials in this file, as `nsc` writes it, read at each connect.
    /// Replaces any other login but one in the URL.
    #[must_use]
    pub fn credentials_file(self, path: impl Into<PathBuf>) -> Self {
        self.logged_in(Login::Credentials(KeyFile::new("the credentials file", path)))
    }

    /// Logs in with the nkey whose seed is in this file, read at each connect. Replaces any
    /// other login but one in the URL.
    #[must_use]
    pub fn nkey_file(self, path: impl Into<PathBuf>) -> Self {
        self.logged_in(Login::Nkey(KeyFile::new("the nkey file", path)))
    }

    /// Requires TLS, and trusts the certificates in this PEM file instead of the system's.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.ca = Some(KeyFile::new("the file of trusted certificates", path));
        self
    }

    /// Requires TLS, and presents the certificate and key in these PEM files.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.tls.identity = Some((
            KeyFile::new("the client's certificate file", certificate),
            KeyFile::new("the client's key file", key),
        ));
        self
    }

    /// Receives answers under this prefix, for users who may not subscribe to the default
    /// `_INBOX`.
    #[must_use]
    pub fn inbox_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.inbox = Some(Inbox::new("the prefix of the inbox", prefix));
        self
    }

    /// Uses the JetStream of this domain, for servers that are leaf nodes of it. Default: the
    /// server's own.
    #[must_use]
    pub fn jetstream_domain(mut self, domain: impl Into<String>) -> Self {
        self.jetstream_domain = Some(domain.into());
        self
    }

    /// Redelivers a packet that a dead instance left unacknowledged after this time. Default:
    /// 10 seconds, or what the operator set on the service's consumer. Clamped to 1 second to 10 minutes.
    #[must_use]
    pub fn ack_wait(mut self, wait: Duration) -> Self {
        self.ack_wait = Some(clamp(wait, ACK_WAIT));
        self
    }

    /// Gives a stopping service this long to finish what runs. Default: 10 seconds. At most an
    /// hour.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = clamp(grace, GRACE);
        self
    }

    /// Counts a packet as a loop after this many hops. Default: 9. Clamped to 1 to 1000.
    #[must_use]
    pub fn read_limit(mut self, hops: u32) -> Self {
        self.read_limit = clamp(hops, READ_LIMIT);
        self
    }

    /// Holds at most this many reactions back in each instance: those that wait to be tried again,
    /// for a breaker, a throttle or a predecessor in order. At the limit the whole service pauses.
    /// Default: 10,000. Clamped to 1 to 40,000.
    #[must_use]
    pub fn max_held(mut self, reactions: usize) -> Self {
        self.max_held = clamp(reactions, MAX_HELD);
        self
    }

    /// Sets how the instances of a service get its packets. Default: [`Delivery::Shared`].
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Has services read their packets from this mirror of the rapids, which is created if it is not there,
    /// in the JetStream of the server that they connect to. What they publish goes to the rapids. Default: they
    /// read from the rapids.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a name that no mirror can have.
    pub fn read_from(mut self, mirror: &str) -> Result<Self> {
        self.read_from = read_from("the mirror to read from", mirror)?;
        Ok(self)
    }

    /// Sets whether reasons, problems and logs of services quote values of packets. If not, the key
    /// and the type remain: `@.ssn = a text of 12 characters`. Packets themselves are stored as they
    /// are, also in dead letters; so are their ids, and the keys of memories, which name records.
    /// What a reaction says in its own errors is up to it. Default: they do.
    #[must_use]
    pub fn show_values(mut self, shown: bool) -> Self {
        self.show_values = shown;
        self
    }

    /// Serves the metrics of the process at this address under `/metrics`, and answers probes under
    /// `/livez` and `/readyz`. With port 0 the system chooses one, which the log names. A bundle does so
    /// once, by the setting of its first service. Default: nothing is served.
    #[must_use]
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.http = Some(address);
        self
    }

    /// Derives the ids of what services publish with this secret key, so that nobody else can use a coming
    /// id first: 64 hexadecimal digits, or the path of a file that holds them and that only its owner can
    /// read. All instances of a service get the same one. To replace it, put the new one in front, with a
    /// comma; each instance is ready before the new one counts. A service that has had a key needs one from
    /// then on. Default: ids are derived from what everybody knows.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), without the key.
    pub fn id_key(mut self, key: &str) -> Result<Self> {
        self.id_keys = IdKeys::read("the key for ids", &Secret::new(key), None)?;
        Ok(self)
    }

    /// The address, fit for printing: `***` stands in place of a login.
    #[must_use]
    pub fn url(&self) -> String {
        self.server_url.to_string()
    }

    /// The login as it is at present.
    pub(crate) fn login(&self) -> Result<StatedLogin> {
        self.login.read(&self.server_url)
    }

    /// The prefix of the subjects on which answers arrive.
    pub(crate) fn inbox(&self) -> Result<&str> {
        self.inbox.as_ref().map_or(Ok(DEFAULT_INBOX), Inbox::prefix)
    }

    fn logged_in(mut self, login: Login) -> Self {
        self.login = LoginSource::Stated(StatedLogin::new(login, "set by the program"));
        self
    }
}

fn clamp<T: Ord>(value: T, range: RangeInclusive<T>) -> T {
    let (least, most) = range.into_inner();
    value.clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setters_bring_values_into_range() {
        let config = Config::new("host")
            .ack_wait(Duration::ZERO)
            .grace(Duration::MAX)
            .read_limit(0)
            .max_held(0);
        assert_eq!(config.ack_wait, Some(Duration::from_secs(1)));
        assert_eq!(config.grace, Duration::from_secs(3600));
        assert_eq!(config.read_limit, 1);
        assert_eq!(config.max_held, 1);
    }
}
