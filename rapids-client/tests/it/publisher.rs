//! An account for each service, and rapids that say who has published each packet.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, Republish};
use rapids_client::{
    Config, DeadLetters, Delivery, Kind, Note, Outputs, Packet, Rapids, River, Service, Start,
    StoredLetter, reject,
};
use rapids_test::NatsServer;

use crate::harness::{Running, Watch, found, until};

/// What a service may do in the account of the streams, with its name for `NAME`.
const IMPORTS: &str = r#"
    {service: {account: RAPIDS, subject: "rapids.from.NAME"}, to: "rapids"}
    {service: {account: RAPIDS, subject: "$JS.API.INFO"}}
    {service: {account: RAPIDS, subject: "$JS.API.STREAM.INFO.*"}}
    {service: {account: RAPIDS, subject: "$JS.API.CONSUMER.INFO.*.NAME"}}
    {service: {account: RAPIDS, subject: "$JS.API.CONSUMER.MSG.NEXT.*.NAME"}}
    {service: {account: RAPIDS, subject: "$JS.API.CONSUMER.CREATE.REPLAYS.NAME.replays.NAME"}}
    {service: {account: RAPIDS, subject: "$JS.ACK.*.NAME.>"}}
    {service: {account: RAPIDS, subject: "$JS.API.DIRECT.GET.DEAD_LETTERS.dead_letters.NAME.>"}}
    {service: {account: RAPIDS, subject: "dead_letters.NAME.>"}}
    {service: {account: RAPIDS, subject: "later.NAME.*"}}
    {service: {account: RAPIDS, subject: "$JS.API.DIRECT.GET.*.$KV.*.NAME"}}
    {service: {account: RAPIDS, subject: "$JS.API.DIRECT.GET.*.$KV.*.NAME.>"}}
    {service: {account: RAPIDS, subject: "$KV.*.NAME"}}
    {service: {account: RAPIDS, subject: "$KV.*.NAME.>"}}
    {stream: {account: RAPIDS, subject: "rapids.live"}}
    {stream: {account: RAPIDS, subject: "$KV.RAPIDS_POSITIONS.NAME"}}
    {service: {account: RAPIDS, subject: "$JS.API.CONSUMER.CREATE.RAPIDS.>"}}
    {service: {account: RAPIDS, subject: "$JS.API.CONSUMER.MSG.NEXT.RAPIDS.*"}}
    {service: {account: RAPIDS, subject: "$JS.API.CONSUMER.DELETE.RAPIDS.*"}}
"#;

const EXPORTS: &str = r#"
    {service: "rapids.from.order", accounts: [ORDER]}
    {service: "rapids.from.payment", accounts: [PAYMENT]}
    {service: "dead_letters.>"}
    {service: "later.>"}
    {service: "$KV.>"}
    {service: "$JS.ACK.>"}
    {service: "$JS.API.INFO"}
    {service: "$JS.API.STREAM.INFO.*"}
    {service: "$JS.API.CONSUMER.INFO.>"}
    {service: "$JS.API.CONSUMER.CREATE.>"}
    {service: "$JS.API.CONSUMER.DELETE.>"}
    {service: "$JS.API.CONSUMER.MSG.NEXT.>", response_type: stream}
    {service: "$JS.API.DIRECT.GET.>"}
    {stream: "rapids.live"}
    {stream: "$KV.RAPIDS_POSITIONS.>"}
"#;

fn configuration() -> String {
    let account = |name: &str| {
        let imports = IMPORTS.replace("NAME", name);
        let user = format!("{{user: {name}, password: \"change-{name}\"}}");
        format!("{} {{ users: [{user}], imports: [{imports}] }}\n", name.to_uppercase())
    };
    let user = r#"{user: operator, password: "change-operator"}"#;
    let services = ["order", "payment"].map(account).concat();
    format!(
        "accounts {{ RAPIDS {{ jetstream: enabled, users: [{user}]
            mappings: {{ \"rapids\": \"rapids.from.operators\" }}, exports: [{EXPORTS}] }}
            {services} }}"
    )
}

fn as_user(server: &NatsServer, user: &str) -> Config {
    let config = Config::new(server.url()).user_and_password(user, format!("change-{user}"));
    config.ack_wait(Duration::from_secs(1))
}

/// The server of a user's account without the library.
async fn raw(server: &NatsServer, user: &str) -> Context {
    let password = format!("change-{user}");
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password);
    async_nats::jetstream::new(options.connect(server.url()).await.unwrap())
}

/// Rapids in the secured form, without any timers.
async fn create(server: &NatsServer) {
    let config = StreamConfig {
        name: "RAPIDS".to_owned(),
        subjects: vec!["rapids.from.*".to_owned()],
        discard: DiscardPolicy::New,
        max_bytes: 64 << 20,
        duplicate_window: Duration::from_secs(600),
        allow_direct: true,
        allow_atomic_publish: true,
        deny_delete: true,
        deny_purge: true,
        republish: Some(Republish {
            source: "rapids.from.*".to_owned(),
            destination: "rapids.live".to_owned(),
            headers_only: false,
        }),
        ..StreamConfig::default()
    };
    raw(server, "operator").await.create_stream(config).await.unwrap();
}

