//! The end of a memory: by its reaction, and because nothing came for long; what is left of it, and what comes
//! of packets that are late.

mod killed;

use std::time::Duration;

use async_nats::jetstream::kv;
use futures::TryStreamExt;
use rapids_client::{AfterEnd, Kind, Outputs, Packet, River, Timestamp};
use serde_json::Value;

use crate::harness::{Bench, DEADLINE, found, until};
use crate::later::edit;

pub(crate) use killed::{ENDING, ending};

const BUCKET: &str = "RAPIDS_MEMORY_orders";
const SECOND: Duration = Duration::from_secs(1);

/// Takes orders, and ends each when it is closed.
fn orders(late: AfterEnd) -> [River; 2] {
    let open = River::new("open").event("opened").memory("orders", "@.order").after_end(late);
    let open = open.react(|count: &mut u64, _: &Packet| {
        *count += 1;
        anyhow::Ok(Packet::event("counted").with("n", *count))
    });
    let close = River::new("close").event("closed").memory("orders", "@.order");
    let close = close.react(|count: &mut u64, packet: &Packet| {
        let order: Option<u64> = packet.get("order")?;
        let ended = Packet::event("ended").with("order", order).with("n", *count);
        anyhow::Ok(Outputs::new().publish(ended).end_memory())
    });
    [open, close]
}

fn of(event: &str, order: u64) -> Packet {
    Packet::event(event).with("order", order)
}

async fn bucket(bench: &Bench) -> kv::Store {
    bench.jetstream().await.get_key_value(BUCKET).await.unwrap()
}

/// How many keys have a value, and how many messages there are.
async fn size(bench: &Bench) -> (usize, u64) {
    let bucket = bucket(bench).await;
    let keys: Vec<String> = bucket.keys().await.unwrap().try_collect().await.unwrap();
    let messages = bucket.stream.get_info().await.unwrap().state.messages;
    (keys.len(), messages)
}

/// The records of all keys that have a value.
async fn values(bench: &Bench) -> Vec<Value> {
    let bucket = bucket(bench).await;
    let keys: Vec<String> = bucket.keys().await.unwrap().try_collect().await.unwrap();
    let mut values = Vec::new();
    for key in keys {
        // It may be gone meanwhile.
        if let Some(value) = bucket.get(key).await.unwrap() {
            values.push(serde_json::from_slice(&value).unwrap());
        }
    }
    values
}

/// What the server has under a key, whatever it is.
async fn stored(bench: &Bench, key: &str) -> Option<Value> {
    let entry = bucket(bench).await.entry(key).await.unwrap()?;
    Some(serde_json::from_slice(&entry.value).unwrap())
}

/// How many orders end, and for how long packets are kept meanwhile. `just soak` asks for more.
fn load() -> (u64, Duration) {
    match std::env::var("RAPIDS_TEST_ENDS").map(|count| count.parse().unwrap()) {
        Ok(count) => (count, 60 * SECOND),
        Err(_) => (2_000, 4 * SECOND),
    }
}

#[tokio::test]
async fn what_has_ended_leaves_the_bucket_and_its_marker_follows_the_packets() {
    let bench = Bench::start().await;
    let (count, age) = load();
    let service = bench.run(bench.service("orders", orders(AfterEnd::Ignore))).await;
    for event in ["opened", "opened", "closed"] {
        let packets = (0..500).map(|order| of(event, order));
        bench.rapids.publish_all(packets).await.unwrap();
    }
    bench.quiet(&["orders"]).await;
    assert!(size(&bench).await.1 == 500, "one message for each key");
    until("no key has a value", async || size(&bench).await.0 == 0).await;
    let marker = stored(&bench, "orders.=n7").await.unwrap();
    assert_eq!(marker["ended"], "ended by its reaction");
    assert!(marker.get("memory").is_none() && marker.get("folded").is_none(), "{marker}");
    assert_eq!(size(&bench).await.1, 500);
    service.stop().await;

    // What is written from now on lasts as long as packets do.
    edit(&bench, "RAPIDS", |config| async_nats::jetstream::stream::Config {
        max_age: age,
        duplicate_window: SECOND,
        ..config
    })
    .await;
    let service = bench.run(bench.service("orders", orders(AfterEnd::New))).await;
    for portion in 0..count / 200 {
        let orders = (200 * portion)..(200 * (portion + 1));
        let packets = ["opened", "closed"].map(|event| orders.clone().map(move |it| of(event, it)));
        bench.rapids.publish_all(packets.into_iter().flatten()).await.unwrap();
        // Before they expire.
        bench.quiet(&["orders"]).await;
    }
    let gone = async { while size(&bench).await.1 > 0 {} };
    tokio::time::timeout(age + DEADLINE, gone).await.expect("nothing is left");
    service.stop().await;
}

