//! A test server, with services and the nats CLI.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rapids_client::Packet;
use rapids_test::NatsServer;

use crate::process::Process;

/// How long the CLI is asked again.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server, and commands that connect to it.
pub(crate) struct Bench {
    server: NatsServer,
}

impl Bench {
    pub(crate) fn start() -> Self {
        Self::with_config("")
    }

    pub(crate) fn with_config(lines: &str) -> Self {
        Self { server: NatsServer::with_config(lines).unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// A file that is removed with the server.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.server.store().join(name)
    }

    /// A command that connects to this server, whatever the user's own settings are.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for variable in ["NATS_CONTEXT", "NATS_USER", "NATS_PASSWORD", "NATS_TOKEN", "NATS_CREDS"] {
            command.env_remove(variable);
        }
        command.env("NATS_URL", self.url());
        command.env("XDG_CONFIG_HOME", self.file("no settings"));
        command.env("RAPIDS_LOG_FORMAT", "json");
        command
    }

    /// Starts a service, and returns once it has its position in the stream.
    pub(crate) fn service(&self, program: &str) -> Process {
        self.started(&mut self.command(program))
    }

    /// Starts a service as [`service`](Self::service) does, with the caller's command.
    pub(crate) fn started(&self, command: &mut Command) -> Process {
        let mut service = Process::spawn(command);
        service.until(&[r#""behind":"#]);
        service
    }

    /// Runs the nats CLI to its end, and returns what it prints.
    pub(crate) fn nats(&self, arguments: &[&str]) -> String {
        self.nats_with_input(arguments, b"")
    }

    /// Runs `nats micro` to its end, again while nobody answers: it waits for half a second only, and a
    /// service on a busy machine may be late.
    pub(crate) fn nats_micro(&self, arguments: &[&str]) -> String {
        let arguments = [&["micro"], arguments].concat();
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.try_nats(&arguments, b"") {
                Ok(printed) => return printed,
                Err(printed) => assert!(Instant::now() < deadline, "nats {arguments:?}: {printed}"),
            }
        }
    }

    /// Publishes a body through the standard input of `nats pub`.
    pub(crate) fn publish(&self, body: &[u8]) {
        // With the option to read its input, the CLI would publish nothing if the input is empty.
        let input: &[&str] = if body.is_empty() { &[] } else { &["--force-stdin"] };
        self.nats_with_input(&[&["pub", "rapids", "--no-templates"], input].concat(), body);
    }

    fn nats_with_input(&self, arguments: &[&str], input: &[u8]) -> String {
        let ended = self.try_nats(arguments, input);
        ended.unwrap_or_else(|printed| panic!("nats {arguments:?}: {printed}"))
    }

    /// What the nats CLI prints, by whether it succeeds.
    fn try_nats(&self, arguments: &[&str], input: &[u8]) -> Result<String, String> {
        let mut command = self.command("nats");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut nats = command.spawn().unwrap();
        nats.stdin.take().unwrap().write_all(input).unwrap();
        let output = nats.wait_with_output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        if output.status.success() { Ok(printed) } else { Err(printed) }
    }

    /// Subscribes with `nats sub`, and returns once it has subscribed.
    pub(crate) fn nats_sub(&self) -> Watch {
        self.watch(self.command("nats").args(["sub", "rapids", "--raw"]))
    }

    /// All packets of the stream, one per line.
    pub(crate) fn stored(&self) -> String {
        self.nats(&["sub", "rapids", "--all", "--raw", "--terminate-at-end"])
    }

    /// Starts a command that prints packets, and returns once it prints them.
    pub(crate) fn watch(&self, command: &mut Command) -> Watch {
        let mut lines = Process::spawn(command);
        let marker = r#"{"event":"watched"}"#;
        lines.until_while(&[marker], || self.publish(marker.as_bytes()));
        Watch(lines)
    }
}

/// The output of `nats sub`.
pub(crate) struct Watch(Process);

impl Watch {
    /// The next event of this name about this order.
    pub(crate) fn event(&mut self, name: &str, about: &str) -> Packet {
        let line = self.0.until(&[&format!(r#""event":"{name}""#), about]);
        Packet::from_bytes(line).unwrap()
    }
}
