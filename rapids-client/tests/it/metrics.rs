//! What a service counts, as everybody can ask it over NATS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use rapids_client::{Delivery, Packet, RetryPolicy, River, reject};
use serde_json::{Value, json};

use crate::harness::{Bench, soon, until};
use crate::log;

/// Pays each order, at the third attempt if it says so, unless it has a wrong card.
fn charge() -> River {
    let failures = Arc::new(AtomicUsize::new(2));
    let retry = RetryPolicy::new().first(Duration::from_millis(1));
    River::new("charge").event("placed").require("total").retry(retry).react(
        move |packet: Packet| {
            let failures = Arc::clone(&failures);
            async move {
                match packet.get::<String>("card")?.as_deref() {
                    Some("wrong") => return Err(reject("no such card")),
                    Some("later") => {
                        let left = failures.load(Ordering::SeqCst);
                        failures.store(left.saturating_sub(1), Ordering::SeqCst);
                        ensure!(left == 0, "the bank is closed");
                    }
                    _ => {}
                }
                Ok(vec![Packet::event("paid"), Packet::event("booked")])
            }
        },
    )
}

fn count() -> River {
    River::new("count").event("paid").memory("counts", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("counted").with("n", *count))
        },
    )
}

async fn endpoints(bench: &Bench, verb: &str) -> Vec<Value> {
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let asking = client.request(format!("$SRV.{verb}.payment"), "".into());
    let answer = soon("an answer", asking).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
    answer["endpoints"].as_array().unwrap().clone()
}

async fn place(bench: &Bench, card: &str, total: Option<u64>) {
    let packet = Packet::event("placed").with("card", card);
    let packet = total.map_or(packet.clone(), |total| packet.with("total", total));
    bench.rapids.publish(packet).await.unwrap();
}

#[tokio::test]
async fn everything_that_becomes_of_packets_is_counted_by_river() {
    for delivery in [Delivery::Shared, Delivery::Exclusive] {
        let bench = Bench::of(delivery).await;
        let service = bench.run(bench.service("payment", [charge(), count()])).await;
        for card in ["right", "right", "wrong", "later"] {
            place(&bench, card, Some(7)).await;
        }
        place(&bench, "right", None).await;
        bench.rapids.publish(Packet::event("moon_rose")).await.unwrap();
        bench.publish_raw("no JSON").await;
        bench.quiet(&["payment"]).await;

        let listed = endpoints(&bench, "INFO").await;
        let names: Vec<_> = listed.iter().map(|endpoint| endpoint["name"].clone()).collect();
        assert_eq!(names, ["charge", "count", "delivery"]);
        let [charge, count, all] = endpoints(&bench, "STATS").await.try_into().unwrap();
        assert_eq!((&charge["num_requests"], &charge["num_errors"]), (&json!(7), &json!(4)));
        assert!(charge["last_error"].as_str().unwrap().starts_with("500:"), "{charge}");
        let average = charge["average_processing_time"].as_u64().unwrap();
        assert_eq!(average, charge["processing_time"].as_u64().unwrap() / 6);
        let data = &charge["data"];
        assert_eq!(
            (&data["taken"], &data["handled"], &data["failed"]),
            (&json!(4), &json!(3), &json!(2))
        );
        assert_eq!(data["letters"], json!({"rejected": 1, "invalid": 1}));
        assert_eq!((&count["data"]["handled"], &count["num_errors"]), (&json!(3), &json!(0)));

        let data = &all["data"];
        assert_eq!(data["received"], 7 + 9, "{data}");
        assert_eq!((&data["skipped"], &data["malformed"]), (&json!(1 + 6), &json!(1)));
        for event in ["paid", "booked", "counted"] {
            assert_eq!(data["published"][event]["packets"], 3);
            assert!(data["published"][event]["bytes"].as_u64() > Some(600), "{data}");
        }
        assert_eq!(
            (&data["active"], &data["paused"], &data["lost"]),
            (&json!(true), &json!(false), &json!(0))
        );
        let memory = &data["memory"];
        assert_eq!((&memory["steps"], &memory["conflicts"]), (&json!(3), &json!(0)));
        let stored = data["publish_seconds"]["buckets"].as_array().unwrap();
        assert_eq!(stored.iter().map(|bucket| bucket[1].as_u64().unwrap()).sum::<u64>(), 6);
        until("the position", async || {
            let all = endpoints(&bench, "STATS").await.pop().unwrap();
            (&all["data"]["position"], &all["data"]["lag"]) == (&json!(7 + 9), &json!(0))
        })
        .await;
        service.stop().await;
    }
}

#[tokio::test]
async fn figures_are_told_while_a_reaction_blocks_its_thread() {
    let bench = Bench::of(Delivery::Shared).await;
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new((Some(begun), gate));
    let river = River::new("charge").event("placed").react(move |_: Packet| {
        let mut held = held.lock().unwrap();
        held.0.take().map(|begun| begun.send(()));
        // Ends when the test lets go, in one way or another.
        let _ = held.1.recv();
        async { Ok(()) }
    });
    let service = bench.run(bench.service("payment", [river])).await;
    place(&bench, "right", Some(7)).await;
    soon("the reaction", has_begun).await.unwrap();
    let [charge, _] = endpoints(&bench, "STATS").await.try_into().unwrap();
    assert_eq!((&charge["data"]["taken"], &charge["data"]["handled"]), (&json!(1), &json!(0)));
    drop(go);
    service.stop().await;
}

#[tokio::test]
async fn what_a_river_does_not_declare_is_published_counted_and_warned_of_once() {
    log::keep();
    let bench = Bench::of(Delivery::Shared).await;
    let river = |name: &str| {
        let river = River::new(name).event("placed");
        river.react(|_: Packet| async { Ok(vec![Packet::event("paid"), Packet::event("payed")]) })
    };
    let rivers = [river("undeclared_payed").publishes("paid"), river("says_nothing")];
    let service = bench.run(bench.service("payment", rivers)).await;
    for _ in 0..3 {
        bench.rapids.publish(Packet::event("placed")).await.unwrap();
    }
    bench.quiet(&["payment"]).await;
    let stats = bench.rapids.stats(Duration::from_millis(200)).await.unwrap();
    let [stats] = stats.as_slice() else { panic!("{stats:?}") };
    assert_eq!(stats.all.undeclared, 3);
    assert_eq!(stats.all.published["payed"].packets, 6);
    let [told] =
        bench.rapids.services(Duration::from_millis(200)).await.unwrap().try_into().unwrap();
    let declared: Vec<_> = told.rules.iter().map(|rules| rules.publishes.clone()).collect();
    assert_eq!(declared[0].as_ref().unwrap().events, ["paid"]);
    assert_eq!(declared[1], None);
    service.stop().await;
    let lines = log::of("undeclared_payed");
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.contains("WARN"), "{line}");
    assert!(line.contains("published event `payed`, which the river does not declare"), "{line}");
    assert!(log::of("says_nothing").is_empty());
}
