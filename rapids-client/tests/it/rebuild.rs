//! Services that are made to forget and remember the past anew, while their instances run.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Config as StreamConfig;
use futures::StreamExt;
use rapids_client::{
    Config, Delivery, GivenUp, Packet, Rapids, River, Seek, SeekReport, Service, Start, reject,
    retry_after,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::harness::{Bench, Running, called, soon, until};
use crate::known::{delete_consumer, entry, publish, put_entry};
use crate::positions::{Seen, bucket};
use crate::process::{Diary, Process};

pub(crate) const REMEMBERING: &str = "remembering";
pub(crate) const MOVING: &str = "moving its position";

const BOTH: [Delivery; 2] = [Delivery::Shared, Delivery::Exclusive];
const SERVICE: &str = "reader";
const KEYS: u64 = 7;

/// Counts the calls of each key in a memory, and publishes that it has counted one.
fn count(name: &str) -> River {
    River::new(name).event("called").memory("counts", "@.key").react(
        |count: &mut u64, packet: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("counted").with("n", packet.get::<u64>("n")?))
        },
    )
}

/// Publishes an echo of each call, without a memory.
fn echo(name: &str) -> River {
    River::new(name).event("called").react(|packet: Packet| async move {
        Ok(Packet::event("echoed").with("n", packet.get::<u64>("n")?))
    })
}

/// Sees each call once.
fn once(seen: &Seen) -> River {
    let river = seen.river().once();
    assert_eq!(river.name(), "see");
    river
}

/// Folds all calls into a number that tells in which order that was.
fn chain() -> River {
    River::new("chain").event("called").memory("chain", "'all'").react(
        |link: &mut u64, packet: &Packet| {
            *link = next_link(*link, packet.get("n")?.unwrap_or_default());
            anyhow::Ok(())
        },
    )
}

fn next_link(link: u64, n: u64) -> u64 {
    link.wrapping_mul(1_000_003).wrapping_add(n) % 1_000_000_007
}

fn keyed(n: u64) -> Packet {
    called(n).with("key", format!("k{}", n % KEYS))
}

async fn publish_keyed(rapids: &Rapids, calls: impl IntoIterator<Item = u64>) {
    rapids.publish_all(calls.into_iter().map(keyed)).await.unwrap();
}

async fn rebuild(bench: &Bench, how: Seek) -> SeekReport {
    let moving = bench.rapids.move_position(SERVICE, Start::Beginning, how);
    moving.await.unwrap().unwrap()
}

async fn memory(bench: &Bench, key: &str) -> Value {
    let memories = bucket(bench, &format!("RAPIDS_MEMORY_{SERVICE}")).await;
    let Some(record) = memories.get(key).await.unwrap() else { return Value::Null };
    serde_json::from_slice::<Value>(&record).unwrap()["memory"].take()
}

/// Asserts that each key counts each of so many calls once.
async fn counts_exactly(bench: &Bench, calls: u64) {
    for key in 0..KEYS {
        let expected = (1..=calls).filter(|n| n % KEYS == key).count();
        assert_eq!(memory(bench, &format!("counts.k{key}")).await, json!(expected), "key {key}");
    }
}

/// How often each event of this name was published, by its number.
async fn published(bench: &Bench, event: &str) -> BTreeMap<u64, usize> {
    bench.rapids.publish(Packet::event("looked")).await.unwrap();
    let mut times = BTreeMap::new();
    let mut tail = bench.tail().await;
    let marks = async |tail: &mut crate::harness::Watch| tail.until("looked").await;
    let last = bench.jetstream().await.get_stream("RAPIDS").await.unwrap();
    let last = last.cached_info().state.last_sequence;
    loop {
        let packets = marks(&mut tail).await;
        for packet in &packets {
            if packet.event_name().as_deref() == Some(event) {
                *times.entry(packet.get::<u64>("n").unwrap().unwrap()).or_default() += 1;
            }
        }
        if packets.last().unwrap().arrival().unwrap().sequence == last {
            return times;
        }
    }
}

