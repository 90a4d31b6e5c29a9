//! An account for each service: the configuration that docs/security.md shows, as it stands there.

use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use rapids_client::access::ServiceAccess;
use rapids_client::{
    Assessment, Config, DeadLetters, Delivery, Doctor, Note, Outputs, Packet, Rapids, RetryPolicy,
    River, Service, Start, reject,
};
use rapids_test::NatsServer;

use crate::harness::{Running, found, soon, until};
use crate::log;

/// The configuration in the document.
fn documented() -> String {
    let document = include_str!("../../../docs/security.md");
    let (_, behind) = document.split_once("```conf\n").unwrap();
    behind.split_once("```").unwrap().0.to_owned()
}

/// The imports that the document lists for programs that read memories.
fn imports_of_readers() -> &'static str {
    let document = include_str!("../../../docs/security.md");
    let (_, behind) = document.split_once("## Programs that read memories").unwrap();
    behind.split_once("```conf\n").unwrap().1.split_once("```").unwrap().0
}

/// The same without what the document says that exclusive delivery alone needs.
fn documented_for(delivery: Delivery) -> String {
    let mut configuration = documented();
    if delivery == Delivery::Exclusive {
        return configuration;
    }
    while let Some((before, behind)) = configuration.split_once("# Exclusive delivery only.") {
        configuration = format!("{before}{}", behind.split_once("# To here.").unwrap().1);
    }
    configuration
}

fn as_user(server: &NatsServer, user: &str) -> Config {
    Config::new(server.url()).user_and_password(user, format!("change-{user}"))
}

/// Charges once, and refuses 13. What is charged it charges by way of a timer.
fn payment(config: Config) -> Service {
    let charge = River::new("charge")
        .event("order_placed")
        .once()
        .retry(RetryPolicy::new().attempts(2).first(Duration::from_millis(1)))
        .react(|packet: Packet| async move {
            match packet.get::<u64>("total")? {
                Some(13) => Err(reject("nobody pays 13")),
                total => {
                    let received = Packet::event("payment_received").with("amount", total);
                    Ok(Outputs::new().later("charged", packet.id(), Duration::ZERO, received))
                }
            }
        });
    Service::new("payment", config).river(charge).from_beginning()
}

/// Counts payments in a memory.
fn shipping(config: Config) -> Service {
    let ship = River::new("ship").event("payment_received").memory("payments", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("shipment_scheduled").with("number", *count))
        },
    );
    Service::new("shipping", config).river(ship).from_beginning()
}

async fn shipped(rapids: &Rapids, number: u64) {
    let mut tail = rapids.tail(Start::Beginning).await.unwrap();
    let shipment = async {
        loop {
            let packet = tail.next().await.unwrap();
            if packet.event_name().as_deref() == Some("shipment_scheduled")
                && packet.get::<u64>("number").unwrap() == Some(number)
            {
                return;
            }
        }
    };
    soon("it is shipped", shipment).await;
}

async fn letter(letters: &DeadLetters, id: &str) {
    let id = id.parse().unwrap();
    found("there is a letter", async || letters.get(&id).await.unwrap()).await;
}

async fn works(delivery: Delivery) {
    let server = NatsServer::with_config(&documented_for(delivery)).unwrap();
    let operator = as_user(&server, "operator").delivery(delivery);
    let rapids = Rapids::connect(&operator).await.unwrap();
    let order = |total: u64| Packet::event("order_placed").with("total", total);

    // As the operator first, who creates what they need.
    rapids.publish(order(1)).await.unwrap();
    let services = [payment(operator.clone()), shipping(operator.clone())].map(Running::spawn);
    shipped(&rapids, 1).await;
    for service in services {
        service.stop().await;
    }

    let of = |user: &str| as_user(&server, user).delivery(delivery);
    let services = [payment(of("payment")), shipping(of("shipping"))].map(Running::spawn);
    for number in 2..=20 {
        rapids.publish(order(number * 100)).await.unwrap();
    }
    shipped(&rapids, 20).await;
    let refused = rapids.publish(order(13)).await.unwrap().sequence;
    let letters = DeadLetters::open(&operator).await.unwrap().unwrap();
    let id = format!("payment.charge.{refused}");
    letter(&letters, &id).await;
    letters.replay(&id.parse().unwrap(), &Note::new("ada")).await.unwrap();
    letter(&letters, "payment.charge.r1").await;
    for position in rapids.positions().await.unwrap() {
        let is_exclusive = position.exclusive.is_some();
        assert_eq!(is_exclusive, delivery == Delivery::Exclusive, "{position:?}");
    }
    reaches_no_other(&server).await;
    lacks_nothing(&server, delivery).await;
    for service in services {
        service.stop().await;
    }
}

