//! The processes of the services: starting, killing, pausing and stopping them.
//!
//! Each process has a task that owns it. No process outlives the demo, even if the demo is killed.

mod guard;
mod second_instance;
mod supervisor;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::rivers::Program;
use guard::Guard;
pub(crate) use supervisor::Ended;
use supervisor::Supervisor;

/// How long a killed process stays away unless the caller says otherwise.
const ABSENCE: Duration = Duration::from_secs(1);

/// The running services.
#[derive(Debug)]
pub(crate) struct Fleet {
    guard: Guard,
    handle: FleetHandle,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<Ended>,
}

/// Whether a process that ends by itself is started again. Its end is reported in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    Never,
    Always,
}

/// What to do to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attack {
    /// `kill -9`, and start it again after the absence.
    Kill { absence: Duration },
    /// `kill -STOP`, and `kill -CONT` after the pause.
    Pause { length: Duration },
}

/// A request to a task, which answers once the request is carried out.
type Request<T> = (T, oneshot::Sender<()>);

/// Attacks the processes of the fleet, and runs second instances of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct FleetHandle {
    /// By the names of the processes and of their services.
    processes: HashMap<String, mpsc::Sender<Request<Attack>>>,
    /// By the names of the processes.
    second_instances: HashMap<String, mpsc::Sender<Request<Duration>>>,
}

impl Fleet {
    /// Starts each program with its variables. Each writes its output to a file of its own in
    /// `logs`.
    ///
    /// # Errors
    /// If a process cannot be started; the others are ended then.
    pub(crate) fn launch(
        programs: &[Program],
        environment: impl Fn(&Program) -> Vec<(&'static str, String)>,
        policy: RestartPolicy,
        logs: &Path,
    ) -> Result<Self> {
        let guard = Guard::start().context("cannot run `sh`, which guards the processes")?;
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = mpsc::channel(programs.len().max(1));
        let mut tasks = JoinSet::new();
        let mut handle = FleetHandle::default();
        for program in programs {
            let supervisor = |log: String| Supervisor {
                program: program.clone(),
                environment: environment(program),
                log: logs.join(log),
                group: guard.group(),
                stopped: stopped.clone(),
                ended: ending.clone(),
            };
            let (name, first) = (&program.name, supervisor(format!("{}.log", program.name)));
            let process = first.spawn()?;
            let (attack, attacks) = mpsc::channel(1);
            for name in program.services.iter().chain([name]) {
                handle.processes.insert(name.clone(), attack.clone());
            }
            tasks.spawn(first.supervise(process, attacks, policy));
            let (call, calls) = mpsc::channel(1);
            handle.second_instances.insert(name.clone(), call);
            tasks
                .spawn(second_instance::run_on_request(supervisor(format!("{name}.2.log")), calls));
        }
        Ok(Self { guard, handle, tasks, stop, ended })
    }

    pub(crate) fn handle(&self) -> FleetHandle {
        self.handle.clone()
    }

    /// Waits until a process ends by itself.
    ///
    /// # Errors
    /// If no process is left.
    pub(crate) async fn ended(&mut self) -> Result<Ended> {
        self.ended.recv().await.ok_or_else(|| anyhow!("all services ended"))
    }

    /// Stops every process, and kills those that still run after 5 seconds.
    pub(crate) async fn stop(mut self) {
        // Fails only if all tasks have ended already.
        let _ = self.stop.send(true);
        self.guard.stop();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl FleetHandle {
    /// Kills the process of a service (kill -9), and returns once it is dead. The process starts
    /// again a second later.
    ///
    /// # Errors
    /// If it does not run.
    pub(crate) async fn kill(&self, name: &str) -> Result<()> {
        self.attack(name, Attack::Kill { absence: ABSENCE }).await
    }

    /// Attacks the process of a service, once the attack before is over. Returns when the process is
    /// dead or paused, before it runs again.
    ///
    /// # Errors
    /// If it does not run.
    pub(crate) async fn attack(&self, name: &str, attack: Attack) -> Result<()> {
        request(&self.processes, name, attack).await
    }

    /// Runs a second instance of a process for this time, once the second instance before has ended.
    /// Returns when it has started.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) async fn run_second(&self, name: &str, length: Duration) -> Result<()> {
        request(&self.second_instances, name, length).await
    }
}

async fn request<T>(
    tasks: &HashMap<String, mpsc::Sender<Request<T>>>,
    name: &str,
    what: T,
) -> Result<()> {
    let gone = || anyhow!("service `{name}` does not run");
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

    fn launch(script: &str, policy: RestartPolicy, folder: &Path) -> Fleet {
        let server = |_: &Program| vec![("NATS_URL", "nats://h".to_owned())];
        Fleet::launch(&[shell("x", script, folder)], server, policy, folder).unwrap()
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
    async fn process_that_ends_by_itself_is_reported_with_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo no luck at $NATS_URL >&2; exit 3";
        let mut fleet = launch(script, RestartPolicy::Never, folder.path());
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
        let mut fleet = launch("echo $$; kill -ABRT $$", RestartPolicy::Always, folder.path());
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
        let fleet = launch(script, RestartPolicy::Never, folder.path());
        let log = folder.path().join("x.log");
        let said = |text: &str| std::fs::read_to_string(&log).unwrap().contains(text);
        until(|| said("ready")).await;
        timeout(DEADLINE, fleet.stop()).await.unwrap();
        assert!(said("done"));
    }

    #[tokio::test]
    async fn process_of_a_killed_service_is_dead_and_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = launch("echo $$; exec sleep 600", RestartPolicy::Never, folder.path());
        let log = folder.path().join("x.log");
        let handle = fleet.handle();
        assert!(handle.kill("z").await.is_err());
        timeout(DEADLINE, handle.kill("y")).await.unwrap().unwrap();
        let before = lines(&log);
        until(|| lines(&log) > before).await;
        timeout(DEADLINE, fleet.stop()).await.unwrap();
    }

    #[tokio::test]
    async fn paused_process_does_nothing_until_the_pause_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let script = "while :; do echo; sleep 0.01; done";
        let fleet = launch(script, RestartPolicy::Never, folder.path());
        let log = folder.path().join("x.log");
        until(|| lines(&log) > 0).await;
        let length = Duration::from_millis(300);
        let begun = std::time::Instant::now();
        fleet.handle().attack("x", Attack::Pause { length }).await.unwrap();
        let before = lines(&log);
        until(|| lines(&log) > before).await;
        assert!(begun.elapsed() >= length);
        timeout(DEADLINE, fleet.stop()).await.unwrap();
    }

    #[tokio::test]
    async fn second_instance_runs_for_its_time_and_is_stopped_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo done; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
        let fleet = launch(script, RestartPolicy::Always, folder.path());
        let log = folder.path().join("x.2.log");
        assert_eq!(lines(&log), 0);
        fleet.handle().run_second("x", Duration::from_millis(300)).await.unwrap();
        until(|| lines(&log) == 2).await;
        timeout(DEADLINE, fleet.stop()).await.unwrap();
        assert_eq!(lines(&log), 2);
    }
}
