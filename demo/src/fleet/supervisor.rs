//! Supervises one process of the fleet: starts it, attacks it on request, and starts it again.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::{Attack, Request, RestartPolicy};
use crate::rivers::Program;

/// How long a stopped process may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// After this time, a process that ended by itself is started again.
const RESTART_DELAY: Duration = Duration::from_millis(100);

/// How many lines of its log a report shows.
const LOG_TAIL: usize = 12;

/// How to start the process, and where to report its end.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) program: Program,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) log: PathBuf,
    pub(super) group: i32,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) ended: mpsc::Sender<Ended>,
}

/// A process that ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: String,
    how: io::Result<ExitStatus>,
    log: PathBuf,
}

impl Supervisor {
    pub(super) fn spawn(&self) -> Result<Child> {
        let Self { program, environment, log, group, .. } = self;
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let output = || open().with_context(|| format!("cannot write {}", log.display()));
        let mut command = Command::new(&program.path);
        command.args(&program.arguments);
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(output()?).stderr(output()?).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(*group);
        command.spawn().with_context(|| format!("cannot start service `{}`", program.name))
    }

    /// Supervises the process until the fleet stops, or until it ends by itself and is not to be
    /// started again.
    pub(super) async fn supervise(
        mut self,
        mut process: Child,
        mut attacks: mpsc::Receiver<Request<Attack>>,
        policy: RestartPolicy,
    ) {
        loop {
            let absence = tokio::select! {
                biased;
                () = self.fleet_stops() => {
                    finish(&mut process).await;
                    return;
                }
                how = process.wait() => {
                    self.report(how).await;
                    match policy {
                        RestartPolicy::Never => return,
                        RestartPolicy::Always => RESTART_DELAY,
                    }
                }
                Some((attack, done)) = attacks.recv() => match attack {
                    Attack::Kill { absence } => {
                        // Fails only if the process has ended.
                        let _ = process.kill().await;
                        // Fails only if the caller has been dropped.
                        let _ = done.send(());
                        absence
                    }
                    Attack::Pause { length } => {
                        signal(&process, "-STOP").await;
                        let _ = done.send(());
                        self.pause(length).await;
                        signal(&process, "-CONT").await;
                        continue;
                    }
                },
            };
            if self.pause(absence).await {
                return;
            }
            match self.spawn() {
                Ok(started) => process = started,
                Err(error) => return self.report(Err(io::Error::other(error))).await,
            }
        }
    }

    /// Waits for this time; returns whether the fleet was stopped meanwhile.
    pub(super) async fn pause(&mut self, length: Duration) -> bool {
        tokio::select! {
            () = self.fleet_stops() => true,
            () = sleep(length) => false,
        }
    }

    /// Waits until the fleet stops.
    pub(super) async fn fleet_stops(&mut self) {
        // An error means that the fleet was dropped, which counts as stopped.
        let _ = self.stopped.wait_for(|stop| *stop).await;
    }

    pub(super) async fn report(&self, how: io::Result<ExitStatus>) {
        let ended = Ended { name: self.program.name.clone(), how, log: self.log.clone() };
        // Fails only if the fleet has been dropped.
        let _ = self.ended.send(ended).await;
    }
}

/// Waits for the end of a process that got SIGTERM, and kills it if that takes too long.
pub(super) async fn finish(process: &mut Child) -> Option<ExitStatus> {
    match timeout(GRACE, process.wait()).await {
        Ok(how) => how.ok(),
        Err(_) => {
            // Fails only if the process has ended.
            let _ = process.kill().await;
            None
        }
    }
}

/// Sends a signal, as `kill` names it. Does nothing if the process has ended.
pub(super) async fn signal(process: &Child, signal: &str) {
    if let Some(id) = process.id() {
        let mut kill = Command::new("kill");
        kill.args([signal, &id.to_string()]).stderr(Stdio::null());
        // `kill` exists wherever `sh` does.
        let _ = kill.status().await;
    }
}

impl Ended {
    /// Whether the process aborted itself.
    pub(crate) fn aborted(&self) -> bool {
        #[cfg(unix)]
        {
            const SIGABRT: i32 = 6;
            let signal = |status| std::os::unix::process::ExitStatusExt::signal(status);
            self.how.as_ref().ok().and_then(signal) == Some(SIGABRT)
        }
        #[cfg(not(unix))]
        false
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, how, log } = self;
        let how = match how {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        writeln!(formatter, "service `{name}` ended by itself ({how}); the end of its log:")?;
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_TAIL)..];
        write!(formatter, "  {}", last.join("\n  "))
    }
}
