//! order: turns commands into orders, and ends each of them once.
//!
//! Listens for the command `place_order` with `customer` and `items`; for `order_packaged`,
//! `payment_declined` and `out_of_stock` with `order_id`.
//! Publishes `order_placed` or `order_refused`; `order_completed` or `order_cancelled`.
//! Run: `just river order`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::{Deserialize, Serialize};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    let order = Service::from_env("order")?;
    Ok(order.river(place()).river(complete()).river(cancel()))
}

fn place() -> River {
    River::new("place")
        .command("place_order")
        .publishes(["order_placed", "order_refused"])
        .react(on_place_order)
}

/// Fields may be missing, so that the order is refused to the customer instead of becoming a dead
/// letter.
#[derive(Deserialize)]
struct PlaceOrder {
    customer: Option<String>,
    items: Option<Vec<Item>>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: i64,
    price: i64,
}

async fn on_place_order(packet: Packet) -> Result<Packet> {
    let command: PlaceOrder = packet.parse()?;
    let customer = command.customer.unwrap_or_default();
    let items = command.items.unwrap_or_default();
    let reasons = reasons_to_refuse(&customer, &items);
    if !reasons.is_empty() {
        let refused = Packet::event("order_refused").with("customer", customer);
        return Ok(refused.with("reasons", reasons));
    }
    Ok(Packet::event("order_placed")
        .with("order_id", packet.id())
        .with("customer", customer)
        .with("total", total(&items))
        .with("items", items))
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

fn complete() -> River {
    River::new("complete")
        .event("order_packaged")
        .require("order_id")
        .publishes("order_completed")
        .memory("orders", "@.order_id")
        .react(on_order_packaged)
}

fn cancel() -> River {
    River::new("cancel")
        .event(["payment_declined", "out_of_stock"])
        .require("order_id")
        .publishes("order_cancelled")
        .memory("orders", "@.order_id")
        .react(on_failure)
}

/// Whether the order was completed or cancelled.
type Ended = bool;

#[derive(Deserialize)]
struct News {
    event: String,
    order_id: String,
}

fn on_order_packaged(ended: &mut Ended, packet: &Packet) -> Result<Option<Packet>> {
    let News { order_id, .. } = packet.parse()?;
    let is_first = !std::mem::replace(ended, true);
    Ok(is_first.then(|| Packet::event("order_completed").with("order_id", order_id)))
}

fn on_failure(ended: &mut Ended, packet: &Packet) -> Result<Option<Packet>> {
    let News { event, order_id } = packet.parse()?;
    let is_first = !std::mem::replace(ended, true);
    let cancelled = || Packet::event("order_cancelled").with("order_id", order_id);
    Ok(is_first.then(|| cancelled().with("reason", event)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::{Value, json};

    fn rapids() -> TestRapids {
        TestRapids::new().service("order", [place(), complete(), cancel()])
    }

    fn command(customer: &str, items: Value) -> Packet {
        Packet::command("place_order").with("customer", customer).with("items", items)
    }

    fn about(event: &str) -> Packet {
        Packet::event(event).with("order_id", "o-1")
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
    async fn a_refusal_gives_all_reasons_at_once() {
        let refused = |packet| async {
            let answer = on_place_order(packet).await.unwrap();
            assert_eq!(answer.event_name().as_deref(), Some("order_refused"));
            answer.get::<Vec<String>>("reasons").unwrap().unwrap()
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
    async fn an_order_ends_once_and_the_first_end_wins() {
        let mut rapids = rapids();
        for event in ["out_of_stock", "payment_declined", "out_of_stock", "order_packaged"] {
            rapids.publish(about(event)).await;
        }
        let cancelled = rapids.only("order_cancelled");
        assert_eq!(cancelled.get::<String>("reason").unwrap().unwrap(), "out_of_stock");
        rapids.none("order_completed");
    }

    #[test]
    fn a_packaged_order_is_completed_and_no_longer_cancelled() {
        let mut ended = false;
        let packaged = about("order_packaged");
        let completed = on_order_packaged(&mut ended, &packaged).unwrap().unwrap();
        assert_eq!(completed.event_name().as_deref(), Some("order_completed"));
        assert_eq!(completed.get::<String>("order_id").unwrap().unwrap(), "o-1");
        assert!(on_order_packaged(&mut ended, &packaged).unwrap().is_none());
        assert!(on_failure(&mut ended, &about("payment_declined")).unwrap().is_none());
    }

    #[test]
    fn each_river_takes_its_own_packets() {
        let packaged = about("order_packaged");
        assert_eq!(complete().judge(&packaged), Verdict::Matches);
        assert_eq!(cancel().judge(&packaged), Verdict::NotForMe);
        assert_eq!(place().judge(&Packet::event("place_order")), Verdict::NotForMe);
        assert_eq!(cancel().judge(&about("payment_declined")), Verdict::Matches);
        let nameless = complete().explain(&Packet::event("order_packaged")).to_string();
        assert!(nameless.contains("@.order_id is missing"), "{nameless}");
    }
}
