//! What the bus creates on the server: from which settings, within which limits, and what it makes
//! of what is there already.

use std::path::Path;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::stream::Config as StreamConfig;
use futures::TryStreamExt;
use rapids_client::{Config, DeadLetters, Error, Packet, Rapids, River, Service};
use rapids_test::NatsServer;

use crate::harness::{Running, soon, until};

const DAY: Duration = Duration::from_secs(86_400);

/// An account with these limits, and a user in it.
fn account(limits: &str) -> NatsServer {
    let user = "users: [{user: shop, password: s}]";
    let accounts = format!("accounts {{ SHOP: {{ jetstream: {{{limits}}}, {user} }} }}");
    NatsServer::with_config(&accounts).unwrap()
}

/// The settings of that user, with these variables.
fn with(server: &NatsServer, variables: &[(&str, &str)]) -> Config {
    let config = Config::from_variables(&|name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    });
    config.unwrap().server(server.url()).user_and_password("shop", "s")
}

async fn jetstream(server: &NatsServer) -> Context {
    let options = async_nats::ConnectOptions::with_user_and_password("shop".into(), "s".into());
    async_nats::jetstream::new(options.connect(server.url()).await.unwrap())
}

async fn stream(jetstream: &Context, name: &str) -> StreamConfig {
    jetstream.get_stream(name).await.unwrap().cached_info().config.clone()
}

fn padded(bytes: usize) -> Packet {
    Packet::event("x").with("pad", "x".repeat(bytes))
}

/// A service with everything that needs a bucket.
fn service(config: Config) -> Service {
    let count = River::new("count").event("placed").memory("counts", "@.event").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    );
    let charge = River::new("charge").event("placed").once().react(|_: Packet| async { Ok(()) });
    Service::new("payment", config).river(count).river(charge)
}

