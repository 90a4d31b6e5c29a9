//! What becomes of a packet whose reaction does not succeed, and what is left of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use async_nats::jetstream::stream::Config as StreamConfig;
use jiff::Timestamp;
use rapids_client::{
    DeadLetter, Delivery, Kind, Note, Packet, RetryPolicy, River, Service, State, reject,
    retry_after,
};

use tokio::sync::Notify;

use crate::harness::{Bench, found, soon, until};

/// With digits and blanks that a reader could lose.
const BODY: &str = "{ \"event\":\"placed\",  \"total\":9007199254740993, \"price\":1.10 }\n";

fn quick(attempts: u32) -> RetryPolicy {
    RetryPolicy::new().attempts(attempts).first(Duration::from_millis(10))
}

/// Counts its runs, and ends each as it is told.
fn charge<E>(runs: &Arc<AtomicU32>, end: E) -> River
where
    E: Fn(Packet, u32) -> anyhow::Result<Option<Packet>> + Send + Sync + 'static,
{
    let runs = Arc::clone(runs);
    River::new("charge").event("placed").react(move |packet: Packet| {
        let run = runs.fetch_add(1, Ordering::Relaxed) + 1;
        let ended = end(packet, run);
        async move { ended }
    })
}

/// Answers a packet, without an effect on the others.
fn note() -> River {
    River::new("note").event("placed").react(|packet: Packet| async move {
        Ok(Packet::event("noted").with("n", packet.get::<u64>("n")?))
    })
}

/// The one letter that a river of this kind leaves, with the number of its runs.
async fn one_letter(river: impl FnOnce(&Arc<AtomicU32>) -> River) -> (DeadLetter, u32) {
    let bench = Bench::start().await;
    let runs = Arc::new(AtomicU32::new(0));
    let service = bench.run(bench.service("payment", [river(&runs), note()])).await;
    bench.publish_raw(BODY).await;
    let letter = bench.letter("payment.charge.1").await.letter;
    // The original is acknowledged behind the letter, and no other letter comes.
    bench.tail().await.event("noted").await;
    bench.quiet(&["payment"]).await;
    service.stop().await;
    assert_eq!(bench.letters().await, ["payment.charge.1"]);
    assert_eq!(letter.body, BODY);
    assert_eq!((letter.sequence, letter.name.as_deref()), (1, Some("placed")));
    assert!(letter.packet_id.starts_with("RAPIDS-"), "{}", letter.packet_id);
    assert!(letter.stored <= letter.first_failure && letter.first_failure <= letter.last_failure);
    assert!(!letter.instance.is_empty());
    (letter, runs.load(Ordering::Relaxed))
}

#[tokio::test]
async fn an_error_is_tried_again_until_the_attempts_are_exhausted() {
    let refused =
        |_, _| Err(anyhow!("os error 111").context("connection refused").context("no answer"));
    let (letter, runs) = one_letter(|runs| charge(runs, refused).retry(quick(3))).await;
    assert_eq!((letter.kind, letter.attempts, runs), (Kind::Exhausted, 3, 3));
    assert_eq!(letter.reason, "no answer");
    assert_eq!(letter.causes, ["connection refused", "os error 111"]);
    assert!(letter.first_failure < letter.last_failure);
}

#[tokio::test]
async fn a_panic_is_caught_and_counts_as_an_attempt() {
    let bug = |_, run: u32| -> anyhow::Result<_> { panic!("a bug, time {run}") };
    let (letter, runs) = one_letter(|runs| charge(runs, bug).retry(quick(2))).await;
    assert_eq!((letter.kind, letter.attempts, runs), (Kind::Exhausted, 2, 2));
    assert_eq!(letter.reason, "panicked: a bug, time 2");
}

#[tokio::test]
async fn a_reaction_that_takes_too_long_is_cut_off_and_counts_as_an_attempt() {
    let (letter, runs) = one_letter(|runs| {
        let runs = Arc::clone(runs);
        let endless = move |_: Packet| {
            runs.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<anyhow::Result<()>>()
        };
        let charge = River::new("charge").event("placed").react(endless);
        charge.timeout(Duration::from_millis(100)).retry(quick(2))
    })
    .await;
    assert_eq!((letter.kind, letter.attempts, runs), (Kind::TimedOut, 2, 2));
    assert_eq!(letter.reason, "no end within 100ms");
}

