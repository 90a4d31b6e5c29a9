//! Memories that end, while their service and its server are killed.

use std::collections::BTreeMap;

use rapids_client::{AfterEnd, Config, Packet, Service, Start};
use serde_json::Value;
use tempfile::TempDir;

use super::{of, orders, values};
use crate::harness::{Bench, found, until};
use crate::process::{Diary, Process};

pub(crate) const ENDING: &str = "memories that end";

const ORDERS: u64 = 240;
const KILLS: u64 = 8;

pub(crate) fn ending(config: Config, _: Diary) -> Service {
    orders(AfterEnd::Reject)
        .into_iter()
        .fold(Service::new("orders", config).from_beginning(), Service::river)
}

#[tokio::test]
async fn each_memory_ends_once_with_all_its_packets_while_service_and_server_are_killed() {
    let mut bench = Bench::start().await;
    let folder = TempDir::new().unwrap();
    let diary = Diary::new(&folder);
    let mut process = Process::spawn(&bench, ENDING, &diary);
    for portion in 0..KILLS {
        let orders = (portion * ORDERS / KILLS)..((portion + 1) * ORDERS / KILLS);
        for event in ["opened", "opened", "opened", "closed"] {
            let packets = orders.clone().map(|order| of(event, order));
            bench.rapids.publish_all(packets).await.unwrap();
        }
        let last = async || {
            let contents = bench.rapids.contents().await.ok().flatten();
            contents.map_or(0, |contents| contents.last_sequence)
        };
        // In the middle of its work, ever later in it: each packet leads to one.
        let each = 4 * ORDERS / KILLS;
        let enough = each * (2 * portion + 1) + portion * each / KILLS;
        until("the service publishes", async || last().await >= enough).await;
        process.kill().await;
        process = Process::spawn(&bench, ENDING, &diary);
        if portion % 3 == 2 {
            bench.server.kill();
            bench.server.restart().unwrap();
        }
    }
    found("it answers", async || bench.rapids.position("orders").await.ok()).await;
    bench.quiet(&["orders"]).await;
    // Whoever died between publishing and saving left records that do not know what was published.
    let is_over =
        |record: &Value| record.get("ended").is_some() && record.get("unpublished").is_some();
    until("all have ended", async || values(&bench).await.iter().all(is_over)).await;
    process.stop();
    assert!(process.ended().await.success());
    let mut tail = bench.rapids.tail(Start::Beginning).await.unwrap();
    let mut ends = BTreeMap::<u64, Vec<u64>>::new();
    while let Some(packet) = tail.next_stored().await.unwrap() {
        let field = |packet: &Packet, name| packet.get::<u64>(name).unwrap().unwrap();
        if packet.event_name().as_deref() == Some("ended") {
            ends.entry(field(&packet, "order")).or_default().push(field(&packet, "n"));
        }
    }
    assert_eq!(ends.len() as u64, ORDERS);
    assert!(ends.values().all(|counts| *counts == [3]), "{ends:?}");
}
