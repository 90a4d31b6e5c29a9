//! One process of the fleet, and the task that keeps it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

/// How long a stopped process may finish what runs.
const GRACE: Duration = Duration::from_secs(5);

/// How long a killed process stays away.
const ABSENCE: Duration = Duration::from_secs(1);

const LAST_WORDS: usize = 12;

/// What it takes to start one service.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) log: PathBuf,
    pub(super) group: i32,
}

/// A process that ended without being told to.
#[derive(Debug)]
pub(super) struct Ended {
    name: String,
    how: String,
    log: PathBuf,
}

impl Member {
    pub(super) fn spawn(&self) -> Result<Child> {
        let Self { name, program, environment, log, group } = self;
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let output = || open().with_context(|| format!("cannot write {}", log.display()));
        let mut command = Command::new(program);
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(output()?).stderr(output()?).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(*group);
        command.spawn().with_context(|| format!("cannot start service `{name}`"))
    }

    /// Keeps the process until it is told to stop, or the process ends by itself.
    pub(super) async fn keep(
        self,
        mut process: Child,
        mut kills: mpsc::Receiver<oneshot::Sender<()>>,
        mut stopped: watch::Receiver<bool>,
        ended: mpsc::Sender<Ended>,
    ) {
        let how = loop {
            tokio::select! {
                biased;
                () = told(&mut stopped) => {
                    if timeout(GRACE, process.wait()).await.is_err() {
                        // Fails only for a process that is gone.
                        let _ = process.kill().await;
                    }
                    return;
                }
                Some(done) = kills.recv() => {
                    let _ = process.kill().await;
                    // Whoever asked may have stopped listening.
                    let _ = done.send(());
                    tokio::select! {
                        () = told(&mut stopped) => return,
                        () = sleep(ABSENCE) => {}
                    }
                    match self.spawn() {
                        Ok(anew) => process = anew,
                        Err(error) => break format!("{error:#}"),
                    }
                }
                status = process.wait() => {
                    break status.map_or_else(|error| error.to_string(), |status: ExitStatus| {
                        status.to_string()
                    });
                }
            }
        };
        // If nobody listens any more, the fleet is being given up.
        let _ = ended.send(Ended { name: self.name, how, log: self.log }).await;
    }
}

/// Ready when the fleet stops.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // A fleet that is gone has stopped too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, how, log } = self;
        writeln!(formatter, "service `{name}` ended by itself ({how}); its last words:")?;
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        write!(formatter, "  {}", last.join("\n  "))
    }
}
