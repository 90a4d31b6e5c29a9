//! The attempts to connect again. Failures are logged once a minute. A login that the server keeps
//! turning away is given up.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_nats::ConnectErrorKind;
use tokio::sync::watch;

use super::unreachable::turned_away;
use crate::config::Config;
use crate::error::{Error, Result};

/// Between two log lines about attempts that keep failing.
const REMINDER: Duration = Duration::from_secs(60);

/// The attempts of one connection.
#[derive(Debug)]
pub(super) struct Reconnecting {
    config: Config,
    trouble: Mutex<Trouble>,
    /// Why the login is given up, once it is.
    given_up: watch::Sender<Option<String>>,
}

/// What happened since the connection was lost.
#[derive(Debug, Default)]
struct Trouble {
    /// When the first of a row of refusals came.
    refused: Option<Instant>,
    /// When the last line was logged.
    logged: Option<Instant>,
    /// What is wrong with the login's file.
    fault: Option<String>,
}

impl Reconnecting {
    pub(super) fn new(config: Config) -> Self {
        Self { config, trouble: Mutex::default(), given_up: watch::Sender::new(None) }
    }

    /// Takes note of whether the login could be read.
    pub(super) fn signed<T>(&self, outcome: Result<T>) -> Result<T, String> {
        let outcome = outcome.map_err(|error| error.to_string());
        self.trouble().fault = outcome.as_ref().err().cloned();
        outcome
    }

    /// Takes note that the connection is there.
    pub(super) fn connected(&self) {
        *self.trouble() = Trouble::default();
    }

    /// Takes note that it is lost.
    pub(super) fn disconnected(&self) {
        // The line about the loss counts as one about the attempts.
        *self.trouble() = Trouble { logged: Some(Instant::now()), ..Trouble::default() };
    }

    /// Takes note of an attempt that failed. The client library hands over its text only.
    pub(super) fn failed(&self, words: &str) {
        match self.failed_at(Instant::now(), words) {
            Some(line) => tracing::warn!("{line}"),
            None => tracing::debug!("cannot connect to {} again: {words}", self.config.url()),
        }
    }

    /// The warning about an attempt that failed then, if one is due.
    fn failed_at(&self, now: Instant, words: &str) -> Option<String> {
        let url = self.config.url();
        let mut trouble = self.trouble();
        if !is_refusal(words) {
            trouble.refused = None;
            let line = format!(
                "still not connected to {url} ({words}), trying again; with \
                 `RUST_LOG=info,async_nats=debug` the log says why"
            );
            return trouble.is_due(now).then_some(line);
        }
        if trouble.refused.is_none() {
            trouble.logged = None;
        }
        let refused_for = now - *trouble.refused.get_or_insert(now);
        let reason = self.reason(trouble.fault.as_deref());
        if refused_for >= self.config.login_patience {
            self.given_up.send_replace(Some(reason));
            return None;
        }
        let line = format!(
            "cannot connect to {url} again: {reason}; trying for {} in all",
            in_words(self.config.login_patience)
        );
        trouble.is_due(now).then_some(line)
    }

    /// Waits until the login is given up.
    pub(super) async fn given_up(&self) -> Error {
        let mut given_up = self.given_up.subscribe();
        let reason = given_up.wait_for(Option::is_some).await;
        let reason = reason.expect("the sender lives as long as this borrow of it").clone();
        let patience = in_words(self.config.login_patience);
        let reason = reason.unwrap_or_default();
        turned_away(&self.config, &format!("{reason}, for {patience} now; put a valid login there"))
    }

    fn reason(&self, fault: Option<&str>) -> String {
        match (fault, self.config.login()) {
            (Some(fault), _) => fault.to_owned(),
            (None, Ok(login)) => format!("the server turns away {login}"),
            (None, Err(error)) => error.to_string(),
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    /// Whether a line is due, which counts as logged then.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.logged.is_none_or(|last| now - last >= REMINDER);
        if is_due {
            self.logged = Some(now);
        }
        is_due
    }
}

fn is_refusal(words: &str) -> bool {
    [ConnectErrorKind::AuthorizationViolation, ConnectErrorKind::Authentication]
        .iter()
        .any(|kind| kind.to_string() == words)
}

fn in_words(patience: Duration) -> String {
    match patience.as_secs() {
        seconds @ 0..60 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "authorization violation";

    fn second(start: Instant, second: u64) -> Instant {
        start + Duration::from_secs(second)
    }

    #[test]
    fn a_refusal_is_told_once_and_then_each_minute_and_given_up_after_five() {
        let reconnecting = Reconnecting::new(Config::new("host").nkey_file("/etc/nats/a.nk"));
        reconnecting.disconnected();
        let start = Instant::now();
        let lines: Vec<(u64, String)> = (0..300)
            .filter_map(|at| Some((at, reconnecting.failed_at(second(start, at), REFUSED)?)))
            .collect();
        let told: Vec<u64> = lines.iter().map(|line| line.0).collect();
        assert_eq!(told, [0, 60, 120, 180, 240]);
        assert_eq!(
            lines[0].1,
            "cannot connect to nats://host again: the server turns away the nkey in \
             `/etc/nats/a.nk` (set by the program); trying for 5 minutes in all"
        );
        assert!(reconnecting.given_up.borrow().is_none());
        reconnecting.failed_at(second(start, 300), REFUSED);
        assert!(reconnecting.given_up.borrow().is_some());
    }

    #[test]
    fn a_server_that_is_away_is_no_refusal_and_told_each_minute_after_the_loss() {
        let reconnecting = Reconnecting::new(Config::new("host"));
        let start = Instant::now();
        reconnecting.disconnected();
        reconnecting.failed_at(start, REFUSED);
        let line = |at, words| reconnecting.failed_at(second(start, at), words);
        assert!((1..60).all(|at| line(at, "IO error").is_none()));
        assert!(line(60, "IO error").unwrap().starts_with("still not connected to nats://host ("));
        assert!(line(400, REFUSED).is_some());
        assert!(reconnecting.given_up.borrow().is_none(), "the time away does not count");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let reconnecting = Reconnecting::new(Config::new("host").nkey_file("/nowhere"));
        let fault = Error::Config {
            name: "NATS_NKEY".to_owned(),
            value: "/nowhere".to_owned(),
            expected: "a file".to_owned(),
        };
        reconnecting.signed::<()>(Err(fault)).unwrap_err();
        let line = reconnecting.failed_at(Instant::now(), "failed signing nonce").unwrap();
        assert!(line.contains("again: NATS_NKEY is `/nowhere`, expected a file;"), "{line}");
    }
}