fn each_once(calls: impl IntoIterator<Item = u64>) -> BTreeMap<u64, usize> {
    calls.into_iter().map(|n| (n, 1)).collect()
}

#[tokio::test]
async fn memories_are_rebuilt_while_two_instances_run_and_packets_come_all_the_time() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let seen = Seen::default();
        let service = || bench.service(SERVICE, [count("count"), echo("echo"), once(&seen)]);
        let (one, other) =
            (bench.run(service().from_beginning()).await, bench.run(service()).await);
        publish_keyed(&bench.rapids, 1..=400).await;
        let coming = async {
            for n in 401..=800 {
                bench.rapids.publish(keyed(n)).await.unwrap();
            }
        };
        let rebuilding = async {
            until("some are done", async || seen.all().len() > 100).await;
            let first = rebuild(&bench, Seek::new().forget()).await;
            assert!(first.forgotten.is_some_and(|count| count > 0), "{first:?}");
            assert!(first.quiet > 0 && first.mended.is_none(), "{first:?}");
            rebuild(&bench, Seek::new().forget()).await;
        };
        tokio::join!(coming, rebuilding);
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, 800).await;
        let mut effects = seen.take();
        effects.sort_unstable();
        assert_eq!(effects, Vec::from_iter(1..=800), "{delivery:?}");
        for event in ["counted", "echoed"] {
            assert_eq!(published(&bench, event).await, each_once(1..=800), "{delivery:?}");
        }
        one.stop().await;
        other.stop().await;
    }
}

#[tokio::test]
async fn a_memory_is_rebuilt_in_the_order_of_the_stream() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let running = bench.run(bench.service(SERVICE, [chain()]).from_beginning()).await;
        let coming = async {
            for n in 1..=600 {
                bench.rapids.publish(called(n)).await.unwrap();
            }
        };
        let rebuilding = async {
            for done in [100, 300] {
                until("some are done", async || {
                    bench.rapids.position(SERVICE).await.unwrap().unwrap().acknowledged >= done
                })
                .await;
                rebuild(&bench, Seek::new().forget()).await;
            }
        };
        tokio::join!(coming, rebuilding);
        bench.quiet(&[SERVICE]).await;
        let link = (1..=600).fold(0, next_link);
        assert_eq!(memory(&bench, "chain.all").await, json!(link), "{delivery:?}");
        running.stop().await;
    }
}

/// Rivers of other names: what they publish has other ids, so that the stream would take it once more.
#[tokio::test]
async fn nothing_is_published_about_what_was_done_before_unless_that_is_asked_for() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let (before, after) = (Seen::default(), Seen::default());
        let rivers = [count("count"), echo("echo"), once(&before)];
        let running = bench.run(bench.service(SERVICE, rivers).from_beginning()).await;
        publish_keyed(&bench.rapids, 1..=20).await;
        bench.quiet(&[SERVICE]).await;
        running.stop().await;

        let report = rebuild(&bench, Seek::new().forget()).await;
        // The calls, and what came of them.
        assert_eq!((report.next, report.again, report.quiet), (1, 60, 60), "{delivery:?}");
        assert_eq!(report.forgotten, Some(KEYS));
        let rivers = || [count("count-anew"), echo("echo-anew"), once(&after)];
        let running = bench.run(bench.service(SERVICE, rivers())).await;
        bench.quiet(&[SERVICE]).await;
        publish_keyed(&bench.rapids, 21..=25).await;
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, 25).await;
        assert_eq!((before.take().len(), after.take()), (20, Vec::from_iter(21..=25)));
        for event in ["counted", "echoed"] {
            assert_eq!(published(&bench, event).await, each_once(1..=25), "{delivery:?}");
        }
        running.stop().await;

        let report = rebuild(&bench, Seek::new().forget().publish()).await;
        assert_eq!((report.quiet, report.forgotten), (0, Some(KEYS)));
        let rivers = [count("count-again"), echo("echo-again"), once(&after)];
        let running = bench.run(bench.service(SERVICE, rivers)).await;
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, 25).await;
        let twice: BTreeMap<_, _> = (1..=25).map(|n| (n, 2)).collect();
        for event in ["counted", "echoed"] {
            assert_eq!(published(&bench, event).await, twice, "{delivery:?}");
        }
        assert_eq!(after.take().len(), 25);
        running.stop().await;
    }
}

