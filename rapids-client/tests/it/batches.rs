//! Packets that are stored together: all of them or none, and many at once.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::stream::Config as StreamConfig;
use futures::StreamExt;
use rapids_client::{Config, Delivery, Packet, Rapids, River, Seek, Service, Start};
use rapids_test::NatsServer;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};

use crate::harness::{Bench, Running, called, config, soon};

/// Everything that the stream holds, with the headers.
struct Stored(Vec<async_nats::jetstream::Message>);

impl Stored {
    async fn of(bench: &Bench) -> Self {
        let stream = bench.jetstream().await.get_stream("RAPIDS").await.unwrap();
        let stored = stream.cached_info().state.messages;
        let reader = stream.create_consumer(OrderedConfig::default()).await.unwrap();
        let mut reader = reader.messages().await.unwrap();
        let mut messages = Vec::new();
        for _ in 0..stored {
            messages.push(soon("a message", reader.next()).await.unwrap().unwrap());
        }
        Self(messages)
    }

    fn packets(&self) -> impl Iterator<Item = Packet> {
        self.0.iter().map(|message| Packet::from_bytes(message.payload.clone()).unwrap())
    }

    /// Which parts there are, of which call, in the order of the stream.
    fn parts(&self) -> Vec<(u64, u64)> {
        let of = |packet: &Packet, key| packet.get::<u64>(key).unwrap().unwrap();
        let parts = self.packets().filter(|packet| packet.event_name().as_deref() == Some("part"));
        parts.map(|part| (of(&part, "n"), of(&part, "part"))).collect()
    }

    fn in_batches(&self) -> usize {
        self.0.iter().filter(|message| has_batch(message)).count()
    }
}

fn has_batch(message: &async_nats::jetstream::Message) -> bool {
    message.headers.as_ref().is_some_and(|headers| headers.get("Nats-Batch-Id").is_some())
}

/// Answers a call with as many parts.
fn split(parts: impl Fn(u64) -> u64 + Send + Sync + 'static) -> River {
    River::new("split").event("called").react(move |packet: Packet| {
        let n = packet.get::<u64>("n").unwrap().unwrap();
        let part = move |part: u64| Packet::event("part").with("n", n).with("part", part);
        let parts: Vec<_> = (0..parts(n)).map(part).collect();
        async move { anyhow::Ok(parts) }
    })
}

fn three() -> River {
    split(|_| 3)
}

/// The parts that [`three`] makes of calls of these numbers.
fn threes(calls: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    calls.into_iter().flat_map(|n| [(n, 0), (n, 1), (n, 2)]).collect()
}

async fn update(bench: &Bench, change: impl FnOnce(&mut StreamConfig)) {
    update_stream(bench, "RAPIDS", change).await;
}

async fn update_stream(bench: &Bench, name: &str, change: impl FnOnce(&mut StreamConfig)) {
    let jetstream = bench.jetstream().await;
    let mut config = jetstream.get_stream(name).await.unwrap().cached_info().config.clone();
    change(&mut config);
    jetstream.update_stream(config).await.unwrap();
}

/// How long an answer of a server takes that is far away.
const WAY: Duration = Duration::from_millis(60);

/// A port from which the server of this port is far away: what it says arrives late.
async fn far_away(server: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else {
                continue;
            };
            let (from_near, to_near) = near.into_split();
            let (from_far, to_far) = far.into_split();
            tokio::spawn(carry(from_near, to_far, Duration::ZERO));
            tokio::spawn(carry(from_far, to_near, WAY));
        }
    });
    port
}

/// Carries bytes, each for this long, with any number of them on the way.
async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, way: Duration) {
    let (sender, mut under_way) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while from.readable().await.is_ok() {
            match from.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    let _ = sender.send((Instant::now() + way, buffer[..read].to_vec()));
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    });
    let mut to = to;
    while let Some((arrival, bytes)) = under_way.recv().await {
        sleep_until(arrival).await;
        if tokio::io::AsyncWriteExt::write_all(&mut to, &bytes).await.is_err() {
            return;
        }
    }
}

/// A bench whose server is far away.
async fn far_bench() -> (Bench, Config) {
    let bench = Bench::start().await;
    let config = config(&format!("nats://127.0.0.1:{}", far_away(bench.server.port()).await));
    (bench, config)
}

