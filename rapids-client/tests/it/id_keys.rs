//! Ids that somebody else uses first, and keys with which nobody can.

mod rollout;

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::HeaderMap;
use rapids_client::{
    Config, Conversations, Delivery, GivenUp, Kind, Packet, Rapids, Record, Reference, River, Seek,
    Service, Start, Timestamp, reject,
};
use uuid::Uuid;

pub(crate) use rollout::{BOTH_KEYS, FIRST_KEY, NO_KEY, SECOND_KEY, answering};

use crate::harness::{Bench, Running, called, echo, soon, until};
use crate::process::{Diary, Process};

pub(crate) const DYING: &str = "dies between publishing and acknowledging";

pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The ids of what a river is going to publish about a packet, as everybody can work them out.
async fn coming(river: &River, service: &str, packet: &Packet) -> Vec<String> {
    let mut record = Record::default();
    let effects = river.handle(service, packet, &mut record, Timestamp::now()).await.unwrap();
    effects.packets.iter().map(|packet| packet.id().to_owned()).collect()
}

/// Uses an id first.
async fn squat(bench: &Bench, id: &str) {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id);
    let body = r#"{"event":"squatted"}"#.into();
    let jetstream = bench.jetstream().await;
    let sent = jetstream.publish_with_headers("rapids", headers, body).await.unwrap();
    assert!(!sent.await.unwrap().duplicate);
}

/// How many ids of a service were taken, as its only instance counts it.
async fn taken(rapids: &Rapids, service: &str) -> u64 {
    let stats = rapids.stats(Duration::from_millis(200)).await.unwrap();
    stats.iter().filter(|of| of.name == service).map(|of| of.all.ids_taken).sum()
}

/// All packets, in the order of the stream, up to this end.
async fn all(bench: &Bench) -> Vec<Packet> {
    let end = bench.rapids.publish(Packet::event("end")).await.unwrap().sequence;
    let mut tail = bench.tail().await;
    let mut packets = Vec::new();
    while packets.last().is_none_or(|it: &Packet| it.arrival().unwrap().sequence < end) {
        packets.push(tail.next().await);
    }
    packets
}

/// The number in each event of this name.
fn numbers(packets: &[Packet], event: &str) -> Vec<u64> {
    let named = packets.iter().filter(|packet| packet.event_name().as_deref() == Some(event));
    named.map(|packet| packet.get::<u64>("n").unwrap().unwrap()).collect()
}

fn remembering() -> River {
    River::new("remember").event("called").memory("calls", "@.n").react(
        |calls: &mut u64, packet: &Packet| {
            *calls += 1;
            anyhow::Ok(Packet::event("remembered").with("n", packet.get::<u64>("n")?))
        },
    )
}

fn once() -> River {
    River::new("once").event("called").once().react(|packet: Packet| async move {
        Ok(Packet::event("once").with("n", packet.get::<u64>("n")?))
    })
}

/// Gives each call up, and tells of it.
fn giving_up() -> River {
    River::new("give_up")
        .event("called")
        .on_give_up(|packet: &Packet, _: &GivenUp| {
            Packet::event("given_up").with("n", packet.get::<u64>("n").unwrap())
        })
        .react(|_: Packet| async { Err::<(), _>(reject("no")) })
}

fn rivers() -> [River; 4] {
    [echo(), remembering(), once(), giving_up()]
}

#[tokio::test]
async fn every_answer_comes_under_another_id_where_somebody_has_used_its_own() {
    const CALLS: u64 = 10;
    let bench = Bench::of(Delivery::Shared).await;
    let calls: Vec<_> = (0..CALLS).map(called).collect();
    for (n, call) in (0..).zip(&calls) {
        for river in [echo(), remembering(), once()] {
            for id in coming(&river, "responder", call).await {
                squat(&bench, &id).await;
            }
        }
        // Ten calls stand behind forty packets of the squatter.
        let letter = format!("responder.give_up.{}", 4 * CALLS + n + 1).parse().unwrap();
        let cause = GivenUp::new(letter, Kind::Rejected, "no", 1);
        let told = giving_up().given_up("responder", call, &cause).unwrap().unwrap();
        squat(&bench, told.id()).await;
    }
    bench.rapids.publish_all(calls).await.unwrap();
    let service = bench.service("responder", rivers()).from_beginning();
    let service = bench.run(service).await;
    bench.quiet(&["responder"]).await;
    assert_eq!(taken(&bench.rapids, "responder").await, 4 * CALLS);
    service.stop().await;
    assert_answered(&bench, &["answered", "remembered", "once", "given_up"], CALLS).await;

    // Handled once more, each is found where it is.
    let back = bench.rapids.move_position("responder", Start::Beginning, Seek::new()).await;
    assert!(back.unwrap().is_some());
    let service = bench.run(bench.service("responder", [echo(), remembering(), once()])).await;
    bench.quiet(&["responder"]).await;
    service.stop().await;
    assert_answered(&bench, &["answered", "remembered", "once"], CALLS).await;
}

/// Makes sure that there is one of each of these events for each call.
async fn assert_answered(bench: &Bench, events: &[&str], calls: u64) {
    let packets = all(bench).await;
    for event in events {
        let mut answers = numbers(&packets, event);
        answers.sort_unstable();
        assert_eq!(answers, (0..calls).collect::<Vec<_>>(), "{event}");
    }
}

/// Answers each call with three parts.
fn parts() -> River {
    River::new("split").event("called").react(|packet: Packet| async move {
        let n = packet.get::<u64>("n")?;
        Ok([0, 1, 2].map(|part| Packet::event("part").with("n", n).with("part", part)))
    })
}

