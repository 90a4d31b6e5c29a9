//! Reactions that run once: what two instances, crashes and redeliveries make of them.

use std::time::{Duration, Instant};

use async_nats::jetstream::kv::Store;
use rapids_client::{
    Config, Delivery, Kind, Packet, Published, River, Seek, Service, Start, bundle,
};
use serde_json::json;

use crate::harness::{Bench, Running, config};
use crate::process::{Diary, Process};

pub(crate) const SLOW: &str = "slow";

/// A claim that stands unchanged for so long can be taken over.
const CLAIM: Duration = Duration::from_secs(6);

/// Writes down when it begins and ends, and takes its time between.
pub(crate) fn slow(config: Config, diary: Diary) -> Service {
    let charge = River::new("charge").event("placed").once().react(move |packet: Packet| {
        let diary = diary.clone();
        async move {
            diary.write("begins");
            let seconds: Option<f64> = packet.get("seconds")?;
            tokio::time::sleep(Duration::from_secs_f64(seconds.unwrap_or_default())).await;
            diary.write("ends");
            Ok(Packet::event("charged").with("of", packet.id()))
        }
    });
    Service::new("payment", config).river(charge)
}

fn placed(seconds: f64) -> Packet {
    Packet::event("placed").with("seconds", seconds)
}

/// An instance that is frozen while its reaction to this packet runs, and another one that has been
/// given the packet.
async fn frozen_beside_another(
    bench: &Bench,
    diary: &Diary,
    packet: Packet,
) -> (Process, Published, Running) {
    let first = Process::spawn(bench, SLOW, diary);
    bench.is_up("payment").await;
    let published = bench.rapids.publish(packet).await.unwrap();
    diary.shows("begins", 1).await;
    first.freeze();
    let second = bench.run(slow(bench.config(), diary.clone())).await;
    bench.is_delivered("payment", 2).await;
    (first, published, second)
}

#[tokio::test]
async fn a_frozen_instance_and_the_one_that_gets_its_packet_run_it_once_between_them() {
    let bench = Bench::of(Delivery::Shared).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let (first, published, second) = frozen_beside_another(&bench, &diary, placed(1.0)).await;
    // It has been there while the other one had a claim, and is not to run it after that either.
    bench.rapids.publish(placed(0.0)).await.unwrap();
    bench.tail().await.event("charged").await;
    assert_eq!(diary.lines(), ["begins", "begins", "ends"], "the second packet alone");
    first.thaw();
    let mut tail = bench.tail().await;
    tail.event("charged").await;
    assert_eq!(tail.event("charged").await.get("of").unwrap(), Some(published.id));
    bench.quiet(&["payment"]).await;
    assert_eq!(diary.lines(), ["begins", "begins", "ends", "ends"]);
    second.stop().await;
}

#[tokio::test]
async fn a_reaction_that_has_run_is_not_run_again_but_says_the_same_again() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let service = bench.run(slow(bench.config(), diary.clone())).await;
    let (packet, effect) = (placed(0.0), Packet::event("charged").with("of", "then"));
    // What an instance leaves that dies between writing down the outcome and publishing it.
    let body: serde_json::Value = serde_json::from_slice(&effect.body()).unwrap();
    let ledger = bench.jetstream().await.get_key_value("RAPIDS_ONCE").await.unwrap();
    let key = format!("payment.charge.{}", packet.id());
    ledger.put(key, json!({"done": [body]}).to_string().into()).await.unwrap();
    bench.rapids.publish(packet).await.unwrap();

    let charged = bench.tail().await.event("charged").await;
    assert_eq!((charged.id(), charged.get("of").unwrap()), (effect.id(), Some("then".to_owned())));
    bench.quiet(&["payment"]).await;
    assert!(diary.lines().is_empty());
    service.stop().await;
}

