//! A service's life: taking packets, failing, stopping, sharing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rapids_client::{Config, Delivery, Packet, Rapids, River, Service};
use tokio::sync::Notify;

use crate::harness::{Bench, Running, called, echo, found, soon, until};
use crate::process::{Diary, Process};

#[tokio::test]
async fn a_reaction_is_published_with_its_causation() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    let question = called(7);
    bench.rapids.publish(question.clone()).await.unwrap();

    let answer = bench.tail().await.event("answered").await;
    assert_eq!(answer.get::<u64>("n").unwrap(), Some(7));
    assert_eq!(answer.causation_id(), Some(question.id()));
    assert_eq!(answer.correlation_id(), question.id());
    assert_eq!((answer.read_count(), answer.breadcrumbs()), (1, &["echo".to_owned()][..]));
    service.stop().await;
}

#[tokio::test]
async fn a_packet_without_a_rapids_object_is_handled_like_any_other() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.publish_raw("{\"event\":\"called\",\"n\":1}\n").await;
    let answer = bench.tail().await.event("answered").await;
    let cause = answer.causation_id().unwrap();
    assert!(cause.starts_with("RAPIDS-") && cause.ends_with("-1"), "{cause}");
    service.stop().await;
}

#[tokio::test]
async fn garbage_is_passed_over_and_never_comes_again() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    let deep =
        format!("{{\"event\":\"called\",\"n\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let garbage: [&[u8]; 8] = [
        b"",
        b"\n",
        b"not json",
        b"[]",
        b"{\"event\":\"called\"",
        b"{\"event\":\"\xff\"}",
        b"{\"event\":\"called\",\"event\":\"called\",\"n\":1}",
        deep.as_bytes(),
    ];
    for body in garbage {
        bench.publish_raw(body).await;
    }
    let big = format!("{{\"event\":\"called\",\"pad\":\"{}\",\"n\":2}}", "x".repeat(900_000));
    bench.publish_raw(big).await;
    let mut tail = bench.tail().await;
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(2));
    service.stop().await;

    let again = bench.run(bench.service("echo", [echo()])).await;
    bench.rapids.publish(called(3)).await.unwrap();
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(3));
    again.stop().await;
}

#[tokio::test]
async fn outputs_keep_the_order_of_the_stream() {
    let bench = Bench::start().await;
    bench.rapids.publish_all((0..300).map(called)).await.unwrap();
    let service = bench.run(bench.service("echo", [echo()]).from_beginning()).await;
    let mut tail = bench.tail().await;
    for n in 0..300 {
        assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(n));
    }
    service.stop().await;
}

#[tokio::test]
async fn a_late_service_starts_now_unless_told_otherwise() {
    let bench = Bench::start().await;
    bench.rapids.publish(called(1)).await.unwrap();
    bench.rapids.publish(called(2)).await.unwrap();
    let now = bench.run(bench.service("now", [echo()])).await;
    let second = bench.run(bench.service("second", [echo()]).from_sequence(2)).await;
    bench.rapids.publish(called(3)).await.unwrap();
    bench.rapids.publish(Packet::event("end")).await.unwrap();

    let mut tail = bench.tail().await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = tail.event("answered").await;
        answers.push((answer.breadcrumbs()[0].clone(), answer.get::<u64>("n").unwrap().unwrap()));
    }
    answers.sort();
    assert_eq!(answers, [("now".into(), 3), ("second".into(), 2), ("second".into(), 3)]);
    now.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_service_continues_where_it_stopped() {
    let bench = Bench::start().await;
    let first = bench.run(bench.service("echo", [echo()])).await;
    bench.rapids.publish(called(1)).await.unwrap();
    let mut tail = bench.tail().await;
    tail.event("answered").await;
    first.stop().await;
    bench.rapids.publish(called(2)).await.unwrap();
    let second = bench.run(bench.service("echo", [echo()]).from_beginning()).await;
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(2));
    second.stop().await;
}

