//! Publishing: what is stored, what is refused, and how a stream is checked.

use std::time::Duration;

use async_nats::jetstream::stream::Config as StreamConfig;
use jiff::SignedDuration;
use rapids_client::{Config, Delivery, Error, Packet, Rapids, Service, Start, Timestamp};
use rapids_test::NatsServer;

use crate::harness::{Bench, Running, echo, soon};

async fn jetstream(server: &NatsServer) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

async fn config(server: &NatsServer) -> StreamConfig {
    jetstream(server).await.get_stream("RAPIDS").await.unwrap().cached_info().config.clone()
}

#[tokio::test]
async fn the_stream_is_made_as_it_must_be() {
    let bench = Bench::start().await;
    let made = config(&bench.server).await;
    assert_eq!(made.subjects, ["rapids"]);
    assert_eq!(made.max_message_size, (1 << 20) - (64 << 10));
    assert_eq!(made.duplicate_window, Duration::from_secs(600));
    assert_eq!(made.max_age, Duration::from_secs(30 * 86_400));
    assert_eq!(made.max_bytes, 1 << 30);
    assert!(made.deny_delete && made.deny_purge && made.allow_direct && made.allow_atomic_publish);
    assert!(!made.allow_rollup && !made.allow_message_ttl && !made.allow_message_schedules);
}

#[tokio::test]
async fn a_packet_published_twice_is_stored_once() {
    let bench = Bench::start().await;
    let packet = Packet::event("x");
    let first = bench.rapids.publish(packet.clone()).await.unwrap();
    let second = bench.rapids.publish(packet.clone()).await.unwrap();
    assert_eq!((first.id.as_str(), first.sequence, first.duplicate), (packet.id(), 1, false));
    assert_eq!((second.sequence, second.duplicate), (1, true));
}

#[tokio::test]
async fn many_packets_are_stored_in_their_order() {
    let bench = Bench::start().await;
    let packets = (0..5_000).map(|n| Packet::event("x").with("n", n));
    let published = bench.rapids.publish_all(packets).await.unwrap();
    let sequences: Vec<_> = published.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, (1..=5_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_packet_that_cannot_be_stored_is_refused_with_the_reason() {
    let bench = Bench::start().await;
    let too_large = Packet::event("x").with("pad", "x".repeat(1_000_000));
    let error = bench.rapids.publish(too_large.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Refused { id, .. } if id == too_large.id()), "{error}");
    assert!(error.to_string().contains("the limit is 983040"), "{error}");

    let faulty = Packet::event("x").with("ratio", f64::NAN);
    let error = bench.rapids.publish(faulty).await.unwrap_err();
    assert!(matches!(error, Error::Field { .. }), "{error}");
}

#[tokio::test]
async fn a_full_stream_refuses_clearly_and_takes_packets_again_once_there_is_room() {
    let server = NatsServer::start().unwrap();
    let small = Config::new(server.url()).max_bytes(100_000);
    let rapids = Rapids::connect(&small).await.unwrap();
    let packet = |n: u32| Packet::event("x").with("pad", "x".repeat(10_000)).with("n", n);
    let error = rapids.publish_all((0..20).map(packet)).await.unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(error.to_string().contains("nats stream edit RAPIDS --max-bytes"), "{error}");

    let roomier = StreamConfig { max_bytes: 1_000_000, ..config(&server).await };
    jetstream(&server).await.update_stream(roomier).await.unwrap();
    rapids.publish(packet(99)).await.unwrap();
    // Who does not ask for a size accepts the operator's.
    Rapids::connect(&Config::new(server.url())).await.unwrap();
    let error = Rapids::connect(&small).await.unwrap_err().to_string();
    assert!(error.contains("max_bytes (RAPIDS_MAX_BYTES) is 1000000, needed is 100000"), "{error}");
}

#[tokio::test]
async fn a_stream_that_cannot_be_the_rapids_is_refused_with_every_difference() {
    let server = NatsServer::start().unwrap();
    let other = StreamConfig {
        name: "RAPIDS".to_owned(),
        subjects: vec!["rapids.>".to_owned()],
        ..StreamConfig::default()
    };
    jetstream(&server).await.create_stream(other).await.unwrap();
    let error = Rapids::connect(&Config::new(server.url())).await.unwrap_err().to_string();
    for difference in [
        "stream `RAPIDS` is not what is needed: subjects is [\"rapids.>\"], needed is [\"rapids\"]",
        "discard is Old, needed is New",
        "deny_purge is false, needed is true",
        "duplicate_window is 120s, needed is 600s",
    ] {
        assert!(error.contains(difference), "{error}");
    }
}

#[tokio::test]
async fn a_stream_without_atomic_publish_gains_it() {
    let bench = Bench::start().await;
    let mut older = config(&bench.server).await;
    older.allow_atomic_publish = false;
    jetstream(&bench.server).await.update_stream(older).await.unwrap();
    Rapids::connect(&bench.config()).await.unwrap();
    assert!(config(&bench.server).await.allow_atomic_publish);
}

#[tokio::test]
async fn what_the_server_does_not_permit_is_said_at_once() {
    let server = NatsServer::with_config(
        r#"authorization { users: [
            {user: reader, password: r, permissions: {publish: {deny: ["rapids"]}}}
            {user: outsider, password: o, permissions: {publish: {deny: ["$JS.API.STREAM.>"]}}}
        ]}"#,
    )
    .unwrap();
    let config = |user: &str| Config::new(server.url()).user_and_password(user, &user[..1]);
    let rapids = Rapids::connect(&config("reader")).await.unwrap();
    let publishing = rapids.publish(Packet::event("x"));
    let error = soon("the refusal", publishing).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server does not permit publish to `rapids`; grant it to this user"
    );
    let error = Rapids::connect(&config("outsider")).await.unwrap_err();
    assert!(matches!(error, Error::NotPermitted { .. }), "{error}");
}

