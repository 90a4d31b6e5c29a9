//! The server that a measurement takes place on, and the processes that are sent against it.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use async_nats::jetstream::Context as JetStream;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use bytes::Bytes;
use clap::ValueEnum;
use futures::{StreamExt, TryStreamExt};
use rapids_client::{Config, Rapids};
use rapids_test::NatsServer;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

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

/// The subject of the server's copies of what it stored.
pub(crate) const LIVE: &str = "rapids.live";
/// Where services in exclusive delivery say how far they are.
const POSITIONS: &str = "RAPIDS_POSITIONS";

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
        self.start(number, format!("bench-{number}"), side, work)
    }

    /// Sends a process to do this work as an instance of this service.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn send_as(&self, service: &str, side: Side, work: Work) -> Result<Contestant> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        self.start(number, service.to_owned(), side, work)
    }

    fn start(&self, number: u64, service: String, side: Side, work: Work) -> Result<Contestant> {
        let log = self.folder.path().join(format!("{number}.log"));
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

    /// Waits until so many services in exclusive delivery read live.
    ///
    /// # Errors
    /// If they do not in a minute.
    pub(crate) async fn until_live(&self, services: usize) -> Result<()> {
        #[derive(Deserialize)]
        struct Record {
            begun: u64,
            #[serde(default)]
            is_catching_up: bool,
        }
        let mut live = HashSet::new();
        let watching = async {
            // The first of them makes the bucket.
            let bucket = loop {
                match self.jetstream.get_key_value(POSITIONS).await {
                    Ok(bucket) => break bucket,
                    Err(_) => tokio::time::sleep(LOOK).await,
                }
            };
            let mut records = bucket.watch_with_history(">").await?;
            while live.len() < services {
                let entry = records.next().await.context("the bucket is gone")??;
                let Record { begun, is_catching_up } = serde_json::from_slice(&entry.value)?;
                // Until it has begun, an instance has only taken the record.
                if begun > 0 && !is_catching_up {
                    live.insert(entry.key);
                }
            }
            anyhow::Ok(())
        };
        match timeout(PATIENCE, watching).await {
            Ok(watched) => watched,
            Err(_) => bail!("only {} of {services} services read live", live.len()),
        }
    }

    /// The bodies of all packets that the stream holds.
    ///
    /// # Errors
    /// If the server does not give them.
    pub(crate) async fn bodies(&self) -> Result<Vec<Bytes>> {
        let mut stream = self.jetstream.get_stream(STREAM).await?;
        let last = stream.info().await?.state.last_sequence;
        let consumer = stream.create_consumer(OrderedConfig::default()).await?;
        let messages = consumer.messages().await?.take(usize::try_from(last)?);
        Ok(messages.map_ok(|message| message.payload.clone()).try_collect().await?)
    }

    /// How many packets the stream holds.
    ///
    /// # Errors
    /// If the server does not tell.
    pub(crate) async fn stored(&self) -> Result<u64> {
        Ok(self.jetstream.get_stream(STREAM).await?.cached_info().state.messages)
    }

    /// Stores one packet.
    ///
    /// # Errors
    /// If the server does not take it.
    pub(crate) async fn publish(&self, id: &str, body: Bytes) -> Result<()> {
        window::send(&self.jetstream, id, body).await?.await?;
        Ok(())
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