/// Places orders, and has a timer remind of each at once, and another one of each in a year.
fn order(config: Config) -> Service {
    let place = River::new("place").command("place_order").react(|packet: Packet| async move {
        let total: u64 = packet.get("total")?.unwrap_or_default();
        let placed = Packet::event("order_placed").with("total", total);
        let overdue = Packet::event("payment_overdue").with("total", total);
        let year = Duration::from_secs(365 * 86_400);
        anyhow::Ok(
            Outputs::new()
                .publish(placed)
                .publish(Packet::event("order_noted"))
                .later("due", packet.id(), Duration::ZERO, overdue.clone())
                .later("archived", packet.id(), year, overdue),
        )
    });
    Service::new("order", config).river(place).from_beginning()
}

/// Charges what the service `order` says, and nobody else; refuses 13.
fn payment(config: Config) -> Service {
    let told = |name, packet: &Packet| {
        Packet::event(name)
            .with("total", packet.get::<u64>("total").unwrap())
            .with("publisher", packet.publisher())
            .with("seen", packet.get::<String>("@.rapids.publisher").unwrap())
    };
    let charge = River::new("charge")
        .event("order_placed")
        .require_that("@.rapids.publisher == 'order'")
        .react(move |packet: Packet| async move {
            match packet.get::<u64>("total")? {
                Some(13) => Err(reject("nobody pays 13")),
                _ => Ok(told("charged", &packet)),
            }
        });
    let remind = River::new("remind")
        .event("payment_overdue")
        .when("@.rapids.publisher == 'order'")
        .react(move |packet: Packet| async move { anyhow::Ok(told("reminded", &packet)) });
    Service::new("payment", config).river(charge).river(remind).from_beginning()
}

fn place(total: u64) -> Packet {
    Packet::command("place_order").with("total", total)
}

/// The next packet of this name about this order.
async fn next(watch: &mut Watch, name: &str, total: u64) -> Packet {
    loop {
        let packet = watch.event(name).await;
        if packet.get::<u64>("total").unwrap() == Some(total) {
            return packet;
        }
    }
}

async fn letter(letters: &DeadLetters, id: &str) -> StoredLetter {
    let id = id.parse().unwrap();
    found("there is a letter", async || letters.get(&id).await.unwrap()).await
}

fn sequence(packet: &Packet) -> u64 {
    packet.arrival().unwrap().sequence
}

async fn tells(delivery: Delivery) {
    let server = NatsServer::with_config(&configuration()).unwrap();
    create(&server).await;
    let operator = as_user(&server, "operator").delivery(delivery);
    let rapids = Rapids::connect(&operator).await.unwrap();
    let mut watch = Watch::new(rapids.tail(Start::Beginning).await.unwrap());

    // As the operator first, who creates what they need.
    let services = [order(operator.clone()), payment(operator.clone())].map(Running::spawn);
    rapids.publish(place(1)).await.unwrap();
    let reminded = next(&mut watch, "reminded", 1).await;
    assert_eq!(reminded.publisher(), Some("operators"), "{reminded}");
    for service in services {
        service.stop().await;
    }

    let of = |user: &str| as_user(&server, user).delivery(delivery);
    let services = [order(of("order")), payment(of("payment"))].map(Running::spawn);
    let command = rapids.publish(place(2)).await.unwrap().sequence;
    let placed = next(&mut watch, "order_placed", 2).await;
    let overdue = next(&mut watch, "payment_overdue", 2).await;
    assert_eq!(overdue.publisher(), Some("order"));
    assert!(overdue.timer().is_some_and(|timer| timer.starts_with("order.due:")));
    for name in ["charged", "reminded"] {
        let mut watch = Watch::new(rapids.tail(Start::Sequence(command)).await.unwrap());
        let told = next(&mut watch, name, 2).await;
        assert_eq!(told.publisher(), Some("payment"));
        for told_by in ["publisher", "seen"] {
            assert_eq!(told.get::<String>(told_by).unwrap().as_deref(), Some("order"), "{told}");
        }
    }
    let read = rapids.packets(&[command, sequence(&placed)]).await.unwrap();
    let publishers: Vec<_> = read.iter().map(Packet::publisher).collect();
    assert_eq!(publishers, [Some("operators"), Some("order")]);

    let letters = DeadLetters::open(&operator).await.unwrap().unwrap();
    forged(&server, &rapids, &letters).await;
    replayed(&rapids, &letters, &mut watch).await;
    timers(&server, &rapids, &mut watch).await;
    for service in services {
        service.stop().await;
    }
}

