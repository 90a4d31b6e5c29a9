//! Services that may create nothing, on what an operator has created for them.

use std::future::ready;
use std::time::Duration;

use jiff::Timestamp;
use rapids_client::access::{Access, ServiceAccess};
use rapids_client::{
    Answer, Config, Delivery, Error, Outputs, Packet, Provisioning, Rapids, River, Service, Start,
    Tail,
};
use rapids_test::NatsServer;
use tokio::time::timeout;

use crate::harness::{DEADLINE, Running, called, soon};

/// Everything is denied to the service by which something is created, changed or deleted.
const USERS: &str = r#"
authorization { users: [
    { user: operator, password: operator }
    { user: payment, password: payment, permissions: { publish: { deny: [
        "$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>", "$JS.API.STREAM.DELETE.>",
        "$JS.API.STREAM.PURGE.>", "$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.DELETE.>"
    ] } } }
    { user: blind, password: blind, permissions: { publish: { deny: ["$JS.API.DIRECT.GET.>"] } } }
] }
"#;

fn server() -> NatsServer {
    NatsServer::with_config(USERS).unwrap()
}

fn config(server: &NatsServer, user: &str) -> Config {
    Config::new(server.url()).user_and_password(user, user)
}

/// Counts in a memory, once, and tells of each by way of a timer.
fn payment(config: Config) -> Service {
    let count = River::new("count").event("called").memory("calls", "'all'").react(
        |calls: &mut u64, _: &Packet| {
            *calls += 1;
            let counted = Packet::event("counted").with("calls", *calls);
            anyhow::Ok(Outputs::new().later("told", calls.to_string(), Duration::ZERO, counted))
        },
    );
    let once = River::new("once").event("counted").once().react(|packet: Packet| async move {
        Ok(Packet::event("said").with("calls", packet.get::<u64>("calls")?))
    });
    Service::new("payment", config).river(count).river(once).from_beginning()
}

/// A declaration of this one service.
fn declared(name: &str, service: ServiceAccess) -> Access {
    Access { services: [(name.to_owned(), service)].into(), ..Access::default() }
}

fn needs(delivery: Delivery) -> Access {
    let service = ServiceAccess {
        delivery,
        start: Start::Beginning,
        memories: ["calls".to_owned()].into(),
        once: true,
        timers: true,
        ..ServiceAccess::default()
    };
    declared("payment", service)
}

async fn provisioning(server: &NatsServer) -> Provisioning {
    Provisioning::connect(&config(server, "operator")).await.unwrap()
}

async fn said(rapids: &Rapids, calls: u64) {
    let mut tail = rapids.tail(Start::Beginning).await.unwrap();
    soon("it is said", async {
        loop {
            let packet = tail.next().await.unwrap();
            if packet.event_name().as_deref() == Some("said")
                && packet.get::<u64>("calls").unwrap() == Some(calls)
            {
                return;
            }
        }
    })
    .await;
}