#[tokio::test]
async fn outputs_that_are_too_large_together_are_kept_and_said_again() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let written = diary.clone();
    let burst = River::new("burst").event("placed").once().react(move |_: Packet| {
        written.write("runs");
        let part = |n| Packet::event("part").with("n", n).with("pad", pad());
        async move { Ok((0..20).map(part).collect::<Vec<_>>()) }
    });
    let service = bench.run(bench.service("payment", [burst])).await;
    let placed = bench.rapids.publish(placed(0.0)).await.unwrap();
    let mut tail = bench.tail().await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let part = tail.event("part").await;
        assert_eq!(part.get("n").unwrap(), Some(n));
        ids.push(part.id().to_owned());
    }
    bench.quiet(&["payment"]).await;
    // As if it had died before it published: the same packet, and a stream that has none of them.
    let again = format!(r#"{{"event":"placed","rapids":{{"id":"{}"}}}}"#, placed.id);
    bench.publish_raw(again).await;
    bench.rapids.publish(Packet::event("last")).await.unwrap();
    bench.quiet(&["payment"]).await;
    assert_eq!(diary.lines(), ["runs"]);
    assert!(bench.letters().await.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn an_output_that_no_stream_takes_is_rejected_with_the_word_that_it_ran() {
    let bench = Bench::start().await;
    let large = River::new("large")
        .event("placed")
        .once()
        .react(|_: Packet| async { Ok(Packet::event("part").with("pad", "x".repeat(2_000_000))) });
    let service = bench.run(bench.service("payment", [large])).await;
    bench.rapids.publish(placed(0.0)).await.unwrap();
    let letter = bench.letter("payment.large.1").await.letter;
    assert_eq!(letter.kind, Kind::Rejected);
    assert!(letter.reason.contains("its effect may have happened"), "{}", letter.reason);
    assert!(letter.causes[0].contains("the limit is"), "{:?}", letter.causes);
    service.stop().await;
}

fn pad() -> String {
    "x".repeat(900_000)
}

#[tokio::test]
async fn what_is_no_entry_of_the_ledger_lets_no_reaction_run() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let service = slow(bench.config(), diary.clone());
    let service = bench.run(service).await;
    let ledger = bench.jetstream().await.get_key_value("RAPIDS_ONCE").await.unwrap();
    let (broken, newer) = (placed(0.0), placed(0.0));
    let key = |packet: &Packet| format!("payment.charge.{}", packet.id());
    ledger.put(key(&broken), r#"{"nonsense":1}"#.into()).await.unwrap();
    let entry = r#"{"version":3,"finished":{"at":"noon"}}"#;
    ledger.put(key(&newer), entry.into()).await.unwrap();
    let (broken_key, newer_key) = (key(&broken), key(&newer));
    bench.rapids.publish(broken).await.unwrap();
    bench.rapids.publish(newer).await.unwrap();
    let letter = bench.letter("payment.charge.1").await.letter;
    assert!(letter.reason.contains(&format!("`{broken_key}`")), "{}", letter.reason);
    assert!(letter.reason.contains("`RAPIDS_ONCE`"), "{}", letter.reason);
    assert!(diary.lines().is_empty());
    assert_eq!(ledger.get(&newer_key).await.unwrap().unwrap(), entry);
    assert_eq!(bench.letters().await, ["payment.charge.1"]);
    ledger.delete(&newer_key).await.unwrap();
    bench.tail().await.event("charged").await;
    assert_eq!(diary.lines(), ["begins", "ends"]);
    service.stop().await;
}

#[tokio::test]
async fn a_reaction_cut_short_by_a_crash_runs_again_once_its_claim_has_lapsed() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let first = Process::spawn(&bench, SLOW, &diary);
    bench.is_up("payment").await;
    let published = bench.rapids.publish(placed(0.2)).await.unwrap();
    diary.shows("begins", 1).await;
    first.kill().await;
    let second = bench.run(slow(config(&bench.server.url()), diary.clone())).await;
    let charged = bench.tail().await.event("charged").await;
    assert_eq!(charged.get("of").unwrap(), Some(published.id));
    bench.quiet(&["payment"]).await;
    assert_eq!(diary.lines(), ["begins", "begins", "ends"]);
    second.stop().await;
}

#[tokio::test]
async fn an_outage_longer_than_a_claim_lets_nobody_run_it_a_second_time() {
    for _ in 0..5 {
        let (lines, unchanged) = outage_longer_than_a_claim().await;
        // On a machine that stands still for as long, the claim lapses, as it should.
        if unchanged < CLAIM - Duration::from_secs(1) {
            return assert_eq!(lines, ["begins", "begins", "ends", "ends"]);
        }
    }
    panic!("this machine is too slow to show anything");
}

/// What the diary has in the end, and for how long the claim of the first instance stood unchanged at most
/// on a server that was there.
async fn outage_longer_than_a_claim() -> (Vec<String>, Duration) {
    let mut bench = Bench::of(Delivery::Shared).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let (first, published, second) = frozen_beside_another(&bench, &diary, placed(5.0)).await;
    // Behind this one, the second instance has seen the claim of the first.
    bench.rapids.publish(placed(0.0)).await.unwrap();
    bench.tail().await.event("charged").await;
    bench.server.kill();
    tokio::time::sleep(CLAIM + Duration::from_secs(1)).await;
    bench.server.restart().unwrap();
    let key = format!("payment.charge.{}", published.id);
    let ledger = bench.jetstream().await.get_key_value("RAPIDS_ONCE").await.unwrap();
    let unchanged = tokio::spawn(async move { longest_unchanged(&ledger, &key).await });
    // The second instance is the first that is back.
    bench.is_up("payment").await;
    // Far more than it takes to look at the claim; the first needs the rest to connect and renew.
    let _ = tokio::time::timeout(CLAIM / 12, diary.shows("begins", 3)).await;
    first.thaw();
    diary.shows("ends", 2).await;
    let unchanged = unchanged.await.unwrap();
    bench.quiet(&["payment"]).await;
    second.stop().await;
    (diary.lines(), unchanged)
}

/// For how long this entry of the ledger stands as it is at most, until the outcome is written down.
async fn longest_unchanged(ledger: &Store, key: &str) -> Duration {
    let (mut revision, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
    loop {
        let entry = ledger.entry(key).await.unwrap().unwrap();
        longest = longest.max(since.elapsed());
        if entry.revision != revision {
            (revision, since) = (entry.revision, Instant::now());
        }
        if String::from_utf8_lossy(&entry.value).contains("\"done\"") {
            return longest;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_instance_runs_a_packet_once_that_comes_twice_at_the_same_time() {
    let bench = Bench::start().await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let service = bench.run(slow(bench.config(), diary.clone()).concurrency(2)).await;
    for _ in 0..2 {
        let body = r#"{"event":"placed","seconds":1.0,"rapids":{"id":"p-1"}}"#;
        bench.publish_raw(body).await;
    }
    bench.tail().await.event("charged").await;
    bench.quiet(&["payment"]).await;
    assert_eq!(diary.lines(), ["begins", "ends"]);
    service.stop().await;
}

async fn move_to_the_beginning(bench: &Bench) {
    let moving = bench.rapids.move_position("payment", Start::Beginning, Seek::new());
    moving.await.unwrap().unwrap();
}

/// Asserts that one reaction has run, once, and led to what it returned.
async fn ran_once(bench: &Bench, diary: &Diary) {
    bench.tail().await.event("charged").await;
    bench.quiet(&["payment"]).await;
    assert_eq!(diary.lines(), ["begins", "ends"], "exclusive: {}", bench.is_exclusive());
}

#[tokio::test]
async fn one_that_runs_while_its_instance_is_replaced_is_finished_and_not_run_again() {
    for delivery in [Delivery::Exclusive, Delivery::Shared] {
        let bench = Bench::of(delivery).await;
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::new(&folder);
        // What runs for longer than that when its position is gone is not waited for.
        let config = bench.config().grace(Duration::from_millis(100));
        let service = bench.run(slow(config, diary.clone())).await;
        bench.rapids.publish(placed(8.0)).await.unwrap();
        diary.shows("begins", 1).await;
        move_to_the_beginning(&bench).await;
        ran_once(&bench, &diary).await;
        service.stop().await;
    }
}

#[tokio::test]
async fn one_that_runs_while_its_instance_stops_and_is_replaced_is_finished_and_not_run_again() {
    for is_stopped_first in [true, false] {
        let bench = Bench::of(Delivery::Exclusive).await;
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::new(&folder);
        let service = bench.run(slow(bench.config(), diary.clone())).await;
        bench.rapids.publish(placed(6.0)).await.unwrap();
        diary.shows("begins", 1).await;
        if is_stopped_first {
            tokio::join!(service.stop(), move_to_the_beginning(&bench));
        } else {
            move_to_the_beginning(&bench).await;
            service.stop().await;
        }
        let successor = bench.run(slow(bench.config(), diary.clone())).await;
        ran_once(&bench, &diary).await;
        successor.stop().await;
    }
}

#[tokio::test]
async fn one_that_runs_while_its_service_ends_by_a_fault_is_finished_and_not_run_again() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let config = bench.config().grace(Duration::from_millis(100));
    // It is started again by itself.
    let running = Running::spawn_bundle(bundle([slow(config, diary.clone())]));
    bench.is_up("payment").await;
    bench.rapids.publish(placed(8.0)).await.unwrap();
    diary.shows("begins", 1).await;
    let records = bench.jetstream().await.get_key_value("RAPIDS_POSITIONS").await.unwrap();
    let good = records.get("payment").await.unwrap().unwrap();
    records.delete("payment").await.unwrap();
    bench.is_gone("payment").await;
    records.put("payment", good).await.unwrap();
    ran_once(&bench, &diary).await;
    running.stop().await;
}