#[tokio::test]
async fn two_instances_share_the_packets() {
    let bench = Bench::of(Delivery::Shared).await;
    let handled = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let counting = |instance: usize| {
        let handled = Arc::clone(&handled);
        River::new("echo").event("called").react(move |packet: Packet| {
            let handled = Arc::clone(&handled);
            async move {
                handled[instance].fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
                Ok(Packet::event("answered").with("n", packet.get::<u64>("n")?))
            }
        })
    };
    let one = bench.run(bench.service("echo", [counting(0)])).await;
    let two = bench.run(bench.service("echo", [counting(1)])).await;
    bench.rapids.publish_all((0..400).map(called)).await.unwrap();
    let mut tail = bench.tail().await;
    let mut answered = Vec::new();
    for _ in 0..400 {
        answered.push(tail.event("answered").await.get::<u64>("n").unwrap().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..400).collect::<Vec<_>>());
    let [one_handled, two_handled] = [0, 1].map(|n| handled[n].load(Ordering::Relaxed));
    assert_eq!(one_handled + two_handled, 400, "each packet is handled once");
    assert!(one_handled > 0 && two_handled > 0, "{one_handled} and {two_handled}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_second_instance_starts_while_the_first_is_busy() {
    let bench = Bench::start().await;
    let first = bench.run(bench.service("echo", [echo()])).await;
    let rapids = bench.rapids.clone();
    let busy = tokio::spawn(async move { rapids.publish_all((0..20_000).map(called)).await });
    for _ in 0..10 {
        bench.run(bench.service("echo", [echo()])).await.stop().await;
    }
    soon("all is published", busy).await.unwrap().unwrap();
    first.stop().await;
}

#[tokio::test]
async fn a_failing_and_a_panicking_reaction_are_tried_again_and_hinder_nobody() {
    let bench = Bench::start().await;
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let shaky = River::new("shaky").event("called").react(move |packet: Packet| {
        let attempts = Arc::clone(&counted);
        async move {
            if packet.get("n")? == Some(1) {
                match attempts.fetch_add(1, Ordering::Relaxed) {
                    0 => anyhow::bail!("the database is down"),
                    1 => panic!("a bug"),
                    _ => {}
                }
            }
            Ok(Packet::event("answered").with("n", packet.get::<u64>("n")?))
        }
    });
    let service = bench.run(bench.service("shaky", [shaky])).await;
    for n in [1, 2] {
        bench.rapids.publish(called(n)).await.unwrap();
    }
    let mut tail = bench.tail().await;
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(2), "not held up");
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(1), "not lost");
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
    service.stop().await;
}

#[tokio::test]
async fn a_reaction_that_blocks_its_thread_keeps_its_packet() {
    let bench = Bench::start().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let blocking = River::new("blocking").event("called").react(move |_: Packet| {
        let runs = Arc::clone(&counted);
        async move {
            runs.fetch_add(1, Ordering::Relaxed);
            // Three times the acknowledgement wait of these tests.
            std::thread::sleep(Duration::from_secs(3));
            Ok(Packet::event("answered"))
        }
    });
    let service = bench.run(bench.service("blocking", [blocking])).await;
    bench.rapids.publish(called(1)).await.unwrap();
    bench.tail().await.event("answered").await;
    service.stop().await;
    assert_eq!(runs.load(Ordering::Relaxed), 1, "it was never delivered again meanwhile");
}

/// A reaction that begins, waits until it is let go, and answers.
fn held_up(begun: &Arc<Notify>, go: &Arc<Notify>) -> River {
    let (begun, go) = (Arc::clone(begun), Arc::clone(go));
    River::new("echo").event("called").react(move |packet: Packet| {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
        async move {
            begun.notify_one();
            go.notified().await;
            Ok(Packet::event("answered").with("n", packet.get::<u64>("n")?))
        }
    })
}

#[tokio::test]
async fn a_stopping_service_hands_over_what_waits_and_keeps_what_runs() {
    let bench = Bench::of(Delivery::Shared).await;
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    // The grace period is far longer than the acknowledgement wait.
    let config = bench.config().grace(Duration::from_secs(60));
    let first = Service::new("echo", config).river(held_up(&begun, &go));
    let first = bench.run(first).await;
    bench.rapids.publish_all((0..2).map(called)).await.unwrap();
    soon("the first packet is in hand", begun.notified()).await;

    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let second = River::new("echo").event("called").react(move |packet: Packet| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Packet::event("answered").with("n", packet.get::<u64>("n")?)) }
    });
    let second = bench.run(bench.service("echo", [second])).await;
    let stopping = tokio::spawn(first.stop());
    let mut tail = bench.tail().await;
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(1), "handed over");
    // Twice the acknowledgement wait, told by the server's clock: packets that go round.
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(2_500) {
        bench.rapids.publish(called(7)).await.unwrap();
        tail.event("answered").await;
    }
    let others = runs.load(Ordering::Relaxed);
    go.notify_one();
    soon("the service stops", stopping).await.unwrap();
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(0));
    assert_eq!(runs.load(Ordering::Relaxed), others, "what ran was kept");
    second.stop().await;
}

pub(crate) const BLOCKED: &str = "blocked";

/// Its reaction blocks the thread that the service runs on, until the diary says to go on.
pub(crate) fn blocked(config: Config, diary: Diary) -> Service {
    let blocking = River::new("echo").event("called").react(move |packet: Packet| {
        diary.write("begins");
        while diary.count("go on") == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        async move { Ok(Packet::event("answered").with("n", packet.get::<u64>("n")?)) }
    });
    Service::new("echo", config.grace(Duration::from_secs(60))).river(blocking)
}

