//! How many reactions run at once, how often, in what order, and when none does.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::bail;
use rapids_client::{Delivery, Packet, RetryPolicy, River, Service, reject, retry_after};
use tokio::sync::{Barrier, Notify};

use crate::harness::{Bench, until};

fn placed(n: u64) -> Packet {
    Packet::event("placed").with("n", n)
}

/// Says that it has seen a packet.
fn note() -> River {
    River::new("note").event("placed").react(|packet: Packet| async move {
        Ok(Packet::event("noted").with("n", packet.get::<u64>("n")?))
    })
}

/// Many attempts with hardly a wait between.
fn stubborn() -> RetryPolicy {
    RetryPolicy::new().attempts(1_000).first(Duration::from_millis(10)).factor(1.0)
}

#[tokio::test]
async fn a_breaker_keeps_packets_from_using_up_their_attempts_while_a_dependency_is_down() {
    let bench = Bench::start().await;
    let (is_up, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (up, counted) = (Arc::clone(&is_up), Arc::clone(&runs));
    let charge = River::new("charge").event("placed").react(move |packet: Packet| {
        counted.fetch_add(1, Ordering::Relaxed);
        let is_up = up.load(Ordering::Relaxed);
        async move {
            match packet.get::<u64>("n")? {
                // Tells nothing of whether the bank is up.
                Some(3) => Err(reject("no card")),
                n if is_up => Ok(Packet::event("charged").with("n", n)),
                // Until all that are tried before the breaker opens have failed.
                _ => Err(retry_after(Duration::from_millis(500))),
            }
        }
    });
    let charge = charge.breaker(3).retry(stubborn());
    let service = bench.run(bench.service("payment", [charge, note()])).await;
    bench.rapids.publish_all((0..10).map(placed)).await.unwrap();
    let mut tail = bench.tail().await;
    for _ in 0..10 {
        tail.event("noted").await;
    }
    let fact = bench.fact("payment", "charge.breaker").await;
    assert!(fact.starts_with("open until ") && fact.ends_with(" failures in a row"), "{fact}");
    // Three of ten, and on a busy machine the trial that came meanwhile.
    assert!((3..=5).contains(&runs.load(Ordering::Relaxed)), "{runs:?}");
    until("the trial that fails", async || {
        bench.fact("payment", "charge.breaker").await.contains("after 4 failures")
    })
    .await;
    // One is rejected, the next one fails, and the one after that may have been tried by now.
    assert!((5..=6).contains(&runs.load(Ordering::Relaxed)), "{runs:?}");
    is_up.store(true, Ordering::Relaxed);
    for _ in 0..9 {
        tail.event("charged").await;
    }
    bench.no_fact("payment", "charge.breaker").await;
    bench.quiet(&["payment"]).await;
    service.stop().await;
    assert!((5 + 9..=6 + 9).contains(&runs.load(Ordering::Relaxed)), "{runs:?}");
    assert_eq!(bench.letters().await, ["payment.charge.4"]);
}

#[tokio::test]
async fn a_throttled_river_keeps_its_rate_and_slows_no_other() {
    let bench = Bench::start().await;
    let (begun, noted) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU32::new(0)));
    let (times, before) = (Arc::clone(&begun), Arc::clone(&noted));
    let slow = River::new("slow").event("placed").rate(20.0).react(move |_: Packet| {
        let seen = before.load(Ordering::Relaxed);
        times.lock().unwrap().push((Instant::now(), seen));
        async { Ok(Packet::event("slowly")) }
    });
    let counted = Arc::clone(&noted);
    let quick = River::new("quick").event("placed").react(move |_: Packet| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    let service = bench.run(bench.service("payment", [slow, quick])).await;
    bench.rapids.publish_all((0..15).map(placed)).await.unwrap();
    let mut tail = bench.tail().await;
    for _ in 0..15 {
        tail.event("slowly").await;
    }
    service.stop().await;
    let begun = begun.lock().unwrap();
    let (first, last) = (begun[0].0, begun[14].0);
    // Fourteen times 50 ms; the first one may have begun late, and the last one a little early.
    assert!(last - first >= Duration::from_millis(650), "{:?}", last - first);
    assert_eq!(begun[14].1, 15, "the other river was long done");
}

#[tokio::test]
async fn a_service_that_holds_as_much_as_it_may_pauses_visibly_and_goes_on() {
    let bench = Bench::start().await;
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    let charge = River::new("charge").event("placed").react(move |packet: Packet| {
        let is_up = up.load(Ordering::Relaxed);
        async move {
            if is_up {
                return Ok(Packet::event("charged").with("n", packet.get::<u64>("n")?));
            }
            Err(retry_after(Duration::from_millis(100)))
        }
    });
    let charge = charge.breaker(0).retry(stubborn());
    let config = bench.config().max_held(5);
    let service = bench.run(Service::new("payment", config).river(charge)).await;
    bench.rapids.publish_all((0..20).map(placed)).await.unwrap();
    let fact = bench.fact("payment", "paused").await;
    assert!(fact.starts_with("since ") && fact.ends_with(": 5 packets are held"), "{fact}");
    // What comes meanwhile waits on the rapids.
    bench.rapids.publish_all((20..700).map(placed)).await.unwrap();
    assert!(bench.rapids.position("payment").await.unwrap().unwrap().pending > 0);
    is_up.store(true, Ordering::Relaxed);
    let mut tail = bench.tail().await;
    for _ in 0..700 {
        tail.event("charged").await;
    }
    bench.quiet(&["payment"]).await;
    bench.no_fact("payment", "paused").await;
    service.stop().await;
}

