//! One process of the fleet, and the task that keeps it.

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

use super::{Blow, Care, Request};
use crate::rivers::Program;

/// How long a stopped process may finish what runs.
const GRACE: Duration = Duration::from_secs(5);

/// After which a process that ended by itself is started again.
const RESPITE: Duration = Duration::from_millis(100);

const LAST_WORDS: usize = 12;

/// What it takes to start one service, and whom to tell of its end.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) program: Program,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) log: PathBuf,
    pub(super) group: i32,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) ended: mpsc::Sender<Ended>,
}

/// A process that ended without being told to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: String,
    how: io::Result<ExitStatus>,
    log: PathBuf,
}

impl Member {
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

    /// Keeps the process until it is told to stop, or it ends by itself and is not to start again.
    pub(super) async fn keep(
        mut self,
        mut process: Child,
        mut blows: mpsc::Receiver<Request<Blow>>,
        care: Care,
    ) {
        loop {
            let absence = tokio::select! {
                biased;
                () = self.told() => {
                    finish(&mut process).await;
                    return;
                }
                how = process.wait() => {
                    self.report(how).await;
                    match care {
                        Care::Report => return,
                        Care::Restart => RESPITE,
                    }
                }
                Some((blow, dealt)) = blows.recv() => match blow {
                    Blow::Kill { absence } => {
                        // Fails only for a process that is gone.
                        let _ = process.kill().await;
                        // Whoever asked may have stopped listening.
                        let _ = dealt.send(());
                        absence
                    }
                    Blow::Pause { length } => {
                        signal(&process, "-STOP").await;
                        let _ = dealt.send(());
                        self.rest(length).await;
                        signal(&process, "-CONT").await;
                        continue;
                    }
                },
            };
            if self.rest(absence).await {
                return;
            }
            match self.spawn() {
                Ok(anew) => process = anew,
                Err(error) => return self.report(Err(io::Error::other(error))).await,
            }
        }
    }

    /// Lets time pass; answers with whether the fleet was stopped meanwhile.
    pub(super) async fn rest(&mut self, length: Duration) -> bool {
        tokio::select! {
            () = self.told() => true,
            () = sleep(length) => false,
        }
    }

    /// Ready when the fleet stops.
    pub(super) async fn told(&mut self) {
        // A fleet that is gone has stopped too.
        let _ = self.stopped.wait_for(|stop| *stop).await;
    }

    pub(super) async fn report(&self, how: io::Result<ExitStatus>) {
        let ended = Ended { name: self.program.name.clone(), how, log: self.log.clone() };
        // If nobody listens any more, the fleet is being given up.
        let _ = self.ended.send(ended).await;
    }
}

/// Waits for the end of a process that was told to stop, and kills it if that takes too long.
pub(super) async fn finish(process: &mut Child) -> Option<ExitStatus> {
    match timeout(GRACE, process.wait()).await {
        Ok(how) => how.ok(),
        Err(_) => {
            // Fails only for a process that is gone.
            let _ = process.kill().await;
            None
        }
    }
}

/// Sends a signal that `kill` knows. A process that is gone does not mind.
pub(crate) async fn signal(process: &Child, signal: &str) {
    if let Some(id) = process.id() {
        let mut kill = Command::new("kill");
        kill.args([signal, &id.to_string()]).stderr(Stdio::null());
        // Fails only without a `kill`, which is where `sh` is.
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
        writeln!(formatter, "service `{name}` ended by itself ({how}); its last words:")?;
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        write!(formatter, "  {}", last.join("\n  "))
    }
}