/// The rights that are known of the services are all there.
async fn lacks_nothing(server: &NatsServer, delivery: Delivery) {
    let services = [
        (
            "payment",
            ServiceAccess { delivery, once: true, timers: true, ..ServiceAccess::default() },
        ),
        (
            "shipping",
            ServiceAccess {
                delivery,
                memories: ["payments".to_owned()].into(),
                ..ServiceAccess::default()
            },
        ),
    ];
    for (name, access) in services {
        let doctor = Doctor::connect(&as_user(server, name)).await.unwrap();
        let findings = doctor.rights(name, &access).await;
        assert!(findings.len() > 20, "{findings:?}");
        let missing = findings.iter().filter(|it| it.assessment == Assessment::Missing);
        assert_eq!(missing.collect::<Vec<_>>(), [&findings[0]; 0]);
    }
}

/// Tries from the account of one service what is another's.
async fn reaches_no_other(server: &NatsServer) {
    let connect = |user: &str| {
        let options = async_nats::ConnectOptions::with_user_and_password(
            user.to_owned(),
            format!("change-{user}"),
        );
        options.connect(server.url())
    };
    let operator = async_nats::jetstream::new(connect("operator").await.unwrap());
    let last = async |stream: &str| {
        let stream: Stream = operator.get_stream(stream).await.unwrap();
        stream.cached_info().state.last_sequence
    };
    let services = last("KV_RAPIDS_SERVICES").await;
    let replays = last("REPLAYS").await;
    let payment = connect("payment").await.unwrap();
    let body = r#"{"event":"x"}"#;
    for reply in
        ["$KV.RAPIDS_SERVICES.shipping", "replays.shipping", "$JS.API.STREAM.DELETE.REPLAYS"]
    {
        payment.publish_with_reply("rapids", reply, body.into()).await.unwrap();
        payment.publish(reply, body.into()).await.unwrap();
    }
    payment.flush().await.unwrap();
    // What the server took from this connection before is done once it answers this.
    let request = payment.request("$JS.API.STREAM.INFO.RAPIDS", "".into());
    soon("an answer", request).await.unwrap();
    assert_eq!(last("KV_RAPIDS_SERVICES").await, services);
    assert_eq!(last("REPLAYS").await, replays);
    // Within the account of the streams the same works: that is what the other accounts are for.
    let within = connect("operator").await.unwrap();
    within.publish_with_reply("rapids", "replays.nobody", body.into()).await.unwrap();
    within.flush().await.unwrap();
    until("a forged replay", async || last("REPLAYS").await != replays).await;
}

