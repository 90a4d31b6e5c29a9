//! The server that a measurement takes place on, and the processes that are sent against it.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_nats::jetstream::Context as JetStream;
use clap::ValueEnum;
use rapids_client::{Config, Rapids};
use rapids_test::NatsServer;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::contestant::Contestant;
use super::errand::{Errand, Work};
use super::packets::Load;
use super::side::Side;
use super::sides::window;
use crate::fleet::Guard;

/// The stream of the library; all sides work on it.
pub(crate) const STREAM: &str = "RAPIDS";
/// Its subject.
pub(crate) const SUBJECT: &str = "rapids";

/// How long services may take to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at how many are there.
const LOOK: Duration = Duration::from_millis(5);

/// When the server writes through to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncInterval {
    /// Every two minutes.
    Default,
    /// Before it acknowledges a publish.
    Always,
}

impl SyncInterval {
    pub(crate) const BOTH: [Self; 2] = [Self::Default, Self::Always];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Always => "always",
        }
    }

    /// Lines of the server's configuration.
    fn configuration(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Always => {
                "jetstream { max_file_store: 8GB, max_memory_store: 256MB, sync_interval: always }"
            }
        }
    }
}

/// A server with the library's stream on it, empty at first.
#[derive(Debug)]
pub(crate) struct Arena<'a> {
    // Stops before its store goes.
    server: NatsServer,
    folder: TempDir,
    guard: &'a Guard,
    jetstream: JetStream,
    names: AtomicU64,
}

impl<'a> Arena<'a> {
    /// Starts the server, whose processes are looked after by this guard.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(crate) async fn open(sync: SyncInterval, guard: &'a Guard) -> Result<Self> {
        let folder = folder()?;
        let store = folder.path().join("store");
        let starting = spawn_blocking(move || NatsServer::with_store(&store, sync.configuration()));
        let server = starting.await.context("cannot start a server")??;
        // Made by the library, so that all sides have the same.
        Box::pin(Rapids::connect(&Config::new(server.url()))).await?;
        let client = async_nats::connect(server.url()).await?;
        let jetstream = window::jetstream(client);
        Ok(Self { server, folder, guard, jetstream, names: AtomicU64::new(0) })
    }

    /// The version of the server.
    pub(crate) fn version(&self) -> String {
        self.jetstream.client().server_info().version
    }

    /// The process of the server.
    pub(crate) fn server(&self) -> u32 {
        // A server that is gone has used nothing.
        self.server.pid().unwrap_or_default()
    }

    /// Stores packets, as fast as possible.
    ///
    /// # Errors
    /// If the server does not take them.
    pub(crate) async fn store(&self, load: &Load) -> Result<()> {
        window::publish(&self.jetstream, load.packets()).await.context("cannot store packets")
    }

    /// Sends a process to do this work, under a name of its own.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn send(&self, side: Side, work: Work) -> Result<Contestant> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let service = format!("bench-{number}");
        let log = self.folder.path().join(format!("{service}.log"));
        let url = self.server.url();
        let errand = Errand { side, url, server: self.server(), service, work };
        Contestant::start(&errand, log, self.guard)
    }

    /// Waits until so many services have their position on the stream.
    ///
    /// # Errors
    /// If they are not there in a minute.
    pub(crate) async fn until_there(&self, services: usize) -> Result<()> {
        let begun = Instant::now();
        loop {
            let stream = self.jetstream.get_stream(STREAM).await?;
            let there = stream.cached_info().state.consumer_count;
            if there >= services {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("only {there} of {services} services are there");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops the server and removes what it stored.
    pub(crate) async fn close(self) {
        let Self { server, folder, .. } = self;
        // Fails only if stopping panics, and then the server's own guard stops it.
        let _ = spawn_blocking(move || {
            drop(server);
            drop(folder);
        })
        .await;
    }
}

/// A folder beside what was built: a directory for temporary files may be kept in memory, where
/// nothing is ever written through.
fn folder() -> Result<TempDir> {
    let program = env::current_exe().context("cannot tell where the demo itself was built")?;
    let target = program.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let parent: PathBuf = target.join("bench");
    std::fs::create_dir_all(&parent)
        .and_then(|()| tempfile::Builder::new().prefix("run-").tempdir_in(&parent))
        .with_context(|| format!("cannot make a folder in {}", parent.display()))
}