#[tokio::test]
async fn outputs_stand_together_where_somebody_has_used_the_id_of_one_of_them() {
    let bench = Bench::of(Delivery::Shared).await;
    let calls: Vec<_> = (0..30).map(called).collect();
    for (n, call) in calls.iter().enumerate() {
        // One of them, two of them, or none.
        let ids = coming(&parts(), "splitter", call).await;
        for id in ids.iter().skip(1).take(n % 3) {
            squat(&bench, id).await;
        }
    }
    bench.rapids.publish_all(calls).await.unwrap();
    let service = bench.run(bench.service("splitter", [parts()]).from_beginning()).await;
    bench.quiet(&["splitter"]).await;
    assert_eq!(taken(&bench.rapids, "splitter").await, 30);
    service.stop().await;
    let packets = all(&bench).await;
    let mut answered = BTreeSet::new();
    let mut found: Vec<(u64, u64, u64)> = Vec::new();
    for packet in packets.iter().filter(|it| it.event_name().as_deref() == Some("part")) {
        let of = |key| packet.get::<u64>(key).unwrap().unwrap();
        found.push((of("n"), of("part"), packet.arrival().unwrap().sequence));
    }
    assert_eq!(found.len(), 90);
    for three in found.chunks(3) {
        let (n, _, first) = three[0];
        assert_eq!(three, [(n, 0, first), (n, 1, first + 1), (n, 2, first + 2)]);
        answered.insert(n);
    }
    assert_eq!(answered.len(), 30);
}

#[tokio::test]
async fn with_a_key_nobody_can_tell_an_id_and_it_is_found_by_its_time() {
    for delivery in [Delivery::Shared, Delivery::Exclusive] {
        let bench = Bench::of(delivery).await;
        let config = bench.config().id_key(KEY).unwrap();
        let service = Bench::service_of(config, "responder", [echo()]).from_beginning();
        let calls: Vec<_> = (0..10).map(called).collect();
        for call in &calls {
            for id in coming(&echo(), "responder", call).await {
                squat(&bench, &id).await;
            }
        }
        let running = bench.run(service).await;
        let published = bench.rapids.publish_all(calls).await.unwrap();
        let mut tail = bench.tail().await;
        let conversations = Conversations::new(bench.rapids.clone(), None);
        for call in published {
            let answer = tail.event("answered").await;
            assert_eq!(answer.causation_id(), Some(&*call.id));
            let id: Uuid = answer.id().parse().unwrap();
            let call = bench.rapids.packet(call.sequence).await.unwrap().unwrap();
            let stored = call.arrival().unwrap().stored.as_millisecond();
            assert_eq!((id.get_version_num(), id.as_u128() >> 80), (8, stored as u128), "{id}");
            let found = conversations.find(&Reference::Id(id.to_string())).await.unwrap();
            assert!(found.is_some(), "{id}");
        }
        assert_eq!(taken(&bench.rapids, "responder").await, 0);
        running.stop().await;
    }
}

#[tokio::test]
async fn an_instance_that_lacks_the_key_ends_before_it_handles_anything() {
    for delivery in [Delivery::Shared, Delivery::Exclusive] {
        let bench = Bench::of(delivery).await;
        let with_key =
            || Bench::service_of(bench.config().id_key(KEY).unwrap(), "responder", [echo()]);
        bench.run(with_key()).await.stop().await;
        bench.rapids.publish(called(1)).await.unwrap();
        let other = bench.config().id_key(&"7".repeat(64)).unwrap();
        for config in [bench.config(), other] {
            let without = Running::spawn(Bench::service_of(config, "responder", [echo()]));
            let error = without.ended().await.to_string();
            for said in ["RAPIDS_ID_KEY", "`408e9e37ee2fb8ea`", "`responder`"] {
                assert!(error.contains(said), "{error}");
            }
            assert!(!error.contains("0a0b0c") && !error.contains("7777"), "{error}");
        }
        let running = bench.run(with_key()).await;
        bench.quiet(&["responder"]).await;
        running.stop().await;
        assert_eq!(numbers(&all(&bench).await, "answered"), [1]);
    }
}

/// Answers, and ends the process once it is told that the answer is stored.
pub(crate) fn dying(config: Config, diary: Diary) -> Service {
    let die = River::new("die").event("called").react(move |_: Packet| {
        let diary = diary.clone();
        async move {
            diary.write("runs");
            if diary.count("runs") == 1 {
                while diary.count("stored") == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                std::process::abort();
            }
            Ok(())
        }
    });
    Service::new("responder", config).river(echo()).river(die).concurrency(2).from_beginning()
}

#[tokio::test]
async fn after_a_crash_an_answer_is_found_under_the_id_that_it_came_under() {
    let bench = Bench::of(Delivery::Shared).await;
    let folder = tempfile::tempdir().unwrap();
    let diary = Diary::new(&folder);
    let call = called(1);
    for id in coming(&echo(), "responder", &call).await {
        squat(&bench, &id).await;
    }
    let mut first = Process::spawn(&bench, DYING, &diary);
    bench.is_up("responder").await;
    bench.rapids.publish(call).await.unwrap();
    bench.tail().await.event("answered").await;
    diary.write("stored");
    assert!(!first.ended().await.success());
    let second = bench.run(dying(bench.config(), diary.clone())).await;
    diary.shows("runs", 2).await;
    bench.quiet(&["responder"]).await;
    until("it is counted again", async || taken(&bench.rapids, "responder").await == 1).await;
    second.stop().await;
    assert_eq!(numbers(&soon("all", all(&bench)).await, "answered"), [1]);
}