#[tokio::test]
async fn a_service_that_may_not_use_its_memory_ends_and_says_so() {
    use rapids_client::{River, Service};
    let server = NatsServer::with_config(
        r#"authorization { users: [
            {user: admin, password: a}
            {user: forgetful, password: f, permissions: {publish: {deny: ["$KV.RAPIDS_MEMORY_counter.>"]}}}
        ]}"#,
    )
    .unwrap();
    let config = |user: &str| Config::new(server.url()).user_and_password(user, &user[..1]);
    let rapids = Rapids::connect(&config("admin")).await.unwrap();
    rapids.publish(Packet::event("came")).await.unwrap();
    let river = River::new("count").event("came").memory("counts", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    );
    let service = Service::new("counter", config("forgetful")).river(river).from_beginning();
    let ended = soon("the service ends", service.run_until(std::future::pending())).await;
    let error = ended.unwrap_err().to_string();
    assert!(
        error.starts_with("the server does not permit publish to `$KV.RAPIDS_MEMORY_"),
        "{error}"
    );
}

#[tokio::test]
async fn a_publish_survives_a_restart_of_the_server() {
    let mut bench = Bench::start().await;
    bench.rapids.publish(Packet::event("before")).await.unwrap();
    bench.server.kill();
    let rapids = bench.rapids.clone();
    let publishing = tokio::spawn(async move { rapids.publish(Packet::event("during")).await });
    bench.server.restart().unwrap();
    let published = soon("the packet is stored", publishing).await.unwrap().unwrap();
    assert_eq!(published.sequence, 2);
}

#[tokio::test]
async fn a_tail_begins_where_it_is_told_and_says_what_is_no_packet() {
    let bench = Bench::start().await;
    bench.rapids.publish(Packet::event("one")).await.unwrap();
    bench.publish_raw("nonsense").await;
    bench.rapids.publish(Packet::event("three")).await.unwrap();
    let mut tail = bench.rapids.tail(Start::Sequence(2)).await.unwrap();
    let error = soon("the second", tail.next()).await.unwrap_err().to_string();
    assert!(error.starts_with("body is not a packet: sequence 2: not a JSON object"), "{error}");
    let third = soon("the third", tail.next()).await.unwrap();
    assert_eq!(third.event_name().as_deref(), Some("three"));
    assert_eq!(third.arrival().map(|arrival| arrival.sequence), Some(3));
}

#[tokio::test]
async fn a_service_shows_its_rivers_to_everybody() {
    use rapids_client::River;
    let bench = Bench::start().await;
    let river = River::new("charge")
        .event(["placed", "ordered"])
        .require("total")
        .react(|_: Packet| async { Ok(()) });
    let service = bench.run(bench.service("payment", [river]).version("1.2.3")).await;
    let up = bench.rapids.services(Duration::from_millis(200)).await.unwrap();
    let [payment] = up.as_slice() else { panic!("{up:?}") };
    assert_eq!((payment.name.as_str(), payment.version.as_str()), ("payment", "1.2.3"));
    assert_eq!(payment.rivers["charge"], "@.event == 'placed' || @.event == 'ordered'");
    assert_eq!(payment.rivers["charge.requires"], "@.total && @.total != null");
    service.stop().await;
}

