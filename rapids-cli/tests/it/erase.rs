//! `rapids erase`: what is removed, and what stays.

mod interrupted;
mod letters;
mod secured;

use std::time::Duration;

use async_nats::jetstream::{self, Context};
use rapids_client::{Outputs, Packet, River, reject};
use rapids_test::is_in_files;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::bench::{Bench, DEADLINE, Running};

const ADA: &str = "@.customer == 'ada'";

#[derive(Default, Serialize, Deserialize)]
struct Order {
    customer: String,
    packets: u64,
}

/// Remembers orders, tells of each, and sets a timer.
fn orders() -> River {
    River::new("remember").event("order_placed").memory("orders", "@.order_id").react(
        |order: &mut Order, packet: &Packet| {
            order.customer = packet.get("customer")?.unwrap_or_default();
            order.packets += 1;
            let id: String = packet.get("order_id")?.unwrap_or_default();
            let about = |name| Packet::event(name).with("customer", &order.customer);
            let due = about("order_due");
            anyhow::Ok(Outputs::new().publish(about("order_seen")).later(
                "due",
                &id,
                Duration::from_secs(3_600),
                due,
            ))
        },
    )
}

/// Counts what it sees of a customer, whose name is in the key alone.
fn customers() -> River {
    River::new("count").event("order_placed").memory("customers", "@.customer").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    )
}

/// Takes no order.
fn refuse() -> River {
    River::new("refuse")
        .event("order_placed")
        .react(|_: Packet| async { Err::<(), _>(reject("the bank is closed")) })
}

/// Writes once.
fn mail() -> River {
    River::new("mail").event("order_placed").once().react(|packet: Packet| async move {
        let customer: String = packet.get("customer")?.unwrap_or_default();
        anyhow::Ok(Packet::event("mail_sent").with("customer", customer))
    })
}

/// A server on which four services have handled an order of Ada and one of Bob, and still run.
struct Shop {
    bench: Bench,
    jetstream: Context,
    running: Vec<Running>,
}

impl Shop {
    async fn start() -> Self {
        let bench = Bench::start().await;
        let client = async_nats::connect(bench.server.url()).await.unwrap();
        let mut running = Vec::new();
        for (name, river) in [
            ("orders", orders()),
            ("customers", customers()),
            ("payment", refuse()),
            ("mailer", mail()),
        ] {
            running.push(bench.run(name, "1.0.0", river).await);
        }
        let shop = Self { bench, jetstream: jetstream::new(client), running };
        shop.place("ada", "o-1").await;
        shop.place("bob", "o-2").await;
        shop
    }

    /// An order is placed, and everything that came of it is handled.
    async fn place(&self, customer: &str, order: &str) {
        let body = json!({"event": "order_placed", "customer": customer, "order_id": order});
        self.bench.publish(&body.to_string()).await;
        self.settle().await;
    }