#[tokio::test]
async fn what_was_given_up_before_is_given_up_without_a_word_and_anything_else_is_told() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let tell = |packet: &Packet, _: &GivenUp| {
            Packet::event("told").with("n", packet.get::<u64>("n").unwrap())
        };
        let refuse = |refused: &'static [u64]| {
            let river = River::new("refuse").event("called").on_give_up(tell);
            river.memory("counts", "@.key").react(move |count: &mut u64, packet: &Packet| {
                if refused.contains(&packet.get("n")?.unwrap_or_default()) {
                    return Err(reject("no"));
                }
                *count += 1;
                Ok(())
            })
        };
        let running = bench.run(bench.service(SERVICE, [refuse(&[2])]).from_beginning()).await;
        publish_keyed(&bench.rapids, 1..=5).await;
        bench.quiet(&[SERVICE]).await;
        rebuild(&bench, Seek::new().forget()).await;
        running.stop().await;
        let running = bench.run(bench.service(SERVICE, [refuse(&[2, 3, 6])])).await;
        bench.quiet(&[SERVICE]).await;
        publish_keyed(&bench.rapids, [6]).await;
        bench.quiet(&[SERVICE]).await;
        let letters = bench.letters().await;
        let expected = ["reader.refuse.2", "reader.refuse.3"];
        assert_eq!(letters[..2], expected, "{delivery:?}: {letters:?}");
        assert_eq!(letters.len(), 3, "{letters:?}");
        assert_eq!(published(&bench, "told").await, each_once([2, 6]), "{delivery:?}");
        running.stop().await;
    }
}

/// Has the stream forget soon which ids it has stored, and waits until it has.
async fn forget_ids(bench: &Bench) {
    let jetstream = bench.jetstream().await;
    let config = jetstream.get_stream("RAPIDS").await.unwrap().cached_info().config.clone();
    let config = StreamConfig { duplicate_window: Duration::from_millis(100), ..config };
    jetstream.update_stream(config).await.unwrap();
    let is_new = async || {
        let probe = PublishMessage::build().message_id("probe").payload("{}".into());
        !jetstream.send_publish("rapids", probe).await.unwrap().await.unwrap().duplicate
    };
    assert!(is_new().await);
    until("the ids are forgotten", is_new).await;
}

