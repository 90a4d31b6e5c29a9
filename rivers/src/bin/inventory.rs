//! inventory: reserves the stock of an order, all of it or none, until it is shipped or released. An
//! order that waits for stock gets it as it comes: first come, first served.
//!
//! Listens for `order_placed` and `delivery_date_accepted` with `order_id` and `items`; for
//! `order_cancelled` and `order_packaged` with `order_id`; for `stock_received` with `sku` and
//! `quantity`.
//! Publishes `stock_reserved`, `stock_short` or, of what the shop never had, `out_of_stock`;
//! `stock_back_ordered` with commands `order_from_vendor`; `stock_added`; `stock_released`;
//! `stock_updated`.
//! Run: `just river inventory`

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;
use rapids_client::{Packet, River, Service, reject, telemetry};
use serde::{Deserialize, Serialize};

/// How many orders that were cancelled without any stock are remembered.
const CANCELLED_KEPT: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    let inventory = Service::from_env("inventory")?.river(reserve()).river(back_order());
    Ok(inventory.river(receive()).river(release()).river(ship()))
}

/// All rivers here share this memory, under one key: an order takes all of its items or none, and only
/// what lies under one key is changed together. With a key for each sku, an order of several would have
/// to be reserved piece by piece and undone again, while others see what is half reserved. What is kept
/// grows with the skus and the open orders only, and packets that wait share a save.
#[derive(Serialize, Deserialize)]
struct Stock {
    levels: BTreeMap<String, Level>,
    reservations: BTreeMap<String, Vec<Item>>,
    /// Orders that had no stock when they were cancelled: each may have been cancelled before it was
    /// placed, as after a crash, and gets nothing then. Newest last.
    #[serde(alias = "declined")]
    cancelled: VecDeque<String>,
    /// The orders that wait for stock, each with its number; newest last.
    #[serde(default)]
    back_orders: VecDeque<(u64, Order)>,
    /// How many orders have waited in all, and how many of them were given their stock.
    #[serde(default)]
    back_ordered: u64,
    #[serde(default)]
    fulfilled: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Level {
    on_hand: u64,
    reserved: u64,
}

#[derive(Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: u64,
}

#[derive(Serialize, Deserialize)]
struct Order {
    order_id: String,
    customer: Option<String>,
    #[serde(default)]
    items: Vec<Item>,
}

impl Default for Stock {
    fn default() -> Self {
        let plenty = "riverside/canoe riverside/paddle summit/tent summit/rope lunar/lantern";
        let skus = plenty.split(' ').map(|sku| (sku, 1_000_000)).chain([("lunar/moonraft", 5)]);
        let level = |(sku, on_hand): (&str, _)| (sku.to_owned(), Level { on_hand, reserved: 0 });
        Self {
            levels: skus.map(level).collect(),
            reservations: BTreeMap::new(),
            cancelled: VecDeque::new(),
            back_orders: VecDeque::new(),
            back_ordered: 0,
            fulfilled: 0,
        }
    }
}

impl Stock {
    /// Whether an order has its stock, waits for it, or was cancelled.
    fn knows(&self, order_id: &String) -> bool {
        self.reservations.contains_key(order_id)
            || self.cancelled.contains(order_id)
            || self.back_orders.iter().any(|(_, order)| order.order_id == *order_id)
    }

    /// The skus of which there is too little for these items, once the orders ahead have theirs.
    fn short(&self, items: &[Item], ahead: &VecDeque<(u64, Order)>) -> Vec<String> {
        let mut wanted = BTreeMap::<_, u64>::new();
        for Item { sku, quantity } in ahead.iter().flat_map(|(_, order)| &order.items).chain(items)
        {
            let sum = wanted.entry(sku).or_default();
            *sum = sum.saturating_add(*quantity);
        }
        wanted.retain(|sku, sum| {
            let level = self.levels.get(*sku);
            let is_short = level.is_none_or(|level| *sum > level.on_hand - level.reserved);
            is_short && items.iter().any(|item| item.sku == **sku)
        });
        wanted.into_keys().cloned().collect()
    }

    /// Changes the levels of the items, and adds them to the report.
    fn change(&mut self, report: Packet, items: &[Item], step: fn(&mut Level, u64)) -> Packet {
        let mut levels = BTreeMap::new();
        for Item { sku, quantity } in items {
            let level = self.levels.get_mut(sku).expect("only known skus are reserved");
            step(level, *quantity);
            levels.insert(sku, *level);
        }
        report.with("items", items).with("levels", levels)
    }

