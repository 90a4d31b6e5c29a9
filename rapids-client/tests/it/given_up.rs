//! What a river tells the others of packets that it gives up, and of those that it handles after all.

pub(crate) mod crashes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use rapids_client::{Error, GivenUp, Note, Packet, RetryPolicy, River, Start, reject};
use tokio::sync::Semaphore;

use crate::harness::{Bench, soon, until};
use crate::log;

/// Ends each packet as it says, and tells of each that it has given up.
fn charge() -> River {
    River::new("charge")
        .event("placed")
        .require("order")
        .retry(RetryPolicy::new().attempts(2).first(Duration::from_millis(10)))
        .timeout(Duration::from_millis(200))
        .breaker(0)
        .on_give_up(failed)
        .react(|packet: Packet| async move {
            match packet.get::<String>("end")?.as_deref() {
                Some("reject") => Err(reject("no such card").context("charging")),
                Some("fail") => Err(anyhow!("the bank is down")),
                Some("wait") => std::future::pending().await,
                Some("panic") => panic!("out of cards"),
                _ => Ok(Packet::event("paid")),
            }
        })
}

fn failed(_: &Packet, cause: &GivenUp) -> Packet {
    Packet::event("failed")
        .with("letter", cause.letter().to_string())
        .with("kind", cause.kind().as_str())
        .with("reason", cause.reason())
        .with("attempts", cause.attempts())
}

fn placed(end: &str) -> Packet {
    Packet::event("placed").with("order", "o-1").with("end", end)
}

