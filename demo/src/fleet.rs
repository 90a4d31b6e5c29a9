//! The processes of the services: starting, killing, pausing and stopping them.
//!
//! Each process has a task that owns it. None outlives the demo, even if that is killed. What
//! the services do is left to them.

mod guard;
mod member;
mod understudy;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::rivers::Program;
pub(crate) use guard::Guard;
pub(crate) use member::Ended;
use member::Member;
pub(crate) use member::signal;

/// How long a killed process stays away where nobody says otherwise.
const ABSENCE: Duration = Duration::from_secs(1);

/// The running services.
#[derive(Debug)]
pub(crate) struct Fleet {
    guard: Guard,
    crew: Crew,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<Ended>,
}

/// What becomes of a process that ends by itself; it is reported in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// It is gone.
    Report,
    /// It is started again, as a supervisor does.
    Restart,
}

/// What is done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// `kill -9`; it is started again after the absence.
    Kill { absence: Duration },
    /// `kill -STOP`, and `kill -CONT` after the pause.
    Pause { length: Duration },
}

/// A request to a task, answered once it is carried out.
type Request<T> = (T, oneshot::Sender<()>);

/// Reaches the processes of the fleet by their names and those of their services.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crew {
    members: HashMap<String, mpsc::Sender<Request<Blow>>>,
    understudies: HashMap<String, mpsc::Sender<Request<Duration>>>,
}

impl Fleet {
    /// Starts each program with these variables, with its output in a file of its own in `logs`.
    ///
    /// # Errors
    /// If a process cannot be started; those that were are ended.
    pub(crate) fn launch(
        programs: &[Program],
        environment: &[(&'static str, String)],
        care: Care,
        logs: &Path,
    ) -> Result<Self> {
        let guard = Guard::post().context("cannot run `sh`, which guards the processes")?;
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = mpsc::channel(programs.len().max(1));
        let mut tasks = JoinSet::new();
        let mut crew = Crew::default();
        for program in programs {
            let member = |log: String| Member {
                program: program.clone(),
                environment: environment.to_vec(),
                log: logs.join(log),
                group: guard.group(),
                stopped: stopped.clone(),
                ended: ending.clone(),
            };
            let (name, first) = (&program.name, member(format!("{}.log", program.name)));
            let process = first.spawn()?;
            let (strike, blows) = mpsc::channel(1);
            for name in program.services.iter().chain([name]) {
                crew.members.insert(name.clone(), strike.clone());
            }
            tasks.spawn(first.keep(process, blows, care));
            let (call, calls) = mpsc::channel(1);
            crew.understudies.insert(name.clone(), call);
            tasks.spawn(understudy::wait_in_the_wings(member(format!("{name}.2.log")), calls));
        }
        Ok(Self { guard, crew, tasks, stop, ended })
    }

    pub(crate) fn crew(&self) -> Crew {
        self.crew.clone()
    }

    /// Waits until a process ends that nobody stopped or killed.
    ///
    /// # Errors
    /// If none is left.
    pub(crate) async fn ended(&mut self) -> Result<Ended> {
        self.ended.recv().await.ok_or_else(|| anyhow!("all services ended"))
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
    /// Kills the process of a service (kill -9), and returns once it is dead. It starts again a
    /// second later.
    ///
    /// # Errors
    /// If it is not running.
    pub(crate) async fn kill(&self, name: &str) -> Result<()> {
        self.strike(name, Blow::Kill { absence: ABSENCE }).await
    }

    /// Deals a blow to a service, and returns once it is dealt, not once it is over. Waits until
    /// the one before is over.
    ///
    /// # Errors
    /// If it is not running.
    pub(crate) async fn strike(&self, name: &str, blow: Blow) -> Result<()> {
        request(&self.members, name, blow).await
    }

    /// Runs a second instance of a service for so long, and returns once it was started. Waits
    /// until the one before has ended.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) async fn double(&self, name: &str, length: Duration) -> Result<()> {
        request(&self.understudies, name, length).await
    }
}

async fn request<T>(
    tasks: &HashMap<String, mpsc::Sender<Request<T>>>,
    name: &str,
    what: T,
) -> Result<()> {
    let gone = || anyhow!("service `{name}` is not there");
    let (done, is_done) = oneshot::channel();
    let task = tasks.get(name).ok_or_else(gone)?;
    task.send((what, done)).await.map_err(|_| gone())?;
    is_done.await.map_err(|_| gone())
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
        let services = vec![name.to_owned(), "y".to_owned()];
        Program { name: name.to_owned(), services, path, arguments: Vec::new() }
    }

    fn launch(script: &str, care: Care, folder: &Path) -> Fleet {
        let server = [("NATS_URL", "nats://h".to_owned())];
        Fleet::launch(&[shell("x", script, folder)], &server, care, folder).unwrap()
    }

    async fn until(condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, waiting).await.unwrap();
    }

