//! The server of a run: the demo's own, or another one.

use std::path::PathBuf;

use anyhow::{Context, Result};
use rapids_client::Config;
use rapids_test::NatsServer;
use tokio::task::spawn_blocking;

use crate::logins::Logins;
use crate::rivers::Program;

/// The variables with a login. They are meant for another server, and not for the demo's own.
const LOGINS: [&str; 11] = [
    "RAPIDS_PROVISIONED",
    "RAPIDS_ID_KEY",
    "NATS_USER",
    "NATS_PASSWORD",
    "NATS_TOKEN",
    "NATS_CREDS",
    "NATS_NKEY",
    "NATS_CA",
    "NATS_CERT",
    "NATS_KEY",
    "NATS_CONTEXT",
];

/// The demo's own server, or another one.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    server: Option<NatsServer>,
    /// If it is the demo's own, in the secured form.
    pub(crate) logins: Option<Logins>,
}

impl Server {
    /// Uses the server at this address, or starts one, which takes these logins.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(crate) async fn open(url: Option<&str>, logins: Option<Logins>) -> Result<Self> {
        if let Some(url) = url {
            return Ok(Self { url: url.to_owned(), server: None, logins });
        }
        let config = logins.as_ref().map(Logins::server_config).unwrap_or_default().to_owned();
        let starting = spawn_blocking(move || NatsServer::with_config(&config));
        let server = starting.await.context("cannot start a server")??;
        Ok(Self { url: server.url(), server: Some(server), logins })
    }

    /// How to connect. For another server, the login comes from the environment.
    ///
    /// # Errors
    /// If a variable has an invalid value.
    pub(crate) fn config(&self) -> Result<Config> {
        if self.is_own() {
            return Ok(own_config(&self.url, self.logins.as_ref()));
        }
        Ok(Config::from_env()?.server(&self.url))
    }

    /// The variables that tell a program where the server is, how to log in, and how to log.
    pub(crate) fn environment(&self, program: &Program) -> Vec<(&'static str, String)> {
        if self.is_own() {
            return own_environment(&self.url, self.logins.as_ref(), program);
        }
        address_and_log(&self.url).to_vec()
    }

    /// The folder of the demo's own server: its log, and what it stores.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        Some(self.server.as_ref()?.log_file().parent()?.to_owned())
    }

    pub(crate) fn is_own(&self) -> bool {
        self.server.is_some()
    }

    /// Stops the server if it is the demo's own.
    pub(crate) async fn close(self) {
        // Fails only if stopping panics; the server's own guard stops it then.
        let _ = spawn_blocking(move || drop(self.server)).await;
    }
}

/// How to connect to the demo's own server.
pub(crate) fn own_config(url: &str, logins: Option<&Logins>) -> Config {
    logins.map_or_else(|| Config::new(url), |logins| logins.operator(url))
}

/// The variables for a program on the demo's own server. An empty login counts as none.
pub(crate) fn own_environment(
    url: &str,
    logins: Option<&Logins>,
    program: &Program,
) -> Vec<(&'static str, String)> {
    let none = LOGINS.into_iter().map(|login| (login, String::new()));
    let own = logins.map(|logins| logins.environment(program)).unwrap_or_default();
    none.chain(address_and_log(url)).chain(own).collect()
}

fn address_and_log(url: &str) -> [(&'static str, String); 2] {
    [("NATS_URL", url.to_owned()), ("RAPIDS_LOG_FORMAT", "human".to_owned())]
}
