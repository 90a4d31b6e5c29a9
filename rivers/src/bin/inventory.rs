//! inventory: reserves the stock of an order, all of it or none, until it is shipped or released.
//!
//! Listens for `order_placed` with `order_id` and `items`; for `payment_declined` and
//! `order_packaged` with `order_id`.
//! Publishes `stock_reserved` or `out_of_stock`; `stock_released`; `stock_updated`.
//! Run: `just river inventory`

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::{Deserialize, Serialize};

/// How many orders that were declined before they were placed are remembered.
const DECLINED_KEPT: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("inventory")?.river(reserve()).river(release()).river(ship()))
}

/// All rivers here share this memory, under one key: an order takes all of its items or none, and only
/// what lies under one key is changed together. With a key for each sku, an order of several would have
/// to be reserved piece by piece and undone again, while others see what is half reserved. What is kept
/// grows with the skus and the open orders only, and packets that wait share a save.
#[derive(Serialize, Deserialize)]
struct Stock {
    levels: BTreeMap<String, Level>,
    reservations: BTreeMap<String, Vec<Item>>,
    /// Newest last.
    declined: VecDeque<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Level {
    on_hand: u64,
    reserved: u64,
}

#[derive(Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: u64,
}

#[derive(Deserialize)]
struct Order {
    order_id: String,
    #[serde(default)]
    items: Vec<Item>,
}

impl Default for Stock {
    fn default() -> Self {
        let plenty = "riverside/canoe riverside/paddle summit/tent summit/rope lunar/lantern";
        let skus = plenty.split(' ').map(|sku| (sku, 1_000_000)).chain([("lunar/moonraft", 5)]);
        let level = |(sku, on_hand): (&str, _)| (sku.to_owned(), Level { on_hand, reserved: 0 });
        let (reservations, declined) = (BTreeMap::new(), VecDeque::new());
        Self { levels: skus.map(level).collect(), reservations, declined }
    }
}

impl Stock {
    /// How many pieces the order leaves of each sku; `None` for a sku that is short.
    fn left(&self, items: &[Item]) -> BTreeMap<String, Option<u64>> {
        let mut left = BTreeMap::new();
        for Item { sku, quantity } in items {
            let free = self.levels.get(sku).map(|level| level.on_hand - level.reserved);
            let rest: &mut Option<u64> = left.entry(sku.clone()).or_insert(free);
            *rest = rest.and_then(|rest| rest.checked_sub(*quantity));
        }
        left
    }

    /// Changes the levels of the items, and reports them.
    fn change(&mut self, event: &str, order: &Order, step: fn(&mut Level, u64)) -> Packet {
        let mut levels = BTreeMap::new();
        for Item { sku, quantity } in &order.items {
            let level = self.levels.get_mut(sku).expect("only known skus are reserved");
            step(level, *quantity);
            levels.insert(sku, *level);
        }
        let report = Packet::event(event).with("order_id", &order.order_id);
        report.with("items", &order.items).with("levels", levels)
    }
}

fn reserve() -> River {
    let river = River::new("reserve").event("order_placed").require(["order_id", "items"]);
    let river = river.publishes(["stock_reserved", "out_of_stock"]);
    river.memory("stock", "'stock'").react(on_order_placed)
}

fn on_order_placed(stock: &mut Stock, packet: &Packet) -> Result<Option<Packet>> {
    let order: Order = packet.parse()?;
    let is_known = stock.reservations.contains_key(&order.order_id);
    if is_known || stock.declined.contains(&order.order_id) {
        return Ok(None);
    }
    let left = stock.left(&order.items).into_iter();
    let short: Vec<_> = left.filter(|(_, rest)| rest.is_none()).map(|(sku, _)| sku).collect();
    if !short.is_empty() {
        let answer = Packet::event("out_of_stock").with("order_id", order.order_id);
        return Ok(Some(answer.with("skus", short)));
    }
    let reserved = stock.change("stock_reserved", &order, |level, quantity| {
        level.reserved += quantity;
    });
    stock.reservations.insert(order.order_id, order.items);
    Ok(Some(reserved))
}

