//! Packets that expire before a service reads them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::jetstream::stream::Config as StreamConfig;
use rapids_client::{Delivery, Packet, River};
use tokio::sync::Semaphore;

use crate::harness::{Bench, called, echo, found, until};

/// From now on packets are kept this long.
pub(crate) async fn keep(bench: &Bench, age: Duration) {
    let jetstream = bench.jetstream().await;
    let found = jetstream.get_stream("RAPIDS").await.unwrap().cached_info().config.clone();
    let window = age.min(Duration::from_secs(600));
    let config = StreamConfig { max_age: age, duplicate_window: window, ..found };
    jetstream.update_stream(config).await.unwrap();
}

/// Waits until all that was published has expired.
pub(crate) async fn expired(bench: &Bench) {
    let jetstream = bench.jetstream().await;
    until("everything expires", async || {
        jetstream.get_stream("RAPIDS").await.unwrap().cached_info().state.messages == 0
    })
    .await;
}

#[tokio::test]
async fn what_expired_while_a_service_was_down_is_counted_as_lost() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("echo", [River::new("r").event("x").react(nothing)]));
    let service = service.await;
    bench.rapids.publish_all((0..3).map(called)).await.unwrap();
    bench.quiet(&["echo"]).await;
    service.stop().await;
    bench.rapids.publish_all((0..4).map(called)).await.unwrap();
    keep(&bench, Duration::from_millis(200)).await;
    expired(&bench).await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    let lost = bench.fact("echo", "lost").await;
    assert_eq!(lost, "4 packets expired unread, the last of them packets 4 to 7");
    service.stop().await;

    // It was told, and what is lost once is lost for good.
    keep(&bench, Duration::from_secs(3600)).await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.rapids.publish(called(1)).await.unwrap();
    bench.tail().await.event("answered").await;
    service.stop().await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.quiet(&["echo"]).await;
    let up = bench.rapids.services(Duration::from_millis(300)).await.unwrap();
    assert!(!up[0].facts.contains_key("lost"), "{up:?}");
    service.stop().await;
}

async fn nothing(_: Packet) -> anyhow::Result<()> {
    Ok(())
}

/// A reaction that needs a permit for each packet.
fn gated(gate: &Arc<Semaphore>, runs: &Arc<AtomicU32>) -> River {
    let (gate, runs) = (Arc::clone(gate), Arc::clone(runs));
    River::new("gated").event("called").react(move |_: Packet| {
        let (gate, runs) = (Arc::clone(&gate), Arc::clone(&runs));
        async move {
            gate.acquire().await?.forget();
            runs.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    })
}

#[tokio::test]
async fn what_expires_behind_a_stuck_reaction_is_lost_and_what_is_in_hand_is_not() {
    let bench = Bench::of(Delivery::Shared).await;
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let service = bench.run(bench.service("slow", [gated(&gate, &runs)])).await;
    bench.rapids.publish_all((0..2_000).map(called)).await.unwrap();
    let in_hand = found("some are in hand", async || {
        let delivered = bench.rapids.position("slow").await.unwrap().unwrap().delivered;
        // As many as it asks for as long as it knows nothing of the reaction.
        (delivered == 200).then_some(delivered)
    })
    .await;
    keep(&bench, Duration::from_millis(200)).await;
    expired(&bench).await;
    let lost = bench.fact("slow", "lost").await;
    assert_eq!(lost, "1800 packets expired unread, the last of them packets 201 to 2000");
    keep(&bench, Duration::from_secs(3600)).await;
    bench.rapids.publish(called(2_000)).await.unwrap();
    gate.add_permits(10_000);
    until("the rest is handled", async || u64::from(runs.load(Ordering::Relaxed)) > in_hand).await;
    assert_eq!(bench.fact("slow", "lost").await, lost, "the last one closes no gap");
    service.stop().await;
}

#[tokio::test]
async fn what_expired_while_the_server_was_away_is_lost() {
    let mut bench = Bench::of(Delivery::Shared).await;
    let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let service = bench.run(bench.service("slow", [gated(&gate, &runs)])).await;
    bench.rapids.publish_all((0..600).map(called)).await.unwrap();
    until("some are in hand", async || {
        bench.rapids.position("slow").await.unwrap().unwrap().delivered >= 200
    })
    .await;
    keep(&bench, Duration::from_millis(500)).await;
    bench.server.kill();
    bench.server.restart().unwrap();
    expired(&bench).await;
    gate.add_permits(10_000);
    // They may be missed in two lots, if some expire after the first look.
    until("all of them are missed", async || {
        bench.fact("slow", "lost").await.starts_with("400 packets expired unread, ")
    })
    .await;
    service.stop().await;
}

/// Which packets ran at least once; one in twenty fails at first, and each takes this long.
fn shaky(ran: &Arc<Mutex<BTreeSet<u64>>>, attempts: &Arc<AtomicU32>, work: Duration) -> River {
    let (ran, attempts) = (Arc::clone(ran), Arc::clone(attempts));
    River::new("shaky").event("called").react(move |packet: Packet| {
        let attempt = attempts.fetch_add(1, Ordering::Relaxed);
        let ran = Arc::clone(&ran);
        async move {
            tokio::time::sleep(work).await;
            ran.lock().unwrap().insert(packet.get("n")?.unwrap());
            anyhow::ensure!(attempt % 20 != 0, "one in twenty fails at first");
            Ok(())
        }
    })
}

/// Two instances share packets that expire soon and are `work` each; at most `behind` packets wait
/// for them. Returns how many never ran, and what each instance says of losses.
async fn shared(behind: u64, work: Duration) -> (u64, Vec<Option<String>>) {
    let bench = Bench::of(Delivery::Shared).await;
    let (ran, attempts) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicU32::new(0)));
    keep(&bench, Duration::from_secs(2)).await;
    let one = bench.run(bench.service("shaky", [shaky(&ran, &attempts, work)])).await;
    let two = bench.run(bench.service("shaky", [shaky(&ran, &attempts, work)])).await;
    let began = Instant::now();
    let mut n = 0;
    // Longer than packets are kept, and than the pause between two looks.
    while began.elapsed() < Duration::from_secs(8) {
        bench.rapids.publish_all((n..n + 20).map(called)).await.unwrap();
        n += 20;
        let handled = || ran.lock().unwrap().last().map_or(0, |last| last + 1);
        until("it is handled", async || n - handled() <= behind).await;
    }
    expired(&bench).await;
    until("all that was in hand is handled", async || {
        bench.rapids.position("shaky").await.unwrap().unwrap().unacknowledged == 0
    })
    .await;
    let up = bench.rapids.services(Duration::from_millis(300)).await.unwrap();
    assert_eq!(up.len(), 2);
    one.stop().await;
    two.stop().await;
    let never = n - u64::try_from(ran.lock().unwrap().len()).unwrap();
    (never, up.into_iter().map(|mut instance| instance.facts.remove("lost")).collect())
}

#[tokio::test]
async fn packets_that_expire_after_they_were_shared_and_repeated_are_no_loss() {
    assert_eq!(shared(100, Duration::ZERO).await, (0, vec![None, None]));
}

#[tokio::test]
async fn two_instances_that_cannot_keep_up_never_count_more_than_was_lost() {
    let (never, told) = shared(u64::MAX, Duration::from_millis(5)).await;
    for told in told {
        let told = told.unwrap();
        let count: u64 = told.split(' ').next().unwrap().parse().unwrap();
        assert!((never / 2..=never).contains(&count), "{never} never ran: {told}");
    }
}