#[tokio::test]
async fn a_late_packet_is_ignored_begins_anew_or_is_rejected_as_its_river_says() {
    for late in [AfterEnd::Ignore, AfterEnd::New, AfterEnd::Reject] {
        let bench = Bench::start().await;
        let service = bench.run(bench.service("orders", orders(late))).await;
        let mut tail = bench.tail().await;
        for event in ["opened", "opened", "closed"] {
            bench.rapids.publish(of(event, 7)).await.unwrap();
        }
        assert_eq!(tail.event("ended").await.get("n").unwrap(), Some(2));
        // Once in the process that knows of the end, and once in one that reads the marker.
        bench.rapids.publish(of("opened", 7)).await.unwrap();
        bench.quiet(&["orders"]).await;
        let is_anew = late == AfterEnd::New;
        until("the record has its place", async || (size(&bench).await.0 == 1) == is_anew).await;
        service.stop().await;
        let service = bench.run(bench.service("orders", orders(late))).await;
        let last = bench.rapids.publish(of("opened", 7)).await.unwrap().sequence;
        bench.quiet(&["orders"]).await;
        let stats = bench.rapids.stats(SECOND).await.unwrap();
        let counted = stats[0].rivers["open"].late_packets;
        match late {
            AfterEnd::New => {
                for n in [1, 2] {
                    assert_eq!(tail.event("counted").await.get("n").unwrap(), Some(n));
                }
            }
            AfterEnd::Ignore => assert_eq!(counted, 1),
            AfterEnd::Reject => {
                let letter = bench.letter(&format!("orders.open.{last}")).await.letter;
                assert_eq!(letter.kind, Kind::Rejected);
                assert_eq!(letter.reason, "what `orders` remembers of it has ended");
                assert_eq!(bench.letters().await.len(), 2);
            }
        }
        service.stop().await;
    }
}

#[tokio::test]
async fn what_ends_may_begin_anew_before_its_end_is_saved() {
    let bench = Bench::start().await;
    let packets = ["opened", "closed", "opened", "opened", "closed"].map(|event| of(event, 7));
    let service = bench.service("orders", orders(AfterEnd::New)).from_beginning();
    bench.rapids.publish_all(packets).await.unwrap();
    let service = bench.run(service).await;
    let mut tail = bench.tail().await;
    for n in [1, 2] {
        assert_eq!(tail.event("ended").await.get("n").unwrap(), Some(n));
    }
    service.stop().await;
}

#[tokio::test]
async fn what_no_packet_has_moved_for_long_expires_and_what_is_in_use_stays() {
    let bench = Bench::start().await;
    let count = River::new("count").event("came").memory("orders", "@.order").expires(2 * SECOND);
    let count = count.react(|count: &mut u64, packet: &Packet| {
        *count += 1;
        let order: Option<u64> = packet.get("order")?;
        anyhow::Ok(Packet::event("counted").with("order", order).with("n", *count))
    });
    let service = bench.run(bench.service("orders", [count])).await;
    bench.rapids.publish_all([of("came", 1), of("came", 2)]).await.unwrap();
    let expired = found("the first expires", async || {
        bench.rapids.publish(of("came", 2)).await.unwrap();
        let record = stored(&bench, "orders.=n1").await?;
        record.get("ended").cloned()
    })
    .await;
    assert_eq!(expired, "expired");
    bench.quiet(&["orders"]).await;
    let used = stored(&bench, "orders.=n2").await.unwrap();
    assert!(used.get("ended").is_none() && used["memory"].as_u64().unwrap() > 2, "{used}");
    until("the other expires, too", async || size(&bench).await.0 == 0).await;
    service.stop().await;
}

