//! A real nats-server for one test, or for the demo: its configuration, port, store and log, and how
//! to start, stop, kill and restart it.
//!
//! Finding the program is left to [`binary`], its process to [`process`], its ports file to [`ports`].

mod binary;
mod cluster;
mod installers;
mod own_copy;
mod ports;
mod process;
mod proxy;
mod release;
mod sites;
mod version;
mod ways;

#[cfg(test)]
mod fakes;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

pub use binary::find_or_install;
use ports::Ports;
use process::Process;
pub use sites::TwoSites;
pub use ways::Ways;

/// Starting takes about 20 ms, and far longer on a loaded machine.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// How long `restart` waits for its port if another process has it for a moment.
const PORT_DEADLINE: Duration = Duration::from_secs(5);

const POLL: Duration = Duration::from_millis(2);

/// Enough for a whole start, with the error at its end.
const LOG_LINES: usize = 60;

/// Written before the caller's lines, which override these: nats-server takes the last of two equal
/// keys.
const DEFAULTS: &str = "port: -1\njetstream { max_file_store: 8GB, max_memory_store: 256MB }\n";

/// What the server logs when it has reloaded its configuration, and when it refuses it.
const RELOADED: &str = "Reloaded server configuration";
const REFUSED: &str = "Failed to reload server configuration";

/// Runs one real nats-server with JetStream on a loopback port of its own.
///
/// The server is found, or installed once, by [`find_or_install`]. It stops when this value is
/// dropped. It also stops when the process that holds it dies, even by `kill -9`; only its temporary
/// files are left then. Ctrl-C in a terminal does not reach it, so that its user can finish first. All
/// calls block, usually for milliseconds.
///
/// ```no_run
/// let mut server = rapids_test::NatsServer::start()?;
/// assert!(server.url().starts_with("nats://127.0.0.1:"));
/// server.kill();
/// server.restart()?;
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug)]
pub struct NatsServer {
    // First, because fields drop in order: the server ends before its files are removed.
    process: Option<Process>,
    binary: PathBuf,
    ports: Ports,
    store: PathBuf,
    run: TempDir,
}

impl NatsServer {
    /// Starts a server on a free port, with a temporary store that is removed when it is dropped.
    ///
    /// # Errors
    ///
    /// When there is no usable nats-server and none can be installed, or it does not start; the
    /// error then ends with the server's log.
    pub fn start() -> anyhow::Result<Self> {
        Self::with_config("")
    }

    /// Starts a server as [`start`](Self::start) does, with lines of nats-server configuration
    /// added.
    ///
    /// The lines override the defaults: `port: 4222` gives a fixed port instead of a free one, and a
    /// `jetstream { .. }` block replaces the whole default one (8 GB of files, 256 MB of memory). Such
    /// a block should name its `max_file_store`: without one the server takes three quarters of the
    /// free disk, and on a disk that is nearly full it refuses to create the streams. They must not
    /// contain `store_dir`: see [`with_store`](Self::with_store). The address is always
    /// 127.0.0.1.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); also when nats-server refuses the configuration.
    pub fn with_config(extra: &str) -> anyhow::Result<Self> {
        let run = temporary_directory()?;
        let store = run.path().join("store");
        Self::launched(run, store, extra)
    }

    /// Starts a server as [`with_config`](Self::with_config) does, with its store in the given
    /// directory, which is created if it is missing, and never removed.
    ///
    /// # Errors
    ///
    /// As [`with_config`](Self::with_config); also when the directory cannot be created.
    pub fn with_store(store: &Path, extra: &str) -> anyhow::Result<Self> {
        Self::launched(temporary_directory()?, store.to_owned(), extra)
    }

