//! The demo with the console beside it, as a newcomer starts it.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::DEADLINE;

/// What `cargo run -p demo -- --console` runs.
#[derive(Debug)]
pub struct Shop {
    /// The address of the console.
    pub url: String,
    process: Child,
}

impl Shop {
    /// Starts the demo, and returns once all facts hold and customers order on.
    ///
    /// # Errors
    /// If it does not build, or the facts do not hold.
    pub async fn open(orders: u32) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut command = Command::new("cargo");
        command.args(["run", "-q", "-p", "demo", "--", "--rate", "5", "--console", &address]);
        command.args(["--orders", &orders.to_string()]);
        // What describes this package would have scripts of others run again.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"].iter().any(|it| text.starts_with(it)) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(workspace)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let mut process = command.spawn().context("cannot run cargo")?;
        let output = process.stdout.take().context("the demo has no output")?;
        let mut lines = BufReader::new(output).lines();
        let holds = async {
            while let Some(line) = lines.next_line().await? {
                if line.contains("All facts hold") {
                    return Ok(());
                }
            }
            bail!("the demo ended before all facts held")
        };
        // The first time it is built, which takes minutes.
        timeout(DEADLINE * 20, holds).await.context("the demo takes too long")??;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { url: format!("http://{address}"), process })
    }

    /// Stops it, as Ctrl-C does.
    ///
    /// # Errors
    /// If it does not stop.
    pub async fn close(mut self) -> Result<()> {
        if let Some(id) = self.process.id() {
            Command::new("kill").args(["-TERM", &id.to_string()]).status().await?;
        }
        timeout(DEADLINE, self.process.wait()).await.context("the demo does not stop")??;
        Ok(())
    }
}
