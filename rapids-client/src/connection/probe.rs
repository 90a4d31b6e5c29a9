//! Requests that are sent to learn whether they may be, and whether somebody is there to answer.
//!
//! What they ask, so that it has no effect, and what an answer means, is left to who sends them.

use std::time::{Duration, Instant};

use async_nats::client::Request;
use async_nats::{HeaderMap, Message, RequestErrorKind};
use bytes::Bytes;

use super::Connection;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is tried to reach somebody, and how long to wait in between: a stream has no leader for a
/// moment, and a server that starts answers for none.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    pub(crate) subject: String,
    /// Under what subject its refusal is known, where that is another.
    pub(crate) refused_as: Option<String>,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) body: &'static str,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Reply {
    Answer(Message),
    /// The server does not permit it to this user.
    Refused,
    /// Nobody receives what is sent to this subject, and that stayed so for a while.
    Nobody,
    /// There was no answer in time.
    Silence,
}

impl Probe {
    pub(crate) fn new(subject: impl Into<String>, body: &'static str) -> Self {
        Self { subject: subject.into(), refused_as: None, headers: None, body }
    }
}

impl Connection {
    /// Sends a request, and waits for what comes of it: two seconds at most for an answer. A refusal is not
    /// logged.
    pub(crate) async fn probe(&self, probe: &Probe) -> Reply {
        let mut reply = self.probe_once(probe).await;
        for _ in 1..TRIES {
            if !matches!(reply, Reply::Nobody) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            reply = self.probe_once(probe).await;
        }
        reply
    }

    async fn probe_once(&self, probe: &Probe) -> Reply {
        let refused_as = probe.refused_as.as_ref().unwrap_or(&probe.subject);
        self.violations.expect(refused_as);
        let since = Instant::now();
        let request = Request::new().payload(Bytes::from_static(probe.body.as_bytes()));
        let request = Request { headers: probe.headers.clone(), ..request.timeout(Some(PATIENCE)) };
        // The futures of the client library are large.
        let sending = Box::pin(self.client.send_request(probe.subject.clone(), request));
        tokio::select! {
            biased;
            answered = sending => match answered {
                Ok(message) => Reply::Answer(message),
                Err(error) if error.kind() == RequestErrorKind::NoResponders => Reply::Nobody,
                Err(_) => Reply::Silence,
            },
            _ = self.violations.of(refused_as, since) => Reply::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use rapids_test::NatsServer;

    #[tokio::test]
    async fn an_answer_a_refusal_and_nobody_are_told_apart() {
        let server = NatsServer::with_config(
            r#"authorization { users: [{ user: u, password: p, permissions: { publish: {
                deny: ["forbidden"] } } }] }"#,
        )
        .unwrap();
        let config = Config::new(server.url()).user_and_password("u", "p");
        let connection = Connection::open(&config, "test").await.unwrap();
        let probe = async |subject: &str| connection.probe(&Probe::new(subject, "")).await;
        assert!(matches!(probe("$JS.API.INFO").await, Reply::Answer(_)));
        assert!(matches!(probe("forbidden").await, Reply::Refused));
        assert!(matches!(probe("nobody").await, Reply::Nobody));
        let _silent = connection.client.subscribe("silent").await.unwrap();
        assert!(matches!(probe("silent").await, Reply::Silence));
    }
}
