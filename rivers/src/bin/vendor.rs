//! vendor: tells each vendor which of its products were sold.
//!
//! Listens for `payment_received` with `order_id` and `items`.
//! Publishes `vendor_notified`, one per vendor: the part of a sku before its `/`.
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
    Ok(Service::from_env("vendor")?.river(notify()))
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
    // Sorted, so that handling the packet again publishes the same packets in the same order.
    let mut sold = BTreeMap::<&str, BTreeSet<&str>>::new();
    for Item { sku } in &items {
        if let Some((vendor, _)) = sku.split_once('/') {
            sold.entry(vendor).or_default().insert(sku);
        }
    }
    let notified = |(vendor, skus)| {
        Packet::event("vendor_notified")
            .with("order_id", &order_id)
            .with("vendor", vendor)
            .with("skus", skus)
    };
    Ok(sold.into_iter().map(notified).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::json;

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
        let mut rapids = TestRapids::new().service("vendor", [notify()]);
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
}
