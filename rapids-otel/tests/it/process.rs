//! A traced service as a process of its own: this very binary, told by its environment what to run instead
//! of testing.

use std::env;
use std::process::{Child, Command, Stdio};

use rapids_client::{Config, Service};

use crate::receiver::Receiver;
use crate::{attempts, shop};

const PART: &str = "RAPIDS_TEST_PART";

pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(
        part: &str,
        server: &str,
        receiver: &Receiver,
        more: &[(&str, &str)],
    ) -> Self {
        Self(command(part, server, receiver, more).spawn().unwrap())
    }

    /// Tells it to stop, and waits until it has sent what it recorded.
    pub(crate) fn stop(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

/// What a service says that ends by itself, with a fault.
pub(crate) fn fault(
    part: &str,
    server: &str,
    receiver: &Receiver,
    more: &[(&str, &str)],
) -> String {
    let output = command(part, server, receiver, more).stderr(Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn command(part: &str, server: &str, receiver: &Receiver, more: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "process::plays_its_part", "--nocapture"])
        .env(PART, part)
        .env("NATS_URL", server)
        .env("RUST_LOG", "warn")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nothing, unless the environment names a part.
#[tokio::test]
async fn plays_its_part() {
    let Ok(part) = env::var(PART) else { return };
    let _traces = rapids_otel::init(&part).unwrap_or_else(|error| panic!("{error}"));
    let service: Service = match part.as_str() {
        attempts::PAYMENT => attempts::service(Config::from_env().unwrap()),
        other => shop::service(other),
    };
    service.run().await.unwrap();
}
