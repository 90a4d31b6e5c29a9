//! What a process serves over HTTP: its metrics, and answers to probes.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use rapids_client::{Config, Delivery, Error, Packet, River, Service, bundle};
use rapids_test::http;
use tokio::sync::oneshot;

use crate::harness::{Bench, Running, config, echo, soon, until};

/// A free port that the system chooses.
const ANY: &str = "127.0.0.1:0";

fn at(config: Config, address: &str) -> Config {
    config.http(address.parse().unwrap())
}

/// Where the service says that it is served.
async fn address(bench: &Bench, service: &str) -> String {
    bench.fact(service, "http").await.trim_start_matches("http://").to_owned()
}

/// The status of the answer, and the answer.
fn get(address: &str, path: &str) -> (String, String) {
    http(address, &format!("GET {path}")).unwrap()
}

#[tokio::test]
async fn probes_tell_whether_the_service_is_ready_and_alive() {
    for delivery in [Delivery::Shared, Delivery::Exclusive] {
        let mut bench = Bench::of(delivery).await;
        let service = Bench::service_of(at(bench.config(), ANY), "payment", [echo()]);
        let service = bench.run(service).await;
        let address = address(&bench, "payment").await;
        for path in ["/livez", "/readyz"] {
            assert_eq!(get(&address, path), ("200 OK".to_owned(), "ok\n".to_owned()));
        }
        assert_eq!(get(&address, "/").0, "404 Not Found");
        let (status, metrics) = get(&address, "/metrics");
        assert_eq!(status, "200 OK");
        let active = "rapids_active{messaging_consumer_group_name=\"payment\",instance=";
        assert!(metrics.contains(active) && metrics.contains("rapids_river=\"echo\""), "{metrics}");

        bench.server.kill();
        let away = "payment: it is not connected\n".to_owned();
        let unready = ("503 Service Unavailable".to_owned(), away);
        until("it is not ready", async || get(&address, "/readyz") == unready).await;
        assert_eq!(get(&address, "/livez").0, "200 OK");
        bench.server.restart().unwrap();
        until("it is ready", async || get(&address, "/readyz").0 == "200 OK").await;
        service.stop().await;
        assert!(http(&address, "GET /livez").is_err(), "nobody is there any more");
    }
}

#[tokio::test]
async fn a_service_without_a_server_is_alive_and_not_ready() {
    let free = TcpListener::bind(ANY).unwrap().local_addr().unwrap().to_string();
    // It takes connections and says nothing.
    let silent = TcpListener::bind(ANY).unwrap();
    let nowhere = format!("nats://{}", silent.local_addr().unwrap());
    let service = Bench::service_of(at(config(&nowhere), &free), "payment", [echo()]);
    let _service = Running::spawn(service);
    until("it is served", async || http(&free, "GET /livez").is_ok()).await;
    assert_eq!(get(&free, "/livez").0, "200 OK");
    let (status, why) = get(&free, "/readyz");
    assert_eq!(status, "503 Service Unavailable");
    assert_eq!(why, "payment: its stream and its position are not checked yet\n");
}

#[tokio::test]
async fn a_standby_is_ready_but_not_active() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let first = bench.run(bench.service("payment", [echo()])).await;
    let free = TcpListener::bind(ANY).unwrap().local_addr().unwrap().to_string();
    let second = Bench::service_of(at(bench.config(), &free), "payment", [echo()]);
    let second = bench.run(second).await;
    assert_eq!(get(&free, "/readyz").0, "200 OK");
    let active = |metrics: &str| {
        let line = metrics.lines().find(|line| line.starts_with("rapids_active{"));
        line.map(|line| line.ends_with('1'))
    };
    assert_eq!(active(&get(&free, "/metrics").1), Some(false));
    first.stop().await;
    until("it takes over", async || active(&get(&free, "/metrics").1) == Some(true)).await;
    second.stop().await;
}

#[tokio::test]
async fn a_reaction_that_blocks_its_thread_for_too_long_fails_the_probe_that_names_it() {
    let bench = Bench::of(Delivery::Shared).await;
    let (begun, has_begun) = oneshot::channel();
    let (go, gate) = mpsc::channel::<()>();
    let held = Mutex::new((Some(begun), gate));
    let charge = River::new("charge").event("placed").timeout(Duration::from_millis(100));
    let charge = charge.react(move |_: Packet| {
        let mut held = held.lock().unwrap();
        held.0.take().map(|begun| begun.send(()));
        // Ends when the test lets go, in one way or another.
        let _ = held.1.recv();
        async { Ok(()) }
    });
    let service = bench.run(Bench::service_of(at(bench.config(), ANY), "payment", [charge])).await;
    let address = address(&bench, "payment").await;
    assert_eq!(get(&address, "/livez").0, "200 OK");
    bench.rapids.publish(Packet::event("placed")).await.unwrap();
    soon("the reaction", has_begun).await.unwrap();
    until("it is too long", async || get(&address, "/livez").0 != "200 OK").await;
    let (status, why) = get(&address, "/livez");
    assert_eq!(status, "503 Service Unavailable");
    let expected = "payment: river charge has blocked its thread on packet 1 for ";
    assert!(why.starts_with(expected) && why.ends_with("s, its time-out is 0.1 s\n"), "{why}");
    let blocked = || {
        let metrics = get(&address, "/metrics").1;
        let line = metrics.lines().find(|line| line.starts_with("rapids_blocked_seconds{"));
        line.unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    until("it is counted", async || blocked() >= 5).await;
    drop(go);
    until("it is well again", async || get(&address, "/livez").0 == "200 OK").await;
    until("it is over", async || blocked() == 0).await;
    service.stop().await;
}

#[tokio::test]
async fn a_bundle_serves_all_its_services_at_one_address() {
    let bench = Bench::of(Delivery::Exclusive).await;
    let services = ["payment", "shipping"]
        .map(|name| Bench::service_of(at(bench.config(), ANY), name, [echo()]));
    let running = Running::spawn_bundle(bundle(services));
    let (payment, shipping) = (address(&bench, "payment").await, address(&bench, "shipping").await);
    assert_eq!(payment, shipping);
    until("both are ready", async || get(&payment, "/readyz").0 == "200 OK").await;
    let metrics = get(&payment, "/metrics").1;
    for name in ["payment", "shipping"] {
        let label = format!("rapids_active{{messaging_consumer_group_name=\"{name}\"");
        assert!(metrics.contains(&label), "{metrics}");
    }
    running.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_ends_the_service_with_its_name() {
    let bench = Bench::start().await;
    let taken = TcpListener::bind(ANY).unwrap();
    let address: SocketAddr = taken.local_addr().unwrap();
    let service = Service::new("payment", bench.config().http(address)).river(echo());
    let error = soon("an error", service.run_until(std::future::pending())).await.unwrap_err();
    assert!(matches!(error, Error::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
