//! Exclusive delivery: who is active, what a take-over leaves undone, and what ends a service.

use std::collections::BTreeSet;
use std::process;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::SignedDuration;
use rapids_client::{Config, Delivery, Packet, Rapids, River, Service};
use rapids_test::NatsServer;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::harness::{Bench, Running, called, config, echo, soon, until};
use crate::process::{Diary, Process};

pub(crate) const COUNTING: &str = "counting";

/// Writes down which process saw which packet, answers each, and counts them.
pub(crate) fn counting(config: Config, diary: Diary) -> Service {
    let answer = River::new("answer").event("called").react(move |packet: Packet| {
        let diary = diary.clone();
        async move {
            let n = packet.get::<u64>("n")?.unwrap_or_default();
            diary.write(&format!("{} {n}", process::id()));
            Ok(Packet::event("answered").with("n", n))
        }
    });
    let count = River::new("count").event("called").memory::<Count>("count", "@.event");
    let count = count.react(|count: &mut Count, packet: &Packet| {
        count.calls += 1;
        let n = packet.get::<u64>("n")?;
        Ok(Some(Packet::event("counted").with("n", n).with("calls", count.calls)))
    });
    Service::new("counter", config).river(answer).river(count)
}

#[derive(Default, Serialize, Deserialize)]
struct Count {
    calls: u64,
}

/// Makes sure that each of the calls was answered once and counted once.
pub(crate) async fn check(bench: &Bench, calls: u64) {
    bench.quiet(&["counter"]).await;
    bench.rapids.publish(Packet::event("end")).await.unwrap();
    let packets = bench.tail().await.until("end").await;
    for event in ["answered", "counted"] {
        let of = packets.iter().filter(|packet| packet.event_name().as_deref() == Some(event));
        let mut numbers: Vec<u64> = of.map(|packet| packet.get("n").unwrap().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..calls).collect::<Vec<_>>(), "{event}");
    }
    let counted = packets.iter().filter_map(|packet| packet.get::<u64>("calls").unwrap());
    assert_eq!(counted.max(), Some(calls));
}

/// What the instances of the service say of their part in it.
async fn parts(bench: &Bench) -> Vec<String> {
    let up = bench.rapids.services(Duration::from_millis(200)).await.unwrap();
    up.into_iter().filter_map(|mut instance| instance.facts.remove("delivery")).collect()
}

/// Waits until the service has so many instances, of which one is active.
async fn stand_by(bench: &Bench, instances: usize) {
    until("the others stand by", async || {
        let parts = parts(bench).await;
        let standing_by = parts.iter().filter(|part| *part == "standing by").count();
        parts.len() == instances && standing_by + 1 == instances
    })
    .await;
}

async fn record(bench: &Bench) -> async_nats::jetstream::kv::Store {
    bench.jetstream().await.get_key_value("RAPIDS_POSITIONS").await.unwrap()
}

#[tokio::test]
async fn one_instance_is_active_and_hands_over_at_once_when_it_stops() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let mut tail = bench.tail().await;
    let mut active = bench.run(bench.service("echo", [echo()])).await;
    for n in 0..3 {
        let standby = bench.run(bench.service("echo", [echo()])).await;
        stand_by(&bench, 2).await;
        bench.rapids.publish(called(n)).await.unwrap();
        tail.event("answered").await;
        active.stop().await;
        let stopped = Instant::now();
        bench.rapids.publish(called(n)).await.unwrap();
        tail.event("answered").await;
        assert!(stopped.elapsed() < Duration::from_secs(2), "it waited for the lease");
        active = standby;
    }
    active.stop().await;
}

#[tokio::test]
async fn one_that_finishes_a_long_reaction_at_its_stop_is_not_replaced_meanwhile() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let service = || {
        let (begun, gate) = (begun.clone(), gate.clone());
        let slow = River::new("slow").event("called").react(move |_: Packet| {
            let (begun, gate) = (begun.clone(), gate.clone());
            async move {
                begun.add_permits(1);
                gate.acquire().await?.forget();
                Ok(Packet::event("answered"))
            }
        });
        bench.service("counter", [slow])
    };
    let first = bench.run(service()).await;
    let second = bench.run(service()).await;
    stand_by(&bench, 2).await;
    bench.rapids.publish(called(0)).await.unwrap();
    soon("the reaction begins", begun.acquire()).await.unwrap().forget();
    let holder = async || {
        let position = bench.rapids.position("counter").await.unwrap();
        position.and_then(|position| position.exclusive).unwrap()
    };
    let (before, stopping) = (holder().await, tokio::spawn(first.stop()));
    until("its lease would have run out twice", async || {
        let now = holder().await;
        assert_eq!(now.instance, before.instance);
        now.written.duration_since(before.written) > SignedDuration::from_secs(6)
    })
    .await;
    gate.add_permits(1);
    stopping.await.unwrap();
    bench.tail().await.event("answered").await;
    bench.quiet(&["counter"]).await;
    assert_eq!(begun.available_permits(), 0, "it ran once");
    second.stop().await;
}

