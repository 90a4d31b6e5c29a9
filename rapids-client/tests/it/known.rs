//! What is noted of a service beside its position, and what comes of it where the position, or what
//! it remembers, is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{Consumer, FromConsumer};
use rapids_client::{Delivery, Error, Seek, Service, Start};
use serde_json::{Value, json};

use crate::harness::{Bench, Running, called, config, until};
use crate::positions::{Seen, bucket, count};
use crate::{log, losses};

/// A server on which three calls were made and handled by a service that was stopped then.
pub(crate) async fn known(service: &str) -> (Bench, Seen) {
    log::keep();
    let bench = Bench::of(Delivery::Shared).await;
    let seen = Seen::default();
    let running = bench.run(bench.service(service, [seen.river()])).await;
    publish(&bench, 1..=3).await;
    bench.quiet(&[service]).await;
    running.stop().await;
    assert_eq!(seen.take(), [1, 2, 3]);
    (bench, seen)
}

pub(crate) async fn publish(bench: &Bench, calls: impl IntoIterator<Item = u64>) {
    bench.rapids.publish_all(calls.into_iter().map(called)).await.unwrap();
}

pub(crate) async fn delete_consumer(bench: &Bench, service: &str) {
    bench.jetstream().await.delete_consumer_from_stream(service, "RAPIDS").await.unwrap();
}

/// What is noted of a service.
pub(crate) async fn entry(bench: &Bench, service: &str) -> Value {
    let entry = bucket(bench, "RAPIDS_SERVICES").await.get(service).await.unwrap().unwrap();
    serde_json::from_slice(&entry).unwrap()
}

pub(crate) async fn put_entry(bench: &Bench, service: &str, entry: &Value) {
    let entries = bucket(bench, "RAPIDS_SERVICES").await;
    entries.put(service, entry.to_string().into()).await.unwrap();
}

pub(crate) async fn sees(seen: &Seen, calls: impl IntoIterator<Item = u64>) {
    let calls = BTreeSet::from_iter(calls);
    until("the calls", async || calls.is_subset(&seen.all())).await;
}

#[tokio::test]
async fn a_known_service_whose_consumer_was_deleted_goes_on_behind_what_it_has_done() {
    let (bench, seen) = known("was-down").await;
    publish(&bench, 4..=6).await;
    delete_consumer(&bench, "was-down").await;
    let running = bench.run(bench.service("was-down", [seen.river()])).await;
    bench.quiet(&["was-down"]).await;
    running.stop().await;
    assert_eq!(seen.take(), [4, 5, 6]);
    let warning = log::of("was-down").into_iter().find(|line| line.contains("WARN")).unwrap();
    assert!(warning.contains("behind sequence 3, noted "), "{warning}");
    assert!(warning.contains("published anew"), "{warning}");
}

