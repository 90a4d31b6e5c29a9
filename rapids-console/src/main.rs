//! `rapids-console`: the rapids in a browser. `rapids console` is the same.

use anyhow::Result;
use clap::Parser;
use rapids_client::{shutdown_signal, telemetry};
use rapids_console::Options;
use rapids_views::ConnectionOptions;

/// Show the rapids in a browser
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    options: Options,

    #[command(flatten)]
    connection: ConnectionOptions,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { options, connection } = Arguments::parse();
    telemetry::init();
    rapids_console::run(connection.config()?, options, shutdown_signal()).await
}
