//! order: turns commands into orders, and decides once what becomes of each: it is paid in time, or it is
//! cancelled.
//!
//! Listens for the command `place_order` with `customer` and `items`, and maybe `payment` and `pay_within`, a
//! duration such as `30m`; for `payment_received`, `payment_overdue`, `payment_declined`, `payment_failed`,
//! `out_of_stock` and `order_packaged` with `order_id`.
//! Publishes `order_placed` or `order_refused`; `payment_overdue`, by a timer; `order_paid`,
//! `order_completed` or `order_cancelled`.
//! Run: `just river order`; `ORDER_PATIENCE=2s just river order` waits for payments for 2 seconds instead
//! of 30 minutes.

use std::env;
use std::time::Duration;

use anyhow::Result;
use rapids_client::{Error, Outputs, Packet, River, Service, parse_duration, telemetry};
use serde::{Deserialize, Serialize};

/// The variable that says for how long payments are waited for.
const PATIENCE: &str = "ORDER_PATIENCE";

/// For how long, if it is not set.
const HALF_AN_HOUR: Duration = Duration::from_secs(30 * 60);

/// The name of the timer that each order has until it is paid.
const PAYMENT_DUE: &str = "payment_due";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    let patience = patience(env::var(PATIENCE).unwrap_or_default())?;
    let order = Service::from_env("order")?.river(place(patience)).river(pay());
    Ok(order.river(complete()).river(cancel()))
}

fn patience(set: String) -> rapids_client::Result<Duration> {
    if set.is_empty() {
        return Ok(HALF_AN_HOUR);
    }
    parse_duration(&set).ok_or_else(|| Error::Config {
        name: PATIENCE.to_owned(),
        value: set,
        expected: "a duration such as `30m`".to_owned(),
    })
}

fn place(patience: Duration) -> River {
    River::new("place")
        .command("place_order")
        .publishes(["order_placed", "order_refused", "payment_overdue"])
        .react(move |packet| on_place_order(packet, patience))
}

/// Fields may be missing, so that the order is refused to the customer instead of becoming a dead
/// letter.
#[derive(Deserialize)]
struct PlaceOrder {
    customer: Option<String>,
    items: Option<Vec<Item>>,
    payment: Option<String>,
    pay_within: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: i64,
    price: i64,
}

async fn on_place_order(packet: Packet, patience: Duration) -> Result<Outputs> {
    let command: PlaceOrder = packet.parse()?;
    let customer = command.customer.unwrap_or_default();
    let items = command.items.unwrap_or_default();
    let mut reasons = reasons_to_refuse(&customer, &items);
    let asked = command.pay_within.as_deref().map(parse_duration);
    if asked == Some(None) {
        reasons.push("the time to pay is no duration such as `30m`".to_owned());
    }
    if !reasons.is_empty() {
        let refused = Packet::event("order_refused").with("customer", customer);
        return Ok(Outputs::new().publish(refused.with("reasons", reasons)));
    }
    let placed = about("order_placed", packet.id()).with("customer", customer);
    let placed = placed.with("total", total(&items)).with("items", items);
    let placed = match command.payment {
        Some(way) => placed.with("payment", way),
        None => placed,
    };
    let patience = asked.flatten().unwrap_or(patience);
    let overdue = about("payment_overdue", packet.id());
    Ok(Outputs::new().publish(placed).later(PAYMENT_DUE, packet.id(), patience, overdue))
}

fn about(event: &str, order_id: &str) -> Packet {
    Packet::event(event).with("order_id", order_id)
}

fn reasons_to_refuse(customer: &str, items: &[Item]) -> Vec<String> {
    let mut reasons = Vec::new();
    if customer.trim().is_empty() {
        reasons.push("the customer is missing".to_owned());
    }
    if items.is_empty() {
        reasons.push("there are no items".to_owned());
    }
    for Item { sku, quantity, price } in items {
        if *quantity < 1 {
            reasons.push(format!("the quantity of `{sku}` is {quantity}"));
        }
        if *price < 0 {
            reasons.push(format!("the price of `{sku}` is {price}"));
        }
    }
    if total(items).is_none() {
        reasons.push("the total is too large".to_owned());
    }
    reasons
}

/// The price of everything in cents, if a number can hold it.
fn total(items: &[Item]) -> Option<i64> {
    items
        .iter()
        .try_fold(0_i64, |sum, item| sum.checked_add(item.quantity.checked_mul(item.price)?))
}

/// How far an order is; nothing is remembered of one that has ended. It is open until it is paid or cancelled, whichever this service hears first: who
/// asks whether an order is paid listens to `order_paid`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Order {
    #[default]
    Open,
    Paid,
}