    /// How many lines were written to this file.
    fn lines(path: &Path) -> usize {
        std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
    }

    #[tokio::test]
    async fn process_that_ends_by_itself_is_reported_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo no luck at $NATS_URL >&2; exit 3";
        let mut fleet = launch(script, Care::Report, folder.path());
        let ended = timeout(DEADLINE, fleet.ended()).await.unwrap().unwrap();
        let error = ended.to_string();
        assert!(error.starts_with("service `x` ended by itself (exit status: 3)"), "{error}");
        assert!(error.ends_with("no luck at nats://h"), "{error}");
        assert!(!ended.aborted());
        fleet.stop().await;
    }

    #[tokio::test]
    async fn process_that_aborts_is_reported_and_started_again_where_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = launch("echo $$; kill -ABRT $$", Care::Restart, folder.path());
        for _ in 0..3 {
            assert!(timeout(DEADLINE, fleet.ended()).await.unwrap().unwrap().aborted());
        }
        assert!(lines(&folder.path().join("x.log")) >= 3);
        fleet.stop().await;
    }

    #[tokio::test]
    async fn stopped_process_finishes_and_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo done; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
        let fleet = launch(script, Care::Report, folder.path());
        let log = folder.path().join("x.log");
        let said = |text: &str| std::fs::read_to_string(&log).unwrap().contains(text);
        until(|| said("ready")).await;
        timeout(DEADLINE, fleet.stop()).await.unwrap();
        assert!(said("done"));
    }

    #[tokio::test]
    async fn process_of_a_killed_service_is_dead_and_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = launch("echo $$; exec sleep 600", Care::Report, folder.path());
        let log = folder.path().join("x.log");
        let crew = fleet.crew();
        assert!(crew.kill("z").await.is_err());
        timeout(DEADLINE, crew.kill("y")).await.unwrap().unwrap();
        let before = lines(&log);
        until(|| lines(&log) > before).await;
        timeout(DEADLINE, fleet.stop()).await.unwrap();
    }

    #[tokio::test]
    async fn paused_process_does_nothing_until_the_pause_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let script = "while :; do echo; sleep 0.01; done";
        let fleet = launch(script, Care::Report, folder.path());
        let log = folder.path().join("x.log");
        until(|| lines(&log) > 0).await;
        let length = Duration::from_millis(300);
        let begun = std::time::Instant::now();
        fleet.crew().strike("x", Blow::Pause { length }).await.unwrap();
        let before = lines(&log);
        until(|| lines(&log) > before).await;
        assert!(begun.elapsed() >= length);
        timeout(DEADLINE, fleet.stop()).await.unwrap();
    }

    #[tokio::test]
    async fn second_instance_runs_for_its_time_and_is_stopped_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo done; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
        let fleet = launch(script, Care::Restart, folder.path());
        let log = folder.path().join("x.2.log");
        assert_eq!(lines(&log), 0);
        fleet.crew().double("x", Duration::from_millis(300)).await.unwrap();
        until(|| lines(&log) == 2).await;
        timeout(DEADLINE, fleet.stop()).await.unwrap();
        assert_eq!(lines(&log), 2);
    }
}
