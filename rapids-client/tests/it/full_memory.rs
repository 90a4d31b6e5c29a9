//! Memories that grow until the server takes no larger record.

use std::time::Duration;

use rapids_client::{Kind, Packet, River, Service};
use serde_json::json;

use crate::harness::{Bench, soon};
use crate::log;

/// More than half of what a record may have.
const LARGE: usize = 600_000;

/// A river that keeps as many characters as packets bring, and forgets them when it is told to.
fn keep() -> River {
    let keep = |kept: &mut String, packet: &Packet| {
        let size: usize = packet.get("size")?.unwrap_or_default();
        if size == 0 {
            kept.clear();
        }
        kept.push_str(&"x".repeat(size));
        anyhow::Ok(Packet::event("kept").with("of", packet.id()).with("size", kept.len()))
    };
    River::new("keep").event("came").memory("texts", "@.key").react(keep)
}

fn came(key: &str, size: usize) -> Packet {
    Packet::event("came").with("key", key).with("size", size)
}

#[tokio::test]
async fn a_packet_without_room_waits_until_a_later_one_makes_room() {
    log::keep();
    let bench = Bench::start().await;
    let service = bench.run(bench.service("keeper", [keep()])).await;
    let mut tail = bench.tail().await;
    let mut kept = async || tail.event("kept").await.get::<usize>("size").unwrap().unwrap();
    bench.rapids.publish(came("warned", LARGE)).await.unwrap();
    assert_eq!(kept().await, LARGE);
    bench.rapids.publish(came("warned", LARGE)).await.unwrap();
    bench.rapids.publish(came("warned", 7)).await.unwrap();
    assert_eq!(kept().await, LARGE + 7, "it passes the one that waits");
    bench.rapids.publish(came("b", 1)).await.unwrap();
    assert_eq!(kept().await, 1, "so does another key");
    let told =
        |what: &str| log::of("texts.warned").iter().filter(|line| line.contains(what)).count();
    assert_eq!(told("the record of a memory is large"), 1);
    assert!(told("to be tried again: the record of the memory `texts.warned`") >= 1);
    bench.rapids.publish(came("warned", 0)).await.unwrap();
    assert_eq!(kept().await, 0);
    assert_eq!(kept().await, LARGE);
    bench.quiet(&["keeper"]).await;
    assert!(bench.letters().await.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn a_packet_that_others_wait_for_does_not_wait_for_room() {
    let bench = Bench::start().await;
    let service = Service::new("keeper", bench.config()).river(keep());
    let service = bench.run(service.concurrency(4).ordered_by("@.key")).await;
    bench.rapids.publish_all([LARGE, LARGE, 7].map(|size| came("a", size))).await.unwrap();
    let letter = bench.letter("keeper.keep.2").await.letter;
    assert_eq!((letter.kind, letter.attempts), (Kind::Exhausted, 0));
    for part in [
        "the record of the memory `texts.a` in `RAPIDS_MEMORY_keeper` would have 12",
        "the limit is 1048320: keep less under one key",
    ] {
        assert!(letter.reason.contains(part), "{}", letter.reason);
    }
    let mut tail = bench.tail().await;
    for size in [LARGE, LARGE + 7] {
        assert_eq!(tail.event("kept").await.get("size").unwrap(), Some(size));
    }
    service.stop().await;
}

#[tokio::test]
async fn a_packet_that_has_waited_for_room_for_an_hour_is_exhausted() {
    let bench = Bench::of(rapids_client::Delivery::Shared).await;
    let service = bench.run(bench.service("keeper", [keep()])).await;
    bench.rapids.publish(came("a", LARGE)).await.unwrap();
    bench.rapids.publish(came("a", LARGE)).await.unwrap();
    bench.tail().await.event("kept").await;
    let handling = bench.jetstream().await.get_key_value("RAPIDS_HANDLING").await.unwrap();
    let place = format!("keeper.{}.2", bench.stream_created().await);
    // It notes since when it waits as soon as it does; a stop saves that.
    tokio::time::sleep(Duration::from_millis(500)).await;
    service.stop().await;
    let note = soon("the note", async {
        loop {
            if let Some(note) = handling.get(&place).await.unwrap() {
                return note;
            }
        }
    })
    .await;
    let mut note: serde_json::Value = serde_json::from_slice(&note).unwrap();
    assert_eq!(note["keep"]["attempts"], 0);
    note["keep"]["first_failure"] = json!("2026-01-01T00:00:00Z");
    handling.put(&place, note.to_string().into()).await.unwrap();

    let service = bench.run(bench.service("keeper", [keep()])).await;
    let letter = bench.letter("keeper.keep.2").await.letter;
    assert_eq!(letter.kind, Kind::Exhausted);
    bench.quiet(&["keeper"]).await;
    service.stop().await;
}

#[tokio::test]
async fn of_packets_that_wait_together_those_are_saved_that_have_room() {
    let bench = Bench::start().await;
    bench.rapids.publish_all((0..8).map(|_| came("a", 200_000))).await.unwrap();
    let service = bench.run(bench.service("keeper", [keep()]).from_beginning()).await;
    let mut tail = bench.tail().await;
    let mut kept = async || tail.event("kept").await.get::<usize>("size").unwrap().unwrap();
    for n in 1..=5 {
        assert_eq!(kept().await, n * 200_000);
    }
    bench.rapids.publish(came("a", 0)).await.unwrap();
    assert_eq!(kept().await, 0);
    for n in 1..=3 {
        assert_eq!(kept().await, n * 200_000);
    }
    assert!(bench.letters().await.is_empty());
    service.stop().await;
}