#[derive(Deserialize)]
struct News {
    event: String,
    order_id: String,
}

fn pay() -> River {
    River::new("pay")
        .event("payment_received")
        .require("order_id")
        .publishes("order_paid")
        .memory("orders", "@.order_id")
        .react(on_payment_received)
}

/// Money for an order that is cancelled already is given back by whoever has it.
fn on_payment_received(order: &mut Order, packet: &Packet) -> Result<Outputs> {
    let News { order_id, .. } = packet.parse()?;
    if *order != Order::Open {
        return Ok(Outputs::new());
    }
    *order = Order::Paid;
    let paid = about("order_paid", &order_id);
    Ok(Outputs::new().publish(paid).cancel(PAYMENT_DUE, order_id))
}

fn complete() -> River {
    River::new("complete")
        .event("order_packaged")
        .require("order_id")
        .publishes("order_completed")
        .memory("orders", "@.order_id")
        .react(on_order_packaged)
}

fn on_order_packaged(_: &mut Order, packet: &Packet) -> Result<Outputs> {
    let News { order_id, .. } = packet.parse()?;
    Ok(Outputs::new().publish(about("order_completed", &order_id)).end_memory())
}

fn cancel() -> River {
    River::new("cancel")
        .event(["payment_overdue", "payment_declined", "payment_failed", "out_of_stock"])
        .require("order_id")
        .publishes("order_cancelled")
        .memory("orders", "@.order_id")
        .react(on_failure)
}