#[tokio::test]
async fn a_tail_goes_on_after_a_restart_of_the_server() {
    let mut bench = Bench::start().await;
    bench.rapids.publish(Packet::event("before")).await.unwrap();
    let mut tail = bench.rapids.tail(Start::Beginning).await.unwrap();
    soon("the first", tail.next()).await.unwrap();
    bench.server.kill();
    bench.server.restart().unwrap();
    bench.rapids.publish(Packet::event("after")).await.unwrap();
    let after = soon("the second", tail.next()).await.unwrap();
    assert_eq!(after.event_name().as_deref(), Some("after"));
}

#[tokio::test]
async fn a_tail_from_now_shows_nothing_from_before_after_a_restart() {
    let mut bench = Bench::start().await;
    bench.rapids.publish(Packet::event("before")).await.unwrap();
    let mut tail = bench.rapids.tail(Start::Now).await.unwrap();
    bench.server.kill();
    bench.server.restart().unwrap();
    bench.rapids.publish(Packet::event("after")).await.unwrap();
    let after = soon("the packet", tail.next()).await.unwrap();
    assert_eq!(after.event_name().as_deref(), Some("after"));
}

#[tokio::test]
async fn a_tail_ends_with_its_stream() {
    let bench = Bench::start().await;
    let mut tail = bench.rapids.tail(Start::Now).await.unwrap();
    jetstream(&bench.server).await.delete_stream("RAPIDS").await.unwrap();
    let error = soon("the end", tail.next()).await.unwrap_err();
    assert!(matches!(error, Error::Stream { .. }), "{error}");
}

#[tokio::test]
async fn one_reaction_may_publish_thousands() {
    use rapids_client::River;
    let bench = Bench::start().await;
    let river = River::new("burst").event("asked").react(|_: Packet| async {
        Ok((0..6_000).map(|n| Packet::event("part").with("n", n)).collect::<Vec<_>>())
    });
    let service = bench.run(bench.service("burst", [river])).await;
    bench.rapids.publish(Packet::event("asked")).await.unwrap();
    let mut tail = bench.tail().await;
    for n in 0..6_000 {
        assert_eq!(tail.event("part").await.get::<u32>("n").unwrap(), Some(n));
    }
    bench.quiet(&["burst"]).await;
    service.stop().await;
}

#[tokio::test]
async fn opening_the_rapids_creates_nothing() {
    let server = NatsServer::start().unwrap();
    let config = Config::new(server.url());
    for _ in 0..2 {
        assert!(Rapids::open(&config).await.unwrap().is_none());
    }
    Rapids::connect(&config).await.unwrap();
    // Settings that a service could not work with are no reason not to look.
    let other = config.clone().max_bytes(5);
    let rapids = Rapids::open(&other).await.unwrap().unwrap();
    assert_eq!(rapids.publish(Packet::event("x")).await.unwrap().sequence, 1);
}

#[tokio::test]
async fn a_tail_knows_the_end_of_what_was_stored() {
    let bench = Bench::start().await;
    let stored = async |from| {
        let mut tail = bench.rapids.tail(from).await.unwrap();
        bench.rapids.publish(Packet::event("later")).await.unwrap();
        let mut sequences = Vec::new();
        while let Some(packet) = soon("the next", tail.next_stored()).await.unwrap() {
            sequences.extend(packet.arrival().map(|arrival| arrival.sequence));
        }
        sequences
    };
    assert_eq!(stored(Start::Beginning).await, [0; 0]);
    assert_eq!(stored(Start::Beginning).await, [1]);
    assert_eq!(stored(Start::Sequence(2)).await, [2]);
    assert_eq!(stored(Start::Sequence(9)).await, [0; 0]);
    assert_eq!(stored(Start::Now).await, [0; 0]);
    assert_eq!(stored(Start::Time(Timestamp::now())).await, [0; 0]);

    let mut tail = bench.rapids.tail(Start::Sequence(6)).await.unwrap();
    assert!(soon("the last", tail.next_stored()).await.unwrap().is_some());
    assert!(soon("the end", tail.next_stored()).await.unwrap().is_none());
    bench.rapids.publish(Packet::event("after")).await.unwrap();
    let after = soon("what comes after", tail.next()).await.unwrap();
    assert_eq!(after.event_name().as_deref(), Some("after"));
}

