//! A server for one measurement, and starting the worker processes that use it.

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

use crate::packets::Load;
use crate::side::Side;
use crate::sides::window;
use crate::task::{Task, Work};
use crate::worker::Worker;

/// The stream of the library; all sides work on it.
pub(crate) const STREAM: &str = "RAPIDS";
/// Its subject.
pub(crate) const SUBJECT: &str = "rapids";

/// The subject of the server's copies of what it stored.
pub(crate) const LIVE: &str = "rapids.live";
/// The bucket with the positions of services in exclusive delivery.
const POSITIONS: &str = "RAPIDS_POSITIONS";

/// How long services may take to start.
const TIMEOUT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(5);

/// When the server syncs its files to the disk.
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

    /// The lines to add to the server's configuration.
    fn configuration(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Always => {
                "jetstream { max_file_store: 8GB, max_memory_store: 256MB, sync_interval: always }"
            }
        }
    }
}

/// A server with the library's stream, empty at first.
#[derive(Debug)]
pub(crate) struct BenchServer {
    // First, because fields drop in order: the server stops before its store is removed.
    server: NatsServer,
    folder: TempDir,
    jetstream: JetStream,
    names: AtomicU64,
}

impl BenchServer {
    /// Starts the server.
    ///
    /// # Errors
    /// If there is no nats-server and none can be installed, or it does not start.
    pub(crate) async fn start(sync: SyncInterval) -> Result<Self> {
        let folder = folder()?;
        let store = folder.path().join("store");
        let starting = spawn_blocking(move || NatsServer::with_store(&store, sync.configuration()));
        let server = starting.await.context("cannot start a server")??;
        // The library creates the stream, so that all sides use the same settings.
        Box::pin(Rapids::connect(&Config::new(server.url()))).await?;
        let client = async_nats::connect(server.url()).await?;
        let jetstream = window::jetstream(client);
        Ok(Self { server, folder, jetstream, names: AtomicU64::new(0) })
    }

    /// The version of the server.
    pub(crate) fn version(&self) -> String {
        self.jetstream.client().server_info().version
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// The process id of the server.
    pub(crate) fn pid(&self) -> u32 {
        // No process has the id 0, so a server that has ended counts as one that used nothing.
        self.server.pid().unwrap_or_default()
    }

    /// Stores packets as fast as possible.
    ///
    /// # Errors
    /// If the server does not store them.
    pub(crate) async fn store(&self, load: &Load) -> Result<()> {
        window::publish(&self.jetstream, load.packets()).await.context("cannot store packets")
    }

    /// Starts a worker under a service name of its own.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start_worker(&self, side: Side, work: Work) -> Result<Worker> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        self.spawn(number, format!("bench-{number}"), side, work)
    }

    /// Starts a worker as an instance of this service.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn start_instance(&self, service: &str, side: Side, work: Work) -> Result<Worker> {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        self.spawn(number, service.to_owned(), side, work)
    }

    fn spawn(&self, number: u64, service: String, side: Side, work: Work) -> Result<Worker> {
        let log = self.folder.path().join(format!("{number}.log"));
        let url = self.server.url();
        let task = Task { side, url, server: self.pid(), service, work };
        Worker::start(&task, log)
    }

    /// Waits until the stream has this many consumers.
    ///
    /// # Errors
    /// If it has fewer after a minute.
    pub(crate) async fn wait_for_consumers(&self, services: usize) -> Result<()> {
        let begun = Instant::now();
        loop {
            let stream = self.jetstream.get_stream(STREAM).await?;
            let found = stream.cached_info().state.consumer_count;
            if found >= services {
                return Ok(());
            }
            if begun.elapsed() > TIMEOUT {
                bail!("only {found} of {services} services have a consumer");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until this many services in exclusive delivery read the live feed.
    ///
    /// # Errors
    /// If fewer do after a minute.
    pub(crate) async fn wait_until_live(&self, services: usize) -> Result<()> {
        #[derive(Deserialize)]
        struct Record {
            begun: u64,
            #[serde(default)]
            is_catching_up: bool,
        }
        let mut live = HashSet::new();
        let watching = async {
            // The first service creates the bucket.
            let bucket = loop {
                match self.jetstream.get_key_value(POSITIONS).await {
                    Ok(bucket) => break bucket,
                    Err(_) => tokio::time::sleep(POLL).await,
                }
            };
            let mut records = bucket.watch_with_history(">").await?;
            while live.len() < services {
                let entry = records.next().await.context("the bucket was deleted")??;
                let Record { begun, is_catching_up } = serde_json::from_slice(&entry.value)?;
                // `begun` is 0 while an instance holds the record but has not started reading.
                if begun > 0 && !is_catching_up {
                    live.insert(entry.key);
                }
            }
            anyhow::Ok(())
        };
        match timeout(TIMEOUT, watching).await {
            Ok(watched) => watched,
            Err(_) => bail!("only {} of {services} services read the live feed", live.len()),
        }
    }

    /// The bodies of all packets that the stream holds.
    ///
    /// # Errors
    /// If they cannot be read.
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
    /// If the server does not answer.
    pub(crate) async fn stored(&self) -> Result<u64> {
        Ok(self.jetstream.get_stream(STREAM).await?.cached_info().state.messages)
    }

    /// Stores one packet.
    ///
    /// # Errors
    /// If the server does not store it.
    pub(crate) async fn publish(&self, id: &str, body: Bytes) -> Result<()> {
        window::send(&self.jetstream, id, body).await?.await?;
        Ok(())
    }

    /// Stops the server and removes what it stored.
    pub(crate) async fn close(self) {
        let Self { server, folder, .. } = self;
        // Fails only if stopping panics; the server's own guard stops it then.
        let _ = spawn_blocking(move || {
            drop(server);
            drop(folder);
        })
        .await;
    }
}

/// A folder in cargo's target directory. A directory for temporary files may be in memory, where
/// syncing to disk costs nothing.
fn folder() -> Result<TempDir> {
    let program = env::current_exe().context("cannot tell where the bench itself was built")?;
    let target = program.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let parent: PathBuf = target.join("bench-stores");
    std::fs::create_dir_all(&parent)
        .and_then(|()| tempfile::Builder::new().prefix("run-").tempdir_in(&parent))
        .with_context(|| format!("cannot make a folder in {}", parent.display()))
}
