//! Messages on `rapids.live` that the server did not send: no packet is skipped for them, and no
//! service ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use rapids_client::{Delivery, Packet, River, bundle};
use tokio::sync::Semaphore;

use crate::exclusive::{check, counting};
use crate::harness::{Bench, Running, called, echo, soon, until};
use crate::process::Diary;

/// Whether the service runs alone, or in a bundle beside another one.
#[derive(Debug, Clone, Copy)]
enum Way {
    Alone,
    Bundle,
}

const WAYS: [Way; 2] = [Way::Alone, Way::Bundle];

/// Runs a service of these rivers, and returns once it reads live.
async fn run(bench: &Bench, way: Way, river: River) -> Running {
    let service = bench.service("echo", [river]);
    let running = match way {
        Way::Alone => bench.run(service).await,
        Way::Bundle => {
            let never = River::new("never").event("never").react(|_: Packet| async { Ok(()) });
            let running = Running::spawn_bundle(bundle([service, bench.service("other", [never])]));
            bench.is_up("echo").await;
            running
        }
    };
    is_live(bench).await;
    running
}

async fn is_live(bench: &Bench) {
    until("it reads live", async || bench.fact("echo", "delivery").await == "live").await;
}

async fn last(bench: &Bench) -> u64 {
    let stream = bench.jetstream().await.get_stream("RAPIDS").await.unwrap();
    stream.cached_info().state.last_sequence
}

/// Sends what looks like the copies of packets from this sequence on.
pub(crate) async fn forge(bench: &Bench, from: u64, packets: impl IntoIterator<Item = Packet>) {
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    for (sequence, packet) in (from..).zip(packets) {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Stream", "RAPIDS");
        headers.insert("Nats-Subject", "rapids");
        headers.insert("Nats-Sequence", sequence.to_string());
        headers.insert("Nats-Last-Sequence", (sequence - 1).to_string());
        headers.insert("Nats-Time-Stamp", "2026-11-21T09:30:00.123456789Z");
        client.publish_with_headers("rapids.live", headers, packet.body()).await.unwrap();
    }
    client.flush().await.unwrap();
}

fn nothing() -> Packet {
    Packet::event("nothing")
}

/// Waits until each of these calls is answered.
async fn answered(bench: &Bench, calls: impl IntoIterator<Item = u64>) {
    let mut missing: BTreeSet<u64> = calls.into_iter().collect();
    let mut tail = bench.tail().await;
    soon("each call is answered", async {
        while !missing.is_empty() {
            missing.remove(&tail.event("answered").await.get::<u64>("n").unwrap().unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn a_forged_copy_of_the_next_packet_hides_no_packet() {
    for way in WAYS {
        let bench = Bench::of(Delivery::Exclusive).await;
        let running = run(&bench, way, echo()).await;
        for n in 0..3 {
            forge(&bench, last(&bench).await + 1, [nothing()]).await;
            bench.rapids.publish(called(n)).await.unwrap();
        }
        answered(&bench, 0..3).await;
        bench.quiet(&["echo"]).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn forged_copies_beyond_the_end_hide_no_packet_and_end_no_service() {
    for way in WAYS {
        let bench = Bench::of(Delivery::Exclusive).await;
        let running = run(&bench, way, echo()).await;
        forge(&bench, last(&bench).await + 1, (0..5).map(|_| nothing())).await;
        until("it leaves the feed", async || bench.fact("echo", "delivery").await != "live").await;
        bench.rapids.publish_all((0..3).map(called)).await.unwrap();
        answered(&bench, 0..3).await;
        is_live(&bench).await;
        // One that is far ahead, and is passed in the end.
        forge(&bench, last(&bench).await + 20, [nothing()]).await;
        bench.rapids.publish_all((3..50).map(called)).await.unwrap();
        answered(&bench, 0..50).await;
        bench.quiet(&["echo"]).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn forged_copies_of_earlier_packets_are_not_handled() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let running = bench.run(counting(bench.config(), diary.clone())).await;
    bench.rapids.publish_all((0..20).map(called)).await.unwrap();
    forge(&bench, 1, (0..20).map(|n| called(100 + n))).await;
    bench.rapids.publish_all((20..40).map(called)).await.unwrap();
    check(&bench, 40).await;
    running.stop().await;
    assert_eq!(diary.lines().len(), 40, "each was handled once");
}

#[tokio::test]
async fn a_packet_is_handled_although_a_forged_copy_of_it_is_being_handled() {
    for way in WAYS {
        let bench = Bench::of(Delivery::Exclusive).await;
        let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let river = River::new("slow").event("called").react({
            let (begun, go) = (begun.clone(), go.clone());
            move |packet: Packet| {
                let (begun, go) = (begun.clone(), go.clone());
                async move {
                    let n = packet.get::<u64>("n")?;
                    if n == Some(100) {
                        begun.add_permits(1);
                        let _ = go.acquire().await?;
                    }
                    Ok(Packet::event("answered").with("n", n))
                }
            }
        });
        let running = run(&bench, way, river).await;
        forge(&bench, last(&bench).await + 1, [called(100)]).await;
        let _ = soon("the forged one is begun", begun.acquire()).await.unwrap();
        bench.rapids.publish_all((0..2).map(called)).await.unwrap();
        go.add_permits(1);
        answered(&bench, [0, 1, 100]).await;
        bench.quiet(&["echo"]).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn a_forged_copy_is_not_written_down_as_done() {
    for way in WAYS {
        let bench = Bench::of(Delivery::Exclusive).await;
        let running = run(&bench, way, echo()).await;
        bench.rapids.publish(called(0)).await.unwrap();
        bench.quiet(&["echo"]).await;
        let end = last(&bench).await;
        forge(&bench, end + 1, (0..3).map(|_| nothing())).await;
        running.stop().await;
        let position = bench.rapids.position("echo").await.unwrap().unwrap();
        assert_eq!((position.acknowledged, position.delivered), (end, end), "{way:?}");
        bench.rapids.publish_all((1..3).map(called)).await.unwrap();
        let running = run(&bench, way, echo()).await;
        answered(&bench, 0..3).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn what_was_handled_is_written_down_when_a_service_stops() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let running = run(&bench, Way::Alone, echo()).await;
    let mut tail = bench.tail().await;
    bench.rapids.publish(called(0)).await.unwrap();
    tail.event("answered").await;
    let stopping = std::time::Instant::now();
    running.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(5));
    let position = bench.rapids.position("echo").await.unwrap().unwrap();
    assert!(position.acknowledged >= last(&bench).await - 1, "{position:?}");
}