#[tokio::test]
async fn where_answers_take_long_many_packets_are_stored_in_batches_and_in_order() {
    let (bench, config) = far_bench().await;
    let rapids = Rapids::connect(&config).await.unwrap();
    let published = soon("all", rapids.publish_all((0..4_000).map(called))).await.unwrap();
    let stored = Stored::of(&bench).await;
    assert!(stored.in_batches() >= 1_000, "{}", stored.in_batches());
    let numbers: Vec<_> = stored.packets().map(|it| it.get::<u64>("n").unwrap().unwrap()).collect();
    assert_eq!(numbers, (0..4_000).collect::<Vec<_>>());
    let told: Vec<_> = published.iter().map(|it| (it.id.clone(), it.sequence)).collect();
    let there: Vec<_> = stored.packets().map(|it| it.id().to_owned()).zip(1..).collect();
    assert_eq!(told, there);
}

#[tokio::test]
async fn where_answers_come_at_once_each_packet_goes_by_itself() {
    let bench = Bench::start().await;
    bench.rapids.publish_all((0..300).map(called)).await.unwrap();
    assert_eq!(Stored::of(&bench).await.in_batches(), 0);
}

#[tokio::test]
async fn packets_of_a_batch_that_are_stored_already_are_recognised() {
    let (bench, config) = far_bench().await;
    let rapids = Rapids::connect(&config).await.unwrap();
    let first: Vec<_> = (0..10).map(called).collect();
    rapids.publish_all(first.clone()).await.unwrap();
    // The third batch holds some of them, and one twice that is new.
    let mut packets: Vec<_> = (10..4_010).map(called).collect();
    packets.splice(3_500..3_500, first);
    packets.insert(3_600, packets[3_599].clone());
    let published = soon("all", rapids.publish_all(packets.clone())).await.unwrap();
    let ids: Vec<_> = published.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, packets.iter().map(Packet::id).collect::<Vec<_>>());
    let duplicates: Vec<_> = published.iter().filter(|it| it.duplicate).collect();
    assert_eq!(duplicates.len(), 11);
    assert_eq!(duplicates[9].sequence, 10);
    assert_eq!(published[3_599].sequence, published[3_600].sequence);
    let stored = Stored::of(&bench).await;
    assert!(stored.in_batches() > 0);
    assert_eq!(stored.0.len(), 4_010);
    let ids: Vec<_> = stored.packets().map(|packet| packet.id().to_owned()).collect();
    for it in published {
        assert_eq!(ids[usize::try_from(it.sequence).unwrap() - 1], it.id);
    }
}

