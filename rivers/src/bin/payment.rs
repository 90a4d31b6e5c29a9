//! payment: charges every placed order once, and gives the money back where stock was short.
//!
//! Listens for `order_placed` with `order_id` and a `total` of at least 0; for `out_of_stock`
//! with `order_id`.
//! Publishes `payment_received` or `payment_declined`; `payment_refunded`.
//! Run: `just river payment`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("payment")?.river(charge()).river(refund()))
}

/// How far the payment of one order got.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
enum Payment {
    #[default]
    Open,
    Charged(u64),
    /// Declined, refunded, or out of stock before it was charged: nothing is charged any more.
    Closed,
}

fn charge() -> River {
    River::new("charge")
        .event("order_placed")
        .require(["order_id", "total"])
        .require_that("@.total >= 0")
        .publishes(["payment_received", "payment_declined"])
        .memory("payments", "@.order_id")
        .react(on_order_placed)
}

#[derive(Deserialize)]
struct OrderPlaced {
    order_id: String,
    customer: Option<String>,
    #[serde(default)]
    items: Vec<Value>,
    total: u64,
}

fn on_order_placed(payment: &mut Payment, packet: &Packet) -> Result<Option<Packet>> {
    let OrderPlaced { order_id, customer, items, total } = packet.parse()?;
    if *payment != Payment::Open {
        return Ok(None);
    }
    let limit = limit(customer.as_deref());
    let answer = |event| Packet::event(event).with("order_id", order_id).with("amount", total);
    if total > limit {
        *payment = Payment::Closed;
        let declined = answer("payment_declined").with("limit", limit);
        return Ok(Some(declined.with("reason", "the total is above the limit")));
    }
    *payment = Payment::Charged(total);
    Ok(Some(answer("payment_received").with("customer", customer).with("items", items)))
}

/// What a customer may spend on one order, in cents.
fn limit(customer: Option<&str>) -> u64 {
    match customer {
        Some("ada") => 250_000,
        Some("grace") => 150_000,
        _ => 100_000,
    }
}

fn refund() -> River {
    River::new("refund")
        .event("out_of_stock")
        .require("order_id")
        .publishes("payment_refunded")
        .memory("payments", "@.order_id")
        .react(on_out_of_stock)
}

#[derive(Deserialize)]
struct OutOfStock {
    order_id: String,
}

fn on_out_of_stock(payment: &mut Payment, packet: &Packet) -> Result<Option<Packet>> {
    let OutOfStock { order_id } = packet.parse()?;
    let Payment::Charged(amount) = std::mem::replace(payment, Payment::Closed) else {
        return Ok(None);
    };
    let refunded = Packet::event("payment_refunded").with("order_id", order_id);
    Ok(Some(refunded.with("amount", amount)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::json;

    fn placed(customer: &str, total: i64) -> Packet {
        Packet::event("order_placed")
            .with("order_id", "o-1")
            .with("customer", customer)
            .with("items", json!([{"sku": "a/b", "quantity": 1, "price": total}]))
            .with("total", total)
    }

    fn short() -> Packet {
        Packet::event("out_of_stock").with("order_id", "o-1").with("skus", ["a/b"])
    }

    async fn after(packets: impl IntoIterator<Item = Packet>) -> TestRapids {
        let mut rapids = TestRapids::new().service("payment", [charge(), refund()]);
        for packet in packets {
            rapids.publish(packet).await;
        }
        rapids
    }

    #[test]
    fn a_total_below_zero_is_malformed_and_one_of_zero_is_not() {
        assert_eq!(charge().judge(&placed("ada", 0)), Verdict::Matches);
        assert_eq!(charge().judge(&short()), Verdict::NotForMe);
        assert_eq!(refund().judge(&short()), Verdict::Matches);
        let explained = charge().explain(&placed("ada", -5)).to_string();
        assert!(explained.ends_with("requires `@.total >= 0`, but @.total = -5"), "{explained}");
    }

    #[test]
    fn each_customer_may_spend_up_to_the_limit() {
        for (customer, limit) in
            [("ada", 250_000), ("grace", 150_000), ("alan", 100_000), ("nobody", 100_000)]
        {
            let event = |total| {
                let answer = on_order_placed(&mut Payment::Open, &placed(customer, total));
                answer.unwrap().unwrap().event_name().unwrap()
            };
            assert_eq!(event(limit), "payment_received", "{customer}");
            assert_eq!(event(limit + 1), "payment_declined", "{customer}");
        }
    }

    #[tokio::test]
    async fn an_order_is_charged_once_and_the_items_go_on() {
        let rapids = after([placed("ada", 7550), placed("ada", 7550)]).await;
        let received = rapids.only("payment_received");
        assert_eq!(received.get::<String>("order_id").unwrap().as_deref(), Some("o-1"));
        assert_eq!(received.get::<String>("customer").unwrap().as_deref(), Some("ada"));
        assert_eq!(received.get::<u64>("amount").unwrap(), Some(7550));
        assert_eq!(received.get::<String>("@.items[0].sku").unwrap().as_deref(), Some("a/b"));
    }

    #[tokio::test]
    async fn a_declined_payment_names_amount_and_limit_and_is_never_refunded() {
        let rapids = after([placed("alan", 100_001), short(), placed("alan", 100_001)]).await;
        let declined = rapids.only("payment_declined");
        assert_eq!(declined.get::<u64>("amount").unwrap(), Some(100_001));
        assert_eq!(declined.get::<u64>("limit").unwrap(), Some(100_000));
        assert!(declined.get::<String>("reason").unwrap().unwrap().contains("limit"));
        rapids.none("payment_refunded");
        rapids.none("payment_received");
    }

    #[tokio::test]
    async fn what_was_charged_is_refunded_once() {
        let rapids = after([placed("ada", 7550), short(), short(), placed("ada", 7550)]).await;
        assert_eq!(rapids.events("payment_received").len(), 1, "{}", rapids.trail());
        let refunded = rapids.only("payment_refunded");
        assert_eq!(refunded.get::<u64>("amount").unwrap(), Some(7550));
        assert_eq!(refunded.get::<String>("order_id").unwrap().as_deref(), Some("o-1"));
    }

    #[tokio::test]
    async fn stock_that_was_short_first_prevents_the_charge() {
        let rapids = after([short(), placed("ada", 7550), short()]).await;
        assert_eq!(rapids.packets().len(), 3, "{}", rapids.trail());
    }

    #[test]
    fn short_stock_is_remembered_for_the_order_to_come() {
        let mut payment = Payment::Open;
        assert!(on_out_of_stock(&mut payment, &short()).unwrap().is_none());
        assert_eq!(payment, Payment::Closed);
    }
}
