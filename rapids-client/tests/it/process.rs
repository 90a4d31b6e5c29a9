//! A service as a process of its own, so that it can be killed and frozen, or end itself.
//!
//! This very binary, told by its environment which part to play instead of testing.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rapids_client::{Config, Service};
use tempfile::TempDir;
use tokio::process::Child;

use crate::harness::{self, Bench, config, soon, until};
use crate::later::killed;
use crate::{
    crashes, delivery, ended, exclusive, folding, given_up, id_keys, migrated, once, outage,
    rebuild, shutdown,
};

const PART: &str = "RAPIDS_TEST_PART";
const SERVER: &str = "RAPIDS_TEST_SERVER";
const DIARY: &str = "RAPIDS_TEST_DIARY";

/// What reactions wrote down, also those that ended their process.
#[derive(Clone)]
pub(crate) struct Diary(PathBuf);

impl Diary {
    pub(crate) fn new(folder: &TempDir) -> Self {
        Self(folder.path().join("diary"))
    }

    pub(crate) fn write(&self, line: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until it has so many lines.
    pub(crate) async fn reaches(&self, lines: usize) {
        until("the diary grows", async || self.lines().len() >= lines).await;
    }

    /// What processes with this diary log, line by line.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.log_file()).unwrap_or_default();
        // The last line may be on its way.
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(str::to_owned)
            .collect()
    }

    fn log_file(&self) -> PathBuf {
        self.0.with_extension("log")
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|other| *other == line).count()
    }

    /// Waits until a line stands there so often.
    pub(crate) async fn shows(&self, line: &str, times: usize) {
        until(line, async || self.count(line) >= times).await;
    }
}

/// A process that ends with this value.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(bench: &Bench, part: &str, diary: &Diary) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(diary.log_file()).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "process::plays_its_part", "--nocapture"])
            .env(PART, part)
            .env(SERVER, bench.server.url())
            .env(DIARY, &diary.0)
            .env("RAPIDS_DELIVERY", if bench.is_exclusive() { "exclusive" } else { "shared" })
            .env("RAPIDS_LOG_FORMAT", "json")
            .env("RUST_LOG", "info,rapids_client=debug,async_nats=warn,async_nats::connector=off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut command = tokio::process::Command::from(command);
        Self(command.kill_on_drop(true).spawn().unwrap())
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        soon("the process ends", self.0.wait()).await.unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    pub(crate) async fn kill(mut self) {
        self.0.kill().await.unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id().unwrap()
    }

    /// Tells it to stop.
    pub(crate) fn stop(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

/// Nothing, unless the environment names a part.
#[tokio::test]
async fn plays_its_part() {
    let Ok(part) = env::var(PART) else {
        return;
    };
    let config = config(&env::var(SERVER).unwrap()).delivery(harness::delivery());
    let diary = Diary(Path::new(&env::var_os(DIARY).unwrap()).to_owned());
    rapids_client::telemetry::init();
    if part == rebuild::MOVING {
        return rebuild::move_to_the_beginning(&config).await;
    }
    let service = play(&part, config, diary);
    service.run().await.unwrap();
}

fn play(part: &str, config: Config, diary: Diary) -> Service {
    match part {
        crashes::POISONED => crashes::poisoned(config, diary),
        crashes::STUCK => crashes::stuck(config, diary),
        crashes::LENGTHY => crashes::lengthy(config, diary),
        crashes::POISONED_ONCE => crashes::poisoned_once(config, diary),
        delivery::BLOCKED => delivery::blocked(config, diary),
        folding::HELD => folding::held(config, diary),
        killed::ORDERS => killed::orders(config, diary),
        ended::ENDING => ended::ending(config, diary),
        exclusive::COUNTING => exclusive::counting(config, diary),
        given_up::crashes::TELLING => given_up::crashes::telling(config, diary),
        given_up::crashes::FATAL => given_up::crashes::fatal(config, diary),
        outage::BUSY => outage::busy(config, diary),
        migrated::FORMER => migrated::former(config, diary),
        migrated::PRESENT => migrated::present(config, diary),
        rebuild::REMEMBERING => rebuild::remembering(config, diary),
        id_keys::DYING => id_keys::dying(config, diary),
        id_keys::NO_KEY | id_keys::FIRST_KEY | id_keys::BOTH_KEYS | id_keys::SECOND_KEY => {
            id_keys::answering(part, config)
        }
        once::SLOW => once::slow(config, diary),
        shutdown::ENDLESS => shutdown::endless(config, diary, Duration::from_secs(1)),
        shutdown::ENDLESS_PATIENTLY => shutdown::endless(config, diary, Duration::from_secs(600)),
        other => panic!("no part `{other}`"),
    }
}
