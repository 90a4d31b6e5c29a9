//! The server that the run takes place on.

use anyhow::{Context, Result};
use rapids_client::Config;
use rapids_test::NatsServer;
use tokio::task::spawn_blocking;

/// Logins of the environment: for somebody's server, and so not for the demo's own.
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

/// The demo's own server, or somebody else's.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) url: String,
    server: Option<NatsServer>,
}

impl Stage {
    /// Uses the server at this address, or starts one.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(crate) async fn set(url: Option<&str>) -> Result<Self> {
        if let Some(url) = url {
            return Ok(Self { url: url.to_owned(), server: None });
        }
        let server = spawn_blocking(NatsServer::start).await.context("cannot start a server")??;
        Ok(Self { url: server.url(), server: Some(server) })
    }

    /// How to connect: to somebody else's server with the login of the environment.
    ///
    /// # Errors
    /// If the environment has a setting that cannot be.
    pub(crate) fn config(&self) -> Result<Config> {
        if self.is_own() {
            return Ok(Config::new(&self.url));
        }
        Ok(Config::from_env()?.server(&self.url))
    }

    /// What tells a service where the server is, and how to log.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        if self.is_own() {
            return own_environment(&self.url);
        }
        told(&self.url).to_vec()
    }

    pub(crate) fn is_own(&self) -> bool {
        self.server.is_some()
    }

    /// Stops the server if it is the demo's own.
    pub(crate) async fn clear(self) {
        // Fails only if stopping panics, and then the server's own guard stops it.
        let _ = spawn_blocking(move || drop(self.server)).await;
    }
}

/// What tells a service of a server of the demo's own, and how to log; an empty variable counts as
/// none.
pub(crate) fn own_environment(url: &str) -> Vec<(&'static str, String)> {
    LOGINS.into_iter().map(|login| (login, String::new())).chain(told(url)).collect()
}

fn told(url: &str) -> [(&'static str, String); 2] {
    [("NATS_URL", url.to_owned()), ("RAPIDS_LOG_FORMAT", "human".to_owned())]
}