    async fn settle(&self) {
        let settled = async {
            loop {
                let last = self.bench.rapids.contents().await.unwrap().unwrap().last_sequence;
                let positions = self.bench.rapids.positions().await.unwrap();
                // An output that is stored after this look belongs to a packet that is not acknowledged.
                if positions.iter().all(|it| it.acknowledged >= last && it.unacknowledged == 0) {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, settled).await.unwrap();
    }

    /// The bodies of all messages of a stream.
    async fn bodies(&self, stream: &str) -> String {
        bodies(&self.jetstream, stream).await
    }

    /// The bodies in each of the places from which something is removed.
    async fn held(&self) -> Vec<(&'static str, String)> {
        let mut held = Vec::new();
        for stream in [
            "KV_RAPIDS_MEMORY_orders",
            "KV_RAPIDS_ONCE",
            "KV_RAPIDS_LETTERS",
            "DEAD_LETTERS",
            "REPLAYS",
            "LATER",
        ] {
            held.push((stream, self.bodies(stream).await));
        }
        held
    }

    /// Nothing of Ada is left where something can be removed, and everything of Bob.
    async fn has_nothing_of_ada_and_all_of_bob(&self) {
        for (place, bodies) in self.held().await {
            assert!(!bodies.contains(r#""ada""#), "{place}: {bodies}");
            let has_others = place == "KV_RAPIDS_LETTERS" || bodies.contains(r#""bob""#);
            assert!(has_others, "{place}: {bodies}");
        }
        for stream in ["DEAD_LETTERS", "REPLAYS", "LATER"] {
            assert!(!self.has_on_disk(stream, "ada"), "{stream}");
            assert!(self.has_on_disk(stream, "bob"), "{stream}");
        }
    }

    /// Whether the files of a stream have a customer in them.
    fn has_on_disk(&self, stream: &str, customer: &str) -> bool {
        let folder = self.bench.server.store().join("jetstream/$G/streams").join(stream);
        is_in_files(&folder, format!("{customer:?}").as_bytes()).unwrap()
    }

    async fn stop(self) {
        for running in self.running {
            running.stop().await;
        }
    }
}

/// The bodies of all messages of a stream, read one by one.
async fn bodies(jetstream: &Context, stream: &str) -> String {
    let mut stream = jetstream.get_stream(stream).await.unwrap();
    let state = stream.info().await.unwrap().state.clone();
    let mut bodies = String::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        if let Ok(message) = stream.get_raw_message(sequence).await {
            bodies.push_str(&String::from_utf8_lossy(&message.payload));
            bodies.push('\n');
        }
    }
    bodies
}

/// Waits until so many packets are stored.
async fn stored(bench: &Bench, packets: u64) {
    let stored = async {
        while bench.rapids.contents().await.unwrap().unwrap().last_sequence < packets {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, stored).await.unwrap();
}

fn json_of(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// Of a list of places: what, of whom, how many.
fn places(list: &Value) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |held: &Value| {
        assert_eq!(held["in_hand"], 0, "{held}");
        (text(&held["in"]), text(&held["of"]), held["count"].as_u64().unwrap())
    };
    list.as_array().unwrap().iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_person_is_left_where_it_can_be_removed_and_all_of_others_is() {
    let shop = Shop::start().await;
    let bench = &shop.bench;
    let replay = ["dead-letters", "replay", "payment.refuse.1", "payment.refuse.4"];
    assert_eq!(bench.said(&replay).code, 0);
    timeout(DEADLINE, async { while shop.bodies("DEAD_LETTERS").await.lines().count() < 4 {} })
        .await
        .unwrap();
    let before = shop.held().await;
    for (place, bodies) in before.iter().filter(|(place, _)| *place != "KV_RAPIDS_LETTERS") {
        assert!(bodies.contains(r#""ada""#) && bodies.contains(r#""bob""#), "{place}: {bodies}");
    }

    let planned = bench.said(&["erase", "--where", ADA, "--key", "ada", "--dry-run", "-o", "json"]);
    let planned = json_of(&planned.well(0).out);
    let found = places(&planned["found"]);
    let expected = [
        ("timers", "orders", 1),
        ("letters", "payment/refuse", 2),
        ("replays", "payment", 1),
        ("memory", "customers/customers", 1),
        ("memory", "orders/orders", 1),
        ("returned", "orders/orders", 1),
        ("outcomes", "mailer/mail", 1),
    ];
    // What was returned goes by itself, once it is surely published.
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(what, of, count)| (what.to_owned(), of.to_owned(), count))
        .filter(|place| place.0 != "returned" || found.contains(place))
        .collect();
    assert_eq!(found, expected);
    let packets = &planned["packets"];
    assert_eq!((&packets["count"], &packets["unread_by"]), (&json!(3), &json!([])), "{packets}");
    assert!(packets["until"].as_str().unwrap() > packets["last"]["stored"].as_str().unwrap());
    assert_eq!(shop.held().await, before, "a dry run removes nothing");

    let erase = ["erase", "--where", ADA, "--key", "ada", "--reason", "ticket 17"];
    bench.said(&erase).badly(2, &["there is no terminal to ask on"]);
    assert_eq!(shop.held().await, before, "without an answer nothing is removed");
    let done = bench.said(&[&erase[..], &["--yes", "-o", "json"]].concat());
    assert_eq!(done.code, 0, "{done:?}");
    let done = json_of(&done.out);
    assert_eq!((places(&done["removed"]), &done["left"]), (expected, &json!([])));
    shop.has_nothing_of_ada_and_all_of_bob().await;
    let value = |key| bench.said(&["memory", "get", "customers", "customers", key]);
    value("ada").badly(5, &["remembered of `ada` has ended", "ticket 17"]);
    assert_eq!(value("bob").well(0).out, "1\n");

    let again = bench.said(&[&erase[..], &["--yes"]].concat());
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!((again.lines()[0], again.lines().len()), ("removed: nothing", 3));
    assert!(
        again.lines()[1].starts_with("stays: 3 packets in the stream RAPIDS, 1 ("),
        "{again:?}"
    );
    assert!(again.lines()[2].contains("Z, by its max_age; "), "{again:?}");
    let log = bench.said(&["operations", "log", "-o", "json"]).well(0).out;
    assert!(!log.contains("ada'") && log.contains("@.customer == '…', keys: 1"), "{log}");
    assert!(log.contains("2 dead letters of payment/refuse"), "{log}");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_run_on_do_not_bring_back_what_was_erased() {
    let shop = Shop::start().await;
    let erase = ["erase", "--where", ADA, "--key", "ada", "--yes"];
    assert_eq!(shop.bench.said(&erase).code, 0);
    // The instance still has Ada's value in its memory, and takes further packets of the same keys.
    shop.place("ada", "o-1").await;
    shop.place("bob", "o-2").await;
    let orders = shop.bodies("KV_RAPIDS_MEMORY_orders").await;
    assert!(!orders.contains(r#""ada""#), "{orders}");
    assert!(orders.contains(r#""customer":"bob","packets":2"#), "{orders}");
    // But for each packet there is a letter, and what was written once.
    let erased = shop.bench.said(&erase);
    assert_eq!(erased.code, 0, "{erased:?}");
    assert_eq!(
        erased.lines()[..2],
        [
            "removed: 1 dead letter of payment/refuse",
            "removed: 1 outcome of the `once` reaction mailer/mail"
        ]
    );
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_expression_is_told_as_by_other_commands_and_without_max_age_packets_stay_for_ever()
{
    let bench = Bench::start().await;
    let wrong = bench.said(&["erase", "--where", "@.customer >> 'ada'", "--yes"]);
    wrong.badly(2, &["is wrong at column 13"]);
    let nothing = bench.said(&["erase", "--where", ADA, "--yes"]);
    assert_eq!(nothing.lines(), ["removed: nothing", "stays: no packet of the stream RAPIDS"]);
    bench.publish(r#"{"event":"x","customer":"ada"}"#).await;
    bench.publish_raw(r#"{"event":"x","customer":"ada","customer":"bob"}"#).await;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let jetstream = jetstream::new(client);
    let mut rapids = jetstream.get_stream("RAPIDS").await.unwrap();
    assert!(rapids.delete_message(1).await.is_err() && rapids.purge().await.is_err());
    let config = rapids.info().await.unwrap().config.clone();
    let endless = jetstream::stream::Config { max_age: Duration::ZERO, ..config };
    jetstream.update_stream(endless).await.unwrap();
    let planned = bench.said(&["erase", "--where", ADA, "--dry-run"]);
    assert_eq!((planned.code, planned.lines()[0]), (0, "found: nothing"), "{planned:?}");
    assert!(planned.lines()[1].starts_with("stays: 1 packet in the stream RAPIDS, sequence 1 ("));
    let forever = "until: for ever, as it has no max_age; to drop all that are older: nats stream edit \
                   RAPIDS --max-age=AGE";
    assert_eq!(planned.lines()[2], forever);
    assert!(planned.err.contains("warning: of 1 more the expression cannot say"), "{planned:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_fired_what_is_large_and_what_a_retired_service_remembered_is_found() {
    let bench = Bench::start().await;
    let large =
        River::new("large").event("order_placed").once().react(|packet: Packet| async move {
            let customer: String = packet.get("customer")?.unwrap_or_default();
            let part = |n: u32| Packet::event("part").with("customer", &customer).with("n", n);
            let pad = "x".repeat(600_000);
            anyhow::Ok(vec![part(1).with("pad", &pad), part(2).with("pad", &pad)])
        });
    let large = bench.run("large", "1.0.0", large).await;
    let counting = bench.run("customers", "1.0.0", customers()).await;
    let order = json!({"event": "order_placed", "customer": "ada"}).to_string();
    let packet = Packet::from_bytes(order.clone()).unwrap();
    bench.rapids.publish_later(packet, Duration::from_millis(1)).await.unwrap();
    stored(&bench, 3).await;
    bench.stop_after("large", 3, large).await;
    bench.stop_after("customers", 3, counting).await;
    bench.said(&["retire", "customers"]).well(0);

    let done = bench.said(&["erase", "--where", ADA, "--key", "ada", "--yes", "-o", "json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let removed = [
        ("fired_timers", "LATER", 1),
        ("memory", "customers/customers", 1),
        ("outcomes", "large/large", 1),
    ];
    let removed = removed.map(|(what, of, count)| (what.to_owned(), of.to_owned(), count));
    assert_eq!(places(&json_of(&done.out)["removed"]), removed);
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let jetstream = jetstream::new(client);
    for stream in ["LATER", "KV_RAPIDS_ONCE"] {
        let bodies = bodies(&jetstream, stream).await;
        assert!(!bodies.contains("ada") && !bodies.contains("xxx"), "{stream}");
    }
    // The reaction has run once, and counts as having run.
    assert!(bodies(&jetstream, "KV_RAPIDS_ONCE").await.contains(r#"{"done":[]}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_that_was_erased_brings_nothing() {
    let bench = Bench::start().await;
    let about = |customer: &str| Packet::event("reminded").with("customer", customer);
    for (customer, due) in [("ada", 4_000), ("bob", 4_100)] {
        let due = Duration::from_millis(due);
        bench.rapids.publish_later(about(customer), due).await.unwrap();
    }
    let done = bench.said(&["erase", "--where", ADA, "--yes", "-o", "json"]);
    let removed = places(&json_of(&done.out)["removed"]);
    assert_eq!(removed, [("timers".to_owned(), "PUBLISHED".to_owned(), 1)]);
    let waiting = bench.said(&["later", "list", "-o", "json"]).well(0);
    assert_eq!(waiting.lines().len(), 1, "{waiting:?}");
    stored(&bench, 1).await;
    let first = bench.rapids.packet(1).await.unwrap().unwrap();
    assert_eq!(first.get::<String>("customer").unwrap().as_deref(), Some("bob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_has_not_handled_yet_is_told_and_erased_after_that() {
    let bench = Bench::start().await;
    let counting = bench.run("customers", "1.0.0", customers()).await;
    counting.stop().await;
    bench.publish(r#"{"event":"order_placed","customer":"ada"}"#).await;
    let erase = || bench.said(&["erase", "--where", ADA, "--key", "ada", "--yes"]);
    let first = erase();
    assert_eq!((first.code, first.lines()[0]), (0, "removed: nothing"), "{first:?}");
    let comes =
        "comes: customers will handle some of them yet, and may remember or set something again";
    assert_eq!(first.lines().last(), Some(&comes));
    let counting = bench.run("customers", "1.0.0", customers()).await;
    bench.stop_after("customers", 1, counting).await;
    let second = erase();
    assert_eq!(second.lines()[0], "removed: 1 entry of the memory customers/customers");
    assert!(!second.out.contains("comes: "), "{second:?}");
}
