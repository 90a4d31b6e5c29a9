//! One process that does an errand.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::errand::{Errand, FIRST, LAST, Measured};
use crate::fleet::{Guard, signal};
use crate::stage::own_environment;

/// No measurement takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at its log.
const LOOK: Duration = Duration::from_millis(5);

const LAST_WORDS: usize = 8;

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Contestant {
    process: Child,
    answers: Lines<BufReader<ChildStdout>>,
    started: Instant,
    log: PathBuf,
}

impl Contestant {
    /// Starts this program once more, with its log in this file.
    ///
    /// # Errors
    /// If that fails.
    pub(crate) fn start(errand: &Errand, log: PathBuf, guard: &Guard) -> Result<Self> {
        let program = env::current_exe().context("cannot tell where the demo itself was built")?;
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(program);
        command.arg("errand").arg(serde_json::to_string(errand)?);
        command.envs(own_environment(&errand.url));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(guard.group());
        let started = Instant::now();
        let mut process = command.spawn().context("cannot start a process to measure")?;
        let output = process.stdout.take().context("a process has no output")?;
        Ok(Self { process, answers: BufReader::new(output).lines(), started, log })
    }

    /// Waits for its first packet, and answers with how long that took from its start.
    ///
    /// # Errors
    /// If it ends before.
    pub(crate) async fn first(&mut self) -> Result<Duration> {
        match timeout(PATIENCE, self.answers.next_line()).await {
            Ok(Ok(Some(line))) if line == FIRST => Ok(self.started.elapsed()),
            Ok(_) => bail!("a process ended early{}", self.last_words()),
            Err(_) => bail!("a process has no packet after {} s", PATIENCE.as_secs()),
        }
    }

    /// Waits until it is done with its last packet.
    ///
    /// # Errors
    /// If it ends before or takes too long.
    pub(crate) async fn last(&mut self) -> Result<()> {
        let waiting = async {
            while let Some(line) = self.answers.next_line().await? {
                if line == LAST {
                    return anyhow::Ok(true);
                }
            }
            Ok(false)
        };
        match timeout(PATIENCE, waiting).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => bail!("a process ended early{}", self.last_words()),
            Err(_) => {
                bail!("a process is not done after {} s{}", PATIENCE.as_secs(), self.last_words())
            }
        }
    }

    /// Waits for its answer and its end.
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
        match timeout(PATIENCE, answering).await {
            Ok(answer) => match answer? {
                Some(line) => serde_json::from_str(&line)
                    .with_context(|| format!("a process answers with `{line}`")),
                None => bail!("a process fails{}", self.last_words()),
            },
            Err(_) => {
                bail!("a process is not done after {} s{}", PATIENCE.as_secs(), self.last_words())
            }
        }
    }

    /// Waits until its log has this in it.
    ///
    /// # Errors
    /// If that takes too long.
    pub(crate) async fn until_said(&self, text: &str) -> Result<()> {
        let begun = Instant::now();
        while !fs::read_to_string(&self.log).is_ok_and(|log| log.contains(text)) {
            if begun.elapsed() > PATIENCE {
                bail!("a process never says `{text}`{}", self.last_words());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Kills it, and does not wait for its end.
    ///
    /// # Errors
    /// If it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.start_kill().context("a process is gone before its time")
    }

    /// Tells it to stop.
    pub(crate) async fn stop(&self) {
        signal(&self.process, "-TERM").await;
    }

    fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        last.iter().map(|line| format!("\n  {line}")).collect()
    }
}