#[tokio::test]
async fn what_was_published_behind_a_packet_in_hand_is_not_published_again() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let waiting = |waits: bool| {
            River::new("wait").event("called").memory("counts", "@.key").react(
                move |count: &mut u64, packet: &Packet| {
                    let n: u64 = packet.get("n")?.unwrap_or_default();
                    if waits && n == 1 {
                        return Err(retry_after(Duration::from_secs(3600)));
                    }
                    *count += 1;
                    Ok(Packet::event("counted").with("n", n))
                },
            )
        };
        let mail = || {
            River::new("mail").event("called").once().react(|packet: Packet| async move {
                Ok(Packet::event("mailed").with("n", packet.get::<u64>("n")?))
            })
        };
        let rivers = [waiting(true), echo("echo"), mail()];
        let running = bench.run(bench.service(SERVICE, rivers).from_beginning()).await;
        publish_keyed(&bench.rapids, 1..=20).await;
        let mut tail = bench.tail().await;
        let events = ["counted", "echoed", "mailed"];
        let mut left = 59;
        while left > 0 {
            let packet = tail.next().await;
            let name = packet.event_name();
            left -= i32::from(events.map(Some).contains(&name.as_deref()));
        }
        forget_ids(&bench).await;
        let report = rebuild(&bench, Seek::new().forget()).await;
        assert!(report.quiet >= 20, "{report:?}");
        running.stop().await;
        let rivers = [waiting(false), echo("echo"), mail()];
        let running = bench.run(bench.service(SERVICE, rivers)).await;
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, 20).await;
        for event in events {
            assert_eq!(published(&bench, event).await, each_once(1..=20), "{delivery:?}");
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn without_a_position_everything_up_to_the_noted_floor_is_read_quietly() {
    let bench = Bench::of(Delivery::Shared).await;
    let running = bench.run(bench.service(SERVICE, [echo("echo")]).from_beginning()).await;
    publish(&bench, 1..=5).await;
    bench.quiet(&[SERVICE]).await;
    running.stop().await;
    delete_consumer(&bench, SERVICE).await;
    let report = rebuild(&bench, Seek::new().forget()).await;
    assert_eq!((report.quiet, report.mended.is_some()), (10, true), "{report:?}");
    let running = bench.run(bench.service(SERVICE, [echo("echo-anew")])).await;
    publish(&bench, [6]).await;
    bench.quiet(&[SERVICE]).await;
    assert_eq!(published(&bench, "echoed").await, each_once(1..=6));
    running.stop().await;
}

#[tokio::test]
async fn what_an_instance_of_before_writes_after_all_was_cleared_is_believed_by_nobody() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let running = bench.run(bench.service(SERVICE, [count("count")]).from_beginning()).await;
        publish_keyed(&bench.rapids, 1..=20).await;
        bench.quiet(&[SERVICE]).await;
        running.stop().await;
        let memories = bucket(&bench, &format!("RAPIDS_MEMORY_{SERVICE}")).await;
        let key = "counts.k0";
        let before = memories.get(key).await.unwrap().unwrap();
        let mut before: Value = serde_json::from_slice(&before).unwrap();
        before.as_object_mut().unwrap().remove("folded");
        rebuild(&bench, Seek::new().forget()).await;
        assert_eq!(memories.get(key).await.unwrap(), None);
        memories.put(key, before.to_string().into()).await.unwrap();
        let running = bench.run(bench.service(SERVICE, [count("count")])).await;
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, 20).await;
        running.stop().await;
    }
}