#[tokio::test]
async fn one_that_is_told_to_stop_while_it_takes_over_hands_over_too() {
    let bench = Bench::of(Delivery::Exclusive).await;
    for turns in 0..12 {
        let active = bench.run(bench.service("echo", [echo()])).await;
        let standby = bench.run(bench.service("echo", [echo()])).await;
        stand_by(&bench, 2).await;
        active.stop().await;
        // Each time a little later in what it does to take over.
        tokio::time::sleep(Duration::from_micros(turns * 150)).await;
        standby.stop().await;
        let record = record(&bench).await.get("echo").await.unwrap().unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record.get("instance"), None, "{turns}: {record}");
    }
}

#[tokio::test]
async fn a_standby_takes_over_from_one_that_was_killed_and_nothing_is_lost_or_doubled() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let mut active = Process::spawn(&bench, COUNTING, &diary);
    bench.is_up("counter").await;
    let mut calls = 0;
    for _ in 0..3 {
        let standby = Process::spawn(&bench, COUNTING, &diary);
        stand_by(&bench, 2).await;
        let seen = diary.lines().len();
        bench.rapids.publish_all((calls..calls + 200).map(called)).await.unwrap();
        calls += 200;
        diary.reaches(seen + 50).await;
        active.kill().await;
        active = standby;
    }
    check(&bench, calls).await;
}

#[tokio::test]
async fn one_that_stood_still_past_its_lease_does_nothing_more_and_stands_by() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let first = Process::spawn(&bench, COUNTING, &diary);
    bench.is_up("counter").await;
    let second = Process::spawn(&bench, COUNTING, &diary);
    stand_by(&bench, 2).await;
    bench.rapids.publish_all((0..300).map(called)).await.unwrap();
    diary.reaches(20).await;
    first.freeze();
    let second_id = second.id();
    until("the other one takes over", async || {
        diary.lines().iter().any(|line| line.starts_with(&format!("{second_id} ")))
    })
    .await;
    first.thaw();
    stand_by(&bench, 2).await;
    let thawed = diary.lines().len();
    bench.rapids.publish_all((300..600).map(called)).await.unwrap();
    check(&bench, 600).await;
    let lines = diary.lines();
    let after = lines[thawed..].iter().filter(|line| line.starts_with(&format!("{} ", first.id())));
    assert_eq!(after.count(), 0, "it is not active any more");
    drop(second);
}

#[tokio::test]
async fn what_is_published_while_a_client_stands_still_is_read_from_the_stream() {
    // More than is asked for at once when it catches up: else the server would cut that, too.
    let server = NatsServer::with_config("max_pending: 20MB").unwrap();
    let rapids = Rapids::connect(&config(&server.url())).await.unwrap();
    let bench = Bench::of_server(Delivery::Exclusive, server, rapids);
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let active = Process::spawn(&bench, COUNTING, &diary);
    bench.is_up("counter").await;
    bench.rapids.publish(called(0)).await.unwrap();
    diary.shows(&format!("{} 0", active.id()), 1).await;
    active.freeze();
    // More than the server keeps for a client that does not read: it cuts the connection.
    let filler = "x".repeat(500_000);
    for _ in 0..12 {
        let large = (0..5).map(|_| Packet::event("filler").with("pad", filler.clone()));
        bench.rapids.publish_all(large).await.unwrap();
    }
    bench.rapids.publish_all((1..50).map(called)).await.unwrap();
    active.thaw();
    check(&bench, 50).await;
    assert!(bench.server.log().contains("Slow Consumer"), "the server has cut nothing");
}

