//! A process that is paused for longer than the acknowledgement wait, and goes on.

use std::time::{Duration, Instant};

use rapids_client::{Config, Packet, Rapids, Start};

use crate::bench::Bench;
use crate::process::Process;

const WAREHOUSE: &str = env!("CARGO_BIN_EXE_warehouse");
const PAYMENT: &str = env!("CARGO_BIN_EXE_payment");

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// The number of packets.
const PACKETS: u64 = 200;

fn instance(bench: &Bench, program: &str) -> Process {
    let mut command = bench.command(program);
    let mut instance = Process::spawn(command.env("RAPIDS_ACK_WAIT", "1s"));
    instance.until(&[r#""behind":"#]);
    instance
}

/// Pauses an instance that has packets in flight, lets another one take over, and lets the first one
/// go on. With its answers, each packet makes this many. Returns the order of each published `effect`.
async fn effects(
    (program, service): (&str, &str),
    (cause, effect): (&str, &str),
    each: u64,
) -> Vec<String> {
    let bench = Bench::start();
    let rapids = Rapids::connect(&Config::new(bench.url())).await.unwrap();
    let first = instance(&bench, program);
    // It has requested packets, which the server sends even while it is paused.
    wait_for(async || rapids.position(service).await.unwrap().is_some()).await;
    let order = |n: u64| {
        Packet::event(cause)
            .with("order_id", format!("o-{n:03}"))
            .with("customer", "ada")
            .with("total", 100)
    };
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
    let second = instance(&bench, program);
    // All packets and effects are acknowledged, which only the second instance can do.
    wait_for(async || handled(each * PACKETS).await).await;
    first.signal("CONT");
    // The first instance handles a new packet only after those that it had in flight.
    let second = second.stop();
    assert!(second.iter().any(|line| line.contains("stopped: ")), "{second:#?}");
    rapids.publish(order(PACKETS)).await.unwrap();
    wait_for(async || handled(each * (PACKETS + 1)).await).await;
    let first = first.stop();
    let last_line = first.last().unwrap();
    assert!(last_line.contains("stopped: "), "{first:#?}");
    published(&rapids, effect, each * (PACKETS + 1)).await
}

/// The orders of the events of this name, up to a sequence.
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
    let packaged =
        effects((WAREHOUSE, "warehouse"), ("shipment_scheduled", "order_packaged"), 2).await;
    assert_eq!(packaged, each_once());
}

#[tokio::test]
async fn a_frozen_instance_that_remembers_doubles_nothing_either() {
    let received = effects((PAYMENT, "payment"), ("order_placed", "payment_received"), 3).await;
    assert_eq!(received, each_once());
}