/// Kills the server in the middle of many packets.
async fn each_is_stored_once(mut bench: Bench, rapids: Rapids) {
    const PACKETS: u64 = 20_000;
    let jetstream = bench.jetstream().await;
    let publishing =
        tokio::spawn(async move { rapids.publish_all((0..PACKETS).map(called)).await });
    for part in [4_000, 12_000] {
        soon("a part is stored", async {
            loop {
                let stream = jetstream.get_stream("RAPIDS").await;
                if stream.is_ok_and(|it| it.cached_info().state.last_sequence >= part) {
                    return;
                }
            }
        })
        .await;
        bench.server.kill();
        bench.server.restart().unwrap();
    }
    let published = soon("all is stored", publishing).await.unwrap().unwrap();
    let stored = Stored::of(&bench).await;
    let ids: BTreeSet<_> = stored.packets().map(|it| it.id().to_owned()).collect();
    assert_eq!((stored.0.len() as u64, ids.len() as u64), (PACKETS, PACKETS));
    let told: BTreeSet<_> = published.into_iter().map(|it| it.id).collect();
    assert_eq!(told, ids);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_meanwhile_stores_each_of_many_packets_once() {
    let bench = Bench::start().await;
    let rapids = bench.rapids.clone();
    each_is_stored_once(bench, rapids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_far_away_that_is_killed_meanwhile_stores_each_of_many_packets_once() {
    let (bench, config) = far_bench().await;
    let rapids = Rapids::connect(&config).await.unwrap();
    each_is_stored_once(bench, rapids).await;
}

#[tokio::test]
async fn outputs_of_all_sizes_are_stored_in_the_order_of_the_packets() {
    let bench = Bench::start().await;
    let sizes = |n: u64| [1, 3, 0, 2, 1, 1, 4][n as usize % 7];
    let service = bench.run(bench.service("split", [split(sizes)])).await;
    bench.rapids.publish_all((0..200).map(called)).await.unwrap();
    bench.quiet(&["split"]).await;
    service.stop().await;
    let stored = Stored::of(&bench).await;
    let expected: Vec<_> = (0..200).flat_map(|n| (0..sizes(n)).map(move |it| (n, it))).collect();
    assert_eq!(stored.parts(), expected);
    let batched: u64 = (0..200).map(sizes).filter(|size| *size > 1).sum();
    // Single packets go along with a batch that is due, and else by themselves.
    assert!(stored.in_batches() as u64 >= batched, "{} of {batched}", stored.in_batches());
}

#[tokio::test]
async fn single_outputs_go_by_themselves() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("split", [split(|_| 1)])).await;
    bench.rapids.publish_all((0..50).map(called)).await.unwrap();
    bench.quiet(&["split"]).await;
    service.stop().await;
    let stored = Stored::of(&bench).await;
    assert_eq!((stored.parts().len(), stored.in_batches()), (50, 0));
}

/// Whether the parts of each call stand together: no other packet is between them.
fn assert_together(stored: &Stored, calls: u64) {
    let mut parts = Vec::new();
    for (sequence, packet) in stored.packets().enumerate() {
        if packet.event_name().as_deref() == Some("part") {
            let of = |key| packet.get::<u64>(key).unwrap().unwrap();
            parts.push((of("n"), of("part"), sequence));
        }
    }
    for three in parts.chunks(3) {
        let (n, _, first) = three[0];
        assert_eq!(three, [(n, 0, first), (n, 1, first + 1), (n, 2, first + 2)]);
    }
    let calls_answered: BTreeSet<_> = parts.iter().map(|(n, ..)| *n).collect();
    assert_eq!((parts.len() as u64, calls_answered.len() as u64), (3 * calls, calls));
}

#[tokio::test]
async fn outputs_stand_together_whenever_the_server_is_killed() {
    const CALLS: u64 = 600;
    let mut bench = Bench::start().await;
    bench.rapids.publish_all((0..CALLS).map(called)).await.unwrap();
    let service = Running::spawn(bench.service("split", [three()]).from_beginning());
    let mut tail = bench.tail().await;
    for _ in 0..3 {
        for _ in 0..500 {
            tail.event("part").await;
        }
        bench.server.kill();
        bench.server.restart().unwrap();
    }
    bench.quiet(&["split"]).await;
    service.stop().await;
    assert_together(&Stored::of(&bench).await, CALLS);
}

#[tokio::test]
async fn outputs_that_find_room_in_part_wait_until_there_is_room_for_all() {
    let server = NatsServer::start().unwrap();
    let small = config(&server.url()).max_bytes(10_000);
    let bench = Bench::over(server, Rapids::connect(&small).await.unwrap());
    let large = River::new("large").event("called").react(|_: Packet| async {
        let part = |n: u64| Packet::event("part").with("n", 0).with("part", n);
        Ok([0, 1, 2].map(|n| part(n).with("pad", "x".repeat(3_500))).to_vec())
    });
    let small = River::new("small")
        .event("asked")
        .react(|_: Packet| async { Ok(Packet::event("answered")) });
    let service = bench.run(bench.service("split", [large, small])).await;
    bench.rapids.publish(called(0)).await.unwrap();
    bench.rapids.publish(Packet::event("asked")).await.unwrap();
    // What comes later and fits is stored; by then there was an answer to the others.
    bench.tail().await.event("answered").await;
    assert_eq!(Stored::of(&bench).await.parts(), []);
    update(&bench, |config| config.max_bytes = 1_000_000).await;
    bench.quiet(&["split"]).await;
    service.stop().await;
    assert_eq!(Stored::of(&bench).await.parts(), threes([0]));
}

#[tokio::test]
async fn no_output_is_stored_where_one_of_them_is_too_large_by_now() {
    let bench = Bench::start().await;
    let uneven = River::new("uneven").event("called").react(|_: Packet| async {
        let part = |n: u64| Packet::event("part").with("n", 0).with("part", n);
        let large = part(1).with("pad", "x".repeat(5_000));
        Ok(vec![part(0), large, part(2)])
    });
    let small = River::new("small")
        .event("asked")
        .react(|_: Packet| async { Ok(Packet::event("answered")) });
    let service = bench.run(bench.service("split", [uneven, small])).await;
    update_stream(&bench, "LATER", |config| config.max_message_size = 4_000).await;
    update(&bench, |config| config.max_message_size = 4_000).await;
    bench.rapids.publish(called(0)).await.unwrap();
    bench.rapids.publish(Packet::event("asked")).await.unwrap();
    bench.tail().await.event("answered").await;
    assert_eq!(Stored::of(&bench).await.parts(), []);
    service.stop().await;
    update(&bench, |config| config.max_message_size = (1 << 20) - (64 << 10)).await;
    let uneven = split(|_| 3);
    let service = bench.run(bench.service("split", [uneven])).await;
    bench.quiet(&["split"]).await;
    service.stop().await;
    assert_eq!(Stored::of(&bench).await.parts(), threes([0]));
}

#[tokio::test]
async fn outputs_that_are_stored_already_are_not_stored_again() {
    let bench = Bench::of(Delivery::Shared).await;
    bench.rapids.publish_all((0..20).map(called)).await.unwrap();
    for _ in 0..2 {
        let service = bench.service("split", [three()]).from_beginning();
        let service = bench.run(service).await;
        bench.quiet(&["split"]).await;
        service.stop().await;
        let back = bench.rapids.move_position("split", Start::Beginning, Seek::new()).await;
        assert!(back.unwrap().is_some());
        assert_eq!(Stored::of(&bench).await.parts(), threes(0..20));
    }
}

#[tokio::test]
async fn a_stream_that_takes_no_batches_takes_packets_one_by_one() {
    let server = NatsServer::with_config(
        r#"authorization { users: [
            {user: admin, password: a}
            {user: worker, password: w, permissions: {publish: {deny: ["$JS.API.STREAM.UPDATE.>"]}}}
        ]}"#,
    )
    .unwrap();
    let login = |user: &str| config(&server.url()).user_and_password(user, &user[..1]);
    let admin = Rapids::connect(&login("admin")).await.unwrap();
    let as_admin = async_nats::ConnectOptions::with_user_and_password("admin".into(), "a".into());
    let client = as_admin.connect(server.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let stream = jetstream.get_stream("RAPIDS").await.unwrap();
    let older = StreamConfig { allow_atomic_publish: false, ..stream.cached_info().config.clone() };
    jetstream.update_stream(older).await.unwrap();

    let worker = login("worker");
    let rapids = soon("a connection", Rapids::connect(&worker)).await.unwrap();
    let service = Service::new("split", worker).river(three()).from_beginning();
    let service = Running::spawn(service);
    rapids.publish_all((0..10).map(called)).await.unwrap();
    let mut tail = admin.tail(Start::Beginning).await.unwrap();
    let mut parts = 0;
    while parts < 30 {
        let packet = soon("a part", tail.next()).await.unwrap();
        parts += usize::from(packet.event_name().as_deref() == Some("part"));
    }
    service.stop().await;
    let config = &jetstream.get_stream("RAPIDS").await.unwrap().cached_info().config.clone();
    assert!(!config.allow_atomic_publish);
}

