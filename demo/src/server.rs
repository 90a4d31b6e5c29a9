//! The server of a run: the demo's own, or another one.

use anyhow::{Context, Result};
use rapids_client::Config;
use rapids_test::NatsServer;
use tokio::task::spawn_blocking;

/// The variables with a login. They are meant for another server, and not for the demo's own.
const LOGINS: [&str; 9] = [
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
}

impl Server {
    /// Uses the server at this address, or starts one.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(crate) async fn open(url: Option<&str>) -> Result<Self> {
        if let Some(url) = url {
            return Ok(Self { url: url.to_owned(), server: None });
        }
        let server = spawn_blocking(NatsServer::start).await.context("cannot start a server")??;
        Ok(Self { url: server.url(), server: Some(server) })
    }

    /// How to connect. For another server, the login comes from the environment.
    ///
    /// # Errors
    /// If a variable has an invalid value.
    pub(crate) fn config(&self) -> Result<Config> {
        if self.is_own() {
            return Ok(Config::new(&self.url));
        }
        Ok(Config::from_env()?.server(&self.url))
    }

    /// The variables that tell a service where the server is and how to log.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        if self.is_own() {
            return own_environment(&self.url);
        }
        address_and_log(&self.url).to_vec()
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

/// The variables for a service on the demo's own server. An empty login counts as none.
pub(crate) fn own_environment(url: &str) -> Vec<(&'static str, String)> {
    LOGINS.into_iter().map(|login| (login, String::new())).chain(address_and_log(url)).collect()
}

fn address_and_log(url: &str) -> [(&'static str, String); 2] {
    [("NATS_URL", url.to_owned()), ("RAPIDS_LOG_FORMAT", "human".to_owned())]
}
