//! Packets that are sent once more to a river that has handled them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::HeaderMap;
use rapids_client::{Config, Error, Kind, Note, Packet, Repetition, Replays, River, Start, reject};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::harness::{Bench, soon, until};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

type Seen = (&'static str, Packet);

/// Takes every `placed`, and tells that it has.
fn telling(name: &'static str, who: &'static str, seen: &UnboundedSender<Seen>) -> River {
    let seen = seen.clone();
    River::new(name).event("placed").react(move |packet: Packet| {
        seen.send((who, packet)).unwrap();
        async { Ok(()) }
    })
}

fn drained(seen: &mut UnboundedReceiver<Seen>) -> Vec<Seen> {
    std::iter::from_fn(|| seen.try_recv().ok()).collect()
}

fn placed(n: u64) -> Packet {
    Packet::event("placed").with("n", n)
}

async fn open(config: &Config, river: &str, run: &str) -> Replays {
    let note = Note::new("ada").why("the tax\nwas missing");
    Replays::open(config, river, run, &note).await.unwrap().unwrap()
}

/// The packets of the stream from the first on.
async fn stored(bench: &Bench) -> Vec<Packet> {
    let mut tail = bench.rapids.tail(Start::Beginning).await.unwrap();
    let mut packets = Vec::new();
    while let Some(packet) = soon("the next packet", tail.next_stored()).await.unwrap() {
        packets.push(packet);
    }
    packets
}

/// How many replays there are.
async fn count(bench: &Bench) -> u64 {
    bench.jetstream().await.get_stream("REPLAYS").await.unwrap().cached_info().state.messages
}

/// Waits until the service has acknowledged all replays.
async fn all_done(bench: &Bench, service: &str) {
    let jetstream = bench.jetstream().await;
    let end = jetstream.get_stream("REPLAYS").await.unwrap().cached_info().state.last_sequence;
    until("the replays are done", async || {
        let consumer: async_nats::jetstream::consumer::PullConsumer =
            jetstream.get_consumer_from_stream(service, "REPLAYS").await.unwrap();
        consumer.cached_info().ack_floor.stream_sequence >= end
    })
    .await;
}

async fn headers(bench: &Bench, replay: u64) -> HeaderMap {
    let stream = bench.jetstream().await.get_stream("REPLAYS").await.unwrap();
    stream.direct_get(replay).await.unwrap().headers
}

#[tokio::test]
async fn the_river_gets_the_chosen_packets_again_and_nobody_else_does() {
    let bench = Bench::start().await;
    let (seen, mut handled) = unbounded_channel();
    let rivers = [telling("charge", "charge", &seen), telling("note", "note", &seen)];
    let payment = bench.run(bench.service("payment", rivers)).await;
    let other = bench.run(bench.service("other", [telling("charge", "other", &seen)])).await;
    let trace = rapids_client::trace::TraceContext::new(PARENT, Some("a=1"));
    for n in 1..=4 {
        bench.rapids.publish(placed(n).with_trace(trace.clone())).await.unwrap();
    }
    bench.quiet(&["payment", "other"]).await;
    assert_eq!(drained(&mut handled).len(), 12);

    let mut replays = open(&bench.config(), "payment/charge", "tax").await;
    let packets = stored(&bench).await;
    for (packet, replay) in packets[1..3].iter().zip(1..) {
        assert_eq!(replays.send(packet).await.unwrap(), Some(replay));
    }
    all_done(&bench, "payment").await;
    payment.stop().await;
    other.stop().await;
    let again = drained(&mut handled);
    assert_eq!(again.len(), 2, "{again:?}");
    for ((who, packet), original) in again.iter().zip(&packets[1..3]) {
        assert_eq!((*who, packet.id()), ("charge", original.id()));
        assert!(packet.is_sent_again() && !original.is_sent_again());
        assert_eq!(packet.body(), original.body());
        assert_eq!(packet.trace().map(|trace| trace.parent()), Some(PARENT));
        assert_eq!(packet.arrival().unwrap().sequence, original.arrival().unwrap().sequence);
    }
    let headers = headers(&bench, 1).await;
    let header = |name: &str| headers.get(name).map_or("", |value| value.as_str());
    assert_eq!((header("Rapids-Run"), header("Rapids-Who")), ("tax", "ada"));
    assert_eq!(header("Rapids-Why"), r"the tax\nwas missing");
    assert_eq!((header("Rapids-Version"), header("tracestate")), ("2", "a=1"));
}

#[tokio::test]
async fn an_interrupted_run_goes_on_without_sending_anything_twice() {
    let bench = Bench::start().await;
    let (seen, mut handled) = unbounded_channel();
    let payment = bench.run(bench.service("payment", [telling("charge", "charge", &seen)])).await;
    bench.rapids.publish_all((1..=4).map(placed)).await.unwrap();
    bench.quiet(&["payment"]).await;
    let packets = stored(&bench).await;
    // A name that would move the cursor, and forge a header.
    let run = "tax\r\nRapids-Version: 9 \u{1b}[2J";
    let mut replays = open(&bench.config(), "payment/charge", run).await;
    assert_eq!(replays.sent(), 0);
    for packet in &packets[..2] {
        replays.send(packet).await.unwrap();
    }
    drop(replays);

    let mut replays = open(&bench.config(), "payment/charge", run).await;
    // Somebody else goes on with it at the same time: the stream stores each packet once.
    let mut beside = open(&bench.config(), "payment/charge", run).await;
    assert_eq!((replays.sent(), replays.has_sent(&packets[1])), (2, true));
    let mut sequences = Vec::new();
    for packet in &packets {
        sequences.push(replays.send(packet).await.unwrap());
        assert_eq!(beside.send(packet).await.unwrap(), sequences.last().copied().unwrap());
    }
    assert_eq!(sequences, [None, None, Some(3), Some(4)]);
    assert_eq!(count(&bench).await, 4);
    // Another run, and another river, know nothing of it.
    let mut other = open(&bench.config(), "payment/charge", "second try").await;
    assert_eq!(other.send(&packets[0]).await.unwrap(), Some(5));
    assert_eq!(open(&bench.config(), "payment/refund", run).await.sent(), 0);
    all_done(&bench, "payment").await;
    payment.stop().await;
    assert_eq!(drained(&mut handled).len(), 4 + 5);
}

#[tokio::test]
async fn a_reaction_that_runs_once_does_not_run_again() {
    let bench = Bench::start().await;
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let charge = River::new("charge").event("placed").once().react(move |packet: Packet| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Packet::event("charged").with("n", packet.get::<u64>("n")?)) }
    });
    let payment = bench.run(bench.service("payment", [charge])).await;
    bench.rapids.publish(placed(1)).await.unwrap();
    bench.tail().await.event("charged").await;
    bench.quiet(&["payment"]).await;
    let mut replays = open(&bench.config(), "payment/charge", "tax").await;
    replays.send(&stored(&bench).await[0]).await.unwrap();
    all_done(&bench, "payment").await;
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    // What it published is so young that the stream knows it.
    assert_eq!(stored(&bench).await.len(), 2);
    assert!(bench.letters().await.is_empty());
    payment.stop().await;
}

