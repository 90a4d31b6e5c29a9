//! Listens and serves, until it is told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use rapids_client::Config;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use crate::app::app;
use crate::console::Console;
use crate::guard::access::Access;
use crate::guard::connections::{Connections, Peer};
use crate::guard::users;
use crate::options::Options;

/// A console that listens, and serves nobody yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    options: Options,
    access: Access,
}

impl Server {
    /// Listens where the options say. Whether there is a server of NATS is found out later, and told on the
    /// pages: it may come and go.
    ///
    /// # Errors
    /// If it cannot listen there, if anybody on the network could look, or if the users cannot be read.
    pub async fn bind(config: Config, options: Options) -> Result<Self> {
        let access = Access::new(&options)?;
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen at {}", options.listen))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, config, options, access })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop. Pages that follow something end then, others come to their end.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let (stop, stopped) = watch::channel(false);
        let console = Console::start(self.config, &self.options, stopped);
        let app = app(console, Arc::new(self.access)).into_make_service_with_connect_info::<Peer>();
        let stopping = async move {
            shutdown.await;
            stop.send_replace(true);
        };
        let serving = axum::serve(Connections::new(self.listener), app);
        Ok(serving.with_graceful_shutdown(stopping).await?)
    }
}

/// Does what the options say: serves the console until it is told to stop, or prints the hash of a password.
///
/// # Errors
/// As for [`Server::bind`] and [`Server::serve`].
pub async fn run(
    config: Config,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    if options.hash {
        return users::print_hash(io::stdin().lock(), io::stdout());
    }
    let server = Server::bind(config, options).await?;
    info!("the console is at http://{}{}/", server.address(), server.options.prefix);
    server.serve(shutdown).await
}