#[tokio::test]
async fn nothing_expires_that_a_packet_moves_in_time_though_the_service_was_down() {
    let bench = Bench::start().await;
    let count = || {
        let river = River::new("count").event("came").memory("orders", "@.order");
        river.expires(2 * SECOND).react(|count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("counted").with("n", *count))
        })
    };
    let service = bench.run(bench.service("orders", [count()])).await;
    bench.rapids.publish(of("came", 1)).await.unwrap();
    bench.quiet(&["orders"]).await;
    service.stop().await;
    bench.rapids.publish_all((0..2_000).chain([1]).map(|order| of("came", order))).await.unwrap();
    let begun = Timestamp::now();
    until("it is too late", async || Timestamp::now() > begun + 3 * SECOND).await;
    let service = bench.run(bench.service("orders", [count()])).await;
    let mut tail = bench.tail().await;
    while tail.event("counted").await.get::<u64>("n").unwrap() != Some(3) {}
    service.stop().await;
}

#[tokio::test]
async fn a_letter_keeps_an_end_known_for_as_long_as_it_may_be_replayed() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("orders", orders(AfterEnd::Reject))).await;
    let packets = ["opened", "closed", "opened"].map(|event| of(event, 1));
    bench.rapids.publish_all(packets).await.unwrap();
    bench.letter("orders.open.3").await;
    for event in ["opened", "closed"] {
        bench.rapids.publish(of(event, 2)).await.unwrap();
    }
    until("it has gone", async || size(&bench).await.0 == 0).await;
    let subject = format!("$KV.{BUCKET}.orders.=n2");
    let stream = bucket(&bench).await.stream;
    let marker = stream.direct_get_last_for_subject(subject).await.unwrap();
    let days = 90 * 24 * 3_600;
    assert_eq!(marker.headers.get("Nats-TTL").unwrap().as_str(), format!("{days}s"));
    service.stop().await;
}

#[tokio::test]
async fn a_reaction_that_has_no_memory_cannot_end_one() {
    let bench = Bench::start().await;
    let plain = River::new("plain").event("came");
    let plain = plain.react(|_: Packet| async { anyhow::Ok(Outputs::new().end_memory()) });
    let service = bench.run(bench.service("orders", [plain])).await;
    let sequence = bench.rapids.publish(of("came", 1)).await.unwrap().sequence;
    let letter = bench.letter(&format!("orders.plain.{sequence}")).await.letter;
    assert_eq!(letter.reason, "it ends its memory, and has none");
    service.stop().await;
}

#[tokio::test]
async fn a_bucket_from_before_lets_ends_expire_from_then_on() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("orders", orders(AfterEnd::Ignore))).await;
    bench.rapids.publish(of("opened", 1)).await.unwrap();
    bench.quiet(&["orders"]).await;
    service.stop().await;
    let stream = format!("KV_{BUCKET}");
    let jetstream = bench.jetstream().await;
    let config = async || jetstream.get_stream(&stream).await.unwrap().cached_info().config.clone();
    assert!(config().await.allow_message_ttl);
    // The server does not take it back, so the bucket is made anew as it was.
    let former =
        async_nats::jetstream::stream::Config { allow_message_ttl: false, ..config().await };
    jetstream.delete_stream(&stream).await.unwrap();
    jetstream.create_stream(former).await.unwrap();
    bench
        .jetstream()
        .await
        .get_key_value("RAPIDS_SERVICES")
        .await
        .unwrap()
        .delete("orders")
        .await
        .unwrap();
    let service = bench.run(bench.service("orders", orders(AfterEnd::Ignore))).await;
    assert!(config().await.allow_message_ttl);
    service.stop().await;
}
