//! Packets of one memory that wait for one save: their order, failures among them, and what becomes of
//! them when the server or the instance is gone.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use rapids_client::{Config, Delivery, Packet, RetryPolicy, River, Service};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::harness::{Bench, Running, soon};
use crate::process::{Diary, Process};

pub(crate) const HELD: &str = "held in a memory";

/// The packets of most tests here. The first one is held until all are delivered.
const PACKETS: usize = 30;

fn came(n: usize) -> Packet {
    Packet::event("came").with("n", n)
}

/// A river that counts, and adds up each packet's number, behind a gate for the first packet.
#[derive(Clone)]
struct Counting {
    gate: Arc<Mutex<Receiver<()>>>,
    ran: Arc<AtomicUsize>,
    /// How often the packet of this number fails before it succeeds.
    failing: Option<usize>,
    failures: Arc<AtomicUsize>,
}

impl Counting {
    fn new() -> (Sender<()>, Self) {
        let (go, gate) = channel();
        let (gate, ran) = (Arc::new(Mutex::new(gate)), Arc::default());
        (go, Self { gate, ran, failing: None, failures: Arc::new(AtomicUsize::new(4)) })
    }

    fn river(&self) -> River {
        let counting = self.clone();
        let react = move |memory: &mut Vec<usize>, packet: &Packet| counting.react(memory, packet);
        River::new("count").event("came").breaker(0).memory("counts", "'all'").react(react)
    }

    fn react(&self, memory: &mut Vec<usize>, packet: &Packet) -> Result<Packet> {
        let n: usize = packet.get("n")?.unwrap_or_default();
        self.ran.fetch_add(1, Ordering::SeqCst);
        if n == 0 {
            // Ends when the test lets go, in one way or another.
            let _ = self.gate.lock().unwrap().recv();
        }
        memory.push(n);
        if self.failing == Some(n) {
            memory.push(999);
            let left = self.failures.fetch_sub(1, Ordering::SeqCst);
            ensure!(left <= 1, "not yet");
            memory.pop();
        }
        Ok(Packet::event("counted").with("n", n).with("place", memory.len()))
    }
}

/// All packets are delivered to a service, and the first reaction runs.
async fn delivered(bench: &Bench, service: Service) -> Running {
    bench.rapids.publish_all((0..PACKETS).map(came)).await.unwrap();
    let running = bench.run(service.from_beginning()).await;
    bench.is_delivered("counter", PACKETS as u64).await;
    running
}

/// Has the server take nothing until all reactions have run, so that all but the first wait for one
/// save.
async fn folded(bench: &Bench, go: &Sender<()>, counting: &Counting, runs: usize) {
    hold(bench, go, counting, runs).await;
    signal(bench.server.pid().unwrap(), "-CONT");
}