#[tokio::test]
async fn a_rejection_is_final_however_it_is_wrapped() {
    let refuse = |_, _| Err(reject("the card is expired")).context("charging");
    let (letter, runs) = one_letter(|runs| charge(runs, refuse)).await;
    assert_eq!((letter.kind, letter.attempts, runs), (Kind::Rejected, 1, 1));
    assert_eq!(
        (letter.reason.as_str(), letter.causes),
        ("charging", vec!["the card is expired".to_owned()])
    );
}

#[tokio::test]
async fn a_packet_that_does_not_parse_is_rejected_at_once() {
    let parse = |packet: Packet, _| Ok(packet.get::<u8>("total").map(|_| None)?);
    let (letter, runs) = one_letter(|runs| charge(runs, parse)).await;
    assert_eq!((letter.kind, letter.attempts, runs), (Kind::Rejected, 1, 1));
}

#[tokio::test]
async fn a_packet_that_is_too_costly_to_judge_is_a_letter_and_the_others_are_handled() {
    let bench = Bench::start().await;
    let runs = Arc::new(AtomicU32::new(0));
    let pattern = "match('a', @.pattern)";
    let asking = charge(&runs, |_, _| Ok(None)).require_that(pattern);
    let guard = River::new("guard").when(pattern).react(|_: Packet| async { Ok(()) });
    let service = bench.service("payment", [asking, guard, note()]);
    let running = bench.run(service).await;
    let mut tail = bench.tail().await;
    bench.publish_raw(format!(r#"{{"event":"placed","pattern":"{}"}}"#, "a".repeat(2_000))).await;
    bench.publish_raw(r#"{"event":"placed","pattern":"b|a"}"#).await;
    tail.event("noted").await;
    tail.event("noted").await;
    for river in ["charge", "guard"] {
        let letter = bench.letter(&format!("payment.{river}.1")).await.letter;
        assert_eq!((letter.kind, letter.attempts), (Kind::TooCostly, 0));
        let reason = format!("rule `{pattern}` takes a pattern from this packet that is too large");
        assert!(letter.reason.starts_with(&reason), "{}", letter.reason);
    }
    bench.quiet(&["payment"]).await;
    running.stop().await;
    assert_eq!(bench.letters().await, ["payment.charge.1", "payment.guard.1"]);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_packet_that_is_meant_but_malformed_is_invalid_and_no_reaction_sees_it() {
    let demanding = |runs: &Arc<AtomicU32>| {
        charge(runs, |_, _| Ok(None)).require("order_id").require_that("@.total < 100")
    };
    let (letter, runs) = one_letter(demanding).await;
    assert_eq!((letter.kind, letter.attempts, runs), (Kind::Invalid, 0, 0));
    assert!(letter.reason.contains("@.order_id is missing"), "{}", letter.reason);
    assert!(letter.reason.contains("@.total = 9007199254740993"), "{}", letter.reason);
}

#[tokio::test]
async fn a_reaction_is_tried_again_after_the_time_that_it_asks_for() {
    const WAIT: Duration = Duration::from_millis(300);
    let begun = Instant::now();
    let busy = |_, _| Err(retry_after(WAIT)).context("the bank is busy");
    let (letter, runs) = one_letter(|runs| charge(runs, busy).retry(quick(3))).await;
    assert!(begun.elapsed() > 2 * WAIT);
    assert_eq!((letter.kind, letter.attempts, runs), (Kind::Exhausted, 3, 3));
}

#[tokio::test]
async fn a_long_wait_is_on_the_server_unless_the_packet_would_expire_there() {
    let bench = Bench::of(Delivery::Shared).await;
    let runs = Arc::new(AtomicU32::new(0));
    let waiting = charge(&runs, |packet, _| match packet.get::<u64>("n")? {
        Some(1) => Err(retry_after(Duration::from_secs(3_600))),
        Some(2) => Err(retry_after(Duration::MAX)),
        n => Ok(Some(Packet::event("charged").with("n", n))),
    });
    let service = bench.run(bench.service("payment", [waiting])).await;
    for n in [1, 2, 3] {
        bench.rapids.publish(Packet::event("placed").with("n", n)).await.unwrap();
    }
    let mut tail = bench.tail().await;
    assert_eq!(tail.event("charged").await.get::<u64>("n").unwrap(), Some(3));
    let notes = bench.jetstream().await.get_key_value("RAPIDS_HANDLING").await.unwrap();
    let created = bench.stream_created().await;
    let attempts = async |sequence: u64| {
        let note = notes.get(format!("payment.{created}.{sequence}")).await.unwrap()?;
        let note: serde_json::Value = serde_json::from_slice(&note).unwrap();
        note["charge"]["attempts"].as_u64()
    };
    found("what waits on the server is written down", async || attempts(1).await).await;
    assert_eq!((attempts(1).await, attempts(2).await), (Some(1), None));
    service.stop().await;
    assert_eq!(attempts(2).await, Some(1), "what was held is written down at the end");
    assert_eq!(runs.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_loop_of_three_services_that_doubles_each_time_ends_and_names_them() {
    const LIMIT: u32 = 6;
    let bench = Bench::start().await;
    let mut running = Vec::new();
    for (name, hears, says) in [("a", "to_a", "to_b"), ("b", "to_b", "to_c"), ("c", "to_c", "to_a")]
    {
        let double = River::new("double").event(hears).react(move |_: Packet| async move {
            anyhow::Ok([Packet::event(says), Packet::event(says)])
        });
        let service = Service::new(name, bench.config().read_limit(LIMIT)).river(double);
        running.push(bench.run(service).await);
    }
    bench.rapids.publish(Packet::event("to_a")).await.unwrap();
    let all = 2_u64.pow(LIMIT + 1) - 1;
    until("all of them are delivered", async || {
        bench.rapids.position("a").await.unwrap().unwrap().delivered >= all
    })
    .await;
    bench.quiet(&["a", "b", "c"]).await;
    let letters = bench.letters().await;
    assert_eq!(letters.len(), 2_usize.pow(LIMIT));
    assert!(letters.iter().all(|id| id.starts_with("a.double.")), "{letters:?}");
    let letter = bench.letter(&letters[0]).await.letter;
    assert_eq!((letter.kind, letter.attempts), (Kind::Looped, 0));
    assert_eq!(letter.breadcrumbs, ["a", "b", "c", "a", "b", "c"]);
    assert_eq!(letter.reason, "looped, by way of a > b > c > a > b > c");
    for service in running {
        service.stop().await;
    }
}

/// Lets the dead letters hold so many bytes; -1 is no limit.
async fn limit_letters(bench: &Bench, max_bytes: i64) {
    let jetstream = bench.jetstream().await;
    let found = jetstream.get_stream("DEAD_LETTERS").await.unwrap().cached_info().config.clone();
    jetstream.update_stream(StreamConfig { max_bytes, ..found }).await.unwrap();
}

#[tokio::test]
async fn a_packet_whose_letter_finds_no_room_stays_and_holds_nobody_up() {
    let bench = Bench::start().await;
    let runs = Arc::new(AtomicU32::new(0));
    let refusing = || {
        charge(&runs, |packet, _| match packet.get::<u64>("n")? {
            Some(1) => Err(reject("no")),
            n => Ok(Some(Packet::event("charged").with("n", n))),
        })
    };
    let service = bench.run(bench.service("payment", [refusing()])).await;
    limit_letters(&bench, 1).await;
    for n in [1, 2] {
        bench.rapids.publish(Packet::event("placed").with("n", n)).await.unwrap();
    }
    let mut tail = bench.tail().await;
    assert_eq!(tail.event("charged").await.get::<u64>("n").unwrap(), Some(2));
    assert_eq!(bench.fact("payment", "dead_letters").await, "1 cannot be stored yet");
    // Also when it has come again, and so runs alone.
    service.stop().await;
    let service = bench.run(bench.service("payment", [refusing()])).await;
    bench.rapids.publish(Packet::event("placed").with("n", 3)).await.unwrap();
    assert_eq!(tail.event("charged").await.get::<u64>("n").unwrap(), Some(3));
    bench.fact("payment", "dead_letters").await;
    // In exclusive delivery it is written down a moment later.
    until("one packet stays, and nothing behind it", async || {
        let position = bench.rapids.position("payment").await.unwrap().unwrap();
        (position.acknowledged, position.unacknowledged) == (0, 1)
    })
    .await;

    limit_letters(&bench, -1).await;
    let letter = bench.letter("payment.charge.1").await.letter;
    assert_eq!((letter.kind, letter.attempts), (Kind::Rejected, 2));
    bench.quiet(&["payment"]).await;
    bench.no_fact("payment", "dead_letters").await;
    service.stop().await;
    assert_eq!(runs.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_stop_forgets_neither_attempts_nor_who_is_done() {
    let bench = Bench::start().await;
    let (runs, healthy_runs) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let healthy = || {
        let runs = Arc::clone(&healthy_runs);
        River::new("note").event("placed").react(move |_: Packet| {
            runs.fetch_add(1, Ordering::Relaxed);
            async { Ok(Packet::event("noted")) }
        })
    };
    let waiting = charge(&runs, |_, _| Err(retry_after(Duration::from_secs(50))));
    let first = bench.run(bench.service("payment", [waiting, healthy()])).await;
    bench.rapids.publish(Packet::event("placed")).await.unwrap();
    bench.tail().await.event("noted").await;
    first.stop().await;
    let stopped = Timestamp::now();
    assert_eq!(runs.load(Ordering::Relaxed), 1);

    let failing = charge(&runs, |_, _| Err(anyhow!("down"))).retry(quick(3));
    let second = bench.run(bench.service("payment", [failing, healthy()])).await;
    let letter = bench.letter("payment.charge.1").await.letter;
    assert_eq!((letter.attempts, runs.load(Ordering::Relaxed)), (3, 3));
    assert!(letter.first_failure < stopped && letter.last_failure > stopped);
    bench.quiet(&["payment"]).await;
    second.stop().await;
    assert_eq!(healthy_runs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_stop_that_does_not_wait_for_a_reaction_does_not_forget_its_sibling() {
    let bench = Bench::start().await;
    let noted = Arc::new(AtomicU32::new(0));
    let (is_stuck, begun) = (Arc::new(AtomicBool::new(true)), Arc::new(Notify::new()));
    let rivers = || {
        let (runs, is_stuck, begun) = (noted.clone(), is_stuck.clone(), begun.clone());
        let note = River::new("note").event("placed").react(move |_: Packet| {
            runs.fetch_add(1, Ordering::Relaxed);
            async { Ok(Packet::event("noted")) }
        });
        let stuck = River::new("stuck").event("placed").react(move |_: Packet| {
            let is_stuck = is_stuck.load(Ordering::Relaxed);
            begun.notify_one();
            async move {
                if is_stuck {
                    std::future::pending::<()>().await;
                }
                Ok(Packet::event("through"))
            }
        });
        [note, stuck]
    };
    let service = || {
        let hurried = bench.config().grace(Duration::from_millis(300));
        rivers().into_iter().fold(Service::new("payment", hurried), Service::river)
    };
    // At first among others, and then alone, more often than a packet may end its process.
    for _ in 0..5 {
        let running = bench.run(service()).await;
        if bench.rapids.position("payment").await.unwrap().unwrap().delivered == 0 {
            bench.rapids.publish(Packet::event("placed")).await.unwrap();
        }
        bench.tail().await.event("noted").await;
        soon("the reaction begins", begun.notified()).await;
        running.stop().await;
    }
    is_stuck.store(false, Ordering::Relaxed);
    let last = bench.run(service()).await;
    bench.tail().await.event("through").await;
    bench.quiet(&["payment"]).await;
    last.stop().await;
    assert_eq!(noted.load(Ordering::Relaxed), 1);
    assert!(bench.letters().await.is_empty());
}

#[tokio::test]
async fn a_replay_that_fails_again_is_a_letter_linked_to_the_first() {
    let bench = Bench::start().await;
    let runs = Arc::new(AtomicU32::new(0));
    let refusing = || charge(&runs, |_, run| Err(reject(format!("no, time {run}"))));
    let service = bench.run(bench.service("payment", [refusing()])).await;
    let published = bench.rapids.publish(Packet::event("placed")).await.unwrap();
    let first = bench.letter("payment.charge.1").await.letter;
    // The service is down when it is replayed, and finds it when it comes up.
    service.stop().await;
    let letters = bench.dead_letters().await;
    letters.replay(&first.id, &Note::new("ada")).await.unwrap();
    let service = bench.run(bench.service("payment", [refusing()])).await;
    let second = bench.letter("payment.charge.r1").await.letter;
    service.stop().await;
    assert_eq!(second.reason, "no, time 2");
    assert_eq!((second.first.as_ref(), second.sequence), (Some(&first.id), 1));
    assert_eq!((&second.packet_id, &second.body), (&published.id, &first.body));
    assert_eq!(letters.get(&first.id).await.unwrap().unwrap().state, State::FailedAgain);
    let history = letters.history(&first.id).await.unwrap();
    let ids: Vec<_> = history.iter().map(|stored| &stored.letter.id).collect();
    assert_eq!(ids, [&first.id, &second.id]);
}