#[tokio::test]
async fn as_many_reactions_run_at_once_as_the_service_says() {
    let bench = Bench::start().await;
    let (barrier, running) = (Arc::new(Barrier::new(4)), Arc::new(AtomicU32::new(0)));
    let most = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&most);
    let charge = River::new("charge").event("placed").react(move |packet: Packet| {
        let (barrier, running, seen) =
            (Arc::clone(&barrier), Arc::clone(&running), Arc::clone(&seen));
        async move {
            seen.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            // Passed by four together.
            barrier.wait().await;
            running.fetch_sub(1, Ordering::Relaxed);
            Ok(Packet::event("charged").with("n", packet.get::<u64>("n")?))
        }
    });
    let service = bench.service("payment", [charge]).concurrency(4);
    let service = bench.run(service).await;
    bench.rapids.publish_all((0..40).map(placed)).await.unwrap();
    let mut tail = bench.tail().await;
    for _ in 0..40 {
        tail.event("charged").await;
    }
    service.stop().await;
    assert_eq!(most.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn packets_of_one_key_stay_in_order_while_others_overtake_them() {
    let bench = Bench::start().await;
    let (others, done) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
    let ended = Arc::clone(&done);
    let charge = River::new("charge").event("placed").react(move |packet: Packet| {
        let (others, ended) = (Arc::clone(&others), Arc::clone(&ended));
        async move {
            let (n, key) = (packet.get::<u64>("n")?, packet.get::<String>("key")?);
            let (n, key) = (n.unwrap_or_default(), key.unwrap_or_default());
            let others_are_done = ended.lock().unwrap().len() >= 6;
            match (key.as_str(), n) {
                // For so long that a service without an order would leave it to the server.
                ("long", 0) => return Err(retry_after(Duration::from_secs(70))),
                ("a", 0) if !others_are_done => bail!("not yet"),
                ("b", 0) => others.notified().await,
                ("b", _) | ("c", 0) => {}
                ("c", _) => others.notify_one(),
                _ => {}
            }
            ended.lock().unwrap().push((key.clone(), n));
            Ok(Packet::event("charged").with("n", n).with("key", key))
        }
    });
    let charge = charge.breaker(0).retry(stubborn());
    let service = bench.service("payment", [charge]).concurrency(4).ordered_by("@.key");
    let service = bench.run(service).await;
    let keyed = |n: u64| ["long", "a", "b", "c"].map(|key| placed(n).with("key", key));
    bench.rapids.publish_all((0..3).flat_map(keyed)).await.unwrap();
    let mut tail = bench.tail().await;
    for _ in 0..9 {
        tail.event("charged").await;
    }
    service.stop().await;
    let done = done.lock().unwrap();
    for key in ["a", "b", "c"] {
        let order: Vec<_> =
            done.iter().filter(|(other, _)| other == key).map(|(_, n)| *n).collect();
        assert_eq!(order, [0, 1, 2], "{key}");
    }
    assert_eq!(done.iter().position(|(key, _)| key == "a"), Some(6), "others went on meanwhile");
    assert!(done.iter().all(|(key, _)| key != "long"), "its successors wait for it");
}

#[tokio::test]
async fn what_is_skipped_by_the_thousand_is_delivered_once() {
    let bench = Bench::of(Delivery::Shared).await;
    bench.rapids.publish_all((0..20_000).map(placed)).await.unwrap();
    let elsewhere = River::new("elsewhere").event("shipped").react(|_| async { Ok(()) });
    let service = Service::new("payment", bench.config()).river(elsewhere).from_beginning();
    let service = bench.run(service).await;
    bench.quiet(&["payment"]).await;
    let delivered = bench.position("payment").await.delivered;
    assert_eq!((delivered.stream_sequence, delivered.consumer_sequence), (20_000, 20_000));
    service.stop().await;
}

#[tokio::test]
async fn packets_as_large_as_they_may_be_come_through_although_many_wait() {
    let bench = Bench::start().await;
    let load = "x".repeat(900_000);
    let large = |n| placed(n).with("load", &load);
    bench.rapids.publish_all((0..24).map(large)).await.unwrap();
    let service = Service::new("payment", bench.config()).river(note()).from_beginning();
    let service = bench.run(service).await;
    let mut tail = bench.tail().await;
    for _ in 0..24 {
        tail.event("noted").await;
    }
    bench.quiet(&["payment"]).await;
    service.stop().await;
}