/// Has the server take nothing, and waits until so many reactions have run.
async fn hold(bench: &Bench, go: &Sender<()>, counting: &Counting, runs: usize) {
    // Nobody but the server knows when it has written what it has delivered.
    tokio::time::sleep(Duration::from_millis(500)).await;
    signal(bench.server.pid().unwrap(), "-STOP");
    go.send(()).unwrap();
    soon("the reactions run", async {
        while counting.ran.load(Ordering::SeqCst) < runs {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// How often records were saved, and the memory.
async fn saves(bench: &Bench) -> (u64, Vec<usize>) {
    let stream = bench.jetstream().await.get_stream("KV_RAPIDS_MEMORY_counter").await.unwrap();
    (stream.cached_info().state.last_sequence, memory(bench).await)
}

async fn memory<T: DeserializeOwned>(bench: &Bench) -> T {
    let records = bench.jetstream().await.get_key_value("RAPIDS_MEMORY_counter").await.unwrap();
    let record = records.get("counts.all").await.unwrap().unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    serde_json::from_value(record["memory"].clone()).unwrap()
}

/// The numbers that were answered, and each one's place in the memory.
async fn answers(bench: &Bench) -> Vec<(usize, usize)> {
    bench.rapids.publish(Packet::event("end")).await.unwrap();
    let packets = bench.tail().await.until("end").await;
    let answers = packets.iter().filter(|it| it.event_name().as_deref() == Some("counted"));
    answers.map(|it| (it.get("n").unwrap().unwrap(), it.get("place").unwrap().unwrap())).collect()
}

#[tokio::test]
async fn packets_that_wait_share_a_save_and_keep_their_order() {
    let bench = Bench::of(Delivery::Shared).await;
    let (go, counting) = Counting::new();
    let service = delivered(&bench, bench.service("counter", [counting.river()])).await;
    folded(&bench, &go, &counting, PACKETS).await;
    bench.quiet(&["counter"]).await;
    let expected: Vec<_> = (0..PACKETS).map(|n| (n, n + 1)).collect();
    assert_eq!(answers(&bench).await, expected);
    let (saves, memory) = saves(&bench).await;
    assert_eq!(memory, (0..PACKETS).collect::<Vec<_>>());
    // The first packet, the others, and what is removed once it is published.
    assert!(saves <= 5, "{saves}");
    assert_eq!(counting.ran.load(Ordering::SeqCst), PACKETS);
    service.stop().await;
}

#[tokio::test]
async fn a_failure_among_packets_that_wait_costs_itself_and_no_other() {
    for concurrency in [1, 4] {
        let bench = Bench::of(Delivery::Shared).await;
        let (go, counting) = Counting::new();
        let counting = Counting { failing: Some(20), ..counting };
        let service = bench.service("counter", [counting.river()]).concurrency(concurrency);
        let service = delivered(&bench, service).await;
        let held = if concurrency == 1 { 21 } else { PACKETS };
        folded(&bench, &go, &counting, held).await;
        bench.quiet(&["counter"]).await;
        let mut answered: Vec<_> = answers(&bench).await.iter().map(|(n, _)| *n).collect();
        answered.sort_unstable();
        assert_eq!(answered, (0..PACKETS).collect::<Vec<_>>());
        let (_, mut memory) = saves(&bench).await;
        memory.sort_unstable();
        assert_eq!(memory, (0..PACKETS).collect::<Vec<_>>());
        assert!(bench.letters().await.is_empty());
        service.stop().await;
    }
}

#[tokio::test]
async fn steps_that_wait_run_again_on_what_another_instance_has_saved() {
    let bench = Bench::of(Delivery::Shared).await;
    let (go, counting) = Counting::new();
    let one = delivered(&bench, bench.service("counter", [counting.river()])).await;
    let (others_go, others) = Counting::new();
    drop(others_go);
    let two = bench.run(bench.service("counter", [others.river()])).await;
    // The server shares packets out as it likes.
    let mut count = PACKETS;
    while others.ran.load(Ordering::SeqCst) == 0 {
        bench.rapids.publish(came(count)).await.unwrap();
        count += 1;
    }
    bench.tail().await.event("counted").await;
    folded(&bench, &go, &counting, PACKETS).await;
    // The first packet runs again, too.
    drop(go);
    bench.quiet(&["counter"]).await;
    let answers = answers(&bench).await;
    let memory: Vec<usize> = memory(&bench).await;
    assert_eq!(memory.len(), count);
    let answered: BTreeSet<_> = answers.iter().map(|&(n, _)| n).collect();
    assert_eq!((answered, answers.len()), ((0..count).collect(), count));
    assert!(answers.iter().all(|&(n, place)| memory[place - 1] == n), "{answers:?} {memory:?}");
    assert!(counting.ran.load(Ordering::SeqCst) >= 2 * PACKETS);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_memory_full_of_packets_that_may_come_again_takes_an_older_one() {
    /// As many as a record holds of one river.
    const HELD: usize = 2_048;
    let bench = Bench::of(Delivery::Shared).await;
    let latest = AtomicUsize::new(0);
    let react = move |sum: &mut usize, packet: &Packet| {
        let n: usize = packet.get("n")?.unwrap_or_default();
        // As long as the first one is not done, none of the others is forgotten.
        let latest = latest.fetch_max(n, Ordering::SeqCst);
        ensure!(n > 0 || latest >= HELD, "not yet");
        *sum += 1;
        Ok(Packet::event("counted"))
    };
    let retry = RetryPolicy::new().attempts(u32::MAX).cap(Duration::from_millis(100));
    let count = River::new("count").event("came").breaker(0).retry(retry);
    let count = count.memory("counts", "'all'").react(react);
    bench.rapids.publish_all((0..HELD + 100).map(came)).await.unwrap();
    let service = bench.service("counter", [count]).concurrency(4).from_beginning();
    let service = bench.run(service).await;
    bench.quiet(&["counter"]).await;
    assert_eq!(memory::<usize>(&bench).await, HELD + 100);
    assert!(bench.letters().await.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn a_packet_that_is_published_twice_moves_its_memory_once() {
    let bench = Bench::of(Delivery::Shared).await;
    let (go, counting) = Counting::new();
    bench.rapids.publish(came(0)).await.unwrap();
    // Without a `Nats-Msg-Id`, the stream stores each.
    for n in [1, 2, 1, 1, 2] {
        bench.publish_raw(format!(r#"{{"event":"came","n":{n},"rapids":{{"id":"p-{n}"}}}}"#)).await;
    }
    let service = bench.service("counter", [counting.river()]).from_beginning();
    let service = bench.run(service).await;
    bench.is_delivered("counter", 6).await;
    folded(&bench, &go, &counting, 3).await;
    bench.quiet(&["counter"]).await;
    assert_eq!(answers(&bench).await, [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(saves(&bench).await.1, [0, 1, 2]);
    service.stop().await;
}

#[tokio::test]
async fn what_is_not_saved_when_the_service_stops_is_handed_to_the_next_instance() {
    let bench = Bench::of(Delivery::Shared).await;
    let (go, counting) = Counting::new();
    let config = bench.config().grace(Duration::from_millis(200));
    let service = Service::new("counter", config).river(counting.river());
    let service = delivered(&bench, service).await;
    hold(&bench, &go, &counting, PACKETS).await;
    service.stop().await;
    signal(bench.server.pid().unwrap(), "-CONT");
    drop(go);
    let service = bench.run(bench.service("counter", [counting.river()])).await;
    bench.quiet(&["counter"]).await;
    let mut answered: Vec<_> = answers(&bench).await;
    answered.sort_unstable();
    assert_eq!(answered.len(), PACKETS);
    let mut memory = saves(&bench).await.1;
    memory.sort_unstable();
    assert_eq!(memory, (0..PACKETS).collect::<Vec<_>>());
    service.stop().await;
}

#[tokio::test]
async fn the_waits_of_a_memory_are_no_handling_time() {
    let bench = Bench::of(Delivery::Shared).await;
    let (go, counting) = Counting::new();
    let service = delivered(&bench, bench.service("counter", [counting.river()])).await;
    hold(&bench, &go, &counting, PACKETS).await;
    // All of them have run, and wait for the server.
    tokio::time::sleep(Duration::from_millis(700)).await;
    signal(bench.server.pid().unwrap(), "-CONT");
    bench.quiet(&["counter"]).await;
    // If the waits counted, no more than two would be asked for ahead.
    bench.rapids.publish_all((0..100).map(came)).await.unwrap();
    bench.is_delivered("counter", PACKETS as u64 + 60).await;
    go.send(()).unwrap();
    bench.quiet(&["counter"]).await;
    service.stop().await;
}

/// Its first reaction comes to no end.
pub(crate) fn held(config: Config, diary: Diary) -> Service {
    let count = River::new("count").event("came").memory("counts", "'all'");
    let count = count.react(move |_: &mut Vec<usize>, _: &Packet| -> Result<()> {
        diary.write("begins");
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    Service::new("counter", config).river(count).from_beginning()
}

#[tokio::test]
async fn packets_that_come_again_after_a_crash_share_no_save() {
    let bench = Bench::of(Delivery::Shared).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    bench.rapids.publish_all((0..PACKETS).map(came)).await.unwrap();
    let first = Process::spawn(&bench, HELD, &diary);
    diary.shows("begins", 1).await;
    bench.is_delivered("counter", PACKETS as u64).await;
    first.kill().await;
    let (go, counting) = Counting::new();
    drop(go);
    let service = bench.run(bench.service("counter", [counting.river()])).await;
    bench.quiet(&["counter"]).await;
    let (saves, memory) = saves(&bench).await;
    assert_eq!(memory.len(), PACKETS);
    assert!(saves >= PACKETS as u64, "{saves}");
    service.stop().await;
}