#[tokio::test]
async fn being_told_to_stop_is_heard_while_a_reaction_blocks_the_only_thread() {
    let bench = Bench::of(Delivery::Shared).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let mut first = Process::spawn(&bench, BLOCKED, &diary);
    bench.is_up("echo").await;
    bench.rapids.publish_all((0..2).map(called)).await.unwrap();
    diary.shows("begins", 1).await;
    bench.is_delivered("echo", 2).await;
    first.stop();
    let second = bench.run(bench.service("echo", [echo()])).await;
    let mut tail = bench.tail().await;
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(1), "handed over");
    diary.write("go on");
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(0), "finished");
    assert!(first.ended().await.success());
    second.stop().await;
}

#[tokio::test]
async fn a_river_that_fails_does_not_run_its_siblings_again() {
    let bench = Bench::start().await;
    let (healthy_runs, attempts) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (counted, tried) = (Arc::clone(&healthy_runs), Arc::clone(&attempts));
    let healthy = River::new("healthy").event("called").react(move |_: Packet| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    let failing = River::new("failing").event("called").react(move |_: Packet| {
        let attempt = tried.fetch_add(1, Ordering::Relaxed);
        async move {
            anyhow::ensure!(attempt == 3, "not yet");
            Ok(Packet::event("answered"))
        }
    });
    let service = bench.run(bench.service("two", [healthy, failing])).await;
    bench.rapids.publish(called(1)).await.unwrap();
    bench.tail().await.event("answered").await;
    assert_eq!(attempts.load(Ordering::Relaxed), 4);
    assert_eq!(healthy_runs.load(Ordering::Relaxed), 1);
    service.stop().await;
}

#[tokio::test]
async fn an_outage_leaves_no_requests_behind() {
    let mut bench = Bench::of(Delivery::Shared).await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.server.kill();
    // Longer than the silence after which requests are made anew.
    tokio::time::sleep(Duration::from_secs(6)).await;
    bench.server.restart().unwrap();
    bench.rapids.publish(called(1)).await.unwrap();
    bench.tail().await.event("answered").await;
    bench.quiet(&["echo"]).await;
    assert!(bench.waiting_requests("echo").await <= 2);
    service.stop().await;
}

#[tokio::test]
async fn what_is_in_hand_goes_to_others_at_once_when_a_service_stops() {
    let bench = Bench::start().await;
    let slow = River::new("echo").event("called").react(|packet: Packet| async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(Packet::event("answered").with("n", packet.get::<u64>("n")?))
    });
    let patient = bench.config().ack_wait(Duration::from_secs(600));
    let first = Service::new("echo", patient.clone()).river(slow);
    let first = bench.run(first).await;
    bench.rapids.publish_all((0..20).map(called)).await.unwrap();
    let mut tail = bench.tail().await;
    tail.event("answered").await;
    first.stop().await;
    let second = Service::new("echo", patient).river(echo());
    let second = bench.run(second).await;
    let mut rest = Vec::new();
    for _ in 0..19 {
        rest.push(tail.event("answered").await.get::<u64>("n").unwrap().unwrap());
    }
    rest.sort_unstable();
    assert_eq!(rest, (1..20).collect::<Vec<_>>());
    second.stop().await;
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let mut bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.rapids.publish(called(1)).await.unwrap();
    bench.tail().await.event("answered").await;
    bench.server.kill();
    bench.server.restart().unwrap();
    bench.rapids.publish(called(2)).await.unwrap();
    let mut tail = bench.tail().await;
    tail.event("answered").await;
    assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(2));
    service.stop().await;
}

#[tokio::test]
async fn a_start_beyond_the_end_is_refused() {
    let bench = Bench::start().await;
    let service = Running::spawn(bench.service("echo", [echo()]).from_sequence(10));
    let error = service.ended().await.to_string();
    assert_eq!(
        error,
        "position of service `echo` is lost: it is to start at sequence 10, but the stream ends at 0"
    );
}

#[tokio::test]
async fn a_service_waits_for_a_server_that_is_not_there_yet() {
    let mut bench = Bench::start().await;
    bench.server.stop();
    let service = Running::spawn(bench.service("echo", [echo()]));
    tokio::task::yield_now().await;
    bench.server.restart().unwrap();
    let connect = async || Rapids::connect(&bench.config()).await.ok();
    let rapids = found("a connection", connect).await;
    until("the service comes up", async || {
        !rapids.services(Duration::from_millis(100)).await.unwrap().is_empty()
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn a_service_stops_although_its_server_is_gone() {
    let mut bench = Bench::start().await;
    let hurried = bench.config().grace(Duration::from_millis(500));
    let service = bench.run(Service::new("echo", hurried).river(echo())).await;
    bench.rapids.publish_all((0..50).map(called)).await.unwrap();
    bench.server.kill();
    service.stop().await;
}
