//! A backup of three servers, restored on one, and a backup of that, restored on three.

use std::time::Duration;

use rapids_client::{Config, Outputs, Packet, Rapids, River, Service};
use rapids_test::NatsServer;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::path;
use crate::bench::{DEADLINE, Said, rapids, said};

/// Counts calls in a memory, says so, and sets a timer that is due at once.
fn count() -> River {
    River::new("count").event("called").memory("calls", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            let outputs = Outputs::new().publish(Packet::event("counted").with("count", *count));
            let due = Packet::event("due");
            anyhow::Ok(outputs.later("soon", count.to_string(), Duration::ZERO, due))
        },
    )
}

/// A connection to rapids with so many replicas; a cluster may have no leader yet.
async fn connected(config: &Config) -> Rapids {
    let connecting = async {
        loop {
            match Rapids::connect(config).await {
                Ok(rapids) => return rapids,
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    timeout(DEADLINE, connecting).await.unwrap()
}

/// Publishes a call, and runs the service until the rapids hold so many packets, all of which it has handled.
async fn call(config: &Config, packets: u64) {
    let rapids = connected(config).await;
    rapids.publish(Packet::event("called")).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = Service::new("counter", config.clone()).river(count()).from_beginning();
    let running = tokio::spawn(service.run_until(async {
        let _ = stopped.await;
    }));
    let done = async {
        loop {
            // Streams that were created just now may have no leader yet.
            if let Ok(Some(position)) = rapids.position("counter").await
                && position.acknowledged >= packets
            {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(DEADLINE * 2, done).await.unwrap();
    assert_eq!(rapids.contents().await.unwrap().unwrap().packets, packets, "nothing comes twice");
    stop.send(()).unwrap();
    timeout(DEADLINE, running).await.unwrap().unwrap().unwrap();
}

fn run(server: &NatsServer, command: &str, folder: &std::path::Path, replicas: &str) -> Said {
    let mut command = rapids(&[command, path(folder)]);
    said(command.env("NATS_URL", server.url()).env("RAPIDS_REPLICAS", replicas))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_from_three_servers_to_one_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (three, one) = (folder.path().join("three"), folder.path().join("one"));
    let servers = NatsServer::cluster(3, "").unwrap();
    let config = |server: &NatsServer, replicas| Config::new(server.url()).replicas(replicas);
    call(&config(&servers[0], 3), 3).await;
    run(&servers[1], "backup", &three, "3").well(0);
    drop(servers);

    let server = NatsServer::start().unwrap();
    run(&server, "restore", &three, "1").well(0);
    call(&config(&server, 1), 6).await;
    run(&server, "backup", &one, "1").well(0);
    drop(server);

    let servers = NatsServer::cluster(3, "").unwrap();
    // Until it has a leader.
    let restored = async {
        loop {
            let restored = run(&servers[2], "restore", &one, "3");
            if !restored.err.contains("cannot reach JetStream") {
                return restored;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(DEADLINE, restored).await.unwrap().well(0);
    call(&config(&servers[0], 3), 9).await;
    let rapids = connected(&config(&servers[1], 3)).await;
    assert_eq!(rapids.memory::<u64>("counter", "calls").get("all").await.unwrap(), Some(3));
}