#[tokio::test]
async fn the_server_gives_an_instance_of_before_nothing() {
    let bench = Bench::of(Delivery::Shared).await;
    bench.run(bench.service(SERVICE, [chain()]).from_beginning()).await.stop().await;
    publish(&bench, 1..=3).await;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let asks = async |group: &str| {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.RAPIDS.{SERVICE}");
        let body = format!(r#"{{"batch":1,"expires":5000000000{group}}}"#);
        // A packet comes under its own subject, so this is no plain request.
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.unwrap();
        client.publish_with_reply(subject, inbox, body.into()).await.unwrap();
        let answer = soon("an answer", answers.next()).await.unwrap();
        answer.status.map(|status| (status.as_u16(), answer.description.unwrap_or_default()))
    };
    for (group, refused) in [("e1", "Priority Group missing"), ("e3", "Invalid Priority Group")] {
        let of_before = if group == "e3" { r#","group":"e1""# } else { "" };
        rebuild(&bench, Seek::new().forget()).await;
        let (status, text) = asks(of_before).await.unwrap();
        assert_eq!(status, 400);
        assert!(text.contains(refused), "{text}");
        assert_eq!(asks(&format!(r#","group":"{group}""#)).await, None);
        // A move that makes nothing forgotten changes nothing about that.
        let moving = bench.rapids.move_position(SERVICE, Start::Beginning, Seek::new());
        moving.await.unwrap().unwrap();
        assert_eq!(asks(of_before).await.unwrap().0, 400);
        assert_eq!(asks(&format!(r#","group":"{group}""#)).await, None);
    }
}

#[tokio::test]
async fn a_rebuild_that_was_broken_off_is_finished_by_the_instances_and_by_the_next_one() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let running = bench.run(bench.service(SERVICE, [chain(), echo("echo")])).await;
        publish(&bench, 1..=5).await;
        bench.quiet(&[SERVICE]).await;
        running.stop().await;
        // As after the first write.
        let mut moving = entry(&bench, SERVICE).await;
        moving["version"] = json!(2);
        for (field, value) in
            [("epoch", 1), ("memory_epoch", 1), ("quiet_until", 10), ("target", 1)]
        {
            moving[field] = json!(value);
        }
        moving["floor"]["sequence"] = json!(0);
        put_entry(&bench, SERVICE, &moving).await;
        let running = bench.run(bench.service(SERVICE, [chain(), echo("echo-anew")])).await;
        bench.quiet(&[SERVICE]).await;
        publish(&bench, 6..=7).await;
        bench.quiet(&[SERVICE]).await;
        let link = (1..=7).fold(0, next_link);
        assert_eq!(memory(&bench, "chain.all").await, json!(link), "{delivery:?}");
        assert_eq!(published(&bench, "echoed").await, each_once(1..=7), "{delivery:?}");
        until("all is noted", async || entry(&bench, SERVICE).await["quiet_until"].is_null()).await;
        let noted = entry(&bench, SERVICE).await;
        assert_eq!((&noted["target"], &noted["memory_epoch"]), (&Value::Null, &json!(1)));

        put_entry(&bench, SERVICE, &moving_again(&noted)).await;
        rebuild(&bench, Seek::new().forget()).await;
        bench.quiet(&[SERVICE]).await;
        assert_eq!(memory(&bench, "chain.all").await, json!(link), "{delivery:?}");
        assert_eq!(entry(&bench, SERVICE).await["memory_epoch"], 3);
        running.stop().await;
    }
}

/// The entry after the first write of a second rebuild.
fn moving_again(noted: &Value) -> Value {
    let mut moving = noted.clone();
    moving["epoch"] = json!(2);
    moving["memory_epoch"] = json!(2);
    moving["target"] = json!(1);
    moving
}

#[tokio::test]
async fn how_far_a_rebuild_is_is_announced_until_it_is_done() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let gate = Arc::new(Semaphore::new(6));
        let river = || {
            let gate = Arc::clone(&gate);
            River::new("wait").event("called").react(move |_: Packet| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await?.forget();
                    Ok(())
                }
            })
        };
        let running = bench.run(bench.service(SERVICE, [river()]).from_beginning()).await;
        publish(&bench, 1..=4).await;
        bench.quiet(&[SERVICE]).await;
        rebuild(&bench, Seek::new().forget()).await;
        until("it is shown", async || bench.fact(SERVICE, "rebuilding").await == "2 of 4 packets")
            .await;
        gate.add_permits(2);
        bench.no_fact(SERVICE, "rebuilding").await;
        running.stop().await;
    }
}

/// Counts, and writes down each call that it reacts to; it is slow, so that it can be frozen meanwhile.
pub(crate) fn remembering(config: Config, diary: Diary) -> Service {
    let count = River::new("count").event("called").memory("counts", "@.key");
    let count = count.react(move |count: &mut u64, packet: &Packet| {
        *count += 1;
        let n = packet.get::<u64>("n")?.unwrap_or_default();
        diary.write(&n.to_string());
        std::thread::sleep(Duration::from_millis(2));
        Ok(Packet::event("counted").with("n", n))
    });
    Service::new(SERVICE, config).river(count).river(echo("echo")).from_beginning()
}

/// Moves the position, and no more.
pub(crate) async fn move_to_the_beginning(config: &Config) {
    let rapids = Rapids::connect(config).await.unwrap();
    rapids.move_position(SERVICE, Start::Beginning, Seek::new().forget()).await.unwrap();
}

#[tokio::test]
async fn an_instance_that_stood_still_meanwhile_changes_nothing() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::new(&folder);
        let frozen = Process::spawn(&bench, REMEMBERING, &diary);
        bench.is_up(SERVICE).await;
        publish_keyed(&bench.rapids, 1..=400).await;
        diary.reaches(100).await;
        frozen.freeze();
        let other = bench.run(bench.service(SERVICE, [count("count"), echo("echo")])).await;
        rebuild(&bench, Seek::new().forget()).await;
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, 400).await;
        let before = diary.lines().len();
        frozen.thaw();
        // It takes part again once it has found its position to be another one.
        other.stop().await;
        publish_keyed(&bench.rapids, 401..=420).await;
        diary.shows("420", 1).await;
        assert!(diary.lines().len() >= before + 20);
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, 420).await;
        for event in ["counted", "echoed"] {
            assert_eq!(published(&bench, event).await, each_once(1..=420), "{delivery:?}");
        }
        frozen.kill().await;
    }
}

