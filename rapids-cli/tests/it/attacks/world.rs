//! A server with two services on it, in one of the two forms.

use std::process::Command;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use rapids_client::access::Access;
use rapids_client::{Config, Provisioning};
use rapids_test::NatsServer;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::bench::rapids;
use crate::secured::{Form, OPERATOR, Secured};

/// Who is attacked, `payment`, and who attacks.
const ACCESS: &str = r#"
[services.payment]
start = "beginning"
memories = ["paid"]
once = true
timers = true

[services.orders]
timers = true

[operators.vic]
role = "viewer"
"#;

/// For how long an effect may take to show, and for how long is looked that it does not.
const SHOWS: Duration = Duration::from_secs(20);
const SHOWS_NOT: Duration = Duration::from_millis(500);

pub(crate) struct World {
    form: Form,
    pub(crate) operator: Client,
    pub(crate) victim: Client,
    pub(crate) attacker: Client,
}

impl World {
    /// One account without logins.
    pub(crate) async fn simple() -> Self {
        let server = NatsServer::start().unwrap();
        let access: Access = toml::from_str(ACCESS).unwrap();
        let provisioning = Provisioning::connect(&Config::new(server.url())).await.unwrap();
        provisioning.apply(&access).await.unwrap();
        Self::of(Form::Simple(server)).await
    }

    /// An account for each service, as `rapids access render` writes them.
    pub(crate) async fn secured() -> Self {
        Self::of(Form::Secured(Secured::start(ACCESS))).await
    }

    async fn of(form: Form) -> Self {
        let connect = async |name: &str| match &form {
            Form::Secured(secured) => secured.client(name).await,
            other => async_nats::connect(other.server().url()).await.unwrap(),
        };
        let (operator, victim, attacker) =
            (connect(OPERATOR).await, connect("payment").await, connect("orders").await);
        let world = Self { form, operator, victim, attacker };
        world.begin().await;
        world
    }

    /// Publishes a packet, and lets the victim have it without acknowledging it.
    async fn begin(&self) {
        let body = json!({"event": "order_placed", "order_id": "o-1"}).to_string();
        let stored = self.request(&self.operator, "rapids", body.into_bytes()).await;
        assert!(stored.is_some(), "the packet is stored");
    }

    /// The next packet for the victim, which it does not acknowledge.
    pub(crate) async fn pulled(&self) -> Message {
        let next = "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.payment";
        self.request(&self.victim, next, b"".to_vec()).await.expect("a packet for the victim")
    }

    /// The victim can still do its own.
    pub(crate) async fn victim_works(&self) {
        let body = json!({"event": "payment_received"}).to_string();
        let stored = self.request(&self.victim, "rapids", body.into_bytes()).await.unwrap();
        let stored: Value = serde_json::from_slice(&stored.payload).unwrap();
        assert_eq!(stored["stream"], "RAPIDS", "{stored}");
        let packet = self.pulled().await;
        let acknowledged = packet.reply.unwrap().to_string();
        assert!(self.request(&self.victim, &acknowledged, b"+ACK".to_vec()).await.is_some());
    }

    /// The program, as an operator runs it: `ada`, or `vic`, who only looks.
    pub(crate) fn command(&self, who: &str, arguments: &[&str]) -> Command {
        let mut command = rapids(arguments);
        match &self.form {
            Form::Secured(secured) => command.envs(secured.variables(who)),
            other => command.env("NATS_URL", other.server().url()),
        };
        command
    }

    /// How the library connects as the operator.
    pub(super) fn operator_config(&self) -> Config {
        self.form.operator()
    }

    /// How the library connects with the login of a service.
    pub(super) fn config_of(&self, service: &str) -> Config {
        self.form.service(service)
    }

    fn is_secured(&self) -> bool {
        matches!(self.form, Form::Secured(_))
    }

    /// The answer to a request of the operator or the victim, if there is one.
    pub(crate) async fn request(
        &self,
        client: &Client,
        subject: &str,
        body: impl Into<Bytes>,
    ) -> Option<Message> {
        request(client, subject, body.into(), SHOWS).await
    }

    /// The answer to a request of the attacker, if there is one.
    pub(crate) async fn answered(&self, subject: &str, body: &str) -> Option<Message> {
        let body = Bytes::from(body.to_owned());
        request(&self.attacker, subject, body, self.effect_limit()).await
    }

    /// The attacker asks JetStream for something; whether it was done.
    pub(crate) async fn api(&self, request: &str, body: Value) -> bool {
        let subject = format!("$JS.API.{request}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.answered(&subject, &body).await;
        let Some(answer) = answer else { return false };
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        answer["error"].is_null()
    }

    /// The attacker publishes something, and waits for no answer.
    pub(crate) async fn publish(&self, subject: &str, reply: Option<&str>, body: &str) {
        let (subject, body) = (subject.to_owned(), Bytes::from(body.to_owned()));
        match reply {
            None => self.attacker.publish(subject, body).await.unwrap(),
            Some(reply) => {
                self.attacker.publish_with_reply(subject, reply.to_owned(), body).await.unwrap();
            }
        }
        self.attacker.flush().await.unwrap();
    }

    /// For how long an effect of the attack is waited for: less long where none is expected.
    fn effect_limit(&self) -> Duration {
        if self.is_secured() { SHOWS_NOT } else { SHOWS }
    }

    /// What comes next on a subscription, if anything does.
    pub(crate) async fn next_of(&self, messages: &mut Subscriber) -> Option<Message> {
        timeout(self.effect_limit(), messages.next()).await.ok().flatten()
    }

    /// Whether this becomes so.
    pub(crate) async fn becomes(&self, is_so: impl AsyncFn() -> bool) -> bool {
        let look = async {
            while !is_so().await {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(self.effect_limit(), look).await.is_ok()
    }

    pub(crate) fn jetstream(&self) -> Context {
        jetstream::new(self.operator.clone())
    }

    /// The stream with the timers of a service.
    pub(crate) fn timers_of(&self, service: &str) -> &'static str {
        match (self.is_secured(), service) {
            (false, _) => "LATER",
            (true, "payment") => "LATER_payment",
            (true, _) => "LATER_orders",
        }
    }

    /// What the operator is told of something, such as `STREAM.INFO.RAPIDS`; null if it is not there.
    pub(crate) async fn told(&self, request: &str) -> Value {
        let subject = format!("$JS.API.{request}");
        let answer = self.request(&self.operator, &subject, b"".to_vec()).await;
        let answer: Value = serde_json::from_slice(&answer.unwrap().payload).unwrap();
        if answer["error"].is_null() { answer } else { Value::Null }
    }

    /// Whether a stream comes to hold a message on this subject with this text in it.
    pub(crate) async fn has(&self, stream: &str, subject: &str, text: &str) -> bool {
        self.becomes(async || {
            let Ok(stream) = self.jetstream().get_stream(stream).await else { return false };
            let last = stream.get_last_raw_message_by_subject(subject).await;
            last.is_ok_and(|last| String::from_utf8_lossy(&last.payload).contains(text))
        })
        .await
    }
}

async fn request(client: &Client, subject: &str, body: Bytes, limit: Duration) -> Option<Message> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    client.publish_with_reply(subject.to_owned(), inbox, body).await.unwrap();
    let answer = timeout(limit, answers.next()).await.ok().flatten()?;
    matches!(answer.status, None | Some(StatusCode::OK)).then_some(answer)
}
