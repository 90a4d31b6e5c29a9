//! The processes of the services: starting, killing and stopping them.
//!
//! Each process has a task that owns it. None outlives the demo, even if that is killed. What
//! the services do is left to them.

mod guard;
mod member;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::rivers::Program;
use guard::Guard;
use member::{Ended, Member};

/// The running services.
#[derive(Debug)]
pub(crate) struct Fleet {
    guard: Guard,
    crew: Crew,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<Ended>,
}

/// Kills members of the fleet by name.
#[derive(Debug, Clone)]
pub(crate) struct Crew(HashMap<String, mpsc::Sender<oneshot::Sender<()>>>);

impl Fleet {
    /// Starts each program, with its output in a file of its own in `logs`, and tells it
    /// where the server is.
    ///
    /// # Errors
    /// If a process cannot be started; those that were are ended.
    pub(crate) fn launch(
        programs: &[Program],
        server: &[(&'static str, String)],
        ack_wait: Option<Duration>,
        logs: &Path,
    ) -> Result<Self> {
        let guard = Guard::post().context("cannot run `sh`, which guards the processes")?;
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = mpsc::channel(programs.len().max(1));
        let mut tasks = JoinSet::new();
        let mut crew = HashMap::new();
        for program in programs {
            let mut environment = server.to_vec();
            environment.push(("RAPIDS_LOG_FORMAT", "human".to_owned()));
            environment.extend(
                ack_wait.map(|wait| ("RAPIDS_ACK_WAIT", format!("{}ms", wait.as_millis()))),
            );
            let member = Member {
                name: program.name.clone(),
                program: program.path.clone(),
                environment,
                log: logs.join(format!("{}.log", program.name)),
                group: guard.group(),
            };
            let process = member.spawn()?;
            let (kill, kills) = mpsc::channel(1);
            crew.insert(program.name.clone(), kill);
            tasks.spawn(member.keep(process, kills, stopped.clone(), ending.clone()));
        }
        Ok(Self { guard, crew: Crew(crew), tasks, stop, ended })
    }

    pub(crate) fn crew(&self) -> Crew {
        self.crew.clone()
    }

    /// Waits until a process ends that nobody stopped or killed, and answers with why that is an
    /// error.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match self.ended.recv().await {
            Some(ended) => anyhow!("{ended}"),
            None => anyhow!("all services ended"),
        }
    }

    /// Asks every process to finish, and kills those that have not after 5 seconds.
    pub(crate) async fn stop(mut self) {
        // Those that are gone already have nobody to tell.
        let _ = self.stop.send(true);
        self.guard.dismiss();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Crew {
    /// Kills a service (kill -9), and returns once it is dead. It starts again a second later.
    ///
    /// # Errors
    /// If it is not running.
    pub(crate) async fn kill(&self, name: &str) -> Result<()> {
        let gone = || anyhow!("service `{name}` is not there to be killed");
        let (done, dead) = oneshot::channel();
        let member = self.0.get(name).ok_or_else(gone)?;
        member.send(done).await.map_err(|_| gone())?;
        dead.await.map_err(|_| gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const DEADLINE: Duration = Duration::from_secs(20);

    fn shell(name: &str, script: &str, folder: &Path) -> Program {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        Program { name: name.to_owned(), path }
    }

    fn launch(script: &str, folder: &Path) -> Fleet {
        let server = [("NATS_URL", "nats://h".to_owned())];
        Fleet::launch(&[shell("x", script, folder)], &server, None, folder).unwrap()
    }

    #[tokio::test]
    async fn process_that_ends_by_itself_is_reported_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = launch("echo no luck at $NATS_URL >&2; exit 3", folder.path());
        let error = timeout(DEADLINE, fleet.ended()).await.unwrap().to_string();
        assert!(error.starts_with("service `x` ended by itself (exit status: 3)"), "{error}");
        assert!(error.ends_with("no luck at nats://h"), "{error}");
        fleet.stop().await;
    }

    #[tokio::test]
    async fn stopped_process_finishes_and_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo done; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
        let fleet = launch(script, folder.path());
        let log = folder.path().join("x.log");
        let said = |text: &str| std::fs::read_to_string(&log).unwrap().contains(text);
        timeout(DEADLINE, async {
            while !said("ready") {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        timeout(DEADLINE, fleet.stop()).await.unwrap();
        assert!(said("done"));
    }

    #[tokio::test]
    async fn killed_process_is_dead_and_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = launch("echo $$; exec sleep 600", folder.path());
        let log = folder.path().join("x.log");
        let pids = || std::fs::read_to_string(&log).unwrap().lines().count();
        let crew = fleet.crew();
        assert!(crew.kill("y").await.is_err());
        timeout(DEADLINE, crew.kill("x")).await.unwrap().unwrap();
        let before = pids();
        timeout(DEADLINE, async {
            while pids() == before {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        timeout(DEADLINE, fleet.stop()).await.unwrap();
    }
}