/// Runs a service until it has handled a packet, and stops it.
async fn works(config: Config) {
    let rapids = Rapids::connect(&config).await.unwrap();
    let running = Running::spawn(service(config));
    until("the service announces itself", async || {
        !rapids.services(Duration::from_millis(100)).await.unwrap().is_empty()
    })
    .await;
    let published = rapids.publish(Packet::event("placed")).await.unwrap();
    until("the packet is handled", async || {
        rapids.position("payment").await.unwrap().unwrap().acknowledged >= published.sequence
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn a_service_for_which_the_account_has_no_consumer_left_is_told_so_at_once() {
    let server = account("max_consumers: 1");
    works(with(&server, &[])).await;
    let other = Service::new("other", with(&server, &[]))
        .river(River::new("charge").event("placed").react(|_: Packet| async { Ok(()) }));
    let error = Running::spawn(other).ended().await;
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    assert!(error.to_string().contains("allows 1 for each stream (`max_consumers`)"), "{error}");
}

#[tokio::test]
async fn a_limit_of_the_server_that_no_account_shows_is_told_at_once() {
    let limits = "jetstream { max_file_store: 8GB, limits { max_ack_pending: 777 } }";
    let server = NatsServer::with_config(limits).unwrap();
    let error = Running::spawn(service(with(&server, &[]))).ended().await;
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    for words in ["50000", "limit of 777", "set RAPIDS_MAX_ACK_PENDING"] {
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    works(with(&server, &[("RAPIDS_MAX_ACK_PENDING", "777")])).await;
}

/// Three servers that are one, once they have agreed on who leads.
async fn cluster() -> Vec<NatsServer> {
    let servers = NatsServer::cluster(3, "").unwrap();
    let config = Config::new(servers[0].url());
    until("the cluster has a leader", async || Rapids::open(&config).await.is_ok()).await;
    servers
}

#[tokio::test]
async fn in_a_cluster_everything_has_as_many_replicas_as_are_stated() {
    let servers = cluster().await;
    let config = with(&servers[0], &[("RAPIDS_REPLICAS", "3")]);
    works(config.clone()).await;
    let jetstream = jetstream(&servers[1]).await;
    let names: Vec<String> = jetstream.stream_names().try_collect().await.unwrap();
    assert_eq!(names.len(), 8, "{names:?}");
    for name in names {
        assert_eq!(stream(&jetstream, &name).await.num_replicas, 3, "{name}");
    }
    let position: PullConsumer =
        jetstream.get_consumer_from_stream("payment", "RAPIDS").await.unwrap();
    let info = position.cached_info();
    assert_eq!(info.config.num_replicas, 0, "as many as the stream has");
    assert_eq!(info.cluster.as_ref().unwrap().replicas.len(), 2, "beside the leader");
    jetstream.delete_stream("KV_RAPIDS_ONCE").await.unwrap();
    let five = with(&servers[0], &[("RAPIDS_REPLICAS", "5")]);
    let error = Running::spawn(service(five)).ended().await;
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    assert!(error.to_string().contains("no 5 servers (RAPIDS_REPLICAS)"), "{error}");
    // More than are stated, or than are usual, are no difference.
    works(with(&servers[2], &[("RAPIDS_REPLICAS", "1")])).await;
    works(with(&servers[2], &[])).await;
    assert_eq!(stream(&jetstream, "RAPIDS").await.num_replicas, 3);
}

fn on_store(store: &Path, extra: &str) -> NatsServer {
    NatsServer::with_store(store, extra).unwrap()
}

async fn limit(server: &NatsServer) -> i32 {
    stream(&jetstream(server).await, "RAPIDS").await.max_message_size
}

#[tokio::test]
async fn the_largest_payload_of_the_server_is_followed_when_it_changes() {
    let store = tempfile::tempdir().unwrap();
    let server = on_store(store.path(), "");
    Rapids::connect(&with(&server, &[])).await.unwrap();
    assert_eq!(limit(&server).await, 983_040);
    drop(server);
    let server = on_store(store.path(), "max_payload: 8MB");
    let rapids = Rapids::connect(&with(&server, &[])).await.unwrap();
    rapids.publish(padded(2_000_000)).await.unwrap();
    assert_eq!(limit(&server).await, (8 << 20) - (64 << 10));
    drop(server);
    let server = on_store(store.path(), "max_payload: 256KB");
    let rapids = Rapids::connect(&with(&server, &[])).await.unwrap();
    let error = rapids.publish(padded(230_000)).await.unwrap_err().to_string();
    assert!(error.contains("the limit is 196608"), "{error}");
    rapids.publish(padded(190_000)).await.unwrap();
    assert_eq!(limit(&server).await, 196_608);
    works(with(&server, &[])).await;
}

#[tokio::test]
async fn a_largest_message_that_the_operator_chose_stays_and_counts() {
    let server = NatsServer::start().unwrap();
    let config = with(&server, &[]);
    Rapids::connect(&config).await.unwrap();
    let jetstream = jetstream(&server).await;
    // The server wants the stream that the rapids take from to be smaller first.
    for (name, max_message_size) in [("LATER", 90_000), ("RAPIDS", 100_000)] {
        let smaller = StreamConfig { max_message_size, ..stream(&jetstream, name).await };
        jetstream.update_stream(smaller).await.unwrap();
    }
    let rapids = Rapids::connect(&config).await.unwrap();
    let error = rapids.publish(padded(150_000)).await.unwrap_err().to_string();
    assert!(error.contains("the limit is 100000"), "{error}");
    assert_eq!(limit(&server).await, 100_000);
}

#[tokio::test]
async fn a_stream_that_may_not_be_changed_is_used_with_the_size_that_it_takes() {
    let store = tempfile::tempdir().unwrap();
    let server = on_store(store.path(), "");
    Rapids::connect(&with(&server, &[])).await.unwrap();
    drop(server);
    let users = r#"max_payload: 8MB, authorization { users: [
        {user: shop, password: s, permissions: {publish: {deny: ["$JS.API.STREAM.UPDATE.>"]}}}
    ]}"#;
    let server = on_store(store.path(), users);
    let rapids = Rapids::connect(&with(&server, &[])).await.unwrap();
    let error = rapids.publish(padded(2_000_000)).await.unwrap_err().to_string();
    assert!(error.contains("the limit is 983040"), "{error}");
}

#[tokio::test]
async fn a_stream_that_holds_a_subject_of_the_bus_is_named_at_once() {
    for (subject, name) in [
        ("rapids", "RAPIDS"),
        ("dead_letters.>", "DEAD_LETTERS"),
        ("replays.*", "REPLAYS"),
        ("$KV.RAPIDS_HANDLING.>", "KV_RAPIDS_HANDLING"),
    ] {
        let server = NatsServer::start().unwrap();
        let other = StreamConfig {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders".to_owned(), subject.to_owned()],
            ..StreamConfig::default()
        };
        jetstream(&server).await.create_stream(other).await.unwrap();
        let error = Running::spawn(service(with(&server, &[]))).ended().await;
        assert!(matches!(&error, Error::Stream { stream, .. } if stream == name), "{error}");
        let error = error.to_string();
        assert!(error.contains("the stream `ORDERS` holds its subject"), "{error}");
        assert!(error.contains("nats stream edit ORDERS --subjects"), "{error}");
    }
}

/// Fills what there is beside the rapids.
async fn fill(jetstream: &Context) {
    let other = StreamConfig { name: "FILLER".to_owned(), ..StreamConfig::default() };
    jetstream.create_stream(other).await.unwrap();
    while let Ok(_ack) = jetstream.publish("FILLER", vec![b' '; 50_000].into()).await.unwrap().await
    {
    }
}

#[tokio::test]
async fn a_server_or_an_account_without_room_is_told_at_once() {
    let servers = [
        (NatsServer::with_config("jetstream {max_file_store: 4MB}").unwrap(), "the server"),
        (account("max_store: 4MB"), "the account"),
    ];
    for (server, full) in servers {
        let config = with(&server, &[("RAPIDS_MAX_BYTES", "1MB")]);
        let rapids = Rapids::connect(&config).await.unwrap();
        fill(&jetstream(&server).await).await;
        // Sent again for as long as nobody answers: 30 seconds.
        let publishing =
            tokio::time::timeout(Duration::from_secs(10), rapids.publish(padded(50_000)));
        let error = publishing.await.expect("it is told at once").unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error}");
        assert!(error.to_string().contains(full), "{error}");
        let publishing = rapids.publish_all((0..50).map(|_| padded(50_000)));
        let error = soon("many at once", publishing).await.unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_packet_whose_memory_finds_no_room_waits_until_there_is_some() {
    let server = NatsServer::start().unwrap();
    let config = with(&server, &[]);
    works(config.clone()).await;
    let jetstream = jetstream(&server).await;
    let limited = async |max_bytes| {
        for bucket in ["KV_RAPIDS_MEMORY_payment", "KV_RAPIDS_ONCE"] {
            let bucket = StreamConfig { max_bytes, ..stream(&jetstream, bucket).await };
            jetstream.update_stream(bucket).await.unwrap();
        }
    };
    limited(1).await;
    let rapids = Rapids::connect(&config).await.unwrap();
    let running = Running::spawn(service(config.clone()));
    let published = rapids.publish(Packet::event("placed")).await.unwrap();
    let position = async || rapids.position("payment").await.unwrap().unwrap();
    until("it waits", async || position().await.unacknowledged > 0).await;
    assert!(position().await.acknowledged < published.sequence);
    limited(-1).await;
    until("it is handled", async || position().await.acknowledged >= published.sequence).await;
    running.stop().await;
    let letters = jetstream.get_stream("DEAD_LETTERS").await.unwrap();
    assert_eq!(letters.cached_info().state.messages, 0);
}

#[tokio::test]
async fn what_a_guarantee_rests_on_follows_the_age_of_the_stream() {
    let server = NatsServer::start().unwrap();
    works(with(&server, &[("RAPIDS_MAX_AGE", "5s")])).await;
    let jetstream = jetstream(&server).await;
    let longer = StreamConfig { max_age: 30 * DAY, ..stream(&jetstream, "RAPIDS").await };
    assert_eq!(longer.duplicate_window, Duration::from_secs(5));
    jetstream.update_stream(longer).await.unwrap();
    works(with(&server, &[])).await;
    let raised = stream(&jetstream, "RAPIDS").await;
    assert_eq!(raised.duplicate_window, Duration::from_secs(600));
    for bucket in ["KV_RAPIDS_ONCE", "KV_RAPIDS_HANDLING"] {
        assert_eq!(stream(&jetstream, bucket).await.max_age, 30 * DAY, "{bucket}");
    }
    // Lowered again, what is there stays for as long as it was to.
    let shorter = StreamConfig { max_age: 3_600 * Duration::from_secs(1), ..raised };
    jetstream.update_stream(shorter).await.unwrap();
    works(with(&server, &[])).await;
    assert_eq!(stream(&jetstream, "KV_RAPIDS_ONCE").await.max_age, 30 * DAY);
    // Kept for good, so are they.
    let kept = StreamConfig { max_age: Duration::ZERO, ..stream(&jetstream, "RAPIDS").await };
    jetstream.update_stream(kept).await.unwrap();
    works(with(&server, &[])).await;
    assert_eq!(stream(&jetstream, "KV_RAPIDS_ONCE").await.max_age, Duration::ZERO);
}

#[tokio::test]
async fn limits_of_an_account_are_kept_to() {
    let server = account(
        "max_store: 3GB, max_ack_pending: 1000, max_bytes_required: true, disk_max_stream_bytes: 600MB",
    );
    works(with(&server, &[("RAPIDS_DEAD_LETTERS_MAX_BYTES", "20MB")])).await;
    let jetstream = jetstream(&server).await;
    assert_eq!(stream(&jetstream, "RAPIDS").await.max_bytes, 600 << 20);
    assert_eq!(stream(&jetstream, "DEAD_LETTERS").await.max_bytes, 20_000_000);
    for name in ["REPLAYS", "KV_RAPIDS_ONCE", "KV_RAPIDS_SERVICES", "KV_RAPIDS_MEMORY_payment"] {
        assert_eq!(stream(&jetstream, name).await.max_bytes, 64 << 20, "{name}");
    }
    let consumer: PullConsumer =
        jetstream.get_consumer_from_stream("payment", "RAPIDS").await.unwrap();
    assert_eq!(consumer.cached_info().config.max_ack_pending, 1_000);
}

#[tokio::test]
async fn what_an_account_has_no_room_for_is_one_error_at_once() {
    for (limits, variables, words) in [
        ("max_streams: 2", &[][..], &["allows 2 streams (`max_streams`)", "needs"][..]),
        (
            "max_store: 100MB",
            &[("RAPIDS_MAX_BYTES", "1GiB")],
            &["the stream `RAPIDS`", "1073741824", "`max_store`", "104857600", "RAPIDS_MAX_BYTES"],
        ),
        (
            "disk_max_stream_bytes: 1MB",
            &[("RAPIDS_BUCKET_MAX_BYTES", "2MiB")],
            &["2097152", "1048576", "RAPIDS_BUCKET_MAX_BYTES"],
        ),
        ("max_mem: 1MB", &[("RAPIDS_REPLICAS", "3")], &["RAPIDS_REPLICAS", "no cluster"]),
        (
            "max_ack_pending: 1000",
            &[("RAPIDS_MAX_ACK_PENDING", "2000")],
            &["2000", "1000", "RAPIDS_MAX_ACK_PENDING"],
        ),
    ] {
        let server = account(limits);
        let ended = Running::spawn(service(with(&server, variables))).ended();
        let error = ended.await;
        assert!(matches!(error, Error::Limit { .. }), "{limits}: {error}");
        let error = error.to_string();
        for word in words {
            assert!(error.contains(word), "{limits}: {word}: {error}");
        }
    }
}

#[tokio::test]
async fn what_was_done_with_letters_is_known_for_as_long_as_they_are_kept() {
    let server = NatsServer::start().unwrap();
    let config = with(&server, &[]);
    works(config.clone()).await;
    let jetstream = jetstream(&server).await;
    let bucket = async_nats::jetstream::kv::Config {
        bucket: "RAPIDS_LETTERS".to_owned(),
        max_age: 120 * DAY,
        ..Default::default()
    };
    jetstream.create_key_value(bucket).await.unwrap();
    let longer = StreamConfig { max_age: 365 * DAY, ..stream(&jetstream, "DEAD_LETTERS").await };
    jetstream.update_stream(longer).await.unwrap();
    DeadLetters::open(&config).await.unwrap().unwrap();
    assert_eq!(stream(&jetstream, "KV_RAPIDS_LETTERS").await.max_age, 395 * DAY);
}

#[tokio::test]
async fn no_key_of_a_shared_bucket_can_be_deleted_by_a_roll_up() {
    let server = NatsServer::start().unwrap();
    let config = Config::new(server.url());
    works(config.clone()).await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let shared = ["RAPIDS_SERVICES", "RAPIDS_HANDLING", "RAPIDS_ONCE"];
    let allow = async |is_allowed: bool| {
        for bucket in shared {
            let mut config = stream(&jetstream, &format!("KV_{bucket}")).await;
            config.allow_rollup = is_allowed;
            jetstream.update_stream(config).await.unwrap();
        }
    };
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Rollup", "all");
    let is_taken = async || {
        let mut taken = Vec::new();
        for bucket in shared {
            let subject = format!("$KV.{bucket}.other");
            let sent = jetstream.publish_with_headers(subject, headers.clone(), "".into()).await;
            taken.push(sent.unwrap().await.is_ok());
        }
        taken
    };
    assert_eq!(is_taken().await, [false; 3]);
    // Buckets of before are changed when a service starts.
    allow(true).await;
    works(config).await;
    assert_eq!(is_taken().await, [false; 3]);
}