#[tokio::test]
async fn a_service_without_some_of_the_imports_names_their_lines() {
    log::keep();
    let removed = ["$JS.API.DIRECT.GET.RAPIDS", "$KV.*.importless.>", "dead_letters.importless.>"];
    let removed = removed.map(|it| format!("{{service: {{account: RAPIDS, subject: \"{it}\"}}}}"));
    let accounts = documented_for(Delivery::Shared).replace("payment", "importless");
    let (before, account) = accounts.split_once("  PAYMENT {").unwrap();
    let (account, behind) = account.split_once("\n  }").unwrap();
    let kept = account.lines().filter(|line| !removed.iter().any(|it| line.trim() == it));
    let kept = kept.collect::<Vec<_>>().join("\n");
    let server =
        NatsServer::with_config(&format!("{before}  PAYMENT {{{kept}\n  }}{behind}")).unwrap();
    let service = |user: &str| {
        let once = River::new("once").event("x").once().react(|_: Packet| async { Ok(()) });
        let config = as_user(&server, user).delivery(Delivery::Shared);
        Service::new("importless", config).river(once).from_beginning()
    };
    // As the operator first, who creates what it needs.
    let rapids = Rapids::connect(&as_user(&server, "operator")).await.unwrap();
    let running = Running::spawn(service("operator"));
    let position = async || rapids.position("importless").await.unwrap();
    until("it runs", async || position().await.is_some_and(|it| it.is_read)).await;
    running.stop().await;
    let errors = || log::of("importless").into_iter().filter(|line| line.contains("ERROR"));
    assert_eq!(errors().count(), 0);

    let running = Running::spawn(service("importless"));
    let logged = found("an error", async || errors().next()).await;
    let missing = [
        "$JS.API.DIRECT.GET.RAPIDS",
        "$KV.RAPIDS_HANDLING.importless.>",
        "$KV.RAPIDS_ONCE.importless.>",
        "dead_letters.importless.>",
    ];
    let lines = missing.map(|it| format!("{{service: {{account: RAPIDS, subject: \"{it}\"}}}}"));
    let words = format!(
        "to mend it, have its account import from the one with the streams `[{}]` (",
        lines.join(", ")
    );
    assert!(logged.contains(&words), "{words} in {logged}");
    assert!(logged.contains("the login lacks 4 rights that `importless` needs"), "{logged}");
    until("it runs", async || position().await.is_some_and(|it| it.is_read)).await;
    running.stop().await;
    assert_eq!(errors().count(), 1);
}

/// Counts what comes by its number.
fn open_orders(config: Config) -> Service {
    let count = River::new("count").event("order_placed").memory("numbers", "@.total").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    );
    Service::new("open_orders", config).river(count).from_beginning()
}

#[tokio::test]
async fn who_reads_memories_needs_no_consumer_for_keys_and_entries() {
    let reader = format!(
        "READER {{ users: [{{user: reader, password: change-reader}}], imports: [{}] }}",
        imports_of_readers()
    );
    assert!(!reader.contains("CONSUMER.CREATE") && !reader.contains("CONSUMER.MSG"), "{reader}");
    let accounts = documented().replacen("accounts {", &format!("accounts {{ {reader}"), 1);
    let server = NatsServer::with_config(&accounts).unwrap();
    let operator = as_user(&server, "operator");
    let rapids = Rapids::connect(&operator).await.unwrap();
    // More than one request brings.
    let orders = (0..3_000_u64).map(|total| Packet::event("order_placed").with("total", total));
    let last = rapids.publish_all(orders).await.unwrap().last().unwrap().sequence;
    let service = Running::spawn(open_orders(operator));
    let of_operator = rapids.memory::<u64>("open_orders", "numbers");
    until("it remembers", async || {
        of_operator.keys("").await.is_ok_and(|keys| keys.len() == 3_000)
    })
    .await;

    let rapids = Rapids::connect(&as_user(&server, "reader")).await.unwrap();
    let numbers = rapids.memory::<u64>("open_orders", "numbers").at_least(last);
    assert_eq!(numbers.keys("").await.unwrap().len(), 3_000);
    assert_eq!(numbers.all().await.unwrap().values().sum::<u64>(), 3_000);
    assert_eq!(numbers.get(7).await.unwrap(), Some(1));
    service.stop().await;
}

#[tokio::test]
async fn accounts_as_documented_let_services_work_in_shared_delivery() {
    works(Delivery::Shared).await;
}

#[tokio::test]
async fn accounts_as_documented_let_services_work_in_exclusive_delivery() {
    works(Delivery::Exclusive).await;
}