#[tokio::test]
async fn a_start_at_a_time_takes_what_was_stored_at_or_after_it() {
    let bench = Bench::start().await;
    let mut stored = Vec::new();
    let mut tail = bench.rapids.tail(Start::Beginning).await.unwrap();
    for _ in 0..5 {
        bench.rapids.publish(Packet::event("x")).await.unwrap();
        let packet = soon("the packet", tail.next()).await.unwrap();
        stored.push(packet.arrival().unwrap().stored);
    }
    let count = async |time| {
        let mut tail = bench.rapids.tail(Start::Time(time)).await.unwrap();
        let mut count = 0;
        while soon("the next", tail.next_stored()).await.unwrap().is_some() {
            count += 1;
        }
        count
    };
    let nanosecond = SignedDuration::from_nanos(1);
    assert_eq!(count(stored[2]).await, 3);
    assert_eq!(count(stored[2] - nanosecond).await, 3);
    assert_eq!(count(stored[2] + nanosecond).await, 2);
    assert_eq!(count(stored[4] + nanosecond).await, 0);
    assert_eq!(count("1678-01-01T00:00:00Z".parse().unwrap()).await, 5);
}

#[tokio::test]
async fn a_start_that_has_not_come_or_that_the_server_cannot_express_is_refused() {
    let bench = Bench::start().await;
    bench.rapids.publish(Packet::event("x")).await.unwrap();
    for (time, words) in [
        ("2262-04-12T00:00:00Z", "is in the future"),
        ("2300-01-01T00:00:00Z", "is in the future"),
        ("9999-01-01T00:00:00Z", "is in the future"),
        ("1677-01-01T00:00:00Z", "is before 1677-09-21"),
        ("0001-01-01T00:00:00Z", "is before 1677-09-21"),
        ("-000044-03-15T00:00:00Z", "is before 1677-09-21"),
    ] {
        let start = Start::Time(time.parse().unwrap());
        let error = bench.rapids.tail(start).await.unwrap_err().to_string();
        assert!(error.contains(words), "{time}: {error}");
        for delivery in [Delivery::Shared, Delivery::Exclusive] {
            let name = if delivery == Delivery::Shared { "shared" } else { "exclusive" };
            let service = Service::new(name, bench.config().delivery(delivery)).river(echo());
            let running = Running::spawn(service.from_time(time.parse().unwrap()));
            let error = running.ended().await.to_string();
            assert!(error.contains(name) && error.contains(words), "{time}: {error}");
        }
    }
    // Nothing was left behind that would count as a position.
    assert_eq!(bench.rapids.positions().await.unwrap(), []);
}

#[tokio::test]
async fn packets_are_stored_in_the_order_in_which_they_were_sent() {
    let bench = Bench::start().await;
    let mut sent = Vec::new();
    for n in 0..100 {
        sent.push(bench.rapids.send(Packet::event("x").with("n", n)).await.unwrap());
    }
    sent.reverse();
    for (sending, sequence) in sent.into_iter().zip((1..=100).rev()) {
        assert_eq!(soon("it is stored", sending.stored()).await.unwrap().sequence, sequence);
    }
}

#[tokio::test]
async fn a_refusal_that_comes_before_somebody_waits_for_it_is_said_at_once() {
    let server = NatsServer::with_config(
        r#"authorization { users: [
            {user: admin, password: a}
            {user: reader, password: r, permissions: {publish: {deny: ["rapids"]}}}
        ]}"#,
    )
    .unwrap();
    let config = |user: &str| Config::new(server.url()).user_and_password(user, &user[..1]);
    Rapids::connect(&config("admin")).await.unwrap();
    let rapids = Rapids::open(&config("reader")).await.unwrap().unwrap();
    let sending = rapids.send(Packet::event("x")).await.unwrap();
    // Once this one is refused, the refusal of the first is there.
    soon("a refusal", rapids.publish(Packet::event("y"))).await.unwrap_err();
    // The server's answer, which never comes, would be waited for 5 seconds.
    let told = tokio::time::timeout(Duration::from_secs(3), sending.stored()).await;
    let error = told.unwrap().unwrap_err();
    assert!(matches!(error, Error::NotPermitted { .. }) && error.is_refusal(), "{error}");
    let error = Rapids::open(&config("nobody")).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && error.is_refusal(), "{error}");
}
