//! What a river tells the others of packets that it gives up, and of those that it handles after all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use async_nats::jetstream::stream::Config as StreamConfig;
use rapids_client::{
    Config, GivenUp, Note, Packet, RetryPolicy, River, Service, Start, reject, retry_after,
};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::crashes::restarted;
use crate::harness::{Bench, soon, until};
use crate::log;
use crate::process::{Diary, Process};

pub(crate) const TELLING: &str = "telling";
pub(crate) const FATAL: &str = "fatal telling";

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
    while let Some(packet) = soon("the next packet", tail.next_stored()).await.unwrap() {
        packets.push(packet);
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

async fn limit_rapids(bench: &Bench, max_bytes: impl Fn(u64) -> i64) {
    let jetstream = bench.jetstream().await;
    let stream = jetstream.get_stream("RAPIDS").await.unwrap();
    let (config, bytes) = (stream.cached_info().config.clone(), stream.cached_info().state.bytes);
    let config = StreamConfig { max_bytes: max_bytes(bytes), ..config };
    jetstream.update_stream(config).await.unwrap();
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
        assert_eq!((packet.publisher(), packet.breadcrumbs().len()), (Some("payment"), 1));
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

#[tokio::test]
async fn a_replay_that_is_handled_is_told_once_and_one_that_fails_again_with_its_own_letter() {
    let bench = Bench::start().await;
    let is_well = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_well);
    let river = River::new("charge")
        .event("placed")
        .on_give_up(failed)
        .on_recovered(|packet: &Packet| Packet::event("recovered").with("of", packet.id()))
        .react(move |_: Packet| {
            let is_well = asked.load(Ordering::Relaxed);
            async move {
                if is_well { Ok(Packet::event("paid")) } else { Err(reject("the bank is down")) }
            }
        });
    let running = bench.run(bench.service("payment", [river])).await;
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
    assert_eq!(names, expected);
    let letters: Vec<_> = packets.iter().filter_map(Packet::dead_letter).collect();
    assert_eq!(letters, ["payment.charge.1", "payment.charge.r1", "payment.charge.r1"]);
    let recovered = named(&packets, "recovered")[0];
    assert_eq!(recovered.causation_id(), Some(&*published.id));
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
    until("it begins to stop", async || {
        bench.rapids.services(Duration::from_millis(50)).await.unwrap().is_empty()
    })
    .await;
    gate.add_permits(1);
    soon("it stops", stopping).await.unwrap();
    assert_eq!(bench.rapids.contents().await.unwrap().unwrap().packets, 3);

    let running = bench.run(bench.service("payment", [river()])).await;
    let packets = all(&bench, &["payment"]).await;
    assert_eq!((named(&packets, "failed").len(), runs.load(Ordering::Relaxed)), (1, 1));
    running.stop().await;
}

/// Gives every packet up, and writes down what it does. A second river waits until then, and then for
/// ever, the first time that it is told to.
pub(crate) fn telling(config: Config, diary: Diary) -> Service {
    let (asked, waiting) = (diary.clone(), diary.clone());
    let charge = River::new("charge")
        .event("placed")
        .on_give_up(move |packet: &Packet, cause: &GivenUp| {
            asked.write(&format!("tells {}", cause.letter()));
            failed(packet, cause)
        })
        .react(move |packet: Packet| {
            diary.write(&format!("reacts {}", packet.id()));
            if packet.get::<String>("end").unwrap().as_deref() == Some("abort") {
                std::process::abort();
            }
            async { Err::<(), _>(reject("no such card")) }
        });
    let patient = RetryPolicy::new().attempts(1_000);
    let wait = River::new("wait").event("placed").retry(patient).breaker(0);
    let wait = wait.react(move |packet: Packet| {
        let waits = packet.get::<String>("end").unwrap().as_deref() == Some("wait");
        let (is_told, is_first) =
            (waiting.count("tells payment.charge.1") > 0, waiting.count("waits") == 0);
        let waiting = waiting.clone();
        async move {
            if waits && !is_told {
                return Err(retry_after(Duration::from_millis(20)));
            }
            if waits && is_first {
                waiting.write("waits");
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    });
    Service::new("payment", config).river(charge).river(wait).concurrency(2)
}

/// What tells ends the process where it is told to.
pub(crate) fn fatal(config: Config, diary: Diary) -> Service {
    let recovering = diary.clone();
    let charge = River::new("charge")
        .event("placed")
        .on_give_up(move |packet: &Packet, cause: &GivenUp| {
            diary.write("tells");
            if packet.get::<String>("end").unwrap().as_deref() == Some("fatal") {
                std::process::abort();
            }
            failed(packet, cause)
        })
        .on_recovered(move |_: &Packet| -> Packet {
            recovering.write("recovers");
            std::process::abort();
        })
        .react(|packet: Packet| async move {
            match packet.arrival().and_then(|arrival| arrival.replay) {
                None => Err(reject("no such card")),
                Some(_) => Ok(Packet::event("paid")),
            }
        });
    Service::new("payment", config).river(charge)
}

/// A bench with the position of the service, and a diary.
async fn prepared(part: &str) -> (Bench, TempDir, Diary) {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let first = Process::spawn(&bench, part, &diary);
    bench.is_up("payment").await;
    first.kill().await;
    (bench, folder, diary)
}

#[tokio::test]
async fn a_crash_between_the_letter_and_what_is_told_loses_and_doubles_nothing() {
    let (bench, _folder, diary) = prepared(TELLING).await;
    let published = bench.rapids.publish(placed("reject")).await.unwrap();
    limit_rapids(&bench, |bytes| i64::try_from(bytes).unwrap()).await;
    let process = Process::spawn(&bench, TELLING, &diary);
    diary.shows("tells payment.charge.1", 1).await;
    bench.letter("payment.charge.1").await;
    let stored = bench.rapids.contents().await.unwrap().unwrap().packets;
    assert_eq!(stored, 1, "there is no room for what is told");
    process.kill().await;

    limit_rapids(&bench, |_| 1 << 20).await;
    let process = Process::spawn(&bench, TELLING, &diary);
    let packets = all(&bench, &["payment"]).await;
    let told = named(&packets, "failed");
    assert_eq!(told.len(), 1, "{packets:?}");
    assert_eq!(told[0].causation_id(), Some(&*published.id));
    assert_eq!(said(told[0]).2, "no such card");
    assert_eq!(diary.count("tells payment.charge.1"), 2);
    assert_eq!(diary.count(&format!("reacts {}", published.id)), 1, "it has a letter");
    assert_eq!(bench.letters().await, ["payment.charge.1"]);
    process.kill().await;
}

#[tokio::test]
async fn a_packet_that_comes_again_after_it_was_told_of_is_told_of_once() {
    let (bench, _folder, diary) = prepared(TELLING).await;
    let process = Process::spawn(&bench, TELLING, &diary);
    // The other river keeps the packet from being acknowledged.
    bench.rapids.publish(placed("wait")).await.unwrap();
    bench.tail().await.event("failed").await;
    diary.shows("waits", 1).await;
    process.kill().await;
    let process = Process::spawn(&bench, TELLING, &diary);
    diary.shows("tells payment.charge.1", 2).await;
    let packets = all(&bench, &["payment"]).await;
    assert_eq!(named(&packets, "failed").len(), 1);
    assert_eq!(bench.letters().await, ["payment.charge.1"]);
    process.kill().await;
}

#[tokio::test]
async fn a_packet_that_ends_the_process_is_told_of_when_it_is_put_away() {
    let (bench, _folder, diary) = prepared(TELLING).await;
    bench.rapids.publish(placed("abort")).await.unwrap();
    bench.rapids.publish(placed("reject")).await.unwrap();
    let told = async || diary.shows("tells payment.charge.1", 1).await;
    let (process, _, ()) = restarted(&bench, TELLING, &diary, told).await;
    let packets = all(&bench, &["payment"]).await;
    let mut told: Vec<_> = named(&packets, "failed").into_iter().map(said).collect();
    told.sort();
    let reason = "handling it ended the process 3 times in a row".to_owned();
    let crashed = ("payment.charge.1".to_owned(), "crashed".to_owned(), reason, 3);
    assert_eq!((told.len(), &told[0]), (2, &crashed));
    process.kill().await;
}

#[tokio::test]
async fn what_tells_and_ends_the_process_does_so_a_few_times_and_no_more() {
    let (bench, _folder, diary) = prepared(FATAL).await;
    bench.rapids.publish(placed("fatal")).await.unwrap();
    bench.rapids.publish(placed("reject")).await.unwrap();
    let quiet = async || bench.quiet(&["payment"]).await;
    let (process, aborted, ()) = restarted(&bench, FATAL, &diary, quiet).await;
    // Once among others, and three times alone; alone from the start where an instance that was killed before
    // had written down that it might begin it.
    assert!((3..=4).contains(&aborted), "{aborted}");
    assert_eq!(diary.count("tells"), aborted + 1, "the neighbour is told of");
    let packets = all(&bench, &["payment"]).await;
    let told: Vec<_> = named(&packets, "failed").into_iter().map(|it| said(it).0).collect();
    assert_eq!(told, ["payment.charge.2"]);
    let untold = diary.log().into_iter().filter(|line| line.contains("the others are not told"));
    assert_eq!(untold.count(), 1);

    process.kill().await;
    let letter = "payment.charge.2".parse().unwrap();
    bench.dead_letters().await.replay(&letter, &Note::new("ada")).await.unwrap();
    let end = async || handled(&bench, "payment", 1).await;
    let (process, aborted, ()) = restarted(&bench, FATAL, &diary, end).await;
    assert_eq!((aborted, diary.count("recovers")), (4, 4));
    let packets = all(&bench, &["payment"]).await;
    assert_eq!((named(&packets, "paid").len(), named(&packets, "recovered").len()), (1, 0));
    assert_eq!(bench.letters().await, ["payment.charge.1", "payment.charge.2"]);
    process.kill().await;
}
