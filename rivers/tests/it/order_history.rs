//! The example `order_history`, with the packets of an order.

use std::time::Duration;

use rapids_client::{Config, Packet, Rapids, Timestamp};

use crate::bench::Bench;

#[path = "../../examples/order_history.rs"]
#[expect(dead_code, reason = "its `main` is for a process of its own")]
mod example;

/// Rapids on which this order was placed, paid and cancelled, and another was placed; and when each packet was
/// stored.
async fn ordered(bench: &Bench, id: &str) -> (Rapids, Vec<Timestamp>) {
    let rapids = Rapids::connect(&Config::new(bench.url())).await.unwrap();
    let about = |event: &str| Packet::event(event).with("order_id", id);
    let placed = about("order_placed").with("customer", "ada\u{1b}[2J").with("total", 7_550);
    let cancelled = about("order_cancelled").with("reason", "out_of_stock");
    let other = Packet::event("order_placed").with("order_id", "o-2").with("total", 1);
    let mut stored = Vec::new();
    for packet in [placed, about("payment_received"), other, about("order_checked"), cancelled] {
        let sequence = rapids.publish(packet).await.unwrap().sequence;
        let packet = rapids.packet(sequence).await.unwrap().unwrap();
        stored.push(packet.arrival().unwrap().stored);
    }
    (rapids, stored)
}

/// The lines without the times of the steps.
async fn told(rapids: &Rapids, id: &str, until: Option<Timestamp>) -> Vec<String> {
    let history = example::history(rapids, id, until).await.unwrap();
    let text = example::told(id, &history);
    let without_time = |line: &str| match line.split_once("Z  ") {
        Some((place, step)) => format!("{} {step}", place.split_whitespace().next().unwrap()),
        None => line.to_owned(),
    };
    text.lines().map(without_time).collect()
}

#[tokio::test]
async fn an_order_is_told_as_it_was_with_the_steps_that_led_there() {
    let bench = Bench::start();
    let id = "it's \"o-1\"";
    let (rapids, stored) = ordered(&bench, id).await;
    assert_eq!(
        told(&rapids, id, Some(stored[1])).await,
        [
            "order it's \"o-1\"",
            "  customer: ada·[2J",
            "  total: 7550 cents",
            "  order: placed",
            "  payment: received",
            "2 packets",
            "1 order_placed: order placed",
            "2 payment_received: payment received",
        ]
    );
    let now = told(&rapids, id, None).await;
    assert_eq!(
        now[3..6],
        ["  order: cancelled (out_of_stock)", "  payment: received", "4 packets"]
    );
    assert_eq!(
        now[8..],
        ["4 order_checked", "5 order_cancelled (out_of_stock): order placed -> cancelled"]
    );
    let unknown = told(&rapids, "o-3", Some(stored[0])).await;
    assert_eq!(unknown, ["order o-3", "0 packets"]);
    let before = stored[0] - Duration::from_secs(1);
    let error = example::history(&rapids, id, Some(before)).await.unwrap_err().to_string();
    assert!(error.contains("but the stream begins with sequence 1 at"), "{error}");
}
