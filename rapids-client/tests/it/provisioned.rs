//! Services that may create nothing, on what an operator has created for them.

use std::future::ready;
use std::time::Duration;

use rapids_client::access::{Access, ServiceAccess};
use rapids_client::{
    Config, Delivery, Outputs, Packet, Provisioning, Rapids, River, Service, Start,
};
use rapids_test::NatsServer;

use crate::harness::{Running, soon};

/// Everything is denied to the service by which something is created, changed or deleted.
const USERS: &str = r#"
authorization { users: [
    { user: operator, password: operator }
    { user: payment, password: payment, permissions: { publish: { deny: [
        "$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>", "$JS.API.STREAM.DELETE.>",
        "$JS.API.STREAM.PURGE.>", "$JS.API.CONSUMER.CREATE.RAPIDS.payment",
        "$JS.API.CONSUMER.CREATE.REPLAYS.>", "$JS.API.CONSUMER.DELETE.RAPIDS.payment"
    ] } } }
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
