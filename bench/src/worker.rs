//! A process that does one task of a measurement.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::task::{FIRST, LAST, Measured, Task};

/// The longest that a measurement may take.
const TIMEOUT: Duration = Duration::from_secs(120);

const POLL: Duration = Duration::from_millis(5);

/// How many lines of its log an error shows.
const LOG_TAIL: usize = 8;

/// The running process. It is killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Child,
    answers: Lines<BufReader<ChildStdout>>,
    started: Instant,
    log: PathBuf,
}

impl Worker {
    /// Starts the bench's own program with the task, and writes its log to this file.
    ///
    /// # Errors
    /// If that fails.
    pub(crate) fn start(task: &Task, log: PathBuf) -> Result<Self> {
        let program = env::current_exe().context("cannot tell where the bench itself was built")?;
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(program);
        command.arg("task").arg(serde_json::to_string(task)?);
        command.env("RAPIDS_LOG_FORMAT", "human");
        // It ends when its input does, so none is left behind if the bench is killed.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let started = Instant::now();
        let mut process = command.spawn().context("cannot start a process to measure")?;
        let output = process.stdout.take().context("a process has no output")?;
        Ok(Self { process, answers: BufReader::new(output).lines(), started, log })
    }

    /// Waits for its first packet, and returns the time from its start until then.
    ///
    /// # Errors
    /// If it ends before that.
    pub(crate) async fn first(&mut self) -> Result<Duration> {
        match timeout(TIMEOUT, self.answers.next_line()).await {
            Ok(Ok(Some(line))) if line == FIRST => Ok(self.started.elapsed()),
            Ok(_) => bail!("a process ended early{}", self.log_tail()),
            Err(_) => bail!("a process has no packet after {} s", TIMEOUT.as_secs()),
        }
    }

    /// Waits until it has handled its last packet.
    ///
    /// # Errors
    /// If it ends before that, or takes too long.
    pub(crate) async fn last(&mut self) -> Result<()> {
        let waiting = async {
            while let Some(line) = self.answers.next_line().await? {
                if line == LAST {
                    return anyhow::Ok(true);
                }
            }
            Ok(false)
        };
        match timeout(TIMEOUT, waiting).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => bail!("a process ended early{}", self.log_tail()),
            Err(_) => {
                bail!("a process is not done after {} s{}", TIMEOUT.as_secs(), self.log_tail())
            }
        }
    }

    /// Waits for its result and its end.
    ///
    /// # Errors
    /// If it fails or takes too long.
    pub(crate) async fn measured(mut self) -> Result<Measured> {
        let answering = async {
            let mut last = None;
            while let Some(line) = self.answers.next_line().await? {
                last = Some(line);
            }
            let status = self.process.wait().await?;
            anyhow::Ok(last.filter(|_| status.success()))
        };
        match timeout(TIMEOUT, answering).await {
            Ok(answer) => match answer? {
                Some(line) => serde_json::from_str(&line)
                    .with_context(|| format!("a process answers with `{line}`")),
                None => bail!("a process fails{}", self.log_tail()),
            },
            Err(_) => {
                bail!("a process is not done after {} s{}", TIMEOUT.as_secs(), self.log_tail())
            }
        }
    }

    /// Waits until its log contains this text.
    ///
    /// # Errors
    /// If that takes too long.
    pub(crate) async fn wait_for_log(&self, text: &str) -> Result<()> {
        let begun = Instant::now();
        while !fs::read_to_string(&self.log).is_ok_and(|log| log.contains(text)) {
            if begun.elapsed() > TIMEOUT {
                bail!("a process never logs `{text}`{}", self.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Kills it without waiting for its end.
    ///
    /// # Errors
    /// If it has ended.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.start_kill().context("a process ended early")
    }

    /// Sends it SIGTERM.
    pub(crate) async fn stop(&self) {
        let Some(id) = self.process.id() else { return };
        // Fails only if there is no `kill`; the wait for its end then fails, too.
        let _ = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
    }

    fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_TAIL)..];
        last.iter().map(|line| format!("\n  {line}")).collect()
    }
}