#[tokio::test]
async fn a_server_that_takes_smaller_batches_or_none_any_more_takes_packets_one_by_one() {
    let limits = "jetstream { max_file_store: 8GB, limits { batch { max_msgs: 2 } } }";
    let bench = Bench::with_config(limits).await;
    let service = bench.run(bench.service("split", [three()])).await;
    bench.rapids.publish(called(0)).await.unwrap();
    bench.quiet(&["split"]).await;
    assert_eq!(Stored::of(&bench).await.in_batches(), 0);
    update(&bench, |config| config.allow_atomic_publish = false).await;
    bench.rapids.publish(called(1)).await.unwrap();
    bench.quiet(&["split"]).await;
    service.stop().await;
    assert_eq!(Stored::of(&bench).await.parts(), threes(0..2));
}

#[tokio::test]
async fn batches_that_others_have_abandoned_hold_outputs_up_until_they_are_forgotten() {
    const OPEN: usize = 3;
    let limits = "jetstream { max_file_store: 8GB, \
        limits { batch { max_inflight_per_stream: 3, timeout: \"1s\" } } }";
    let bench = Bench::with_config(limits).await;
    let service = bench.run(bench.service("split", [three()])).await;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    for n in 0..OPEN {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", format!("abandoned-{n}"));
        headers.insert("Nats-Batch-Sequence", "1");
        let body = r#"{"event":"part","n":99,"part":0}"#.into();
        let begun = client.request_with_headers("rapids", headers, body).await.unwrap();
        assert!(begun.payload.is_empty(), "{:?}", begun.payload);
    }
    bench.rapids.publish(called(0)).await.unwrap();
    bench.quiet(&["split"]).await;
    service.stop().await;
    assert_eq!(Stored::of(&bench).await.parts(), threes([0]));
}