fn release() -> River {
    let river = River::new("release").event("payment_declined").require("order_id");
    river.publishes("stock_released").memory("stock", "'stock'").react(on_payment_declined)
}

fn on_payment_declined(stock: &mut Stock, packet: &Packet) -> Result<Option<Packet>> {
    let Order { order_id, .. } = packet.parse()?;
    let Some(items) = stock.reservations.remove(&order_id) else {
        stock.declined.push_back(order_id);
        if stock.declined.len() > DECLINED_KEPT {
            stock.declined.pop_front();
        }
        return Ok(None);
    };
    Ok(Some(stock.change("stock_released", &Order { order_id, items }, |level, quantity| {
        level.reserved -= quantity;
    })))
}

fn ship() -> River {
    let river = River::new("ship").event("order_packaged").require("order_id");
    river.publishes("stock_updated").memory("stock", "'stock'").react(on_order_packaged)
}

fn on_order_packaged(stock: &mut Stock, packet: &Packet) -> Result<Option<Packet>> {
    let Order { order_id, .. } = packet.parse()?;
    let Some(items) = stock.reservations.remove(&order_id) else { return Ok(None) };
    Ok(Some(stock.change("stock_updated", &Order { order_id, items }, |level, quantity| {
        level.reserved -= quantity;
        level.on_hand -= quantity;
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::{Value, json};

    fn placed(order_id: &str, items: &[(&str, u64)]) -> Packet {
        let item = |(sku, quantity): &(_, _)| json!({"sku": sku, "quantity": quantity, "price": 1});
        let items: Vec<Value> = items.iter().map(item).collect();
        Packet::event("order_placed").with("order_id", order_id).with("items", items)
    }

    fn about(event: &str, order_id: &str) -> Packet {
        Packet::event(event).with("order_id", order_id)
    }

    fn level(packet: &Packet, sku: &str) -> Level {
        packet.get(&format!("@.levels['{sku}']")).unwrap().unwrap()
    }

    async fn after(packets: impl IntoIterator<Item = Packet>) -> TestRapids {
        let mut rapids = TestRapids::new().service("inventory", [reserve(), release(), ship()]);
        for packet in packets {
            rapids.publish(packet).await;
        }
        rapids
    }

    #[test]
    fn each_river_takes_its_own_packets() {
        assert_eq!(reserve().judge(&placed("o-1", &[])), Verdict::Matches);
        assert_eq!(release().judge(&about("payment_declined", "o-1")), Verdict::Matches);
        assert_eq!(ship().judge(&about("order_packaged", "o-1")), Verdict::Matches);
        assert_eq!(ship().judge(&about("payment_declined", "o-1")), Verdict::NotForMe);
        let bare = reserve().explain(&about("order_placed", "o-1")).to_string();
        assert!(bare.contains("@.items is missing"), "{bare}");
    }

    #[tokio::test]
    async fn items_of_one_sku_are_added_up() {
        let raft = "lunar/moonraft";
        let rapids = after([placed("o-1", &[(raft, 2), ("summit/rope", 1), (raft, 1)])]).await;
        let reserved = rapids.only("stock_reserved");
        assert_eq!(level(reserved, raft), Level { on_hand: 5, reserved: 3 });
        assert_eq!(reserved.get::<Vec<Value>>("items").unwrap().unwrap().len(), 3);
        let rapids = after([placed("o-1", &[(raft, 3), (raft, 3)])]).await;
        rapids.none("stock_reserved");
        let skus = rapids.only("out_of_stock").get::<Vec<String>>("skus").unwrap().unwrap();
        assert_eq!(skus, [raft]);
    }

    #[tokio::test]
    async fn an_order_gets_all_or_nothing() {
        let items = [("riverside/canoe", 1), ("lunar/moonraft", 6), ("lunar/cheese", 1)];
        let rapids = after([placed("o-1", &items), placed("o-2", &[("riverside/canoe", 1)])]).await;
        let short = rapids.only("out_of_stock");
        assert_eq!(short.get::<String>("order_id").unwrap().as_deref(), Some("o-1"));
        let skus = short.get::<Vec<String>>("skus").unwrap().unwrap();
        assert_eq!(skus, ["lunar/cheese", "lunar/moonraft"]);
        let canoes = level(rapids.only("stock_reserved"), "riverside/canoe");
        assert_eq!(canoes.reserved, 1);
    }

    #[test]
    fn quantities_beyond_all_numbers_are_short() {
        let mut stock = Stock::default();
        let order = placed("o-1", &[("summit/tent", u64::MAX), ("summit/tent", 1)]);
        let answer = on_order_placed(&mut stock, &order).unwrap().unwrap();
        assert_eq!(answer.event_name().as_deref(), Some("out_of_stock"));
    }

    #[tokio::test]
    async fn a_declined_order_gives_its_stock_back_once() {
        let rapids = after([
            placed("o-1", &[("lunar/moonraft", 5)]),
            placed("o-1", &[("lunar/moonraft", 5)]),
            about("payment_declined", "o-1"),
            about("payment_declined", "o-1"),
            placed("o-2", &[("lunar/moonraft", 5)]),
        ])
        .await;
        rapids.none("out_of_stock");
        assert_eq!(rapids.events("stock_reserved").len(), 2, "{}", rapids.trail());
        let released = rapids.only("stock_released");
        assert_eq!(level(released, "lunar/moonraft"), Level { on_hand: 5, reserved: 0 });
        assert_eq!(released.get::<u64>("@.items[0].quantity").unwrap(), Some(5));
    }

    #[tokio::test]
    async fn an_order_declined_before_it_was_placed_reserves_nothing() {
        let order = placed("o-1", &[("lunar/moonraft", 5)]);
        let rapids = after([about("payment_declined", "o-1"), order]).await;
        assert_eq!(rapids.packets().len(), 2, "{}", rapids.trail());
    }

    #[tokio::test]
    async fn stock_falls_when_an_order_is_packaged_and_only_once() {
        let rapids = after([
            placed("o-1", &[("lunar/moonraft", 3)]),
            about("order_packaged", "o-1"),
            about("order_packaged", "o-1"),
            placed("o-2", &[("lunar/moonraft", 3)]),
        ])
        .await;
        let updated = rapids.only("stock_updated");
        assert_eq!(level(updated, "lunar/moonraft"), Level { on_hand: 2, reserved: 0 });
        let short = rapids.only("out_of_stock");
        assert_eq!(short.get::<String>("order_id").unwrap().as_deref(), Some("o-2"));
    }

    #[test]
    fn only_the_newest_declined_orders_are_remembered() {
        let mut stock = Stock::default();
        for number in 0..=DECLINED_KEPT {
            let declined = about("payment_declined", &format!("o-{number}"));
            on_payment_declined(&mut stock, &declined).unwrap();
        }
        assert_eq!(stock.declined.len(), DECLINED_KEPT);
        assert_eq!(stock.declined.front().map(String::as_str), Some("o-1"));
    }

    #[test]
    fn an_order_that_ended_leaves_nothing_in_memory() {
        let mut stock = Stock::default();
        for (order_id, end) in [("o-1", "order_packaged"), ("o-2", "payment_declined")] {
            on_order_placed(&mut stock, &placed(order_id, &[("summit/tent", 1)])).unwrap();
            assert!(stock.reservations.contains_key(order_id));
            match end {
                "order_packaged" => on_order_packaged(&mut stock, &about(end, order_id)),
                _ => on_payment_declined(&mut stock, &about(end, order_id)),
            }
            .unwrap();
        }
        assert!(stock.reservations.is_empty() && stock.declined.is_empty());
    }
}
