//! A server with rapids and a console, in this process.

use anyhow::Result;
use clap::Parser;
use rapids_client::{Config, Rapids};
use rapids_console::{Options, Server};
use rapids_test::NatsServer;
use tokio::task::spawn_blocking;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// A server with rapids, and a console that serves until the process ends.
#[derive(Debug)]
pub struct Console {
    /// The server, to be killed and started again.
    pub server: NatsServer,
    /// Its rapids.
    pub rapids: Rapids,
    /// The address of the console, such as `http://127.0.0.1:17`.
    pub url: String,
}

impl Console {
    /// Starts both, the console with these arguments.
    ///
    /// # Errors
    /// If one of them does not start.
    pub async fn start(arguments: &[&str]) -> Result<Self> {
        let server = spawn_blocking(NatsServer::start).await??;
        let config = Config::new(server.url());
        let rapids = Rapids::connect(&config).await?;
        let fixed = ["console", "--listen", "127.0.0.1:0"];
        let options = Arguments::try_parse_from(fixed.iter().chain(arguments))?.options;
        let console = Server::bind(config, options).await?;
        let url = format!("http://{}", console.address());
        tokio::spawn(console.serve(std::future::pending()));
        Ok(Self { server, rapids, url })
    }
}