#[tokio::test]
async fn a_server_that_is_killed_costs_no_packet_live_or_catching_up() {
    let mut bench = Bench::of(Delivery::Exclusive).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let service = bench.run(counting(bench.config(), diary.clone())).await;
    bench.rapids.publish_all((0..200).map(called)).await.unwrap();
    bench.server.kill();
    bench.server.restart().unwrap();
    bench.rapids.publish_all((200..400).map(called)).await.unwrap();
    bench.quiet(&["counter"]).await;
    service.stop().await;
    // What is published while it is down, it reads from the stream.
    bench.rapids.publish_all((400..1_500).map(called)).await.unwrap();
    let service = bench.run(counting(bench.config(), diary.clone())).await;
    let seen = diary.lines().len();
    diary.reaches(seen + 200).await;
    bench.server.kill();
    bench.server.restart().unwrap();
    check(&bench, 1_500).await;
    service.stop().await;
}

#[tokio::test]
async fn a_record_that_is_deleted_or_garbled_ends_the_service_and_names_the_remedy() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let remedy = "set it with `rapids position echo --set SEQUENCE`";
    for garbage in [None, Some("garbage")] {
        let service = bench.run(bench.service("echo", [echo()])).await;
        let good = record(&bench).await.get("echo").await.unwrap().unwrap();
        let spoil = async || match garbage {
            None => record(&bench).await.delete("echo").await.unwrap(),
            Some(garbage) => {
                record(&bench).await.put("echo", garbage.into()).await.unwrap();
            }
        };
        spoil().await;
        let running = service.ended().await.to_string();
        let starting = Running::spawn(bench.service("echo", [echo()])).ended().await.to_string();
        for error in [running, starting] {
            assert!(error.starts_with("position of service `echo` is lost: its record"), "{error}");
            assert!(error.contains(remedy), "{error}");
        }
        record(&bench).await.put("echo", good).await.unwrap();
    }
}

#[tokio::test]
async fn instances_that_race_for_the_lease_are_active_one_at_a_time() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let service = || bench.service("echo", [echo()]);
    let mut instances = Vec::new();
    for _ in 0..6 {
        instances.push(bench.run(service()).await);
    }
    stand_by(&bench, 6).await;
    let mut holders = BTreeSet::new();
    for _ in 0..200 {
        let (positions, revision) = (
            record(&bench).await,
            soon("a free record", async {
                loop {
                    let store = record(&bench).await;
                    let entry = store.entry("echo").await.unwrap().unwrap();
                    let mut free: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
                    let Some(holder) = free["instance"].as_str().map(str::to_owned) else {
                        continue;
                    };
                    free["instance"] = "".into();
                    let freed = store.update("echo", free.to_string().into(), entry.revision).await;
                    if let Ok(revision) = freed {
                        holders.insert(holder);
                        return revision;
                    }
                }
            })
            .await,
        );
        // The first that writes is active: nobody else writes over it.
        until("one of them takes it", async || {
            positions.entry("echo").await.unwrap().unwrap().revision != revision
        })
        .await;
    }
    assert!(holders.len() > 1, "{holders:?}");
    bench.rapids.publish_all((0..50).map(called)).await.unwrap();
    bench.quiet(&["echo"]).await;
    bench.rapids.publish(Packet::event("end")).await.unwrap();
    let packets = bench.tail().await.until("end").await;
    let answered = packets.iter().filter(|it| it.event_name().as_deref() == Some("answered"));
    assert_eq!(answered.count(), 50);
    for instance in instances {
        instance.stop().await;
    }
}

#[tokio::test]
async fn a_service_keeps_its_position_from_one_way_of_delivery_to_the_other() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let service =
        |delivery: Delivery| Service::new("echo", bench.config().delivery(delivery)).river(echo());
    let ways = [Delivery::Shared, Delivery::Exclusive, Delivery::Shared, Delivery::Exclusive];
    for (n, way) in (0..).zip(ways) {
        let running = bench.run(service(way)).await;
        bench.rapids.publish(called(n * 2)).await.unwrap();
        bench.quiet(&["echo"]).await;
        if way == Delivery::Shared {
            let error = Running::spawn(service(Delivery::Exclusive)).ended().await.to_string();
            assert!(error.contains("run in shared delivery; stop them first"), "{error}");
        } else {
            let error = Running::spawn(service(Delivery::Shared)).ended().await.to_string();
            assert!(error.contains("is active in exclusive delivery; stop it first"), "{error}");
        }
        running.stop().await;
        bench.rapids.publish(called(n * 2 + 1)).await.unwrap();
    }
    let last = bench.run(service(Delivery::Exclusive)).await;
    bench.quiet(&["echo"]).await;
    bench.rapids.publish(Packet::event("end")).await.unwrap();
    let packets = bench.tail().await.until("end").await;
    let answered = packets.iter().filter(|it| it.event_name().as_deref() == Some("answered"));
    let numbers: Vec<u64> = answered.map(|packet| packet.get("n").unwrap().unwrap()).collect();
    assert_eq!(numbers, (0..8).collect::<Vec<_>>());
    last.stop().await;
}