#[tokio::test]
async fn a_consumer_that_is_deleted_while_its_service_runs_is_made_again_and_nothing_is_lost() {
    let (bench, seen) = known("is-up").await;
    let one = bench.run(bench.service("is-up", [seen.river()])).await;
    let other = bench.run(bench.service("is-up", [seen.river()])).await;
    publish(&bench, 4..=100).await;
    sees(&seen, [50]).await;
    delete_consumer(&bench, "is-up").await;
    publish(&bench, 101..=110).await;
    sees(&seen, 4..=110).await;
    // It was made once for both, and answers for what came of it.
    until("all is acknowledged", async || {
        bench.rapids.position("is-up").await.unwrap().is_some_and(|at| at.acknowledged >= 110)
    })
    .await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_floor_is_noted_while_a_service_runs() {
    let (bench, seen) = known("noting").await;
    let running = bench.run(bench.service("noting", [seen.river()])).await;
    publish(&bench, 4..=6).await;
    until("the floor", async || entry(&bench, "noting").await["floor"]["sequence"] == 6).await;
    running.stop().await;
}

#[tokio::test]
async fn a_known_service_without_a_consumer_and_without_a_floor_ends_and_names_the_remedy() {
    let (bench, seen) = known("unfounded").await;
    let created = entry(&bench, "unfounded").await["stream_created"].take();
    put_entry(&bench, "unfounded", &json!({ "stream_created": created })).await;
    delete_consumer(&bench, "unfounded").await;
    let ended = Running::spawn(bench.service("unfounded", [seen.river()])).ended().await;
    assert!(matches!(ended, Error::Position { .. }), "{ended}");
    let ended = ended.to_string();
    assert!(ended.contains("`rapids position unfounded --set SEQUENCE`"), "{ended}");
    let moving = bench.rapids.move_position("unfounded", Start::Sequence(2), Seek::new());
    assert_eq!(moving.await.unwrap().unwrap().next, 2);
    let running = bench.run(bench.service("unfounded", [seen.river()])).await;
    sees(&seen, [2, 3]).await;
    running.stop().await;
    assert_eq!(seen.take(), [2, 3]);
}

#[tokio::test]
async fn an_entry_of_a_later_version_ends_the_service_before_it_reads_anything() {
    let (bench, seen) = known("later").await;
    put_entry(&bench, "later", &json!({ "version": 1000, "unheard_of": true })).await;
    publish(&bench, [4]).await;
    let ended = Running::spawn(bench.service("later", [seen.river()])).ended().await.to_string();
    assert!(ended.contains("`later` in `RAPIDS_SERVICES` is of version 1000"), "{ended}");
    assert!(seen.all().is_empty());
}

#[tokio::test]
async fn a_service_that_has_handled_nothing_yet_goes_on_where_it_started() {
    let bench = Bench::of(Delivery::Shared).await;
    let seen = Seen::default();
    publish(&bench, 1..=3).await;
    bench.run(bench.service("unused", [seen.river()])).await.stop().await;
    publish(&bench, [4]).await;
    delete_consumer(&bench, "unused").await;
    let position = bench.rapids.position("unused").await.unwrap().unwrap();
    assert_eq!((position.acknowledged, position.pending), (3, 1), "it is where it will go on");
    let running = bench.run(bench.service("unused", [seen.river()])).await;
    bench.quiet(&["unused"]).await;
    running.stop().await;
    assert_eq!(seen.take(), [4]);
}

#[tokio::test]
async fn what_expired_while_a_service_had_no_consumer_is_told() {
    let (bench, seen) = known("late").await;
    publish(&bench, 4..=6).await;
    losses::keep(&bench, Duration::from_millis(200)).await;
    losses::expired(&bench).await;
    delete_consumer(&bench, "late").await;
    let running = bench.run(bench.service("late", [seen.river()])).await;
    let lost = bench.fact("late", "lost").await;
    assert_eq!(lost, "3 packets expired unread, the last of them packets 4 to 6");
    running.stop().await;
}

#[tokio::test]
async fn a_service_that_may_not_write_its_entry_works_on_and_says_so_once() {
    log::keep();
    let bench = Bench::with_config(
        r#"authorization { users: [
            {user: admin, password: a}
            {user: worker, password: w, permissions: {publish: {deny: ["$KV.RAPIDS_SERVICES.>"]}}}
        ] }
        no_auth_user: admin"#,
    )
    .await;
    let seen = Seen::default();
    bench.run(bench.service("unwritten", [seen.river()])).await.stop().await;
    let worker = bench.config().user_and_password("worker", "w");
    let running = bench.run(Service::new("unwritten", worker).river(seen.river())).await;
    publish(&bench, 1..=3).await;
    let warned =
        || log::of("unwritten").iter().any(|line| line.contains("cannot be saved for when"));
    until("it says so", async || warned()).await;
    publish(&bench, [4]).await;
    sees(&seen, 1..=4).await;
    running.stop().await;
}

#[tokio::test]
async fn a_service_that_goes_from_exclusive_to_shared_delivery_is_told_where_it_goes_on() {
    log::keep();
    let bench = Bench::of(Delivery::Exclusive).await;
    let running = bench.run(bench.service("settling", [count()])).await;
    publish(&bench, 1..=3).await;
    bench.quiet(&["settling"]).await;
    running.stop().await;
    let shared = config(&bench.server.url()).delivery(Delivery::Shared);
    let before = log::of("settling").len();
    let running = bench.run(Service::new("settling", shared).river(count())).await;
    publish(&bench, [4]).await;
    bench.quiet(&["settling"]).await;
    running.stop().await;
    let said = log::of("settling").split_off(before).concat();
    assert!(!said.contains("is new") && !said.contains("earlier ones"), "{said}");
    assert!(!said.contains("nats kv rm"), "{said}");
    assert!(said.contains("moves to shared delivery, behind sequence 3"), "{said}");
}

