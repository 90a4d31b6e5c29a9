//! The stock, and how services that know nothing of each other sell what there is too little of: first
//! come, first served.

use rapids_client::Packet;
use rapids_test::TestRapids;
use serde_json::{Value, json};

use crate::shop::shop;

/// There are five of these.
const RAFT: &str = "lunar/moonraft";

fn about(kind: fn(&'static str) -> Packet, name: &'static str, order_id: &str) -> Packet {
    kind(name).with("order_id", order_id)
}

fn placed(order_id: &str, items: &[(&str, u64)]) -> Packet {
    let item = |(sku, quantity): &(_, _)| json!({"sku": sku, "quantity": quantity, "price": 1});
    let items: Vec<Value> = items.iter().map(item).collect();
    about(Packet::event, "order_placed", order_id).with("items", items)
}

fn accept(order_id: &str) -> Packet {
    about(Packet::command, "accept_delivery_date", order_id)
}

fn received(quantity: u64) -> Packet {
    Packet::event("stock_received").with("sku", RAFT).with("quantity", quantity)
}

async fn after(packets: impl IntoIterator<Item = Packet>) -> TestRapids {
    let mut rapids = shop(&["inventory", "back_order", "vendor"]);
    for packet in packets {
        rapids.publish(packet).await;
    }
    rapids
}

fn level(packet: &Packet, sku: &str) -> Value {
    packet.get(&format!("@.levels['{sku}']")).unwrap().unwrap()
}

/// The orders that waited and were given their stock, in this order.
fn fulfilled(rapids: &TestRapids) -> Vec<String> {
    let reserved = rapids.events("stock_reserved").into_iter();
    let late = reserved.filter(|packet| packet.get::<u64>("back_order").unwrap().is_some());
    late.map(|packet| packet.get("order_id").unwrap().unwrap()).collect()
}

#[tokio::test]
async fn stock_that_comes_goes_to_those_who_wait_in_their_order() {
    let mut rapids = after([
        placed("o-1", &[(RAFT, 4)]),
        placed("o-2", &[(RAFT, 3)]),
        placed("o-3", &[("summit/rope", 2), (RAFT, 2)]),
        accept("o-2"),
        accept("o-3"),
        accept("o-2"),
        // One is free, and o-2 waits for it.
        placed("o-4", &[(RAFT, 1)]),
    ])
    .await;
    assert_eq!(rapids.events("delivery_date_offered").len(), 3, "{}", rapids.trail());
    rapids.only("delivery_date_refused");
    let ordered = rapids.events("vendor_order_placed").into_iter();
    let quantities: Vec<u64> = ordered.map(|it| it.get("quantity").unwrap().unwrap()).collect();
    assert_eq!(quantities, [3, 2]);
    rapids.publish(received(1)).await;
    assert_eq!(fulfilled(&rapids), [""; 0], "{}", rapids.trail());
    rapids.publish(received(3)).await;
    assert_eq!(fulfilled(&rapids), ["o-2", "o-3"], "{}", rapids.trail());
    let added = rapids.events("stock_added")[1];
    assert_eq!(level(added, RAFT), json!({"on_hand": 9, "reserved": 4}));
}

#[tokio::test]
async fn who_waits_keeps_nobody_from_what_there_is_plenty_of() {
    let rapids = after([
        placed("o-1", &[(RAFT, 9), ("summit/rope", 2)]),
        accept("o-1"),
        placed("o-2", &[("summit/rope", 2)]),
        placed("o-3", &[("lunar/cheese", 1)]),
    ])
    .await;
    let reserved = rapids.only("stock_reserved");
    assert_eq!(reserved.get::<String>("order_id").unwrap().as_deref(), Some("o-2"));
    rapids.only("out_of_stock");
}

#[tokio::test]
async fn a_cancelled_order_waits_no_longer_and_lets_those_behind_it_pass() {
    let cancelled = || about(Packet::event, "order_cancelled", "o-1");
    let first = [placed("o-1", &[(RAFT, 9)]), placed("o-2", &[(RAFT, 6)])];
    let mut rapids = after(first).await;
    for packet in [accept("o-1"), accept("o-2"), received(1)] {
        rapids.publish(packet).await;
    }
    assert_eq!(fulfilled(&rapids), [""; 0], "{}", rapids.trail());
    rapids.publish(cancelled()).await;
    assert_eq!(fulfilled(&rapids), ["o-2"], "{}", rapids.trail());

    let late = after([placed("o-1", &[(RAFT, 9)]), cancelled(), accept("o-1"), received(9)]).await;
    late.none("stock_back_ordered");
    assert_eq!(fulfilled(&late), [""; 0], "{}", late.trail());
}

#[tokio::test]
async fn stock_that_is_given_back_goes_to_who_waits() {
    let rapids = after([
        placed("o-1", &[(RAFT, 5)]),
        placed("o-2", &[(RAFT, 5)]),
        accept("o-2"),
        about(Packet::event, "order_cancelled", "o-1"),
    ])
    .await;
    assert_eq!(fulfilled(&rapids), ["o-2"], "{}", rapids.trail());
}

#[tokio::test]
async fn stock_falls_when_an_order_is_packaged_and_only_once() {
    let packaged = || about(Packet::event, "order_packaged", "o-1");
    let rapids =
        after([placed("o-1", &[(RAFT, 3)]), packaged(), packaged(), placed("o-2", &[(RAFT, 3)])])
            .await;
    let updated = rapids.only("stock_updated");
    assert_eq!(level(updated, RAFT), json!({"on_hand": 2, "reserved": 0}));
    let short = rapids.only("stock_short");
    assert_eq!(short.get::<String>("order_id").unwrap().as_deref(), Some("o-2"));
}

#[tokio::test]
async fn an_order_cancelled_before_it_was_placed_reserves_nothing() {
    let cancelled = about(Packet::event, "order_cancelled", "o-1");
    let rapids = after([cancelled, placed("o-1", &[(RAFT, 5)])]).await;
    assert_eq!(rapids.packets().len(), 2, "{}", rapids.trail());
}

#[tokio::test]
async fn an_order_gets_all_or_nothing() {
    let items = [("riverside/canoe", 1), (RAFT, 6), ("lunar/cheese", 1)];
    let rapids = after([placed("o-1", &items), placed("o-2", &[("riverside/canoe", 1)])]).await;
    let short = rapids.only("out_of_stock");
    assert_eq!(short.get::<String>("order_id").unwrap().as_deref(), Some("o-1"));
    let skus = short.get::<Vec<String>>("skus").unwrap().unwrap();
    assert_eq!(skus, ["lunar/cheese", RAFT]);
    let canoes = level(rapids.only("stock_reserved"), "riverside/canoe");
    assert_eq!(canoes["reserved"], 1);
}