    fn reserve(&mut self, Order { order_id, items, .. }: Order) -> Packet {
        let report = about("stock_reserved", &order_id);
        let reserved = self.change(report, &items, |level, quantity| level.reserved += quantity);
        self.reservations.insert(order_id, items);
        reserved
    }

    /// Reserves what orders wait for, in their order. One passes another only with pieces that the
    /// other does not need.
    fn fulfil(&mut self) -> Vec<Packet> {
        let (mut reserved, mut ahead) = (Vec::new(), VecDeque::new());
        for (number, order) in std::mem::take(&mut self.back_orders) {
            if !self.short(&order.items, &ahead).is_empty() {
                ahead.push_back((number, order));
                continue;
            }
            self.fulfilled += 1;
            let report = self.reserve(order).with("back_order", number);
            reserved.push(report.with("fulfilment", self.fulfilled));
        }
        self.back_orders = ahead;
        reserved
    }
}

fn about(event: &str, order_id: &str) -> Packet {
    Packet::event(event).with("order_id", order_id)
}

fn reserve() -> River {
    let river = River::new("reserve").event("order_placed").require(["order_id", "items"]);
    let river = river.publishes(["stock_reserved", "stock_short", "out_of_stock"]);
    river.memory("stock", "'stock'").react(on_order_placed)
}

fn on_order_placed(stock: &mut Stock, packet: &Packet) -> Result<Option<Packet>> {
    let order: Order = packet.parse()?;
    if stock.knows(&order.order_id) {
        return Ok(None);
    }
    let short = stock.short(&order.items, &stock.back_orders);
    if short.is_empty() {
        return Ok(Some(stock.reserve(order)));
    }
    // Of what the shop never had, nobody can say when it will come.
    let can_come = short.iter().all(|sku| stock.levels.contains_key(sku));
    let event = if can_come { "stock_short" } else { "out_of_stock" };
    let answer = about(event, &order.order_id).with("customer", order.customer);
    Ok(Some(answer.with("items", order.items).with("skus", short)))
}

fn back_order() -> River {
    let river = River::new("back_order").event("delivery_date_accepted");
    let river = river.require(["order_id", "items"]);
    let river = river.publishes(["stock_back_ordered", "stock_reserved"]);
    river
        .publishes_commands("order_from_vendor")
        .memory("stock", "'stock'")
        .react(on_delivery_date_accepted)
}

/// Orders each sku that is short from its vendor, all that the order wants of it: so what is free and
/// what will come is always enough for all orders that wait.
fn on_delivery_date_accepted(stock: &mut Stock, packet: &Packet) -> Result<Vec<Packet>> {
    let order: Order = packet.parse()?;
    if stock.knows(&order.order_id) {
        return Ok(Vec::new());
    }
    stock.back_ordered += 1;
    let answer = about("stock_back_ordered", &order.order_id);
    let mut answers =
        vec![answer.with("items", &order.items).with("back_order", stock.back_ordered)];
    let short = stock.short(&order.items, &stock.back_orders);
    for Item { sku, quantity } in order.items.iter().filter(|item| short.contains(&item.sku)) {
        let command = Packet::command("order_from_vendor").with("order_id", &order.order_id);
        answers.push(command.with("sku", sku).with("quantity", quantity));
    }
    stock.back_orders.push_back((stock.back_ordered, order));
    answers.extend(stock.fulfil());
    Ok(answers)
}

fn receive() -> River {
    let river = River::new("receive").event("stock_received").require(["sku", "quantity"]);
    let river = river.publishes(["stock_added", "stock_reserved"]);
    river.memory("stock", "'stock'").react(on_stock_received)
}

fn on_stock_received(stock: &mut Stock, packet: &Packet) -> Result<Vec<Packet>> {
    let item: Item = packet.parse()?;
    let level = stock.levels.entry(item.sku.clone()).or_default();
    if level.on_hand.checked_add(item.quantity).is_none() {
        return Err(reject(format!("the stock of `{}` is too large to count", item.sku)));
    }
    let added = Packet::event("stock_added");
    let added = stock.change(added, &[item], |level, quantity| level.on_hand += quantity);
    Ok([vec![added], stock.fulfil()].concat())
}

/// Whatever an order fails of, it is cancelled, and once: so there is one thing to hear.
fn release() -> River {
    let river = River::new("release").event("order_cancelled").require("order_id");
    let river = river.publishes(["stock_released", "stock_reserved"]);
    river.memory("stock", "'stock'").react(on_order_cancelled)
}