/// A timer may fire just as it is cancelled, and a payment may be given up that was received before, such as
/// one whose process was killed each time: both are ignored of an order that is paid.
fn on_failure(order: &mut Order, packet: &Packet) -> Result<Outputs> {
    let News { event, order_id } = packet.parse()?;
    let is_late = ["payment_overdue", "payment_failed"].contains(&event.as_str());
    if *order == Order::Paid && is_late {
        return Ok(Outputs::new());
    }
    let has_timer = *order == Order::Open && event != "payment_overdue";
    let cancelled = about("order_cancelled", &order_id).with("reason", event);
    let outputs = Outputs::new().publish(cancelled).end_memory();
    Ok(if has_timer { outputs.cancel(PAYMENT_DUE, order_id) } else { outputs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::{Value, json};

    const MINUTE: Duration = Duration::from_secs(60);

    fn rapids() -> TestRapids {
        TestRapids::new().service("order", [place(MINUTE), pay(), complete(), cancel()])
    }

    fn command(customer: &str, items: Value) -> Packet {
        Packet::command("place_order").with("customer", customer).with("items", items)
    }

    fn ropes() -> Value {
        json!([{"sku": "summit/rope", "quantity": 1, "price": 3900}])
    }

    /// Rapids on which an order was placed, and its id.
    async fn placed() -> (TestRapids, String) {
        let (mut rapids, command) = (rapids(), command("ada", ropes()));
        rapids.publish(command.clone()).await;
        (rapids, command.id().to_owned())
    }

    #[tokio::test]
    async fn an_order_takes_the_id_of_its_command_and_adds_up() {
        let items = json!([
            {"sku": "riverside/canoe", "quantity": 2, "price": 3000},
            {"sku": "riverside/paddle", "quantity": 1, "price": 1550},
        ]);
        let command = command("ada", items.clone());
        let mut rapids = rapids();
        rapids.publish(command.clone()).await;
        let placed = rapids.only("order_placed");
        assert_eq!(placed.get::<String>("order_id").unwrap().as_deref(), Some(command.id()));
        assert_eq!(placed.get::<String>("customer").unwrap().as_deref(), Some("ada"));
        assert_eq!(placed.get::<Value>("items").unwrap(), Some(items));
        assert_eq!(placed.get::<i64>("total").unwrap(), Some(7550));
    }

    #[tokio::test]
    async fn a_refusal_gives_all_reasons_at_once_and_waits_for_no_payment() {
        let refused = |packet| async {
            let mut rapids = rapids();
            rapids.publish(packet).await;
            assert!(rapids.timers().is_empty());
            rapids.only("order_refused").get::<Vec<String>>("reasons").unwrap().unwrap()
        };
        assert_eq!(
            refused(Packet::command("place_order")).await,
            ["the customer is missing", "there are no items"]
        );
        let items = json!([
            {"sku": "a/b", "quantity": 0, "price": -5},
            {"sku": "a/c", "quantity": 2, "price": i64::MAX},
        ]);
        assert_eq!(
            refused(command(" ", items)).await,
            [
                "the customer is missing",
                "the quantity of `a/b` is 0",
                "the price of `a/b` is -5",
                "the total is too large",
            ]
        );
    }

    #[tokio::test]
    async fn an_item_without_a_price_is_no_gift() {
        let mut rapids = rapids();
        rapids.publish(command("ada", json!([{"sku": "a/b", "quantity": 1}]))).await;
        rapids.none("order_placed");
        assert!(rapids.problems()[0].reason.contains("missing field `price`"));
    }

    #[tokio::test]
    async fn who_orders_may_say_how_long_the_payment_takes() {
        let mut rapids = rapids();
        rapids.publish(command("ada", ropes()).with("pay_within", "2m")).await;
        rapids.advance(MINUTE).await;
        rapids.none("order_cancelled");
        rapids.advance(MINUTE).await;
        rapids.only("order_cancelled");
        rapids.publish(command("ada", ropes()).with("pay_within", "soon")).await;
        let reasons = rapids.only("order_refused").get::<Vec<String>>("reasons").unwrap();
        assert_eq!(reasons.unwrap(), ["the time to pay is no duration such as `30m`"]);
    }

    #[tokio::test]
    async fn an_order_ends_once_and_the_first_end_wins() {
        let (mut rapids, id) = placed().await;
        for event in ["out_of_stock", "payment_declined", "payment_received", "order_packaged"] {
            rapids.publish(about(event, &id)).await;
        }
        assert!(rapids.timers().is_empty());
        rapids.advance(MINUTE).await;
        let cancelled = rapids.only("order_cancelled");
        assert_eq!(cancelled.get::<String>("reason").unwrap().unwrap(), "out_of_stock");
        for event in ["order_paid", "order_completed"] {
            rapids.none(event);
        }
    }

    #[tokio::test]
    async fn an_order_that_is_not_paid_in_time_is_cancelled_and_money_that_comes_later_is_not_taken()
     {
        let (mut rapids, id) = placed().await;
        rapids.advance(MINUTE - Duration::from_secs(1)).await;
        rapids.none("order_cancelled");
        rapids.advance(Duration::from_secs(1)).await;
        let cancelled = rapids.only("order_cancelled");
        assert_eq!(cancelled.get::<String>("reason").unwrap().unwrap(), "payment_overdue");
        assert_eq!(cancelled.get::<String>("order_id").unwrap().as_ref(), Some(&id));
        rapids.publish(about("payment_received", &id)).await;
        rapids.none("order_paid");
    }

    #[tokio::test]
    async fn the_payment_takes_the_timer_back_and_one_that_has_fired_is_ignored() {
        let (mut rapids, id) = placed().await;
        for event in ["payment_received", "payment_received", "payment_overdue", "payment_failed"] {
            rapids.publish(about(event, &id)).await;
        }
        rapids.only("order_paid");
        assert!(rapids.timers().is_empty());
        rapids.advance(MINUTE).await;
        rapids.none("order_cancelled");
        rapids.publish(about("order_packaged", &id)).await;
        rapids.only("order_completed");
    }

    #[tokio::test]
    async fn a_paid_order_can_still_fail() {
        let (mut rapids, id) = placed().await;
        for event in ["payment_received", "out_of_stock", "order_packaged"] {
            rapids.publish(about(event, &id)).await;
        }
        rapids.only("order_cancelled");
        rapids.none("order_completed");
    }

    #[tokio::test]
    async fn how_an_order_is_to_be_paid_is_passed_on() {
        let mut rapids = rapids();
        rapids.publish(command("ada", ropes()).with("payment", "invoice")).await;
        let way = rapids.only("order_placed").get::<String>("payment").unwrap();
        assert_eq!(way.as_deref(), Some("invoice"));
    }

    #[test]
    fn patience_is_a_duration_or_half_an_hour() {
        assert_eq!(patience(String::new()).unwrap(), HALF_AN_HOUR);
        assert_eq!(patience("2s".to_owned()).unwrap(), Duration::from_secs(2));
        assert_eq!(
            patience("soon".to_owned()).unwrap_err().to_string(),
            "ORDER_PATIENCE is `soon`, expected a duration such as `30m`"
        );
    }

    #[test]
    fn each_river_takes_its_own_packets() {
        let packaged = about("order_packaged", "o-1");
        assert_eq!(complete().judge(&packaged), Verdict::Matches);
        assert_eq!(cancel().judge(&packaged), Verdict::NotForMe);
        assert_eq!(place(MINUTE).judge(&Packet::event("place_order")), Verdict::NotForMe);
        assert_eq!(cancel().judge(&about("payment_declined", "o-1")), Verdict::Matches);
        let nameless = complete().explain(&Packet::event("order_packaged")).to_string();
        assert!(nameless.contains("@.order_id is missing"), "{nameless}");
    }
}