    /// The address for clients, such as `nats://127.0.0.1:4222`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// The port for clients. It stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.ports.client
    }

    /// The address of the monitoring pages, if the configuration asks for them, as
    /// `http: "127.0.0.1:-1"` does on a free port. A free port changes with each restart.
    pub fn monitoring_url(&self) -> Option<&str> {
        self.ports.monitoring.as_deref()
    }

    /// The id of the process; `None` while the server is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The directory in which JetStream stores.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// The last 60 lines of the server's log, which continues over restarts.
    pub fn log(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// The file of the server's log, which is removed with the server.
    pub fn log_file(&self) -> PathBuf {
        self.run.path().join("nats-server.log")
    }

    /// Ends the server at once, as `kill -9` does, and waits until it has ended.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Lets the server shut down in order, and waits until it has ended; after 10 seconds it is
    /// killed.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate();
        }
    }

    /// Starts the server again on the same port and store; stops it first if it runs.
    ///
    /// # Errors
    ///
    /// When another process has the port for 5 seconds, or the server does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        wait_until_free(self.port(), PORT_DEADLINE)?;
        self.launch(Some(self.port()))
    }

    /// Sends it a signal, as `kill -s` names it, such as `STOP`.
    ///
    /// # Errors
    ///
    /// When the server is stopped, or there is no such signal.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let pid = self.pid().context("the server is stopped")?;
        let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status()?;
        ensure!(status.success(), "`kill -s {signal} {pid}` ends with {status}");
        Ok(())
    }

    /// Replaces the lines that were added to the configuration, and returns once the server has
    /// reloaded them. It keeps running; it disconnects clients whose login the new lines do not have.
    ///
    /// # Errors
    ///
    /// When the server is stopped, or refuses the lines; the error then ends with its log.
    pub fn reload(&self, extra: &str) -> anyhow::Result<()> {
        fs::write(self.config_file(), format!("{DEFAULTS}{extra}\n"))?;
        let reloads = || fs::read_to_string(self.log_file()).unwrap_or_default();
        let outcomes = |log: &str| (log.matches(RELOADED).count(), log.matches(REFUSED).count());
        let before = outcomes(&reloads());
        self.signal("HUP")?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let (reloaded, refused) = outcomes(&reloads());
            if reloaded > before.0 {
                return Ok(());
            }
            if refused > before.1 || Instant::now() > deadline {
                bail!("nats-server does not take the configuration, its log:\n{}", self.log());
            }
            thread::sleep(POLL);
        }
    }

    fn launched(run: TempDir, store: PathBuf, extra: &str) -> anyhow::Result<Self> {
        let binary = find_or_install()?;
        let mut server = Self { process: None, binary, ports: Ports::default(), store, run };
        fs::create_dir_all(&server.store)
            .with_context(|| format!("cannot create the store `{}`", server.store.display()))?;
        fs::write(server.config_file(), format!("{DEFAULTS}{extra}\n"))?;
        server.launch(None)?;
        Ok(server)
    }

    fn launch(&mut self, port: Option<u16>) -> anyhow::Result<()> {
        let ports = self.run.path().join("ports");
        Ports::clear(&ports)?;
        let mut process = Process::spawn(&mut self.command(&ports, port)?)
            .with_context(|| format!("`{}` does not start", self.binary.display()))?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(ports) = Ports::read(&ports)
                && TcpStream::connect(loopback(ports.client)).is_ok()
            {
                self.ports = ports;
                self.process = Some(process);
                return Ok(());
            }
            if let Some(status) = process.exited() {
                bail!("nats-server ends at its start with {status}, its log:\n{}", self.log());
            }
            if Instant::now() > deadline {
                let waited = START_DEADLINE.as_secs();
                bail!("nats-server does not accept after {waited} s, its log:\n{}", self.log());
            }
            thread::sleep(POLL);
        }
    }

    fn command(&self, ports: &Path, port: Option<u16>) -> anyhow::Result<Command> {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.config_file());
        command.args(["--addr", "127.0.0.1", "--jetstream"]);
        command.arg("--store_dir").arg(&self.store);
        command.arg("--ports_file_dir").arg(ports);
        // Only a restart names a port: a flag would override the caller's configuration.
        if let Some(port) = port {
            command.args(["--port", &port.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok(command)
    }

    fn config_file(&self) -> PathBuf {
        self.run.path().join("nats.conf")
    }
}

fn temporary_directory() -> anyhow::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("nats-server-")
        .tempdir()
        .context("cannot create a temporary directory for nats-server")
}