#[tokio::test]
async fn a_service_that_is_started_again_from_the_beginning_says_nothing_alarming() {
    for (delivery, name) in [(Delivery::Shared, "again-s"), (Delivery::Exclusive, "again-e")] {
        log::keep();
        let bench = Bench::of(delivery).await;
        let seen = Seen::default();
        for _ in 0..2 {
            let service = bench.service(name, [seen.river()]).from_beginning();
            let running = bench.run(service).await;
            bench.quiet(&[name]).await;
            running.stop().await;
        }
        let warnings = log::of(name).into_iter().filter(|line| line.contains("WARN"));
        assert_eq!(warnings.collect::<Vec<_>>(), Vec::<String>::new());
    }
}

/// Sets the acknowledgement wait of a service's consumers, as an operator does.
async fn set_ack_wait(bench: &Bench, service: &str, wait: Duration) {
    for stream in ["RAPIDS", "REPLAYS"] {
        let jetstream = bench.jetstream().await;
        let found: Consumer<PullConfig> =
            jetstream.get_consumer_from_stream(service, stream).await.unwrap();
        let config = found.cached_info().config.clone();
        let config = PullConfig::try_from_consumer_config(config).unwrap();
        let config = PullConfig { ack_wait: wait, ..config };
        jetstream.update_consumer_on_stream(config, stream).await.unwrap();
    }
}

async fn ack_waits(bench: &Bench, service: &str) -> Vec<u64> {
    let mut waits = Vec::new();
    for stream in ["RAPIDS", "REPLAYS"] {
        let jetstream = bench.jetstream().await;
        let found: Consumer<PullConfig> =
            jetstream.get_consumer_from_stream(service, stream).await.unwrap();
        waits.push(found.cached_info().config.ack_wait.as_secs());
    }
    waits
}

#[tokio::test]
async fn the_wait_that_an_operator_set_stays_unless_another_is_asked_for() {
    let bench = Bench::of(Delivery::Shared).await;
    let seen = Seen::default();
    let unasked = rapids_client::Config::new(bench.server.url());
    let service =
        |config: rapids_client::Config| Service::new("waiting", config).river(seen.river());
    bench.run(service(unasked.clone())).await.stop().await;
    assert_eq!(ack_waits(&bench, "waiting").await, [10, 10]);
    set_ack_wait(&bench, "waiting", Duration::from_secs(25)).await;
    bench.run(service(unasked.clone())).await.stop().await;
    assert_eq!(ack_waits(&bench, "waiting").await, [25, 25]);
    let asked = unasked.ack_wait(Duration::from_secs(7));
    bench.run(service(asked)).await.stop().await;
    assert_eq!(ack_waits(&bench, "waiting").await, [7, 7]);
}

#[tokio::test]
async fn a_known_service_goes_on_behind_what_it_has_done_in_exclusive_delivery_too() {
    let (bench, seen) = known("gone-over").await;
    publish(&bench, 4..=6).await;
    delete_consumer(&bench, "gone-over").await;
    let running = bench.run(bench.service("gone-over", [seen.river()]).exclusive()).await;
    sees(&seen, 4..=6).await;
    running.stop().await;
    assert_eq!(seen.take(), [4, 5, 6]);
    let warning = log::of("gone-over").into_iter().find(|line| line.contains("WARN")).unwrap();
    assert!(warning.contains("behind sequence 3, noted "), "{warning}");
}

#[tokio::test]
async fn a_record_of_an_earlier_time_takes_no_service_back() {
    let (bench, seen) = known("returned").await;
    let runs = async |service: Service, call: u64| {
        let running = bench.run(service).await;
        publish(&bench, [call]).await;
        sees(&seen, [call]).await;
        running.stop().await;
        assert_eq!(seen.take(), [call]);
    };
    let service = || bench.service("returned", [seen.river()]);
    runs(service().exclusive(), 4).await;
    let records = bucket(&bench, "RAPIDS_POSITIONS").await;
    let old = records.get("returned").await.unwrap().unwrap();
    runs(service(), 5).await;
    records.put("returned", old).await.unwrap();
    runs(service().exclusive(), 6).await;
    // Without its consumer, too.
    let old = records.get("returned").await.unwrap().unwrap();
    runs(service(), 7).await;
    records.put("returned", old).await.unwrap();
    delete_consumer(&bench, "returned").await;
    runs(service().exclusive(), 8).await;
}
