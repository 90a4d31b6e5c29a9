//! What rivers remember, under competition and after crashes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::kv;
use rapids_client::{Packet, RetryPolicy, River, Service, retry_after};
use serde_json::json;

use crate::harness::{Bench, soon};

const BUCKET: &str = "RAPIDS_MEMORY_counter";

/// Publishes how many packets there were so far.
fn count() -> River {
    River::new("count").event("came").memory("counts", "'all'").react(
        |count: &mut u64, packet: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("counted").with("n", *count).with("of", packet.id()))
        },
    )
}

async fn bucket(bench: &Bench) -> kv::Store {
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    async_nats::jetstream::new(client).get_key_value(BUCKET).await.unwrap()
}

async fn stored(bench: &Bench) -> serde_json::Value {
    let value = bucket(bench).await.get("counts.all").await.unwrap().unwrap();
    serde_json::from_slice(&value).unwrap()
}

#[tokio::test]
async fn two_instances_move_one_memory_without_losing_a_step() {
    let bench = Bench::start().await;
    let one = bench.run(bench.service("counter", [count()])).await;
    let two = bench.run(bench.service("counter", [count()])).await;
    bench.rapids.publish_all((0..200).map(|_| Packet::event("came"))).await.unwrap();
    let mut tail = bench.tail().await;
    let mut counts = BTreeSet::new();
    for _ in 0..200 {
        counts.insert(tail.event("counted").await.get::<u64>("n").unwrap().unwrap());
    }
    assert_eq!(counts, (1..=200).collect());
    assert_eq!(stored(&bench).await["memory"], json!(200));
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_packet_folded_in_before_a_crash_publishes_what_it_did_then() {
    let bench = Bench::start().await;
    // What a service leaves that dies between saving its memory and publishing.
    let service = bench.run(bench.service("counter", [count()])).await;
    service.stop().await;
    let packet = Packet::event("came");
    let effect = Packet::event("counted").with("n", 41);
    let body: serde_json::Value = serde_json::from_slice(&effect.body()).unwrap();
    let record = json!({
        "memory": 41,
        "folded": {"count": [[packet.id(), 1]]},
        "unpublished": [{"river": "count", "packet": packet.id(), "bodies": [body]}],
    });
    let store = bucket(&bench).await;
    store.put("counts.all", record.to_string().into()).await.unwrap();

    let service = bench.run(bench.service("counter", [count()])).await;
    bench.rapids.publish(packet).await.unwrap();
    bench.rapids.publish(Packet::event("came")).await.unwrap();
    let mut tail = bench.tail().await;
    let first = tail.event("counted").await;
    assert_eq!((first.get::<u64>("n").unwrap(), first.id()), (Some(41), effect.id()));
    assert_eq!(tail.event("counted").await.get::<u64>("n").unwrap(), Some(42));
    soon("what is published is no longer kept", async {
        while stored(&bench).await.get("unpublished").is_some() {}
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn a_memory_of_another_shape_is_left_alone() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("counter", [count()])).await;
    bucket(&bench).await.put("counts.all", r#"{"memory":"many"}"#.into()).await.unwrap();
    bench.rapids.publish(Packet::event("came")).await.unwrap();
    let mended = async {
        // Failing, the packet is tried again; mended, it counts.
        bucket(&bench).await.put("counts.all", r#"{"memory":7}"#.into()).await.unwrap();
        bench.tail().await.event("counted").await
    };
    assert_eq!(soon("it is tried again", Box::pin(mended)).await.get::<u64>("n").unwrap(), Some(8));
    service.stop().await;
}

/// Counts by key, and gives up at once.
fn count_by_key() -> River {
    let count = |count: &mut u64, packet: &Packet| {
        *count += 1;
        anyhow::Ok(Packet::event("counted").with("n", *count).with("of", packet.id()))
    };
    let river = River::new("count").event("came").memory("counts", "@.key").react(count);
    river.retry(RetryPolicy::new().attempts(1))
}

#[tokio::test]
async fn a_record_that_is_none_of_ours_is_told_and_left_as_it_is() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("counter", [count_by_key()])).await;
    let store = bucket(&bench).await;
    let records = [
        r#"{"stream":"RAPIDS","seq":7}"#,
        r#"{"memory":7,"extra":true}"#,
        "{}",
        r#"{"version":1,"key":"counts.another","memory":7}"#,
        "7",
    ];
    for (sequence, record) in (1..).zip(records) {
        let key = format!("counts.k{sequence}");
        store.put(&key, record.into()).await.unwrap();
        let packet = Packet::event("came").with("key", format!("k{sequence}"));
        bench.rapids.publish(packet).await.unwrap();
        let letter = bench.letter(&format!("counter.count.{sequence}")).await.letter;
        assert!(letter.reason.contains(&format!("`{key}`")), "{}", letter.reason);
        assert!(letter.reason.contains("`RAPIDS_MEMORY_counter`"), "{}", letter.reason);
        assert_eq!(store.get(&key).await.unwrap().unwrap(), record);
    }
    service.stop().await;
}

#[tokio::test]
async fn a_packet_waits_for_a_record_of_a_newer_version() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("counter", [count_by_key()])).await;
    let store = bucket(&bench).await;
    let record = r#"{"version":4,"key":"counts.a","memory":7,"steps":[]}"#;
    store.put("counts.a", record.into()).await.unwrap();
    bench.rapids.publish(Packet::event("came").with("key", "a")).await.unwrap();
    let other = bench.rapids.publish(Packet::event("came").with("key", "b")).await.unwrap();
    let mut tail = bench.tail().await;
    let first = tail.event("counted").await;
    assert_eq!(first.get("of").unwrap(), Some(other.id), "others go on");
    assert_eq!(store.get("counts.a").await.unwrap().unwrap(), record);
    let known = r#"{"version":1,"key":"counts.a","memory":7}"#;
    store.put("counts.a", known.into()).await.unwrap();
    assert_eq!(tail.event("counted").await.get("n").unwrap(), Some(8));
    assert!(bench.letters().await.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn a_record_tells_its_version_and_its_key() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("counter", [count()])).await;
    // As it was written before there were versions.
    bucket(&bench).await.put("counts.all", r#"{"memory":7}"#.into()).await.unwrap();
    bench.rapids.publish(Packet::event("came")).await.unwrap();
    assert_eq!(bench.tail().await.event("counted").await.get("n").unwrap(), Some(8));
    let record = stored(&bench).await;
    assert_eq!((&record["version"], &record["key"]), (&json!(1), &json!("counts.all")));
    service.stop().await;
}

#[tokio::test]
async fn one_memory_of_two_types_is_refused_at_start() {
    let bench = Bench::start().await;
    let text = River::new("text")
        .memory("counts", "'all'")
        .react(|_: &mut String, _: &Packet| anyhow::Ok(()));
    let error = bench.service("counter", [count(), text]).check().unwrap_err().to_string();
    assert_eq!(
        error,
        "service `counter` is declared wrongly: memory `counts` is a `u64` and, in river `text`, a \
         `alloc::string::String`"
    );
}

#[tokio::test]
async fn a_killed_instance_leaves_its_packets_to_the_next_one() {
    let bench = Bench::start().await;
    let stuck = River::new("count").event("came").memory("counts", "'all'").react(
        |_: &mut u64, _: &Packet| {
            std::thread::sleep(Duration::from_secs(3));
            anyhow::Ok(())
        },
    );
    // The runtime is dropped with the service in the middle of a step, as by a crash.
    let crashed = Service::new("counter", bench.config()).river(stuck);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.spawn(crashed.run_until(std::future::pending()));
    soon("the service is up", async {
        while bench.rapids.services(Duration::from_millis(50)).await.unwrap().is_empty() {}
    })
    .await;
    bench.rapids.publish_all((0..10).map(|_| Packet::event("came"))).await.unwrap();
    runtime.shutdown_background();

    let service = bench.run(bench.service("counter", [count()])).await;
    let mut tail = bench.tail().await;
    for n in 1..=10 {
        assert_eq!(tail.event("counted").await.get::<u64>("n").unwrap(), Some(n));
    }
    service.stop().await;
}

#[tokio::test]
async fn a_memory_does_not_move_when_its_packet_is_too_large() {
    let bench = Bench::start().await;
    let river = River::new("count").event("came").memory("counts", "'all'").react(
        |count: &mut u64, packet: &Packet| {
            *count += 1;
            let size: usize = packet.get("size")?.unwrap_or(0);
            anyhow::Ok(Packet::event("counted").with("n", *count).with("pad", "x".repeat(size)))
        },
    );
    let service = bench.run(bench.service("counter", [river])).await;
    bench.rapids.publish(Packet::event("came").with("size", 1_000_000)).await.unwrap();
    bench.rapids.publish(Packet::event("came")).await.unwrap();
    let mut tail = bench.tail().await;
    assert_eq!(tail.event("counted").await.get::<u64>("n").unwrap(), Some(1));
    service.stop().await;
}

#[tokio::test]
async fn a_memory_forgets_no_packet_that_may_come_again() {
    let bench = Bench::start().await;
    let is_held = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_held);
    // Keeps the service from acknowledging everything up to the last packet.
    let hold = River::new("hold").event("began").react(move |_: Packet| {
        let is_held = held.load(Ordering::Relaxed);
        async move { if is_held { Err(retry_after(Duration::from_millis(100))) } else { Ok(()) } }
    });
    let hold = hold.breaker(0).retry(RetryPolicy::new().attempts(10_000));
    let service = bench.run(bench.service("counter", [hold, count()])).await;
    bench.rapids.publish(Packet::event("began")).await.unwrap();
    bench.rapids.publish_all((0..150).map(|_| Packet::event("came"))).await.unwrap();
    let mut tail = bench.tail().await;
    for _ in 0..150 {
        tail.event("counted").await;
    }
    let folded = async || stored(&bench).await["folded"]["count"].as_array().unwrap().len();
    // Tidied up, and yet it has them all.
    soon("the memory is tidied up", async {
        while stored(&bench).await.get("unpublished").is_some() {}
    })
    .await;
    assert_eq!(folded().await, 150);
    is_held.store(false, Ordering::Relaxed);
    bench.quiet(&["counter"]).await;
    // Those that cannot come again go, but the newest.
    soon("old packets are forgotten", async {
        while folded().await > 64 {
            bench.rapids.publish(Packet::event("came")).await.unwrap();
            // Else more come than can be forgotten between two writes of the position.
            bench.quiet(&["counter"]).await;
        }
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn a_memory_that_is_ahead_of_the_stream_is_told_and_skips_no_packet() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("counter", [count()])).await;
    bench.rapids.publish(Packet::event("came")).await.unwrap();
    bench.quiet(&["counter"]).await;
    let mut ahead = stored(&bench).await;
    ahead["floors"] = json!({ "rapids": 1_000, "replays": 0 });
    bucket(&bench).await.put("counts.all", ahead.to_string().into()).await.unwrap();
    bench.rapids.publish(Packet::event("came")).await.unwrap();
    let reason = bench.letter("counter.count.3").await.letter.reason;
    assert!(reason.contains("`counts.all` in `RAPIDS_MEMORY_counter` takes"), "{reason}");
    assert!(
        reason.contains("everything up to sequence 1000 for done, but RAPIDS ends at"),
        "{reason}"
    );
    service.stop().await;
}