/// Everything that was published, once the services have nothing more to do.
async fn all(bench: &Bench, services: &[&str]) -> Vec<Packet> {
    bench.quiet(services).await;
    let mut tail = bench.rapids.tail(Start::Beginning).await.unwrap();
    let mut packets = Vec::new();
    loop {
        match soon("the next packet", tail.next_stored()).await {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => break,
            Err(Error::Malformed { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    packets
}

fn named<'a>(packets: &'a [Packet], event: &str) -> Vec<&'a Packet> {
    packets.iter().filter(|packet| packet.event_name().as_deref() == Some(event)).collect()
}

/// Letter, kind, reason and attempts, as the others are told.
fn said(packet: &Packet) -> (String, String, String, u32) {
    let text = |field: &str| packet.get::<String>(field).unwrap().unwrap();
    let attempts = packet.get("attempts").unwrap().unwrap();
    (text("letter"), text("kind"), text("reason"), attempts)
}

/// Has a letter replayed, and waits until its river is done with that.
async fn replayed(bench: &Bench, service: &str, letter: &str) {
    let letters = bench.dead_letters().await;
    let action = letters.replay(&letter.parse().unwrap(), &Note::new("ada")).await.unwrap();
    handled(bench, service, action.replay.unwrap()).await;
}

/// Waits until the service has acknowledged the replays up to this one.
async fn handled(bench: &Bench, service: &str, replay: u64) {
    let jetstream = bench.jetstream().await;
    until("the replay is handled", async || {
        let consumer: async_nats::jetstream::consumer::PullConsumer =
            jetstream.get_consumer_from_stream(service, "REPLAYS").await.unwrap();
        consumer.cached_info().ack_floor.stream_sequence >= replay
    })
    .await;
}

#[tokio::test]
async fn each_kind_of_letter_is_told_but_no_loop_and_nothing_that_cannot_be_read() {
    let bench = Bench::start().await;
    let service = bench.service("payment", [charge().require_that("!match('a', @.pattern)")]);
    let running = bench.run(service).await;
    let mut sequences = Vec::new();
    for packet in ["reject", "fail", "wait", "panic", "pay"]
        .map(placed)
        .into_iter()
        .chain([Packet::event("placed"), placed("pay").with("pattern", "a".repeat(2_000))])
    {
        sequences.push(bench.rapids.publish(packet).await.unwrap().sequence);
    }
    bench.publish_raw(r#"{"event":"placed","order":"o-1","rapids":{"read_count":9}}"#).await;
    let deep = "[".repeat(500) + &"]".repeat(500);
    bench.publish_raw(format!(r#"{{"event":"placed","order":"o-1","x":{deep}}}"#)).await;
    let packets = all(&bench, &["payment"]).await;
    let told = named(&packets, "failed");
    let mut kinds = Vec::new();
    for packet in &told {
        let (letter, kind, reason, attempts) = said(packet);
        let stored = bench.letter(&letter).await.letter;
        assert_eq!((&*kind, &reason), (stored.kind.as_str(), &stored.reason));
        assert_eq!(attempts, stored.attempts);
        assert_eq!(packet.dead_letter().as_deref(), Some(&*letter));
        assert_eq!(packet.causation_id(), Some(&*stored.packet_id));
        assert_eq!(packet.correlation_id(), stored.correlation_id);
        assert_eq!((packet.shown_publisher(), packet.breadcrumbs().len()), (Some("payment"), 1));
        kinds.push((stored.sequence, kind, attempts));
    }
    kinds.sort();
    let expected = [
        (0, "rejected", 1),
        (1, "exhausted", 2),
        (2, "timed_out", 2),
        (3, "exhausted", 2),
        (5, "invalid", 0),
        (6, "too_costly", 0),
    ];
    let expected =
        expected.map(|(nth, kind, attempts)| (sequences[nth], kind.to_owned(), attempts));
    assert_eq!(kinds, expected);
    assert_eq!(bench.letters().await.len(), 8, "of a loop and what nests too deep nobody is told");
    assert_eq!(named(&packets, "paid").len(), 1);
    running.stop().await;
}

/// A river that is down until it is well, in each form that a reaction has.
fn moody(form: &str, is_well: &Arc<AtomicBool>) -> River {
    let is_well = Arc::clone(is_well);
    let river = River::new("charge")
        .event("placed")
        .on_give_up(failed)
        .on_recovered(|packet: &Packet| Packet::event("recovered").with("of", packet.id()));
    let charged = move || match is_well.load(Ordering::Relaxed) {
        true => Ok(Packet::event("paid")),
        false => Err(reject("the bank is down")),
    };
    match form {
        "memory" => river.memory("orders", "@.order").react(move |orders: &mut u64, _: &Packet| {
            *orders += 1;
            charged()
        }),
        form => {
            let river = if form == "once" { river.once() } else { river };
            river.react(move |_: Packet| std::future::ready(charged()))
        }
    }
}

#[tokio::test]
async fn a_replay_that_is_handled_is_told_once_and_one_that_fails_again_with_its_own_letter() {
    for form in ["plain", "once", "memory"] {
        let bench = Bench::start().await;
        let is_well = Arc::new(AtomicBool::new(false));
        let running = bench.run(bench.service("payment", [moody(form, &is_well)])).await;
        let published = bench.rapids.publish(placed("x")).await.unwrap();
        bench.quiet(&["payment"]).await;
        replayed(&bench, "payment", "payment.charge.1").await;
        is_well.store(true, Ordering::Relaxed);
        replayed(&bench, "payment", "payment.charge.r1").await;
        // What never failed is no recovery.
        bench.rapids.publish(placed("x")).await.unwrap();
        let packets = all(&bench, &["payment"]).await;
        let names: Vec<_> = packets.iter().filter_map(Packet::event_name).collect();
        let expected = ["placed", "failed", "failed", "paid", "recovered", "placed", "paid"];
        assert_eq!(names, expected, "{form}");
        let letters: Vec<_> = packets.iter().filter_map(Packet::dead_letter).collect();
        assert_eq!(letters, ["payment.charge.1", "payment.charge.r1", "payment.charge.r1"]);
        let recovered = named(&packets, "recovered")[0];
        assert_eq!(recovered.causation_id(), Some(&*published.id));
        running.stop().await;
    }
}

#[tokio::test]
async fn packets_of_a_key_wait_until_the_one_before_them_is_told_of() {
    let bench = Bench::start().await;
    let service = bench.service("payment", [charge()]).concurrency(4).ordered_by("@.order");
    let running = bench.run(service).await;
    let ends = ["reject", "pay", "fail", "pay", "reject", "pay"];
    bench.rapids.publish_all(ends.map(placed)).await.unwrap();
    let packets = all(&bench, &["payment"]).await;
    let names: Vec<_> = packets.iter().filter_map(Packet::event_name).collect();
    assert_eq!(names[6..], ["failed", "paid", "failed", "paid", "failed", "paid"]);
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_told_leaves_the_letter_and_holds_nobody_up() {
    log::keep();
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event("placed")
        .publishes("failed")
        .on_give_up(|packet: &Packet, cause: &GivenUp| {
            match packet.get::<String>("order").unwrap().unwrap().as_str() {
                "panic" => panic!("no words"),
                "wrong" => Some(Packet::event("failed").with("rate", f64::NAN)),
                "large" => Some(Packet::event("failed").with("x", "x".repeat(2 << 20))),
                "silent" => None,
                "undeclared" => Some(Packet::event("broken")),
                _ => Some(failed(packet, cause)),
            }
        })
        .react(|_: Packet| async { Err::<(), _>(reject("no")) });
    let running = bench.run(bench.service("speechless", [river])).await;
    let orders = ["panic", "wrong", "large", "silent", "undeclared", "well"];
    for order in orders {
        bench.rapids.publish(Packet::event("placed").with("order", order)).await.unwrap();
    }
    let packets = all(&bench, &["speechless"]).await;
    assert_eq!(named(&packets, "failed").len(), 1);
    assert_eq!(named(&packets, "broken").len(), 1, "warned of, and published");
    assert_eq!(bench.letters().await.len(), orders.len());
    running.stop().await;
    let log = log::of("speechless").concat();
    assert_eq!(log.matches("the others are not told what became of a packet").count(), 3, "{log}");
    for said in ["panicked: no words", "contains the number NaN", "the limit is"] {
        assert!(log.contains(said), "{said} in {log}");
    }
    assert!(log.contains("published event `broken`, which the river does not declare"), "{log}");
}

#[tokio::test]
async fn a_service_that_stops_before_it_has_told_leaves_that_to_the_next_instance() {
    let bench = Bench::start().await;
    let (begun, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let river = || {
        let (begun, gate, runs) = (Arc::clone(&begun), Arc::clone(&gate), Arc::clone(&runs));
        River::new("charge").event("placed").on_give_up(failed).react(move |packet: Packet| {
            let (begun, gate, runs) = (Arc::clone(&begun), Arc::clone(&gate), Arc::clone(&runs));
            async move {
                if packet.get::<String>("end")?.as_deref() == Some("reject") {
                    runs.fetch_add(1, Ordering::Relaxed);
                    return Err(reject("no such card"));
                }
                begun.add_permits(1);
                gate.acquire().await?.forget();
                Ok(())
            }
        })
    };
    let running = bench.run(bench.service("payment", [river()])).await;
    let has_begun = async || begun.acquire().await.unwrap().forget();
    // Both that wait take the only slot in turn, so nothing can be told in between.
    bench.rapids.publish_all(["slow", "reject", "slow"].map(placed)).await.unwrap();
    soon("the first begins", has_begun()).await;
    gate.add_permits(1);
    soon("the last begins", has_begun()).await;
    bench.letter("payment.charge.2").await;
    let stopping = tokio::spawn(running.stop());
    bench.is_gone("payment").await;
    gate.add_permits(1);
    soon("it stops", stopping).await.unwrap();
    assert_eq!(bench.rapids.contents().await.unwrap().unwrap().packets, 3);

    let running = bench.run(bench.service("payment", [river()])).await;
    let packets = all(&bench, &["payment"]).await;
    assert_eq!((named(&packets, "failed").len(), runs.load(Ordering::Relaxed)), (1, 1));
    running.stop().await;
}

#[tokio::test]
async fn a_replay_that_is_handled_during_a_stop_is_not_handled_again_and_is_told_by_the_next_instance()
 {
    let bench = Bench::start().await;
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let river = || {
        let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
        let charge = River::new("charge").event("placed").on_give_up(failed);
        let charge = charge.on_recovered(|_: &Packet| Packet::event("recovered"));
        charge.react(move |packet: Packet| {
            let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
            async move {
                if !packet.is_sent_again() {
                    return Err(reject("the bank is down"));
                }
                begun.add_permits(1);
                gate.acquire().await?.forget();
                Ok(Packet::event("paid").with("run", begun.available_permits()))
            }
        })
    };
    let running = bench.run(bench.service("payment", [river()])).await;
    bench.rapids.publish(placed("x")).await.unwrap();
    bench.quiet(&["payment"]).await;
    let letters = bench.dead_letters().await;
    letters.replay(&"payment.charge.1".parse().unwrap(), &Note::new("ada")).await.unwrap();
    soon("the replay begins", begun.acquire()).await.unwrap().forget();
    let stopping = tokio::spawn(running.stop());
    bench.is_gone("payment").await;
    // Would let every further run end, too.
    gate.add_permits(9);
    soon("it stops", stopping).await.unwrap();

    let running = bench.run(bench.service("payment", [river()])).await;
    handled(&bench, "payment", 1).await;
    let packets = all(&bench, &["payment"]).await;
    let names: Vec<_> = packets.iter().filter_map(Packet::event_name).collect();
    assert_eq!(names, ["placed", "failed", "paid", "recovered"]);
    assert_eq!(begun.available_permits(), 0, "it ran once");
    running.stop().await;
}
