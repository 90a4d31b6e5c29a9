//! One server of a cluster: what can be done to it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use rapids_test::{NatsServer, Ways, http};
use tokio::task::spawn_blocking;

use super::disk::Disk;
use super::{started, stopped};

/// A server, and where to ask how it is.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) number: usize,
    pub(super) name: String,
    /// Locked while something is done to it, on a thread that may block.
    server: Arc<Mutex<NatsServer>>,
    // Behind the server, because fields drop in order: it stores there until it ends.
    disk: Option<Disk>,
    /// Where its store is once it has ended.
    kept: PathBuf,
    monitoring: String,
}

impl Node {
    /// Starts it, with its store on this disk, or in this folder, where the store is in the end.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(super) async fn start(
        ways: &Ways,
        number: usize,
        store: &Path,
        disk: Option<Disk>,
    ) -> Result<Self> {
        let (name, config) = (ways.name(number), ways.config(number));
        let (kept, folder) = (store.join(&name), disk.as_ref().map_or(store, Disk::folder));
        let server = started(&folder.join(&name), &config).await?;
        let (server, monitoring) = (Arc::new(Mutex::new(server)), ways.monitoring(number));
        Ok(Self { number, name, server, disk, kept, monitoring })
    }

    /// Stops it for good, and returns its log.
    pub(super) async fn end(&self) -> String {
        let (is_elsewhere, kept) = (self.disk.is_some(), self.kept.clone());
        let ending = self.server(move |server| {
            let log = stopped(server);
            if is_elsewhere {
                let copying =
                    Command::new("cp").arg("-R").arg(server.store()).arg(kept).status()?;
                ensure!(copying.success(), "its store cannot be copied");
            }
            Ok(log)
        });
        // Without a log, the report is still of use.
        ending.await.unwrap_or_default()
    }

    /// Fills its disk.
    pub(super) async fn fill_disk(&self) -> Result<()> {
        self.disk()?.fill().await
    }

    /// Gives its disk the room that it had before.
    pub(super) fn make_room(&self) -> Result<()> {
        self.disk()?.make_room()
    }

    fn disk(&self) -> Result<&Disk> {
        self.disk.as_ref().context("the server has no disk of its own")
    }

    /// Stops it in order.
    pub(super) async fn stop(&self) -> Result<()> {
        self.server(|server| {
            server.stop();
            Ok(())
        })
        .await
    }

    /// Does something to the server that may block.
    async fn server<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut NatsServer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let server = Arc::clone(&self.server);
        let acting =
            spawn_blocking(move || act(&mut server.lock().expect("nothing panics with it")));
        acting.await?.with_context(|| format!("the server {}", self.name))
    }

    pub(super) async fn kill(&self) -> Result<()> {
        self.server(|server| {
            server.kill();
            Ok(())
        })
        .await
    }

    pub(super) async fn start_again(&self) -> Result<()> {
        self.server(NatsServer::restart).await
    }

    /// Removes all that it has stored.
    pub(super) async fn wipe(&self) -> Result<()> {
        self.server(|server| {
            std::fs::remove_dir_all(server.store())?;
            Ok(std::fs::create_dir_all(server.store())?)
        })
        .await
    }

    pub(super) async fn signal(&self, signal: &'static str) -> Result<()> {
        self.server(move |server| server.signal(signal)).await
    }

    /// A page of its monitoring: the status, and the body.
    pub(super) async fn page(&self, path: &'static str) -> Result<(String, String)> {
        let address = self.monitoring.clone();
        let asking = spawn_blocking(move || http(&address, &format!("GET {path}")));
        asking.await?.with_context(|| format!("the page {path} of {}", self.name))
    }
}
