//! vendor: tells vendors what was sold and what was short, and orders from them.
//!
//! What is told follows from events: whoever published them knows nothing of vendors, and this service
//! decides by itself that they are worth telling. An order follows from a command: somebody has decided
//! that it shall be done, one service does it, and says what came of it.
//!
//! Listens for `payment_received` with `order_id` and `items`; for `out_of_stock` with `order_id` and
//! `skus`; for the command `order_from_vendor` with `order_id`, `sku` and `quantity`.
//! Publishes `vendor_notified` and `shortage_reported`, one per vendor: the part of a sku before its
//! `/`; `vendor_order_placed` or `vendor_order_refused`.
//! Run: `just river vendor`

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("vendor")?.river(notify()).river(report()).river(order()))
}

fn notify() -> River {
    River::new("notify")
        .event("payment_received")
        .require(["order_id", "items"])
        .publishes("vendor_notified")
        .react(on_payment_received)
}

#[derive(Deserialize)]
struct PaymentReceived {
    order_id: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    sku: String,
}

async fn on_payment_received(packet: Packet) -> Result<Vec<Packet>> {
    let PaymentReceived { order_id, items } = packet.parse()?;
    let skus = items.iter().map(|item| item.sku.as_str());
    Ok(for_each_vendor("vendor_notified", &order_id, skus))
}

/// Sorted, so that handling the packet again publishes the same packets in the same order.
fn for_each_vendor<'a>(
    event: &str,
    order_id: &str,
    skus: impl Iterator<Item = &'a str>,
) -> Vec<Packet> {
    let mut told = BTreeMap::<&str, BTreeSet<&str>>::new();
    for sku in skus {
        if let Some((vendor, _)) = sku.split_once('/') {
            told.entry(vendor).or_default().insert(sku);
        }
    }
    let packet = |(vendor, skus)| {
        let packet = Packet::event(event).with("order_id", order_id);
        packet.with("vendor", vendor).with("skus", skus)
    };
    told.into_iter().map(packet).collect()
}

fn report() -> River {
    River::new("report")
        .event("out_of_stock")
        .require(["order_id", "skus"])
        .publishes("shortage_reported")
        .react(on_out_of_stock)
}

#[derive(Deserialize)]
struct OutOfStock {
    order_id: String,
    skus: Vec<String>,
}

async fn on_out_of_stock(packet: Packet) -> Result<Vec<Packet>> {
    let OutOfStock { order_id, skus } = packet.parse()?;
    Ok(for_each_vendor("shortage_reported", &order_id, skus.iter().map(String::as_str)))
}

fn order() -> River {
    River::new("order")
        .command("order_from_vendor")
        .require(["order_id", "sku", "quantity"])
        .publishes(["vendor_order_placed", "vendor_order_refused"])
        .react(on_order_from_vendor)
}

#[derive(Deserialize)]
struct OrderFromVendor {
    order_id: String,
    sku: String,
    quantity: u64,
}

async fn on_order_from_vendor(packet: Packet) -> Result<Packet> {
    let OrderFromVendor { order_id, sku, quantity } = packet.parse()?;
    let answer = |event| {
        let answer = Packet::event(event).with("order_id", order_id);
        answer.with("sku", &sku).with("quantity", quantity)
    };
    Ok(match sku.split_once('/') {
        Some((vendor, _)) => answer("vendor_order_placed").with("vendor", vendor),
        None => answer("vendor_order_refused").with("reason", "the product has no vendor"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::json;

    fn rapids() -> TestRapids {
        TestRapids::new().service("vendor", [notify(), report(), order()])
    }

    fn paid(skus: &[&str]) -> Packet {
        let items: Vec<_> = skus.iter().map(|sku| json!({"sku": sku, "quantity": 1})).collect();
        Packet::event("payment_received").with("order_id", "o-1").with("items", items)
    }

    #[test]
    fn only_paid_orders_with_items_are_taken() {
        assert_eq!(notify().judge(&paid(&[])), Verdict::Matches);
        assert_eq!(notify().judge(&Packet::event("order_placed")), Verdict::NotForMe);
        let bare = Packet::event("payment_received").with("order_id", "o-1");
        let explained = notify().explain(&bare).to_string();
        assert!(explained.contains("@.items is missing"), "{explained}");
    }

    #[tokio::test]
    async fn a_sku_without_a_vendor_is_ignored() {
        assert!(on_payment_received(paid(&["canoe"])).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn each_vendor_hears_once_of_all_its_products() {
        let mut rapids = rapids();
        let skus = ["summit/tent", "riverside/paddle", "riverside/canoe", "summit/tent"];
        rapids.publish(paid(&skus)).await;
        let notified = |packet: &&Packet| {
            let vendor: String = packet.get("vendor").unwrap().unwrap();
            (vendor, packet.get::<Vec<String>>("skus").unwrap().unwrap().join(" "))
        };
        let notified: Vec<_> = rapids.events("vendor_notified").iter().map(notified).collect();
        let expected =
            [("riverside", "riverside/canoe riverside/paddle"), ("summit", "summit/tent")];
        assert_eq!(notified, expected.map(|(vendor, skus)| (vendor.to_owned(), skus.to_owned())));
    }

    #[tokio::test]
    async fn a_shortage_is_reported_to_each_vendor_that_could_end_it() {
        let mut rapids = rapids();
        let short = Packet::event("out_of_stock").with("order_id", "o-1");
        rapids.publish(short.with("skus", ["lunar/moonraft", "canoe"])).await;
        let reported = rapids.only("shortage_reported");
        assert_eq!(reported.get::<String>("vendor").unwrap().as_deref(), Some("lunar"));
    }

    #[tokio::test]
    async fn a_command_has_one_outcome() {
        let command = |sku: &str| {
            let command = Packet::command("order_from_vendor").with("order_id", "o-1");
            command.with("sku", sku).with("quantity", 3)
        };
        let mut rapids = rapids();
        rapids.publish(command("lunar/moonraft")).await;
        rapids.publish(command("canoe")).await;
        let placed = rapids.only("vendor_order_placed");
        assert_eq!(placed.get::<u64>("quantity").unwrap(), Some(3));
        rapids.only("vendor_order_refused");
    }
}
