//! What the rendered accounts let a login do on a real server, tried with the raw protocol.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Message, StatusCode};
use futures::{FutureExt, StreamExt};
use rapids_test::NatsServer;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{DECLARED, Folder};
use crate::bench::DEADLINE;

/// A server with the rendered accounts, and the streams as somebody who may make them.
struct Secured {
    folder: Folder,
    server: NatsServer,
    ada: Client,
}

impl Secured {
    async fn start() -> Self {
        Self::start_with(|rendered| rendered).await
    }

    /// With something changed in what was rendered.
    async fn start_with(change: impl Fn(String) -> String) -> Self {
        let folder = Folder::with(DECLARED);
        let server = NatsServer::with_config(&change(folder.rendered())).unwrap();
        let ada = connected(&server, &folder.seed("ada")).await.unwrap();
        let secured = Self { folder, server, ada };
        let republish = json!({"src": "rapids.from.*", "dest": "rapids.live"});
        secured.stream("RAPIDS", "rapids.from.*", json!({"republish": republish})).await;
        secured.stream("REPLAYS", "replays.*", json!({})).await;
        secured.stream("DEAD_LETTERS", "dead_letters.*.*.*", json!({})).await;
        secured.stream("LATER_payment", "later.payment.*", json!({})).await;
        for bucket in ["HANDLING", "ONCE", "POSITIONS", "SERVICES", "MEMORY_payment"] {
            let (name, subjects) =
                (format!("KV_RAPIDS_{bucket}"), format!("$KV.RAPIDS_{bucket}.>"));
            secured.stream(&name, &subjects, json!({})).await;
        }
        for (stream, consumer) in
            [("RAPIDS", "payment"), ("REPLAYS", "payment"), ("REPLAYS", "map")]
        {
            let config = json!({"durable_name": consumer, "ack_policy": "explicit"});
            let body = json!({"stream_name": stream, "config": config});
            secured.asked(&format!("$JS.API.CONSUMER.CREATE.{stream}.{consumer}"), body).await;
        }
        secured
    }

    async fn stream(&self, name: &str, subjects: &str, more: Value) {
        let mut config = json!({"name": name, "subjects": [subjects], "allow_direct": true});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.asked(&format!("$JS.API.STREAM.CREATE.{name}"), config).await;
    }

    async fn as_user(&self, name: &str) -> Client {
        connected(&self.server, &self.folder.seed(name)).await.unwrap()
    }

    /// What the API answers to an operator.
    async fn asked(&self, subject: &str, body: Value) -> Value {
        answer(&self.ada, subject, &body.to_string()).await
    }

    /// The settings of each stream, and how many messages and consumers it has.
    async fn state(&self) -> Vec<(String, [u64; 3])> {
        let streams = self.asked("$JS.API.STREAM.LIST", json!({})).await;
        let streams = streams["streams"].as_array().unwrap().iter();
        let of = |it: &Value| {
            let count = |key: &str| it["state"][key].as_u64().unwrap();
            let counts = ["last_seq", "messages", "consumer_count"].map(count);
            (it["config"].to_string(), counts)
        };
        let mut state: Vec<_> = streams.map(of).collect();
        state.sort();
        state
    }
}

async fn connected(server: &NatsServer, seed: &str) -> Result<Client, async_nats::ConnectError> {
    ConnectOptions::with_nkey(seed.to_owned()).connect(server.url()).await
}

async fn request(client: &Client, subject: &str, body: &str) -> Message {
    let asking = client.request(subject.to_owned(), body.to_owned().into());
    timeout(DEADLINE, asking).await.expect("an answer in time").expect("an answer")
}

async fn answer(client: &Client, subject: &str, body: &str) -> Value {
    let answer = request(client, subject, body).await;
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    assert!(answer.get("error").is_none(), "{subject}: {answer}");
    answer
}

