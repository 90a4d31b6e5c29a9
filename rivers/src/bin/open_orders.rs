//! open_orders: knows how many orders are open, and what they are worth: of each customer, and in total.
//!
//! Listens for `order_placed` with `order_id`, `customer` and `total`; for `order_packaged` and
//! `order_cancelled` with `order_id`; for `order_closed`. An order is open until it is packaged or cancelled.
//! Publishes `order_closed`, with `customer` and `total`: what an order was counted as is to be taken away.
//! Is asked by reading what it remembers:
//! `rapids memory query open_orders customers '@.orders > 1'`, `rapids memory get open_orders total all`
//! Run: `just river open_orders`

use std::time::Duration;

use anyhow::Result;
use rapids_client::{Outputs, Packet, River, Service, telemetry};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

/// Started for the first time, it reads the past as well.
pub(crate) fn service() -> rapids_client::Result<Service> {
    let open_orders = Service::from_env("open_orders")?.from_beginning();
    Ok(open_orders
        .river(follow())
        .river(count("customers", "@.customer"))
        .river(count("total", "'all'")))
}

/// For how long an order may be open, and be said to be placed once more after its end.
const A_MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// One order. Only `order_placed` says whose it is, so it is remembered.
#[derive(Default, Serialize, Deserialize)]
struct Order {
    placed: Option<Placed>,
    /// An instance may hear of the end first.
    ended: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Placed {
    customer: String,
    total: i64,
}

/// Takes `order_packaged`, and not the `order_completed` that follows from it: what is published here would
/// have passed nine services then, and count as a loop.
fn follow() -> River {
    River::new("follow")
        .event(["order_placed", "order_packaged", "order_cancelled"])
        .require("order_id")
        .publishes("order_closed")
        .memory("orders", "@.order_id")
        .expires(A_MONTH)
        .react(on_news)
}

/// Every `order_placed` is counted, so each is taken away once: the first one when its order has ended, and
/// another one of the same order at once.
fn on_news(order: &mut Order, packet: &Packet) -> Result<Outputs> {
    let closed = if packet.event_name().as_deref() == Some("order_placed") {
        let placed: Placed = packet.parse()?;
        let is_first = order.placed.is_none();
        order.placed.get_or_insert_with(|| placed.clone());
        (order.ended || !is_first).then_some(placed)
    } else {
        let is_first = !std::mem::replace(&mut order.ended, true);
        order.placed.clone().filter(|_| is_first)
    };
    let Some(Placed { customer, total }) = closed else { return Ok(Outputs::new()) };
    let order_id: Option<Value> = packet.get("order_id")?;
    let closed = Packet::event("order_closed").with("order_id", order_id);
    Ok(Outputs::new().publish(closed.with("customer", customer).with("total", total)))
}

/// Open orders. What is taken away may be heard of first, so the numbers may be below zero for a moment.
#[derive(Default, Serialize, Deserialize)]
struct Open {
    orders: i64,
    value: i64,
}

fn count(memory: &str, key: &str) -> River {
    River::new(memory)
        .event(["order_placed", "order_closed"])
        .require(["order_id", "customer", "total"])
        .memory(memory, key)
        .react(on_change)
}

fn on_change(open: &mut Open, packet: &Packet) -> Result<()> {
    let Placed { total, .. } = packet.parse()?;
    let sign = if packet.event_name().as_deref() == Some("order_placed") { 1 } else { -1 };
    open.orders += sign;
    open.value += sign * total;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_test::TestRapids;

    fn rapids() -> TestRapids {
        let rivers = [follow(), count("customers", "@.customer"), count("total", "'all'")];
        TestRapids::new().service("open_orders", rivers)
    }

    fn placed(order_id: &str, customer: &str, total: i64) -> Packet {
        let placed = Packet::event("order_placed").with("order_id", order_id);
        placed.with("customer", customer).with("total", total)
    }

    fn ended(event: &str, order_id: &str) -> Packet {
        Packet::event(event).with("order_id", order_id)
    }

    /// The open orders of a customer, or in total, and what they are worth.
    fn open(rapids: &TestRapids, memory: &str, key: &str) -> (i64, i64) {
        let open: Option<Open> = rapids.memory("open_orders", memory, key);
        open.map_or((0, 0), |open| (open.orders, open.value))
    }

    fn of(rapids: &TestRapids, customer: &str) -> (i64, i64) {
        open(rapids, "customers", customer)
    }

    #[tokio::test]
    async fn orders_count_from_when_they_are_placed_until_they_end() {
        let mut rapids = rapids();
        for packet in [placed("o-1", "ada", 100), placed("o-2", "ada", 20), placed("o-3", "bob", 3)]
        {
            rapids.publish(packet).await;
        }
        assert_eq!((of(&rapids, "ada"), of(&rapids, "bob")), ((2, 120), (1, 3)));
        assert_eq!(open(&rapids, "total", "all"), (3, 123));
        rapids.publish(ended("order_packaged", "o-1")).await;
        rapids.publish(ended("order_cancelled", "o-3")).await;
        assert_eq!((of(&rapids, "ada"), of(&rapids, "bob")), ((1, 20), (0, 0)));
        assert_eq!(open(&rapids, "total", "all"), (1, 20));
        assert!(rapids.problems().is_empty());
    }

    #[tokio::test]
    async fn what_comes_twice_counts_once() {
        let mut rapids = rapids();
        let first = placed("o-1", "ada", 100);
        for packet in [first.clone(), placed("o-1", "ada", 100), placed("o-2", "ada", 20)] {
            rapids.publish(packet).await;
        }
        rapids.redeliver(first.id()).await;
        assert_eq!(of(&rapids, "ada"), (2, 120));
        let end = ended("order_packaged", "o-1");
        for packet in [end.clone(), ended("order_cancelled", "o-1"), placed("o-1", "ada", 100)] {
            rapids.publish(packet).await;
        }
        rapids.redeliver(end.id()).await;
        assert_eq!(of(&rapids, "ada"), (1, 20));
        assert_eq!(open(&rapids, "total", "all"), (1, 20));
    }

    #[tokio::test]
    async fn an_end_that_is_heard_before_the_beginning_counts_too() {
        let mut rapids = rapids();
        rapids.publish(ended("order_cancelled", "o-1")).await;
        rapids.none("order_closed");
        for _ in 0..2 {
            rapids.publish(placed("o-1", "ada", 100)).await;
        }
        assert_eq!(of(&rapids, "ada"), (0, 0));
        assert_eq!(rapids.events("order_closed").len(), 2);
    }

    #[tokio::test]
    async fn what_does_not_say_whose_it_is_or_what_it_costs_is_counted_nowhere() {
        let mut rapids = rapids();
        rapids.publish(ended("order_placed", "o-1").with("customer", "ada")).await;
        rapids.publish(ended("order_placed", "o-2").with("customer", 7).with("total", 1)).await;
        assert_eq!((of(&rapids, "ada"), open(&rapids, "total", "all")), ((0, 0), (0, 0)));
        assert_eq!(rapids.problems().len(), 6);
    }
}
