//! How services stop: in order, in time, and although a reaction never ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rapids_client::{Config, Delivery, Kind, Packet, River, Service};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::harness::{Bench, Running, called, echo, soon, until};
use crate::process::{Diary, Process};

/// What reactions began, in their order.
#[derive(Clone, Default)]
struct Begun(Arc<Mutex<Vec<u64>>>);

impl Begun {
    fn all(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }

    async fn reaches(&self, count: usize) {
        until("reactions begin", async || self.0.lock().unwrap().len() >= count).await;
    }

    /// A river that takes a moment for each packet.
    fn river(&self) -> River {
        let begun = self.clone();
        River::new("echo").event("called").react(move |packet: Packet| {
            let begun = begun.clone();
            async move {
                begun.0.lock().unwrap().push(packet.get::<u64>("n")?.unwrap());
                sleep(Duration::from_millis(3)).await;
                Ok(())
            }
        })
    }
}

/// Runs services one after the other until all packets are handled.
async fn restarted(bench: &Bench, service: impl Fn() -> Service, begun: &Begun, packets: usize) {
    for part in 1..=4 {
        let running: Running = bench.run(service()).await;
        begun.reaches(packets * part / 5).await;
        running.stop().await;
    }
    let running = bench.run(service()).await;
    begun.reaches(packets).await;
    bench.quiet(&["echo"]).await;
    running.stop().await;
}

#[tokio::test]
async fn packets_keep_their_order_over_graceful_restarts() {
    let bench = Bench::of(Delivery::Shared).await;
    let begun = Begun::default();
    let service = || bench.service("echo", [begun.river()]).from_beginning();
    bench.rapids.publish_all((0..100).map(called)).await.unwrap();
    restarted(&bench, service, &begun, 100).await;
    assert_eq!(begun.all(), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn packets_of_one_key_keep_their_order_over_graceful_restarts() {
    let bench = Bench::of(Delivery::Shared).await;
    let begun = Begun::default();
    let service = || {
        let service = bench.service("echo", [begun.river()]).from_beginning();
        service.concurrency(4).ordered_by("@.key")
    };
    let packets = (0..100).map(|n| called(n).with("key", n % 3));
    bench.rapids.publish_all(packets).await.unwrap();
    restarted(&bench, service, &begun, 100).await;
    for key in 0..3 {
        let of_key: Vec<_> = begun.all().into_iter().filter(|n| n % 3 == key).collect();
        let expected: Vec<_> = (0..100).filter(|n| n % 3 == key).collect();
        assert_eq!(of_key, expected);
    }
}

#[tokio::test]
async fn a_stop_waits_for_no_server_longer_than_the_grace_period() {
    let mut bench = Bench::of(Delivery::Shared).await;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, gone) = (begun.clone(), go.clone());
    let waiting = River::new("wait").event("called").react(move |_: Packet| {
        let (told, gone) = (told.clone(), gone.clone());
        async move {
            told.notify_one();
            gone.notified().await;
            Ok(Packet::event("answered"))
        }
    });
    let config = bench.config().grace(Duration::from_millis(100));
    let service = bench.run(Service::new("echo", config).river(waiting).river(echo())).await;
    bench.rapids.publish_all((0..50).map(called)).await.unwrap();
    soon("a reaction begins", begun.notified()).await;
    bench.server.kill();
    go.notify_one();
    // Far less than the server is waited for elsewhere.
    timeout(Duration::from_secs(3), service.stop()).await.expect("it stops in time");
}

pub(crate) const ENDLESS: &str = "endless";
pub(crate) const ENDLESS_PATIENTLY: &str = "endless, patiently";

/// Its reaction never gives its thread back.
pub(crate) fn endless(config: Config, diary: Diary, grace: Duration) -> Service {
    let spin = River::new("spin").event("called").react(move |_: Packet| {
        diary.write("begins");
        while !diary.lines().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        async { Ok(()) }
    });
    Service::new("echo", config.grace(grace)).river(spin)
}

#[tokio::test]
async fn a_reaction_without_end_is_shown_and_does_not_keep_the_process_from_ending() {
    let bench = Bench::of(Delivery::Shared).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let mut process = Process::spawn(&bench, ENDLESS, &diary);
    bench.is_up("echo").await;
    bench.rapids.publish_all((0..2).map(called)).await.unwrap();
    let shown = bench.fact("echo", "blocked").await;
    assert!(shown.starts_with("spin on packet 1 for "), "{shown}");
    process.stop();
    assert_eq!(process.ended().await.code(), Some(70));
    let second = bench.run(bench.service("echo", [echo()])).await;
    let mut tail = bench.tail().await;
    for n in [0, 1] {
        assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(n));
    }
    second.stop().await;
}

#[tokio::test]
async fn a_packet_whose_reaction_never_ends_is_given_up_after_three_stops() {
    for delivery in [Delivery::Shared, Delivery::Exclusive] {
        let bench = Bench::of(delivery).await;
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::new(&folder);
        bench.run(bench.service("echo", [echo()])).await.stop().await;
        bench.rapids.publish(called(0)).await.unwrap();
        for runs in 1..=3 {
            let mut process = Process::spawn(&bench, ENDLESS, &diary);
            diary.shows("begins", runs).await;
            // From then on it counts as one that keeps the process from ending.
            tokio::time::sleep(Duration::from_secs(1)).await;
            process.stop();
            assert_eq!(process.ended().await.code(), Some(70));
        }
        let process = Process::spawn(&bench, ENDLESS, &diary);
        let letter = bench.letter("echo.spin.1").await;
        assert_eq!(letter.letter.kind, Kind::Crashed);
        assert_eq!(diary.count("begins"), 3);
        process.kill().await;
    }
}

#[tokio::test]
async fn told_to_stop_a_second_time_a_process_exits_at_once() {
    let bench = Bench::of(Delivery::Shared).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let mut process = Process::spawn(&bench, ENDLESS_PATIENTLY, &diary);
    bench.is_up("echo").await;
    bench.rapids.publish(called(0)).await.unwrap();
    diary.shows("begins", 1).await;
    // As from a program that passes on what the whole group has got: this is one signal.
    process.stop();
    process.stop();
    bench.is_gone("echo").await;
    // What comes sooner counts as the same.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(process.is_running());
    process.stop();
    assert_eq!(process.ended().await.code(), Some(128 + 15));
}