fn count_all(seen: &mut u64, _: &Packet) -> anyhow::Result<Packet> {
    *seen += 1;
    Ok(Packet::event("counted").with("of", *seen))
}

/// How many packets the only record of a memory names.
async fn held(bench: &Bench, service: &str) -> usize {
    let bucket = format!("RAPIDS_MEMORY_{service}");
    let store = bench.jetstream().await.get_key_value(bucket).await.unwrap();
    let mut keys = store.keys().await.unwrap();
    let key = futures::StreamExt::next(&mut keys).await.unwrap().unwrap();
    let record: Value = serde_json::from_slice(&store.get(key).await.unwrap().unwrap()).unwrap();
    record["folded"]["count"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_memory_is_not_moved_by_a_packet_that_it_knows_or_has_forgotten() {
    let bench = Bench::start().await;
    let count = River::new("count").event("placed").memory::<u64>("all", "'all'").react(count_all);
    let counter = bench.run(bench.service("counter", [count])).await;
    let mut published = 0;
    // It asks up to where all is done only now and then, and forgets up to there.
    let forgets = Box::pin(async {
        while published == 0 || held(&bench, "counter").await >= published {
            bench.rapids.publish_all((0..200).map(placed)).await.unwrap();
            published += 200;
            bench.quiet(&["counter"]).await;
        }
    });
    soon("it forgets the first packets", forgets).await;
    let packets = stored(&bench).await;
    let placed_ones: Vec<_> =
        packets.iter().filter(|it| it.event_name().as_deref() == Some("placed")).collect();
    let mut replays = open(&bench.config(), "counter/count", "again").await;
    replays.send(placed_ones[0]).await.unwrap();
    replays.send(placed_ones[published - 1]).await.unwrap();
    all_done(&bench, "counter").await;
    let end = bench.rapids.contents().await.unwrap().unwrap().last_sequence;
    bench.rapids.publish(placed(0)).await.unwrap();
    let mut tail = bench.rapids.tail(Start::Sequence(end + 2)).await.unwrap();
    let next = soon("the next count", tail.next()).await.unwrap();
    assert_eq!(next.get::<usize>("of").unwrap(), Some(published + 1));
    counter.stop().await;
}

#[tokio::test]
async fn a_memory_that_a_packet_has_not_moved_takes_it() {
    let bench = Bench::start().await;
    // Stored before the service was there.
    bench.rapids.publish(placed(1)).await.unwrap();
    let count = River::new("count").event("placed").memory::<u64>("all", "'all'").react(count_all);
    let counter = bench.run(bench.service("counter", [count])).await;
    bench.rapids.publish(placed(2)).await.unwrap();
    bench.tail().await.event("counted").await;
    let first = stored(&bench).await.remove(0);
    open(&bench.config(), "counter/count", "the past").await.send(&first).await.unwrap();
    let mut tail = bench.tail().await;
    tail.event("counted").await;
    assert_eq!(tail.event("counted").await.get::<u64>("of").unwrap(), Some(2));
    counter.stop().await;
}

#[tokio::test]
async fn a_replay_that_fails_is_a_letter_of_its_own() {
    let bench = Bench::start().await;
    let charge = River::new("charge").event("placed").react(|packet: Packet| async move {
        if packet.is_sent_again() { Err(reject("mended badly")) } else { Ok(()) }
    });
    let payment = bench.run(bench.service("payment", [charge])).await;
    bench.rapids.publish(placed(1)).await.unwrap();
    bench.quiet(&["payment"]).await;
    let mut replays = open(&bench.config(), "payment/charge", "tax").await;
    replays.send(&stored(&bench).await[0]).await.unwrap();
    let letter = bench.letter("payment.charge.r1").await.letter;
    assert_eq!((letter.kind, letter.sequence), (Kind::Rejected, 1));
    assert_eq!((letter.reason.as_str(), letter.first), ("mended badly", None));
    // What becomes of that one is linked to it.
    let letters = bench.dead_letters().await;
    letters.replay(&letter.id, &Note::new("ada")).await.unwrap();
    let again = bench.letter("payment.charge.r2").await.letter;
    assert_eq!(again.first.as_ref(), Some(&letter.id));
    let history = letters.history(&again.id).await.unwrap();
    let ids: Vec<_> = history.iter().map(|stored| stored.letter.id.to_string()).collect();
    assert_eq!(ids, ["payment.charge.r1", "payment.charge.r2"]);
    payment.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_run_is_refused() {
    let bench = Bench::start().await;
    let (config, note) = (bench.config(), Note::new("ada"));
    let opened = Replays::open(&config, "payment/charge", "tax", &note).await.unwrap();
    assert!(opened.is_none(), "no service has ever started");
    let long = "x".repeat(1_001);
    for (river, run) in [("payment", "a"), ("pay ment/x", "a"), ("a/b", ""), ("a/b", &long)] {
        let error = Replays::open(&config, river, run, &note).await.unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error}");
    }
    let payment = bench.run(bench.service("payment", [crate::harness::echo()])).await;
    let mut replays = open(&config, "payment/echo", "tax").await;
    let error = replays.send(&placed(1)).await.unwrap_err().to_string();
    assert!(error.contains("was not read from the rapids"), "{error}");
    payment.stop().await;
}

#[tokio::test]
async fn a_service_announces_what_its_reactions_make_of_packets_that_they_know() {
    let bench = Bench::start().await;
    let (seen, _handled) = unbounded_channel();
    let once = telling("once", "once", &seen).once();
    let count = River::new("count").event("placed").memory::<u64>("all", "'all'").react(count_all);
    let service = bench.service("payment", [telling("plain", "plain", &seen), once, count]);
    let payment = bench.run(service).await;
    let up = bench.rapids.services(std::time::Duration::from_millis(200)).await.unwrap();
    let told: Vec<_> = up[0].repetitions.iter().map(|(name, it)| (name.as_str(), it)).collect();
    let memory = Repetition::Memory("all".to_owned());
    let expected = [("count", &memory), ("once", &Repetition::Once), ("plain", &Repetition::Runs)];
    assert_eq!(told, expected);
    payment.stop().await;
}
