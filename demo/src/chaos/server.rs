//! The server of the run, and the task that owns it, kills it and starts it again.

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
pub(crate) struct Server {
    pub(crate) url: String,
    kills: Trigger,
    task: JoinHandle<Result<NatsServer>>,
}

/// Kills the server.
#[derive(Debug, Clone)]
pub(crate) struct Trigger(mpsc::Sender<(Duration, oneshot::Sender<()>)>);

impl Server {
    /// Starts a server that stores in this folder.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(crate) async fn start(store: &Path) -> Result<Self> {
        let store = store.to_owned();
        let starting = spawn_blocking(move || NatsServer::with_store(&store, ""));
        let server = starting.await.context("cannot start a server")??;
        let (kill, kills) = mpsc::channel(1);
        let url = server.url();
        Ok(Self { url, kills: Trigger(kill), task: tokio::spawn(keep(server, kills)) })
    }

    pub(crate) fn trigger(&self) -> Trigger {
        self.kills.clone()
    }

    /// Waits until the server cannot be started again, and answers with why.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.task).await {
            Ok(Ok(_)) => anyhow!("the server was stopped"),
            Ok(Err(error)) => error.context("cannot start the server again"),
            Err(error) => error.into(),
        }
    }

    /// Stops it, and answers with its log. Every trigger must be gone.
    pub(crate) async fn stop(self) -> String {
        drop(self.kills);
        if self.task.is_finished() {
            return String::new();
        }
        let Ok(Ok(server)) = self.task.await else { return String::new() };
        let stopping = spawn_blocking(move || {
            let mut server = server;
            server.stop();
            // A log that cannot be read is no log.
            fs::read_to_string(server.log_file()).unwrap_or_default()
        });
        // Fails only if stopping panics, and then the server's own guard stops it.
        stopping.await.unwrap_or_default()
    }
}

impl Trigger {
    /// Kills the server, and returns once it is gone. It starts again after the absence.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) async fn kill(&self, absence: Duration) -> Result<()> {
        let gone = || anyhow!("the server is not there");
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
        // Whoever asked may have stopped listening.
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
        let server = Server::start(store.path()).await.unwrap();
        let address = server.url.trim_start_matches("nats://").to_owned();
        for _ in 0..2 {
            server.trigger().kill(Duration::ZERO).await.unwrap();
        }
        let log = server.stop().await;
        assert!(std::net::TcpStream::connect(address).is_err());
        assert!(log.trim_end().ends_with("Server Exiting.."), "{log}");
        assert_eq!(log.matches("Server is ready").count(), 3, "{log}");
    }
}
