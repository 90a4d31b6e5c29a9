//! What services cost the servers that they read from: the rapids themselves, and a mirror at another site.

use std::time::{Duration, Instant};

use rapids_client::{Config, Delivery, Packet, Rapids, River, Service, bundle};
use rapids_test::TwoSites;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

use super::{PATIENCE, cpu, median, packet};

const SERVICES: [usize; 3] = [4, 16, 64];
const ROUNDS: usize = 3;
const PACKETS: u64 = 5_000;
/// So many at once, a hundred times a second.
const AT_ONCE: u64 = 10;

#[derive(Clone, Copy)]
enum Kind {
    Shared,
    Exclusive,
    Bundled,
}

const KINDS: [(Kind, &str); 3] =
    [(Kind::Shared, "shared"), (Kind::Exclusive, "exclusive"), (Kind::Bundled, "bundled")];

type Running = JoinHandle<rapids_client::Result<()>>;

/// Runs services until they are told to stop.
fn services(kind: Kind, count: usize, config: &Config, stop: &watch::Sender<()>) -> Vec<Running> {
    let delivery = match kind {
        Kind::Shared => Delivery::Shared,
        Kind::Exclusive | Kind::Bundled => Delivery::Exclusive,
    };
    let config = config.clone().delivery(delivery);
    let services = (0..count).map(|number| {
        let never = River::new("never").event("never").react(|_: Packet| async { Ok(()) });
        Service::new(format!("s{number}"), config.clone()).from_beginning().river(never)
    });
    let stopped = || {
        let mut told = stop.subscribe();
        async move { drop(told.changed().await) }
    };
    match kind {
        Kind::Bundled => vec![tokio::spawn(bundle(services).run_until(stopped()))],
        _ => services.map(|service| tokio::spawn(service.run_until(stopped()))).collect(),
    }
}

/// Microseconds of the processor for each packet: of the server at the hub, and of that of the other site.
async fn round(kind: Kind, count: usize, is_mirrored: bool) -> [f64; 2] {
    let sites = TwoSites::start(1).await.unwrap();
    let hub = Config::new(sites.hub[0].url());
    let rapids = Rapids::connect(&hub).await.unwrap();
    let reading = match is_mirrored {
        true => Config::new(sites.leaf[0].url()).jetstream_domain("hub").read_from("RAPIDS_EU"),
        false => Ok(hub),
    };
    let stop = watch::Sender::new(());
    let running = services(kind, count, &reading.unwrap(), &stop);
    let done = async |last: u64| loop {
        assert!(!running.iter().any(JoinHandle::is_finished), "a service has ended by itself");
        let positions = rapids.positions().await.unwrap();
        let done = positions.iter().filter(|position| position.acknowledged >= last).count();
        if done == count {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    };
    rapids.publish(packet("first", 0)).await.unwrap();
    timeout(PATIENCE, done(1)).await.unwrap();
    let servers = || [&sites.hub[0], &sites.leaf[0]].map(|server| cpu(server.pid().unwrap()));
    let (before, begun) = (servers(), Instant::now());
    let mut ticks = interval(Duration::from_millis(10));
    for batch in 0..PACKETS / AT_ONCE {
        ticks.tick().await;
        let packets = (0..AT_ONCE).map(|n| packet("other", batch * AT_ONCE + n));
        rapids.publish_all(packets).await.unwrap();
    }
    let took = begun.elapsed();
    timeout(PATIENCE, done(PACKETS + 1)).await.unwrap();
    let now = servers();
    stop.send(()).unwrap();
    for service in running {
        service.await.unwrap().unwrap();
    }
    assert!(took < PATIENCE, "{took:?}");
    [0, 1].map(|site| (now[site] - before[site]) * 1e6 / PACKETS as f64)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and measures: run by `just soak`"]
async fn services_on_a_mirror_beside_services_on_the_rapids() {
    println!(
        "| server µs/packet, medians of {ROUNDS} rounds | rapids alone | at the hub | at the mirror |"
    );
    println!("|---|---:|---:|---:|");
    for (kind, name) in KINDS {
        for count in SERVICES {
            let (mut alone, mut hub, mut mirror) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                alone.push(Box::pin(round(kind, count, false)).await[0]);
                let [at_hub, at_mirror] = Box::pin(round(kind, count, true)).await;
                hub.push(at_hub);
                mirror.push(at_mirror);
            }
            let [alone, hub, mirror] = [alone, hub, mirror].map(median);
            println!("| {count} services, {name} | {alone:.0} | {hub:.0} | {mirror:.0} |");
        }
    }
}