/// Orders that others claim to be of `order` are of who has published them.
async fn forged(server: &NatsServer, rapids: &Rapids, letters: &DeadLetters) {
    let body = r#"{"event":"order_placed","total":3,
        "rapids":{"publisher":"order","breadcrumbs":["order"]}}"#;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Subject", "rapids.from.order");
    headers.insert("Rapids-Publisher", "order");
    let payment = raw(server, "payment").await;
    let answer = payment.publish_with_headers("rapids", headers, body.into()).await.unwrap();
    let sequence = answer.await.unwrap().sequence;
    let read = rapids.packets(&[sequence]).await.unwrap().remove(0);
    assert_eq!((read.publisher(), read.shown_publisher()), (Some("payment"), Some("payment")));
    let value: serde_json::Value = read.parse().unwrap();
    assert_eq!(value["rapids"].get("publisher"), None, "{value}");
    let of_payment = letter(letters, &format!("payment.charge.{sequence}")).await;
    let order = Packet::event("order_placed").with("total", 4);
    let sequence = rapids.publish(order).await.unwrap().sequence;
    let of_operators = letter(letters, &format!("payment.charge.{sequence}")).await;
    for (letter, publisher) in [(of_payment, "payment"), (of_operators, "operators")] {
        let letter = letter.letter;
        assert_eq!((letter.kind, letter.publisher.as_deref()), (Kind::Invalid, Some(publisher)));
    }
}

/// A letter and its replay have the publisher of the packet.
async fn replayed(rapids: &Rapids, letters: &DeadLetters, watch: &mut Watch) {
    rapids.publish(place(13)).await.unwrap();
    let placed = next(watch, "order_placed", 13).await;
    let first = letter(letters, &format!("payment.charge.{}", sequence(&placed))).await;
    assert_eq!(first.letter.publisher.as_deref(), Some("order"));
    assert_eq!(first.packet().unwrap().publisher(), Some("order"));
    letters.replay(&first.letter.id, &Note::new("ada")).await.unwrap();
    // Of another publisher it would be invalid.
    let again = letter(letters, "payment.charge.r1").await.letter;
    assert_eq!((again.kind, again.publisher.as_deref()), (Kind::Rejected, Some("order")));
}

/// Each service has its timers in a stream of its own, and operators theirs.
async fn timers(server: &NatsServer, rapids: &Rapids, watch: &mut Watch) {
    let now = Packet::event("put_off").with("total", 5);
    rapids.publish_later(now, Duration::ZERO).await.unwrap();
    assert_eq!(next(watch, "put_off", 5).await.publisher(), Some("operators"));
    let later = Packet::event("put_off").with("total", 6);
    let put_off = rapids.publish_later(later, Duration::from_secs(3_600)).await.unwrap().timer;
    let mut owners = Vec::new();
    let mut listing = rapids.timers(None).await.unwrap();
    while let Some(timer) = listing.next().await.unwrap() {
        owners.push(timer.id.owner().to_owned());
    }
    assert_eq!(owners, ["PUBLISHED", "order", "order", "order"]);
    let archived = rapids.timers(Some("order")).await.unwrap().next().await.unwrap().unwrap().id;
    for id in [archived, put_off] {
        assert!(rapids.timer(&id).await.unwrap().is_some(), "{id}");
        assert!(rapids.cancel_timer(&id).await.unwrap(), "{id}");
        until("it does not wait", async || rapids.timer(&id).await.unwrap().is_none()).await;
    }
    let jetstream = raw(server, "operator").await;
    for (stream, subjects) in [
        ("LATER", &["later.PUBLISHED.*", "later.EVERY.*", "later_due"][..]),
        ("LATER_order", &["later.order.*", "later_due.order"]),
    ] {
        let found = jetstream.get_stream(stream).await.unwrap();
        assert_eq!(found.cached_info().config.subjects, subjects);
    }
}

#[tokio::test]
async fn the_server_says_who_published_each_packet_in_shared_delivery() {
    Box::pin(tells(Delivery::Shared)).await;
}

#[tokio::test]
async fn the_server_says_who_published_each_packet_in_exclusive_delivery() {
    Box::pin(tells(Delivery::Exclusive)).await;
}

#[tokio::test]
async fn a_position_with_a_filter_is_refused_where_the_server_says_who_published() {
    let server = NatsServer::with_config(&configuration()).unwrap();
    create(&server).await;
    let jetstream = raw(&server, "operator").await;
    let consumer = async_nats::jetstream::consumer::pull::Config {
        durable_name: Some("payment".to_owned()),
        filter_subject: "rapids.from.*".to_owned(),
        ..Default::default()
    };
    jetstream.create_consumer_on_stream(consumer, "RAPIDS").await.unwrap();
    let operator = as_user(&server, "operator").delivery(Delivery::Shared);
    let error = Running::spawn(payment(operator)).ended().await.to_string();
    assert!(error.contains("no pull consumer of all of RAPIDS"), "{error}");
}