async fn works(delivery: Delivery) {
    let server = server();
    let provisioning = provisioning(&server).await;
    let needs = needs(delivery);
    provisioning.apply(&needs).await.unwrap();
    assert_eq!(provisioning.plan(&needs).await.unwrap(), []);
    let service = config(&server, "payment").delivery(delivery).provisioned();
    let running = Running::spawn(payment(service.clone()));
    let rapids = Rapids::connect(&config(&server, "operator")).await.unwrap();
    rapids.publish(Packet::event("called")).await.unwrap();
    said(&rapids, 1).await;
    running.stop().await;
    // To provision once more moves nothing.
    provisioning.apply(&needs).await.unwrap();
    rapids.publish(Packet::event("called")).await.unwrap();
    let running = Running::spawn(payment(service));
    said(&rapids, 2).await;
    running.stop().await;
    assert_eq!(
        rapids.positions().await.unwrap()[0].exclusive.is_some(),
        delivery == Delivery::Exclusive
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_may_create_nothing_runs_on_what_was_created_for_it() {
    works(Delivery::Shared).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_one_in_exclusive_delivery() {
    works(Delivery::Exclusive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_changes_its_delivery_with_its_provision() {
    let server = server();
    let provisioning = provisioning(&server).await;
    let rapids = Rapids::connect(&config(&server, "operator")).await;
    let rapids = rapids.unwrap();
    let mut calls = 0;
    for delivery in [Delivery::Shared, Delivery::Exclusive, Delivery::Shared] {
        provisioning.apply(&needs(delivery)).await.unwrap();
        let service = config(&server, "payment").delivery(delivery).provisioned();
        let running = Running::spawn(payment(service));
        rapids.publish(Packet::event("called")).await.unwrap();
        calls += 1;
        said(&rapids, calls).await;
        running.stop().await;
    }
}

/// The next packet. Who waits drops the future often, as one does who waits for other things, too.
async fn next_of(tail: &mut Tail) -> Packet {
    soon("the next packet", async {
        loop {
            if let Ok(next) = timeout(Duration::from_millis(5), tail.next()).await {
                return next.unwrap();
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_are_followed_over_a_restart_with_and_without_a_consumer() {
    let mut server = server();
    provisioning(&server).await.apply(&needs(Delivery::Exclusive)).await.unwrap();
    let rapids = Rapids::connect(&config(&server, "operator")).await.unwrap();
    rapids.publish(called(0)).await.unwrap();
    let service = Rapids::connect(&config(&server, "payment").provisioned()).await.unwrap();
    let begun = Timestamp::now();
    rapids.publish(called(1)).await.unwrap();
    for start in [Start::Beginning, Start::Sequence(1), Start::Time(Timestamp::UNIX_EPOCH)] {
        assert_eq!(
            next_of(&mut service.tail(start).await.unwrap()).await.get("n").unwrap(),
            Some(0)
        );
    }
    let mut tails = Vec::new();
    for rapids in [&rapids, &service] {
        tails.push(rapids.tail(Start::Time(begun)).await.unwrap());
        tails.push(rapids.tail(Start::Now).await.unwrap());
    }
    for place in [0, 2] {
        assert_eq!(next_of(&mut tails[place]).await.get("n").unwrap(), Some(1));
    }
    server.kill();
    server.restart().unwrap();
    rapids.publish(called(2)).await.unwrap();
    for tail in &mut tails {
        assert_eq!(next_of(tail).await.get("n").unwrap(), Some(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_without_a_consumer_is_told_so() {
    let server = server();
    provisioning(&server).await.apply(&needs(Delivery::Shared)).await.unwrap();
    let blind = Rapids::connect(&config(&server, "blind").provisioned()).await.unwrap();
    let mut tail = blind.tail(Start::Beginning).await.unwrap();
    let error = soon("the error", tail.next()).await.unwrap_err();
    assert!(
        matches!(&error, Error::NotPermitted { violation } if violation.contains("DIRECT.GET.RAPIDS")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_before_is_caught_up_with_without_a_consumer() {
    let server = server();
    provisioning(&server).await.apply(&needs(Delivery::Exclusive)).await.unwrap();
    let rapids = Rapids::connect(&config(&server, "operator")).await.unwrap();
    let last = 5_000;
    rapids.publish_all((1..=last).map(|_| Packet::event("called"))).await.unwrap();
    let service = config(&server, "payment").delivery(Delivery::Exclusive).provisioned();
    let running = Running::spawn(payment(service.clone()));
    said(&rapids, last).await;
    // Who may create none watches what it remembers, and is told what comes of a packet.
    let reader = Rapids::connect(&service).await.unwrap();
    let mut watch = reader.memory::<u64>("payment", "calls").watch().await.unwrap();
    assert_eq!(watch.next_stored().await.unwrap().unwrap().value, Some(last));
    let answer = reader.ask(Packet::event("called")).until_event("said").within(DEADLINE).await;
    let Answer::Came(said) = answer.unwrap() else { panic!("nobody answers") };
    assert_eq!(said.get("calls").unwrap(), Some(last + 1));
    assert_eq!(soon("the change", watch.next()).await.unwrap().value, Some(last + 1));
    running.stop().await;
}

/// How a service that runs into this ends.
async fn end(config: Config) -> String {
    let ended = payment(config).run_until(std::future::pending());
    soon("it ends", Box::pin(ended)).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_different_is_named_with_the_command() {
    let server = server();
    let service = config(&server, "payment").provisioned();
    let told = end(service.clone()).await;
    assert!(told.starts_with("stream `RAPIDS` is not what is needed: it is missing; "), "{told}");
    assert!(told.contains("run `rapids provision` as an operator"), "{told}");

    let provisioning = provisioning(&server).await;
    let other = ServiceAccess { once: true, timers: true, ..ServiceAccess::default() };
    let other = declared("other", other);
    provisioning.apply(&other).await.unwrap();
    let planned = provisioning.plan(&needs(Delivery::Shared)).await.unwrap();
    let planned: Vec<_> = planned.iter().map(ToString::to_string).collect();
    let expected = [
        "create the bucket `RAPIDS_MEMORY_payment`",
        "create the consumer `payment` on RAPIDS",
        "create the consumer `payment` on REPLAYS",
    ];
    assert_eq!(planned, expected);
    let told = end(service.clone()).await;
    assert!(told.contains("is missing") || told.contains("has no consumer"), "{told}");

    provisioning.apply(&needs(Delivery::Shared)).await.unwrap();
    let told = end(service.clone().ack_wait(Duration::from_secs(7))).await;
    assert!(told.contains("waits 10 s for an acknowledgement"), "{told}");
    assert!(told.contains("which is to be 7 s (RAPIDS_ACK_WAIT)"), "{told}");

    // A memory that was not provisioned.
    let other = River::new("other").event("x").memory("others", "'all'");
    let other = other.react(|_: &mut u64, _: &Packet| anyhow::Ok(()));
    let ended = payment(service.clone()).river(other).run_until(std::future::pending());
    let told = soon("it ends", Box::pin(ended)).await.unwrap_err().to_string();
    let expected = "the list of its memories is calls, needed is calls, others; ";
    assert!(told.contains(expected), "{told}");
    payment(service).run_until(ready(())).await.unwrap();
}
