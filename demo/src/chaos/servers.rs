//! The servers of the run, with a task that owns them, and does to them what it is asked to.

mod cluster;
mod control;
mod disk;
mod fault;
mod node;
mod pauses;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rapids_test::NatsServer;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::verify::Fact;
use cluster::Cluster;
pub(crate) use cluster::{Felt, NODES};
use control::Control;
use disk::Disk;
pub(crate) use fault::{Fault, FaultKind, KINDS, faults};
pub(crate) use pauses::Pauses;

/// One server that can be killed, or three to which more can happen.
#[derive(Debug)]
pub(crate) struct Servers {
    /// Where they are.
    pub(crate) url: String,
    /// Told of every packet of a service.
    pub(crate) ours: Pauses,
    attacker: ServerAttacker,
    task: JoinHandle<Result<Running>>,
    control: Option<Control>,
    /// Why no disk can be full, where three have none of their own.
    pub(crate) no_disks: Option<String>,
}

#[derive(Debug)]
enum Running {
    One(NatsServer),
    Three(Cluster),
}

/// Asks the task to do something to the servers.
#[derive(Debug, Clone)]
pub(crate) struct ServerAttacker(mpsc::Sender<Request>);

#[derive(Debug)]
enum Request {
    /// Answered once the only server is dead; it starts again after the absence.
    Kill(Duration, oneshot::Sender<()>),
    /// Answered once all servers have everything again.
    Inflict(Fault, oneshot::Sender<Felt>),
}

impl Servers {
    /// Starts a server with its store in this folder, and with these lines of configuration.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(crate) async fn one(store: &Path, config: &str) -> Result<Self> {
        let server = started(store, config).await?;
        let url = server.url();
        Ok(Self::running(Running::One(server), url, Pauses::default()))
    }

    /// Starts three that form a cluster, with their stores in this folder or, where this machine allows it, each on a
    /// disk of its own that suffices for this many orders, and a plain client beside the services.
    ///
    /// # Errors
    /// As for [`one`](Self::one), or if they form no cluster.
    pub(crate) async fn three(store: &Path, orders: usize) -> Result<Self> {
        let ours = Pauses::default();
        let disks: Result<Vec<_>> = (0..NODES).map(|_| Disk::open(store, orders)).collect();
        let (disks, no_disks) = match disks {
            Ok(disks) => (Some(disks), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let (cluster, url, control) = Box::pin(Cluster::start(store, disks, ours.clone())).await?;
        let running = Self::running(Running::Three(cluster), url, ours);
        Ok(Self { control: Some(control), no_disks, ..running })
    }

    fn running(running: Running, url: String, ours: Pauses) -> Self {
        let (sender, requests) = mpsc::channel(1);
        let task = tokio::spawn(keep(running, requests));
        let attacker = ServerAttacker(sender);
        Self { url, ours, attacker, task, control: None, no_disks: None }
    }

    pub(crate) fn attacker(&self) -> ServerAttacker {
        self.attacker.clone()
    }

    /// Whether they have kept what they have acknowledged to others than the rapids; `None` where nobody else was
    /// there.
    ///
    /// # Errors
    /// If they do not tell.
    pub(crate) async fn control_fact(&mut self) -> Result<Option<Fact>> {
        match self.control.take() {
            Some(control) => Ok(Some(Box::pin(control.fact()).await?)),
            None => Ok(None),
        }
    }

    /// Waits until a server cannot be started again, or they do not agree any more, and returns the reason.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.task).await {
            Ok(Ok(_)) => anyhow!("the servers were stopped"),
            Ok(Err(error)) => error.context("the servers do not come back"),
            Err(error) => error.into(),
        }
    }

    /// Stops them and returns their logs. Waits until every [`ServerAttacker`] is dropped.
    pub(crate) async fn stop(self) -> String {
        drop((self.attacker, self.control));
        if self.task.is_finished() {
            return String::new();
        }
        match self.task.await {
            Ok(Ok(Running::One(mut server))) => {
                // Fails only if stopping panics; the server's own guard stops it then.
                spawn_blocking(move || stopped(&mut server)).await.unwrap_or_default()
            }
            Ok(Ok(Running::Three(cluster))) => cluster.stop().await,
            _ => String::new(),
        }
    }
}

async fn started(store: &Path, config: &str) -> Result<NatsServer> {
    let (store, config) = (store.to_owned(), config.to_owned());
    let starting = spawn_blocking(move || NatsServer::with_store(&store, &config));
    starting.await.context("cannot start a server")?
}

/// Stops a server, and returns its log; without one, the report is still of use.
fn stopped(server: &mut NatsServer) -> String {
    server.stop();
    fs::read_to_string(server.log_file()).unwrap_or_default()
}

impl ServerAttacker {
    /// Kills the only server, and returns once it is dead. It starts again after the absence.
    ///
    /// # Errors
    /// If the server has been stopped.
    pub(crate) async fn kill(&self, absence: Duration) -> Result<()> {
        let (done, dead) = oneshot::channel();
        self.0.send(Request::Kill(absence, done)).await.map_err(|_| gone())?;
        dead.await.map_err(|_| gone())
    }

    /// Lets a fault happen to three servers once those before it are over, and returns how it was felt.
    ///
    /// # Errors
    /// If the servers have been stopped.
    pub(crate) async fn inflict(&self, fault: Fault) -> Result<Felt> {
        let (done, felt) = oneshot::channel();
        self.0.send(Request::Inflict(fault, done)).await.map_err(|_| gone())?;
        felt.await.map_err(|_| gone())
    }
}

fn gone() -> anyhow::Error {
    anyhow!("the servers have been stopped")
}

async fn keep(mut running: Running, mut requests: mpsc::Receiver<Request>) -> Result<Running> {
    while let Some(request) = requests.recv().await {
        running = match (running, request) {
            (Running::One(server), Request::Kill(absence, done)) => {
                Running::One(kill(server, absence, done).await?)
            }
            (Running::Three(cluster), Request::Inflict(fault, done)) => {
                let felt = Box::pin(cluster.inflict(fault)).await?;
                // Fails only if the caller has been dropped.
                let _ = done.send(felt);
                Running::Three(cluster)
            }
            (running, _) => running,
        };
    }
    Ok(running)
}

async fn kill(
    server: NatsServer,
    absence: Duration,
    done: oneshot::Sender<()>,
) -> Result<NatsServer> {
    let server = blocking(server, |server| {
        server.kill();
        Ok(())
    })
    .await?;
    // Fails only if the caller has been dropped.
    let _ = done.send(());
    sleep(absence).await;
    blocking(server, NatsServer::restart).await
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
        let server = Servers::one(store.path(), "").await.unwrap();
        let address = server.url.trim_start_matches("nats://").to_owned();
        for _ in 0..2 {
            server.attacker().kill(Duration::ZERO).await.unwrap();
        }
        let log = server.stop().await;
        assert!(std::net::TcpStream::connect(address).is_err());
        assert!(log.trim_end().ends_with("Server Exiting.."), "{log}");
        assert_eq!(log.matches("Server is ready").count(), 3, "{log}");
    }
}