#[tokio::test]
async fn without_a_live_feed_the_stream_alone_is_read() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let jetstream = bench.jetstream().await;
    let found = jetstream.get_stream("RAPIDS").await.unwrap().cached_info().config.clone();
    let elsewhere = async_nats::jetstream::stream::Republish {
        source: "rapids".to_owned(),
        destination: "elsewhere".to_owned(),
        headers_only: false,
    };
    let config = async_nats::jetstream::stream::Config { republish: Some(elsewhere), ..found };
    jetstream.update_stream(config).await.unwrap();
    let service = bench.run(bench.service("echo", [echo()])).await;
    let mut tail = bench.tail().await;
    for n in 0..3 {
        bench.rapids.publish(called(n)).await.unwrap();
        assert_eq!(tail.event("answered").await.get::<u64>("n").unwrap(), Some(n));
    }
    service.stop().await;
}

#[tokio::test]
async fn a_record_that_no_service_writes_is_told_with_the_remedy_and_skips_nothing() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.rapids.publish_all((0..5).map(called)).await.unwrap();
    bench.quiet(&["echo"]).await;
    service.stop().await;
    let records = record(&bench).await;
    let good = records.get("echo").await.unwrap().unwrap();
    let good: serde_json::Value = serde_json::from_slice(&good).unwrap();
    let write = async |field: &str, value: serde_json::Value| {
        let mut bad = good.clone();
        bad[field] = value;
        records.put("echo", bad.to_string().into()).await.unwrap();
    };
    let is_told = |error: String| {
        assert!(error.starts_with("position of service `echo` is lost: it"), "{error}");
        assert!(error.contains("set it with `rapids position echo --set SEQUENCE`"), "{error}");
    };
    for (field, value) in [
        ("floor", 500.into()),
        ("given", 500.into()),
        ("done", serde_json::json!([[500, 600]])),
        ("done", serde_json::json!([[3, 2]])),
        ("done", serde_json::json!([[12, 12], [11, 12]])),
    ] {
        write(field, value).await;
        is_told(Running::spawn(bench.service("echo", [echo()])).ended().await.to_string());
    }
    // By one that stands by, too.
    records.put("echo", good.to_string().into()).await.unwrap();
    let active = bench.run(bench.service("echo", [echo()])).await;
    let standby = bench.run(bench.service("echo", [echo()])).await;
    stand_by(&bench, 2).await;
    write("done", serde_json::json!([[500, 600]])).await;
    is_told(standby.ended().await.to_string());
    is_told(active.ended().await.to_string());
    records.put("echo", good.to_string().into()).await.unwrap();
    let service = bench.run(bench.service("echo", [echo()])).await;
    bench.rapids.publish(called(5)).await.unwrap();
    bench.quiet(&["echo"]).await;
    service.stop().await;
}

#[tokio::test]
async fn one_that_is_replaced_while_it_catches_up_leaves_no_consumer() {
    let bench = Bench::of(Delivery::Exclusive).await;
    bench.run(bench.service("echo", [echo()])).await.stop().await;
    bench.rapids.publish_all((0..3_000).map(called)).await.unwrap();
    let stuck = River::new("stuck").event("called").react(|_: Packet| async {
        std::future::pending::<()>().await;
        Ok(())
    });
    let stuck = bench.run(bench.service("echo", [stuck])).await;
    let consumers = async || {
        let stream = bench.jetstream().await.get_stream("RAPIDS").await.unwrap();
        stream.consumer_names().filter_map(async |name| name.ok()).collect::<Vec<_>>().await
    };
    until("it catches up", async || !consumers().await.is_empty()).await;
    // Another one takes its place.
    let records = record(&bench).await;
    soon("it is replaced", async {
        loop {
            let entry = records.entry("echo").await.unwrap().unwrap();
            let mut taken: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
            taken["instance"] = "another".into();
            if records.update("echo", taken.to_string().into(), entry.revision).await.is_ok() {
                return;
            }
        }
    })
    .await;
    until("its consumer is gone", async || consumers().await.is_empty()).await;
    stuck.stop().await;
}