/// Publishes a packet, and returns the subject under which the server has stored it.
async fn published(secured: &Secured, client: &Client) -> String {
    let stored = answer(client, "rapids", r#"{"event":"x"}"#).await;
    let body = json!({"seq": stored["seq"]}).to_string();
    let message = request(&secured.ada, "$JS.API.DIRECT.GET.RAPIDS", &body).await;
    message.headers.unwrap().get("Nats-Subject").unwrap().to_string()
}

#[tokio::test]
async fn the_server_says_who_has_published() {
    let secured = Secured::start().await;
    let mut live = secured.as_user("web").await.subscribe("rapids.live").await.unwrap();
    for (name, subject) in [
        ("payment", "rapids.from.payment"),
        ("map", "rapids.from.map"),
        ("web", "rapids.from.web"),
        ("ada", "rapids.from.operators"),
    ] {
        let client = secured.as_user(name).await;
        assert_eq!(published(&secured, &client).await, subject);
    }
    let copy = timeout(DEADLINE, live.next()).await.unwrap().unwrap();
    assert_eq!(copy.headers.unwrap().get("Nats-Subject").unwrap().as_str(), "rapids.from.payment");
}

#[tokio::test]
async fn a_service_does_what_is_its_own() {
    let secured = Secured::start().await;
    let payment = secured.as_user("payment").await;
    published(&secured, &payment).await;
    let inbox = payment.new_inbox();
    let mut pulled = payment.subscribe(inbox.clone()).await.unwrap();
    let next = "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.payment";
    payment.publish_with_reply(next, inbox, r#"{"batch":1}"#.into()).await.unwrap();
    let packet = timeout(DEADLINE, pulled.next()).await.unwrap().unwrap();
    assert_eq!(packet.subject.as_str(), "rapids.from.payment");
    request(&payment, packet.reply.unwrap().as_str(), "+ACK").await;
    let info = answer(&payment, "$JS.API.CONSUMER.INFO.RAPIDS.payment", "").await;
    assert_eq!(info["ack_floor"]["stream_seq"], 1);

    for subject in [
        "$KV.RAPIDS_HANDLING.payment.1.17",
        "$KV.RAPIDS_ONCE.payment.charge.17",
        "$KV.RAPIDS_SERVICES.payment",
        "$KV.RAPIDS_MEMORY_payment.paid.o-1",
        "dead_letters.payment.charge.17",
        "later.payment.x",
    ] {
        answer(&payment, subject, "mine").await;
    }
    for (stream, subject) in [
        ("KV_RAPIDS_SERVICES", "$KV.RAPIDS_SERVICES.payment"),
        ("KV_RAPIDS_MEMORY_payment", "$KV.RAPIDS_MEMORY_payment.paid.o-1"),
        ("DEAD_LETTERS", "dead_letters.payment.charge.17"),
    ] {
        let read = request(&payment, &format!("$JS.API.DIRECT.GET.{stream}.{subject}"), "").await;
        assert_eq!(read.payload, "mine", "{subject}");
    }
    answer(&payment, "$JS.API.STREAM.INFO.LATER_payment", "").await;
    // One that reads these memories: key by key, and many of them by one request.
    let map = secured.as_user("map").await;
    let subject = "$JS.API.DIRECT.GET.KV_RAPIDS_MEMORY_payment";
    let many = r#"{"multi_last":["$KV.RAPIDS_MEMORY_payment.>"],"batch":10}"#;
    let read = request(&map, subject, many).await;
    assert_eq!(read.payload, "mine");
    answer(&map, "$KV.RAPIDS_POSITIONS.map", "mine").await;
}

/// What nobody but an operator or another service may send.
const FORBIDDEN: [&str; 24] = [
    "rapids.from.map",
    "rapids.from.payment",
    "rapids.live",
    "replays.payment",
    "later.map.x",
    "dead_letters.map.show.17",
    "$KV.RAPIDS_SERVICES.map",
    "$KV.RAPIDS_POSITIONS.map",
    "$KV.RAPIDS_HANDLING.map.1.17",
    "$KV.RAPIDS_LETTERS.x",
    "$JS.ACK.REPLAYS.map.1.1.1.1.0",
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.UPDATE.RAPIDS",
    "$JS.API.STREAM.PURGE.RAPIDS",
    "$JS.API.STREAM.DELETE.KV_RAPIDS_MEMORY_payment",
    "$JS.API.CONSUMER.CREATE.RAPIDS.mine",
    "$JS.API.CONSUMER.DURABLE.CREATE.RAPIDS.mine",
    "$JS.API.CONSUMER.DELETE.RAPIDS.payment",
    "$JS.API.CONSUMER.DELETE.REPLAYS.map",
    "$JS.API.CONSUMER.RESET.RAPIDS.payment",
    "$JS.API.CONSUMER.MSG.NEXT.REPLAYS.map",
    "$JS.API.DIRECT.GET.KV_RAPIDS_SERVICES",
    "$JS.API.DIRECT.GET.KV_RAPIDS_SERVICES.$KV.RAPIDS_SERVICES.map",
    "$JS.API.DIRECT.GET.KV_RAPIDS_POSITIONS.$KV.RAPIDS_POSITIONS.map",
];

#[tokio::test]
async fn a_service_does_nothing_that_is_another_s() {
    does_nothing_of_others(&Secured::start().await).await;
}

#[tokio::test]
async fn its_account_alone_keeps_a_service_from_what_is_another_s() {
    let secured = Secured::start_with(|rendered| {
        let (streams, others) = rendered.split_once("\n  MAP {").unwrap();
        let others = others.replace("publish: {allow: [", "publish: {allow: [\">\"");
        format!("{streams}\n  MAP {{{others}")
    });
    does_nothing_of_others(&secured.await).await;
}

async fn does_nothing_of_others(secured: &Secured) {
    let map = secured.as_user("map").await;
    answer(&map, "$KV.RAPIDS_POSITIONS.map", "7").await;
    answer(&map, "$KV.RAPIDS_SERVICES.map", "7").await;
    let before = secured.state().await;
    let payment = secured.as_user("payment").await;
    let inbox = payment.new_inbox();
    let mut answers = payment.subscribe(inbox.clone()).await.unwrap();
    for subject in FORBIDDEN {
        payment.publish_with_reply(subject, inbox.clone(), "{}".into()).await.unwrap();
    }
    // The server sends its answer to any reply subject, and these lie in the service's own account.
    for reply in ["$KV.RAPIDS_SERVICES.map", "replays.map", "$JS.API.STREAM.DELETE.REPLAYS"] {
        let info = "$JS.API.STREAM.INFO.RAPIDS";
        payment.publish_with_reply(info, reply, "".into()).await.unwrap();
    }
    // What was sent before has been looked at when this is answered.
    answer(&payment, "$JS.API.STREAM.INFO.RAPIDS", "").await;
    while let Some(answer) = answers.next().now_or_never().flatten() {
        assert_eq!(answer.status, Some(StatusCode::NO_RESPONDERS), "{answer:?}");
    }
    assert_eq!(secured.state().await, before);
    for bucket in ["POSITIONS", "SERVICES"] {
        let key = format!("KV_RAPIDS_{bucket}.$KV.RAPIDS_{bucket}.map");
        let read = request(&secured.ada, &format!("$JS.API.DIRECT.GET.{key}"), "").await;
        assert_eq!(read.payload, "7");
    }
}

#[tokio::test]
async fn people_publish_in_no_service_s_name_and_viewers_not_at_all() {
    let secured = Secured::start().await;
    let before = secured.state().await;
    for (name, forbidden) in [
        ("ada", &["rapids.from.payment", "rapids.live"][..]),
        ("bob", &["rapids", "rapids.from.operators", "replays.map", "$KV.RAPIDS_SERVICES.map"]),
    ] {
        let client = secured.as_user(name).await;
        for subject in forbidden {
            client.publish(*subject, "{}".into()).await.unwrap();
        }
        answer(&client, "$JS.API.STREAM.INFO.RAPIDS", "").await;
    }
    assert_eq!(secured.state().await, before);
}

#[tokio::test]
async fn services_answer_people_each_in_its_own_name() {
    let secured = Secured::start().await;
    let mut services = Vec::new();
    for name in ["payment", "map"] {
        let client = secured.as_user(name).await;
        let mut asked = client.subscribe("$SRV.>").await.unwrap();
        client.flush().await.unwrap();
        services.push(tokio::spawn(async move {
            while let Some(question) = asked.next().await {
                let reply = question.reply.unwrap();
                client.publish(reply, name.into()).await.unwrap();
            }
        }));
    }
    let bob = secured.as_user("bob").await;
    for (subject, expected) in
        [("$SRV.PING", &["map", "payment"][..]), ("$SRV.INFO.payment.one", &["payment"])]
    {
        let inbox = bob.new_inbox();
        let answers = bob.subscribe(inbox.clone()).await.unwrap();
        bob.publish_with_reply(subject, inbox, "".into()).await.unwrap();
        let first = timeout(DEADLINE, answers.take(expected.len()).collect::<Vec<_>>()).await;
        let mut names: Vec<_> = first.unwrap().into_iter().map(|it| it.payload).collect();
        names.sort();
        assert_eq!(names, expected, "{subject}");
    }
    for service in services {
        service.abort();
    }
}

#[tokio::test]
async fn a_service_answers_plain_requests_of_those_who_may_send_them() {
    let secured = Secured::start().await;
    let payment = secured.as_user("payment").await;
    let mut asked = payment.subscribe("payment.fee").await.unwrap();
    payment.flush().await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(question) = asked.next().await {
            payment.publish(question.reply.unwrap(), "12".into()).await.unwrap();
        }
    });
    for name in ["web", "ada"] {
        let client = secured.as_user(name).await;
        assert_eq!(request(&client, "payment.fee", "").await.payload, "12", "{name}");
    }
    for name in ["map", "bob"] {
        let client = secured.as_user(name).await;
        let asking = client.request("payment.fee", "".into());
        let answer = timeout(Duration::from_millis(300), asking).await;
        assert!(!matches!(answer, Ok(Ok(_))), "{name}");
    }
    answering.abort();
}

#[tokio::test]
async fn a_replaced_key_is_let_in_and_the_old_one_is_not() {
    let secured = Secured::start().await;
    let old = secured.folder.seed("payment");
    secured.folder.done(&["keys", "--rotate", "payment"]);
    let new = secured.folder.seed("payment");
    assert!(connected(&secured.server, &new).await.is_err());
    secured.server.reload(&secured.folder.text("access.conf")).unwrap();
    let error = connected(&secured.server, &old).await.unwrap_err();
    assert_eq!(error.kind(), async_nats::ConnectErrorKind::AuthorizationViolation);
    let payment = connected(&secured.server, &new).await.unwrap();
    assert_eq!(published(&secured, &payment).await, "rapids.from.payment");
}
