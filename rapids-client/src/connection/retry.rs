//! The one way to try again what the server did not do: wait, longer each time, and no longer than
//! until the connection is made again.
//!
//! Which errors are worth another try is left to the callers.

use std::time::{Duration, Instant};

use super::Connection;
use crate::backoff;
use crate::error::{Error, Result, with_causes};

/// The tries of one action: without end, unless a limit is set.
///
/// ```ignore
/// let mut retry = Retry::new(&connection, "store a dead letter");
/// loop {
///     match letters.store(letter).await {
///         Ok(()) => break Ok(()),
///         Err(error) => retry.again_if_passing(error).await?,
///     }
/// }
/// ```
pub(crate) struct Retry {
    connection: Connection,
    action: &'static str,
    longest_wait: Duration,
    deadline: Option<Instant>,
    most: Option<u32>,
    failures: u32,
    /// Failures since the connection was made last.
    since_outage: u32,
}

impl Retry {
    /// Begins the first try of an action, such as `store a dead letter`.
    pub(crate) fn new(connection: &Connection, action: &'static str) -> Self {
        Self {
            connection: connection.clone(),
            action,
            longest_wait: Duration::MAX,
            deadline: None,
            most: None,
            failures: 0,
            since_outage: 0,
        }
    }

    /// Waits at most this long between two tries. The default is 30 s.
    pub(crate) fn longest_wait(self, wait: Duration) -> Self {
        Self { longest_wait: wait, ..self }
    }

    /// Gives up when a try fails after this time.
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), ..self }
    }

    /// Gives up when this many tries have failed.
    pub(crate) fn at_most(self, tries: u32) -> Self {
        Self { most: Some(tries), ..self }
    }

    /// How many tries have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// As [`again`](Self::again); but an error that will not pass is returned at once.
    ///
    /// # Errors
    /// The same error, once there is to be no further try.
    pub(crate) async fn again_if_passing(&mut self, error: Error) -> Result<()> {
        if error.is_passing() { self.again(error).await } else { Err(error) }
    }

    /// Takes note that a try has failed, and waits until it is time for the next one.
    ///
    /// # Errors
    /// The same error, once there is to be no further try.
    pub(crate) async fn again(&mut self, error: Error) -> Result<()> {
        self.failures = self.failures.saturating_add(1);
        let now = Instant::now();
        let left = self.deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
        if left.is_zero() || self.most.is_some_and(|most| self.failures >= most) {
            return Err(error);
        }
        let action = self.action;
        self.connection
            .log_failure(action, format_args!("trying again to {action}: {}", with_causes(&error)));
        let outages = &self.connection.outages;
        let reconnected = outages.next_end();
        self.since_outage = self.since_outage.saturating_add(1);
        // What is sent during an outage piles up, and arrives all at once later.
        let wait = match outages.is_on() {
            true => backoff::LONGEST,
            false => backoff::exponential(self.since_outage),
        };
        let wait = wait.min(self.longest_wait).min(left);
        if tokio::time::timeout(wait, reconnected).await.is_ok() {
            self.since_outage = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use futures::future::{join, join_all};
    use rapids_test::NatsServer;

    use super::*;
    use crate::config::Config;

    const DEADLINE: Duration = Duration::from_secs(20);

    async fn connect(server: &NatsServer) -> Connection {
        Connection::open(&Config::new(server.url()), "test").await.unwrap()
    }

    fn failed() -> Error {
        Error::Server { action: "do it".to_owned(), source: "no answer".into() }
    }

    async fn lost(connection: &Connection) {
        let is_lost = async {
            while !connection.outages.is_on() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, is_lost).await.unwrap();
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| line.trim().to_owned()).collect()
        }
    }

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What this thread logs, but for what is of no interest to an operator.
    fn logging() -> (Log, tracing::subscriber::DefaultGuard) {
        let log = Log::default();
        let written = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_env_filter("rapids_client=info")
            .with_writer(move || written.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    #[tokio::test]
    async fn an_outage_takes_two_lines_and_ends_every_wait() {
        let mut server = NatsServer::start().unwrap();
        let connection = connect(&server).await;
        let (log, _guard) = logging();
        server.kill();
        lost(&connection).await;
        let tries = async |action: &'static str| {
            let mut retry = Retry::new(&connection, action);
            for _ in 0..3 {
                retry.again(failed()).await.unwrap();
            }
            retry
        };
        let restart = async {
            tokio::task::yield_now().await;
            server.restart().unwrap();
        };
        let tries = join_all(["load", "save", "save"].map(tries));
        let all = join(tries, restart);
        let (retries, ()) = tokio::time::timeout(DEADLINE, all).await.expect("waits are cut short");
        assert!(retries.iter().all(|retry| retry.failures() == 3 && retry.connection.is_outage()));
        let lines = log.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        let url = server.url();
        assert_eq!(lines[0], format!("WARN disconnected from {url}; connecting again"));
        assert!(lines[1].starts_with(&format!("INFO connected to {url} again, after ")));
    }

    #[tokio::test]
    async fn failures_while_the_connection_is_there_are_warned_of_once_for_each_action() {
        let server = NatsServer::start().unwrap();
        let connection = connect(&server).await;
        let (log, _guard) = logging();
        for action in ["load", "save", "load"] {
            let mut retry = Retry::new(&connection, action);
            for _ in 0..2 {
                retry.again(failed()).await.unwrap();
            }
        }
        let expected = ["load", "save"]
            .map(|action| format!("WARN trying again to {action}: cannot do it: no answer"));
        assert_eq!(log.lines(), expected);
    }

    #[tokio::test]
    async fn a_limit_ends_the_tries_with_the_last_error() {
        let server = NatsServer::start().unwrap();
        let connection = connect(&server).await;
        let mut retry = Retry::new(&connection, "load").at_most(2);
        retry.again(failed()).await.unwrap();
        assert_eq!(retry.again(failed()).await.unwrap_err().to_string(), "cannot do it");
        let mut retry = Retry::new(&connection, "load").within(Duration::from_millis(10));
        let begun = Instant::now();
        while retry.again(failed()).await.is_ok() {}
        assert!(begun.elapsed() < DEADLINE);
    }
}