fn wait_until_free(port: u16, timeout: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        match TcpListener::bind(loopback(port)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("port {port} is in use"));
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::io::{self, BufRead, BufReader, Read};

    use async_nats::jetstream::{self, stream};

    use super::*;

    async fn stream(server: &NatsServer) -> (jetstream::Context, stream::Stream) {
        let client = async_nats::connect(server.url()).await.unwrap();
        let jetstream = jetstream::new(client);
        let config = stream::Config {
            name: "KEPT".to_owned(),
            subjects: vec!["kept".to_owned()],
            ..Default::default()
        };
        let stream = jetstream.get_or_create_stream(config).await.unwrap();
        (jetstream, stream)
    }

    async fn publish(server: &NatsServer, text: &'static str) {
        let (jetstream, _) = stream(server).await;
        jetstream.publish("kept", text.into()).await.unwrap().await.unwrap();
    }

    async fn stored(server: &NatsServer) -> Vec<String> {
        let (_, stream) = stream(server).await;
        let mut texts = Vec::new();
        for sequence in 1..=stream.cached_info().state.messages {
            let message = stream.get_raw_message(sequence).await.unwrap();
            texts.push(String::from_utf8(message.payload.to_vec()).unwrap());
        }
        texts
    }

    fn accepts(port: u16) -> bool {
        TcpStream::connect(loopback(port)).is_ok()
    }

    #[tokio::test]
    async fn servers_started_at_once_are_apart() {
        let starts = [thread::spawn(NatsServer::start), thread::spawn(NatsServer::start)];
        let [one, other] = starts.map(|start| start.join().unwrap().unwrap());
        assert_ne!(one.port(), other.port());
        assert_ne!(one.pid(), other.pid());
        assert_ne!(one.store(), other.store());
        publish(&one, "to one").await;
        assert_eq!(stored(&one).await, ["to one"]);
        assert!(stored(&other).await.is_empty());
    }

    #[tokio::test]
    async fn killed_server_comes_back_with_its_port_and_messages() {
        let mut server = NatsServer::start().unwrap();
        let (port, pid) = (server.port(), server.pid());
        publish(&server, "before").await;
        for _ in 0..3 {
            server.kill();
            assert!(!accepts(port));
            assert_eq!(server.pid(), None);
            server.restart().unwrap();
            assert_eq!(server.port(), port);
        }
        assert_ne!(server.pid(), pid);
        publish(&server, "after").await;
        assert_eq!(stored(&server).await, ["before", "after"]);
    }

    #[tokio::test]
    async fn stopped_server_shuts_down_in_order_and_comes_back() {
        let mut server = NatsServer::start().unwrap();
        publish(&server, "before").await;
        server.stop();
        assert!(server.log().ends_with("Server Exiting.."), "{}", server.log());
        server.restart().unwrap();
        assert_eq!(stored(&server).await, ["before"]);
    }

    #[tokio::test]
    async fn running_server_restarts_too() {
        let mut server = NatsServer::start().unwrap();
        publish(&server, "before").await;
        server.restart().unwrap();
        assert_eq!(stored(&server).await, ["before"]);
    }

    #[test]
    fn dropped_server_is_gone_with_its_files() {
        let server = NatsServer::start().unwrap();
        let (port, store) = (server.port(), server.store().to_owned());
        assert!(store.is_dir());
        drop(server);
        assert!(!accepts(port));
        assert!(!store.exists());
    }

    #[tokio::test]
    async fn store_of_the_caller_stays_for_the_next_server() {
        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("made/by us");
        let server = NatsServer::with_store(&store, "").unwrap();
        publish(&server, "kept").await;
        drop(server);
        let server = NatsServer::with_store(&store, "").unwrap();
        assert_eq!(server.store(), store);
        assert_eq!(stored(&server).await, ["kept"]);
    }

    #[tokio::test]
    async fn lines_of_the_caller_override_the_defaults() {
        let extra = "max_payload: 64KB\nhttp: \"127.0.0.1:-1\"\nauthorization { token: open }";
        let mut server = NatsServer::with_config(extra).unwrap();
        let connect = || async_nats::ConnectOptions::with_token("open".to_owned());
        let client = connect().connect(server.url()).await.unwrap();
        assert_eq!(client.server_info().max_payload, 64 * 1024);
        assert!(async_nats::connect(server.url()).await.is_err());
        assert!(server.monitoring_url().unwrap().starts_with("http://127.0.0.1:"));

        server.restart().unwrap();
        let client = connect().connect(server.url()).await.unwrap();
        assert_eq!(client.server_info().max_payload, 64 * 1024);
    }

    #[test]
    fn fixed_port_of_the_caller_is_used() {
        let free = TcpListener::bind(loopback(0)).unwrap().local_addr().unwrap().port();
        let server = NatsServer::with_config(&format!("port: {free}")).unwrap();
        assert_eq!(server.port(), free);
        assert_eq!(server.monitoring_url(), None);
    }

    #[test]
    fn refused_configuration_is_explained_by_the_log() {
        let error = NatsServer::with_config("colour: blue").unwrap_err().to_string();
        assert!(error.contains("unknown field \"colour\""), "{error}");
    }

    #[tokio::test]
    async fn new_lines_are_reloaded_while_the_server_runs() {
        let server = NatsServer::with_config("authorization { token: old }").unwrap();
        let connect = |token: &str| {
            async_nats::ConnectOptions::with_token(token.to_owned()).connect(server.url())
        };
        connect("old").await.unwrap();
        server.reload("authorization { token: new }").unwrap();
        connect("new").await.unwrap();
        assert!(connect("old").await.is_err());
        let error = server.reload("colour: blue").unwrap_err().to_string();
        assert!(error.contains("unknown field \"colour\""), "{error}");
    }

    #[test]
    fn port_that_stays_taken_is_named() {
        let taken = TcpListener::bind(loopback(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = wait_until_free(port, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), format!("port {port} is in use"));
        drop(taken);
        wait_until_free(port, Duration::ZERO).unwrap();
    }

    /// Runs itself a second time, as the process that dies.
    #[test]
    fn server_ends_when_the_process_that_holds_it_is_killed() {
        const DIES: &str = "RAPIDS_TEST_DIES_WITH_A_SERVER";
        const NAME: &str = "server::tests::server_ends_when_the_process_that_holds_it_is_killed";
        if env::var_os(DIES).is_some() {
            let server = NatsServer::start().unwrap();
            println!("\nport {}", server.port());
            loop {
                thread::park();
            }
        }
        // A killed process cannot remove its temporary files.
        let scratch = tempfile::tempdir().unwrap();
        let mut holder = Command::new(env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(DIES, "1")
            .env("TMPDIR", scratch.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(holder.stdout.take().unwrap());
        let mut lines = output.lines().map(Result::unwrap);
        let port = lines.find_map(|line| line.strip_prefix("port ")?.parse().ok()).unwrap();
        let mut connection = TcpStream::connect(loopback(port)).unwrap();
        connection.set_read_timeout(Some(START_DEADLINE)).unwrap();

        holder.kill().unwrap();
        holder.wait().unwrap();
        // The connection may also end by a reset; only a time-out shows that the server still runs.
        if let Err(error) = connection.read_to_end(&mut Vec::new()) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        assert!(!accepts(port));
    }
}
