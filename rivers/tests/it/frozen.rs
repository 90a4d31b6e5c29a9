//! A process that is stopped for longer than the server waits for it, and goes on.

use std::time::{Duration, Instant};

use rapids_client::{Config, Packet, Rapids, Start};

use crate::lines::Lines;
use crate::stand::Stand;

const WAREHOUSE: &str = env!("CARGO_BIN_EXE_warehouse");
const PAYMENT: &str = env!("CARGO_BIN_EXE_payment");

/// Longer than anything takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// How many packets wait for the one that does not move.
const PACKETS: u64 = 200;

fn instance(stand: &Stand, program: &str) -> Lines {
    let mut command = stand.command(program);
    let mut instance = Lines::spawn(command.env("RAPIDS_ACK_WAIT", "1s"));
    instance.until(&[r#""behind":"#]);
    instance
}

/// One instance is frozen with packets in hand, another takes over, and the first goes on as if
/// nothing had been. Says how often each `effect` was published for each order.
async fn effects(program: &str, service: &str, cause: &str, effect: &str) -> Vec<String> {
    let stand = Stand::start();
    let rapids = Rapids::connect(&Config::new(stand.url())).await.unwrap();
    let first = instance(&stand, program);
    // It has asked for packets, which the server sends although nobody reads them.
    wait_for(async || rapids.position(service).await.unwrap().is_some()).await;
    let order =
        |n: u64| Packet::event(cause).with("order_id", format!("o-{n:03}")).with("total", 100);
    rapids.publish(order(0)).await.unwrap();
    let handled = async |up_to: u64| {
        let position = rapids.position(service).await.unwrap().unwrap();
        position.acknowledged >= up_to
    };
    wait_for(async || handled(1).await).await;
    first.signal("STOP");
    rapids.publish_all((1..PACKETS).map(order)).await.unwrap();
    wait_for(async || {
        let position = rapids.position(service).await.unwrap().unwrap();
        position.unacknowledged > 100
    })
    .await;
    let second = instance(&stand, program);
    // Its packets and what it published, all acknowledged by somebody: only the second can.
    wait_for(async || handled(2 * PACKETS).await).await;
    first.signal("CONT");
    // Its turn comes again only behind what it has had in hand all the time.
    let second = second.stop();
    assert!(second.iter().any(|line| line.contains("stopped: ")), "{second:#?}");
    rapids.publish(order(PACKETS)).await.unwrap();
    wait_for(async || handled(2 * PACKETS + 2).await).await;
    let first = first.stop();
    let last_words = first.last().unwrap();
    assert!(last_words.contains("stopped: "), "{first:#?}");
    published(&rapids, effect, 2 * PACKETS + 2).await
}

/// The orders of the packets that state this, up to a sequence.
async fn published(rapids: &Rapids, event: &str, last: u64) -> Vec<String> {
    let mut tail = rapids.tail(Start::Beginning).await.unwrap();
    let mut orders = Vec::new();
    loop {
        let packet = tail.next().await.unwrap();
        if packet.event_name().as_deref() == Some(event) {
            orders.push(packet.get("order_id").unwrap().unwrap());
        }
        if packet.arrival().is_some_and(|arrival| arrival.sequence == last) {
            orders.sort();
            return orders;
        }
    }
}

async fn wait_for(condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "not after {DEADLINE:?}");
    }
}

fn each_once() -> Vec<String> {
    (0..=PACKETS).map(|n| format!("o-{n:03}")).collect()
}

#[tokio::test]
async fn a_frozen_instance_that_goes_on_doubles_nothing() {
    let packaged = effects(WAREHOUSE, "warehouse", "shipment_scheduled", "order_packaged").await;
    assert_eq!(packaged, each_once());
}

#[tokio::test]
async fn a_frozen_instance_that_remembers_doubles_nothing_either() {
    let received = effects(PAYMENT, "payment", "order_placed", "payment_received").await;
    assert_eq!(received, each_once());
}