#[tokio::test]
async fn an_instance_whose_reaction_blocks_meanwhile_changes_nothing() {
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let (release, held) = channel::<()>();
        let (held, holds) = (Arc::new(Mutex::new(held)), Arc::new(Semaphore::new(0)));
        let holding = |held: Arc<Mutex<Receiver<()>>>, holds: Arc<Semaphore>| {
            let river = River::new("count").event("called").memory("counts", "@.key");
            river.react(move |count: &mut u64, packet: &Packet| {
                *count += 1;
                let n = packet.get::<u64>("n")?.unwrap_or_default();
                if n == 30 && holds.available_permits() == 0 {
                    holds.add_permits(1);
                    let _ = held.lock().unwrap().recv();
                }
                Ok(Packet::event("counted").with("n", n))
            })
        };
        let river = holding(Arc::clone(&held), Arc::clone(&holds));
        let blocked = Running::spawn(bench.service(SERVICE, [river]).from_beginning());
        bench.is_up(SERVICE).await;
        publish_keyed(&bench.rapids, 1..=60).await;
        until("it blocks", async || holds.available_permits() > 0).await;
        let seen = Seen::default();
        let other = bench.run(bench.service(SERVICE, [count("count"), seen.river()])).await;
        rebuild(&bench, Seek::new().forget()).await;
        if !bench.is_exclusive() {
            // In exclusive delivery the one that blocks may be the active one again.
            until("the other has read it", async || seen.all().contains(&30)).await;
        }
        drop(release);
        publish_keyed(&bench.rapids, 61..=80).await;
        bench.quiet(&[SERVICE]).await;
        blocked.stop().await;
        counts_exactly(&bench, 80).await;
        assert_eq!(published(&bench, "counted").await, each_once(1..=80), "{delivery:?}");
        other.stop().await;
    }
}

#[tokio::test]
async fn memories_are_exact_whoever_is_killed_and_whenever() {
    const ROUNDS: u64 = 8;
    const CALLS: u64 = 40;
    for delivery in BOTH {
        let bench = Bench::of(delivery).await;
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::new(&folder);
        let mut random = fastrand::Rng::with_seed(7);
        let spawn = || Process::spawn(&bench, REMEMBERING, &diary);
        let mut instances = [spawn(), spawn()];
        bench.is_up(SERVICE).await;
        let longest = if bench.is_exclusive() { 4_000 } else { 600 };
        for round in 0..ROUNDS {
            publish_keyed(&bench.rapids, round * CALLS + 1..=(round + 1) * CALLS).await;
            let mut moving = Process::spawn(&bench, MOVING, &diary);
            let time = Duration::from_millis(random.u64(20..longest));
            let _ = timeout(time, moving.ended()).await;
            let victim = random.usize(0..4);
            if let Some(instance) = instances.get_mut(victim) {
                std::mem::replace(instance, spawn()).kill().await;
            }
            moving.kill().await;
        }
        if random.bool() {
            assert!(Process::spawn(&bench, MOVING, &diary).ended().await.success());
        }
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, ROUNDS * CALLS).await;
        rebuild(&bench, Seek::new().forget()).await;
        bench.quiet(&[SERVICE]).await;
        counts_exactly(&bench, ROUNDS * CALLS).await;
        for event in ["counted", "echoed"] {
            let published = published(&bench, event).await;
            assert_eq!(published, each_once(1..=ROUNDS * CALLS), "{delivery:?}");
        }
        for instance in instances {
            instance.kill().await;
        }
    }
}
