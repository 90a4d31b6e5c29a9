//! The example `sealed`, on a real server.

use std::time::Duration;

use async_nats::jetstream;
use rapids_client::{Config, Packet, Rapids, Service};
use rapids_test::is_in_files;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::bench::Bench;

#[path = "../../examples/sealed/main.rs"]
#[expect(dead_code, reason = "its `main` is for a process of its own")]
mod example;

use example::{Keys, Opened, address, moved, print};

const DEADLINE: Duration = Duration::from_secs(30);
const STREET: &str = "Dorset Street 1, London";

async fn keys(bench: &Bench) -> Keys {
    Keys::open(async_nats::connect(bench.url()).await.unwrap()).await.unwrap()
}

/// Publishes that a customer has moved, and reads it as the stream has it.
async fn said(bench: &Bench, rapids: &Rapids, customer: &str) -> Packet {
    let packet = moved(&address(keys(bench).await), customer, STREET).await.unwrap();
    let sequence = rapids.publish(packet).await.unwrap().sequence;
    rapids.packet(sequence).await.unwrap().unwrap()
}

/// The address that a reader finds; `None` if it is erased.
async fn read(bench: &Bench, packet: &Packet) -> Option<String> {
    match address(keys(bench).await).open(packet).await.unwrap() {
        Opened::Plain(packet) => packet.get("address").unwrap(),
        Opened::Erased => None,
    }
}

#[tokio::test]
async fn what_is_sealed_is_read_with_the_key_alone_and_by_nobody_once_that_is_erased() {
    let bench = Bench::start();
    let rapids = Rapids::connect(&Config::new(bench.url())).await.unwrap();
    let (first, other) = (said(&bench, &rapids, "c-1").await, said(&bench, &rapids, "c-2").await);
    let raw = rapids.raw(1).await.unwrap().unwrap();
    let body = String::from_utf8(raw.body.to_vec()).unwrap();
    assert!(!body.contains("Dorset") && !body.contains("London"), "{body}");
    assert!(body.contains(r#""customer":"c-1","address":{"sealed":""#), "{body}");
    for packet in [&first, &other] {
        assert_eq!(read(&bench, packet).await.as_deref(), Some(STREET));
    }
    assert!(!is_in_files(&bench.file(""), b"Dorset").unwrap(), "no file of the server has it");

    let keys = keys(&bench).await;
    let key = keys.of("c-1").await.unwrap().unwrap();
    assert_eq!(keys.made_for("c-1").await.unwrap(), key, "it is made once");
    assert!(keys.erase("c-1").await.unwrap());
    assert!(!keys.erase("c-1").await.unwrap(), "it is erased once");
    assert_eq!(read(&bench, &first).await, None);
    assert_eq!(read(&bench, &other).await.as_deref(), Some(STREET));

    // Who comes again has another key, which opens nothing of before.
    let again = said(&bench, &rapids, "c-1").await;
    assert_ne!(keys.of("c-1").await.unwrap(), Some(key));
    assert_eq!(read(&bench, &again).await.as_deref(), Some(STREET));
    assert_eq!(read(&bench, &first).await, None);
    // Nor is what is sealed for one opened with the key of another.
    assert_eq!(read(&bench, &other.with("customer", "c-1")).await, None);
}

#[tokio::test]
async fn an_erased_key_is_overwritten_on_disk() {
    let bench = Bench::start();
    let keys = keys(&bench).await;
    let [one, two] = [keys.made_for("c-1").await.unwrap(), keys.made_for("c-2").await.unwrap()];
    let kept = async |key: [u8; 32]| {
        let store = bench.file("");
        tokio::task::spawn_blocking(move || is_in_files(&store, &key).unwrap()).await.unwrap()
    };
    let flushed = async { while !(kept(one).await && kept(two).await) {} };
    timeout(DEADLINE, flushed).await.unwrap();
    assert!(keys.erase("c-1").await.unwrap());
    timeout(DEADLINE, async { while kept(one).await {} }).await.unwrap();
    assert!(kept(two).await);
    let jetstream = jetstream::new(async_nats::connect(bench.url()).await.unwrap());
    let mut stream = jetstream.get_stream("KV_CUSTOMER_KEYS").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 1, "nor is its name left");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_go_on_where_a_key_is_gone() {
    let bench = Bench::start();
    let rapids = Rapids::connect(&Config::new(bench.url())).await.unwrap();
    for customer in ["c-1", "c-2"] {
        said(&bench, &rapids, customer).await;
    }
    let keys = keys(&bench).await;
    keys.erase("c-1").await.unwrap();
    let labels = Service::new("labels", Config::new(bench.url())).from_beginning();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(labels.river(print(address(keys))).run_until(async {
        let _ = stopped.await;
    }));
    let done = async {
        while rapids.position("labels").await.unwrap().is_none_or(|it| it.acknowledged < 2) {}
    };
    timeout(DEADLINE, done).await.unwrap();
    let printed = rapids.packet(3).await.unwrap().unwrap();
    assert_eq!(printed.get::<String>("customer").unwrap().as_deref(), Some("c-2"));
    assert_eq!(printed.get::<u64>("lines").unwrap(), Some(2));
    let _ = stop.send(());
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
}
