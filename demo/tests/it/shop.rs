//! Services of the shop together, on rapids without a server: orders end, also where one of them does not
//! work.

use std::time::Duration;

use anyhow::Result;
use rapids_client::{Packet, River};
use rapids_test::TestRapids;
use serde_json::json;

const SHOP: [&str; 5] = ["order", "inventory", "shipping", "warehouse", "notification"];

const HALF_AN_HOUR: Duration = Duration::from_secs(1_800);

/// Rapids with these services.
pub(crate) fn shop(names: &[&str]) -> TestRapids {
    with(TestRapids::new(), names)
}

fn with(rapids: TestRapids, names: &[&str]) -> TestRapids {
    let services = bundled_rivers::services().unwrap();
    let rivers = |name: &str| {
        let service = services.iter().find(|service| service.name() == name).unwrap();
        service.rivers().to_vec()
    };
    names.iter().fold(rapids, |rapids, name| rapids.service(name, rivers(name)))
}

async fn order(rapids: &mut TestRapids) {
    let items = json!([{"sku": "summit/rope", "quantity": 1, "price": 3900}]);
    let command = Packet::command("place_order").with("customer", "ada").with("items", items);
    rapids.publish(command).await;
}

fn assert_cancelled(rapids: &TestRapids, reason: &str) {
    let cancelled = rapids.only("order_cancelled").get::<String>("reason").unwrap();
    assert_eq!(cancelled.as_deref(), Some(reason), "{}", rapids.trail());
    for event in ["stock_released", "customer_notified"] {
        rapids.only(event);
    }
    assert!(rapids.timers().is_empty());
}

#[tokio::test]
async fn an_order_that_is_paid_is_completed_and_nothing_comes_later() {
    let mut rapids = shop(&[&SHOP[..], &["payment"]].concat());
    order(&mut rapids).await;
    rapids.only("order_completed");
    assert!(rapids.timers().is_empty());
}

#[tokio::test]
async fn an_order_ends_although_nobody_is_there_to_charge_it() {
    let mut rapids = shop(&SHOP);
    order(&mut rapids).await;
    rapids.none("order_cancelled");
    rapids.advance(HALF_AN_HOUR).await;
    assert_cancelled(&rapids, "payment_overdue");
}

/// Leaves what is no payment in the memory of each order, as another program of this name would.
fn spoil_memory(memory: &mut String, _: &Packet) -> Result<()> {
    "no payment".clone_into(memory);
    Ok(())
}

#[tokio::test]
async fn an_order_ends_at_once_although_payment_is_broken_for_good() {
    let spoil = River::new("spoil").event("order_placed").memory("payments", "@.order_id");
    let rapids = TestRapids::new().service("payment", [spoil.react(spoil_memory)]);
    let mut rapids = with(rapids, &[&SHOP[..], &["payment"]].concat());
    order(&mut rapids).await;
    let failed = rapids.only("payment_failed");
    assert!(failed.dead_letter().is_some_and(|letter| letter.starts_with("payment.charge.")));
    rapids.none("payment_received");
    assert_cancelled(&rapids, "payment_failed");
}
