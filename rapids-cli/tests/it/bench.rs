//! A test server, and running the program against it.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rapids_client::{Config, Delivery, Packet, Published, Rapids, River, Service};
use rapids_test::NatsServer;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The program, in an environment without a server address and without settings of the user.
pub(crate) fn rapids(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rapids"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["NATS_", "RAPIDS_", "RUST_LOG"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.env("XDG_CONFIG_HOME", "/nowhere").args(arguments).stdin(Stdio::null());
    command
}

/// The outputs of the program, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }

    /// Asserts that the program ended with this code and printed no messages.
    #[track_caller]
    pub(crate) fn well(self, code: i32) -> Self {
        assert_eq!((self.code, self.err.as_str()), (code, ""), "{self:?}");
        self
    }

    /// Asserts that the program ended with this code, and printed this message and no data.
    #[track_caller]
    pub(crate) fn well_with(self, code: i32, words: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (code, "", words));
    }

    /// Asserts that the program ended with this code and printed no data, and that its messages
    /// contain all these texts.
    #[track_caller]
    pub(crate) fn badly(self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word} in {self:?}");
        }
    }
}

/// Runs a command to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    Said::of(&command.output().unwrap())
}

/// Runs a command to its end, with this standard input.
pub(crate) fn said_to(command: &mut Command, input: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Said::of(&child.wait_with_output().unwrap())
}

/// A running service.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<rapids_client::Result<()>>,
}

impl Running {
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        timeout(DEADLINE, self.task).await.unwrap().unwrap().unwrap();
    }
}

/// A server with a stream.
pub(crate) struct Bench {
    pub(crate) server: NatsServer,
    pub(crate) rapids: Rapids,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let server = NatsServer::start().unwrap();
        let rapids = Rapids::connect(&Config::new(server.url())).await.unwrap();
        Self { server, rapids }
    }

    /// The program, which finds this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rapids(arguments);
        command.env("NATS_URL", self.server.url());
        command
    }

    pub(crate) fn said(&self, arguments: &[&str]) -> Said {
        said(&mut self.command(arguments))
    }

    /// Runs a service of one river, and returns once it has announced itself.
    pub(crate) async fn run(&self, name: &str, version: &str, river: River) -> Running {
        let service = Service::new(name, Config::new(self.server.url()));
        self.run_service(name, service.version(version).river(river)).await
    }

    /// As [`run`](Self::run), in exclusive delivery, and from the beginning if it is new.
    pub(crate) async fn run_exclusive(&self, name: &str, river: River) -> Running {
        let config = Config::new(self.server.url()).delivery(Delivery::Exclusive);
        let service = Service::new(name, config).version("1.0.0").river(river);
        self.run_service(name, service.from_beginning()).await
    }

    pub(crate) async fn run_service(&self, name: &str, service: Service) -> Running {
        let before = self.instances(name).await;
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(service.run_until(async {
            let _ = stopped.await;
        }));
        let announced = async { while self.instances(name).await <= before {} };
        timeout(DEADLINE, announced).await.unwrap();
        Running { stop, task }
    }

    /// Waits until the service has handled everything up to this sequence, and stops it.
    pub(crate) async fn stop_after(&self, name: &str, sequence: u64, running: Running) {
        let done = async {
            while self.rapids.position(name).await.unwrap().unwrap().acknowledged < sequence {}
        };
        timeout(DEADLINE, done).await.unwrap();
        running.stop().await;
    }

    async fn instances(&self, name: &str) -> usize {
        let up = self.rapids.services(Duration::from_millis(100)).await.unwrap();
        up.iter().filter(|instance| instance.name == name).count()
    }

    pub(crate) async fn publish(&self, body: &str) -> Published {
        let packet = Packet::from_bytes(body.to_owned()).unwrap();
        self.rapids.publish(packet).await.unwrap()
    }

    /// Publishes any body, and returns once it is stored.
    pub(crate) async fn publish_raw(&self, body: &str) {
        let client = async_nats::connect(self.server.url()).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        jetstream.publish("rapids", body.to_owned().into()).await.unwrap().await.unwrap();
    }
}