fn on_order_cancelled(stock: &mut Stock, packet: &Packet) -> Result<Vec<Packet>> {
    let Order { order_id, .. } = packet.parse()?;
    let mut answers = Vec::new();
    if let Some(items) = stock.reservations.remove(&order_id) {
        let report = about("stock_released", &order_id);
        answers.push(stock.change(report, &items, |level, quantity| level.reserved -= quantity));
    } else {
        stock.back_orders.retain(|(_, order)| order.order_id != order_id);
        stock.cancelled.push_back(order_id);
        if stock.cancelled.len() > CANCELLED_KEPT {
            stock.cancelled.pop_front();
        }
    }
    answers.extend(stock.fulfil());
    Ok(answers)
}

fn ship() -> River {
    let river = River::new("ship").event("order_packaged").require("order_id");
    river.publishes("stock_updated").memory("stock", "'stock'").react(on_order_packaged)
}

fn on_order_packaged(stock: &mut Stock, packet: &Packet) -> Result<Option<Packet>> {
    let Order { order_id, .. } = packet.parse()?;
    let Some(items) = stock.reservations.remove(&order_id) else { return Ok(None) };
    Ok(Some(stock.change(about("stock_updated", &order_id), &items, |level, quantity| {
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

    fn level(packet: &Packet, sku: &str) -> Level {
        packet.get(&format!("@.levels['{sku}']")).unwrap().unwrap()
    }

    async fn after(packets: impl IntoIterator<Item = Packet>) -> TestRapids {
        let mut rapids = TestRapids::new()
            .service("inventory", [reserve(), back_order(), receive(), release(), ship()]);
        for packet in packets {
            rapids.publish(packet).await;
        }
        rapids
    }

    #[test]
    fn each_river_takes_its_own_packets() {
        assert_eq!(reserve().judge(&placed("o-1", &[])), Verdict::Matches);
        assert_eq!(release().judge(&about("order_cancelled", "o-1")), Verdict::Matches);
        assert_eq!(ship().judge(&about("order_packaged", "o-1")), Verdict::Matches);
        assert_eq!(ship().judge(&about("order_cancelled", "o-1")), Verdict::NotForMe);
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
        let skus = rapids.only("stock_short").get::<Vec<String>>("skus").unwrap().unwrap();
        assert_eq!(skus, [raft]);
    }

    #[test]
    fn quantities_beyond_all_numbers_are_short() {
        let mut stock = Stock::default();
        let order = placed("o-1", &[("summit/tent", u64::MAX), ("summit/tent", 1)]);
        let answer = on_order_placed(&mut stock, &order).unwrap().unwrap();
        assert_eq!(answer.event_name().as_deref(), Some("stock_short"));
        let received = Packet::event("stock_received").with("sku", "summit/tent");
        assert!(on_stock_received(&mut stock, &received.with("quantity", u64::MAX)).is_err());
    }

    #[tokio::test]
    async fn a_cancelled_order_gives_its_stock_back_once() {
        let rapids = after([
            placed("o-1", &[("lunar/moonraft", 5)]),
            placed("o-1", &[("lunar/moonraft", 5)]),
            about("order_cancelled", "o-1"),
            about("order_cancelled", "o-1"),
            placed("o-2", &[("lunar/moonraft", 5)]),
        ])
        .await;
        rapids.none("stock_short");
        assert_eq!(rapids.events("stock_reserved").len(), 2, "{}", rapids.trail());
        let released = rapids.only("stock_released");
        assert_eq!(level(released, "lunar/moonraft"), Level { on_hand: 5, reserved: 0 });
        assert_eq!(released.get::<u64>("@.items[0].quantity").unwrap(), Some(5));
    }

    #[test]
    fn only_the_newest_cancelled_orders_are_remembered() {
        let mut stock = Stock::default();
        for number in 0..=CANCELLED_KEPT {
            let cancelled = about("order_cancelled", &format!("o-{number}"));
            on_order_cancelled(&mut stock, &cancelled).unwrap();
        }
        assert_eq!(stock.cancelled.len(), CANCELLED_KEPT);
        assert_eq!(stock.cancelled.front().map(String::as_str), Some("o-1"));
    }

    #[test]
    fn an_order_that_ended_leaves_nothing_in_memory() {
        let mut stock = Stock::default();
        for order_id in ["o-1", "o-2"] {
            on_order_placed(&mut stock, &placed(order_id, &[("summit/tent", 1)])).unwrap();
            assert!(stock.reservations.contains_key(order_id));
        }
        on_order_packaged(&mut stock, &about("order_packaged", "o-1")).unwrap();
        on_order_cancelled(&mut stock, &about("order_cancelled", "o-2")).unwrap();
        assert!(stock.reservations.is_empty() && stock.cancelled.is_empty());
    }
}
