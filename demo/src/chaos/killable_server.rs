//! The server of the run, with a task that owns it, kills it on request and starts it again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rapids_test::NatsServer;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

/// A server that can be killed.
#[derive(Debug)]
pub(crate) struct KillableServer {
    pub(crate) url: String,
    kills: ServerKiller,
    task: JoinHandle<Result<NatsServer>>,
}

/// Asks the task to kill the server.
#[derive(Debug, Clone)]
pub(crate) struct ServerKiller(mpsc::Sender<(Duration, oneshot::Sender<()>)>);

impl KillableServer {
    /// Starts a server with its store in this folder, and with these lines of configuration.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(crate) async fn start(store: &Path, config: &str) -> Result<Self> {
        let (store, config) = (store.to_owned(), config.to_owned());
        let starting = spawn_blocking(move || NatsServer::with_store(&store, &config));
        let server = starting.await.context("cannot start a server")??;
        let (kill, kills) = mpsc::channel(1);
        let url = server.url();
        Ok(Self { url, kills: ServerKiller(kill), task: tokio::spawn(keep(server, kills)) })
    }

    pub(crate) fn killer(&self) -> ServerKiller {
        self.kills.clone()
    }

    /// Waits until the server cannot be started again, and returns the reason.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.task).await {
            Ok(Ok(_)) => anyhow!("the server was stopped"),
            Ok(Err(error)) => error.context("cannot start the server again"),
            Err(error) => error.into(),
        }
    }

    /// Stops the server and returns its log. Waits until every [`ServerKiller`] is dropped.
    pub(crate) async fn stop(self) -> String {
        drop(self.kills);
        if self.task.is_finished() {
            return String::new();
        }
        let Ok(Ok(server)) = self.task.await else { return String::new() };
        let stopping = spawn_blocking(move || {
            let mut server = server;
            server.stop();
            // Without a log, the report is still of use.
            fs::read_to_string(server.log_file()).unwrap_or_default()
        });
        // Fails only if stopping panics; the server's own guard stops it then.
        stopping.await.unwrap_or_default()
    }
}

impl ServerKiller {
    /// Kills the server, and returns once it is dead. It starts again after the absence.
    ///
    /// # Errors
    /// If the server has been stopped.
    pub(crate) async fn kill(&self, absence: Duration) -> Result<()> {
        let gone = || anyhow!("the server has been stopped");
        let (done, dead) = oneshot::channel();
        self.0.send((absence, done)).await.map_err(|_| gone())?;
        dead.await.map_err(|_| gone())
    }
}

async fn keep(
    mut server: NatsServer,
    mut kills: mpsc::Receiver<(Duration, oneshot::Sender<()>)>,
) -> Result<NatsServer> {
    while let Some((absence, dead)) = kills.recv().await {
        server = blocking(server, |server| {
            server.kill();
            Ok(())
        })
        .await?;
        // Fails only if the caller has been dropped.
        let _ = dead.send(());
        sleep(absence).await;
        server = blocking(server, NatsServer::restart).await?;
    }
    Ok(server)
}

async fn blocking(
    mut server: NatsServer,
    act: impl FnOnce(&mut NatsServer) -> Result<()> + Send + 'static,
) -> Result<NatsServer> {
    spawn_blocking(move || act(&mut server).map(|()| server)).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn killed_server_comes_back_with_its_port_and_store() {
        let store = tempfile::tempdir().unwrap();
        let server = KillableServer::start(store.path(), "").await.unwrap();
        let address = server.url.trim_start_matches("nats://").to_owned();
        for _ in 0..2 {
            server.killer().kill(Duration::ZERO).await.unwrap();
        }
        let log = server.stop().await;
        assert!(std::net::TcpStream::connect(address).is_err());
        assert!(log.trim_end().ends_with("Server Exiting.."), "{log}");
        assert_eq!(log.matches("Server is ready").count(), 3, "{log}");
    }
}
