//! On how many servers everything is kept.

use std::time::{Duration, Instant};

use rapids_client::{Config, Packet, Rapids};
use rapids_test::NatsServer;

use crate::bench::{Bench, DEADLINE, Said, rapids, said};

fn replicas(server: &NatsServer, arguments: &[&str]) -> Said {
    let url = server.url();
    said(&mut rapids(&[&["replicas", "--server", &url], arguments].concat()))
}

/// Connects once the servers have agreed on who leads.
async fn connected(url: String) -> Rapids {
    let began = Instant::now();
    loop {
        match Rapids::connect(&Config::new(url.clone())).await {
            Ok(rapids) => return rapids,
            Err(error) if began.elapsed() > DEADLINE => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[tokio::test]
async fn everything_is_moved_to_three_servers_and_back_and_what_is_new_follows() {
    let servers = NatsServer::cluster(3, "").unwrap();
    let bus = connected(servers[0].url()).await;
    bus.publish(Packet::event("placed")).await.unwrap();
    let before = replicas(&servers[1], &[]).well(0);
    assert!(
        before.lines()[1].starts_with("RAPIDS") && before.lines()[1].contains(" 1 "),
        "{before:?}"
    );
    let planned = replicas(&servers[1], &["3", "--dry-run"]).well(0);
    assert_eq!(planned.lines(), ["RAPIDS: 1 -> 3", "LATER: 1 -> 3"]);
    let moved = replicas(&servers[1], &["3", "--yes"]).well(0);
    assert!(moved.lines()[0].starts_with("RAPIDS: 3, current ("), "{moved:?}");
    // The log of operations was created by that.
    let log = bus.replication_of("KV_RAPIDS_OPERATIONS").await.unwrap().unwrap();
    assert_eq!(log.replicas, 3, "as the rapids are kept");
    let after = replicas(&servers[2], &["-o", "json"]).well(0);
    assert!(after.lines().iter().all(|line| line.contains("\"current\":true")), "{after:?}");
    replicas(&servers[2], &["3", "--yes"]).well_with(0, "");
    bus.set_replicas("LATER", 1, None).await.unwrap();
    let mixed = replicas(&servers[0], &[]);
    assert_eq!(mixed.code, 1, "{mixed:?}");
    assert!(mixed.err.contains("`rapids replicas 3` changes that"), "{mixed:?}");
    replicas(&servers[0], &["5", "--yes"]).badly(1, &["keep the stream `RAPIDS` on 5 servers"]);
    replicas(&servers[0], &["1", "--yes"]).well(0);
}

#[tokio::test]
async fn a_server_that_is_alone_keeps_everything_itself() {
    let bench = Bench::start().await;
    let shown = bench.said(&["replicas"]).well(0);
    assert!(shown.lines()[1].ends_with("current"), "{shown:?}");
    let refused = bench.said(&["replicas", "3", "--yes"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("keep the stream `RAPIDS` on 3 servers"), "{refused:?}");
    let wrong = bench.said(&["replicas", "4", "--yes"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}
