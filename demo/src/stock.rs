//! The stock, as the packets on the rapids describe it.
//!
//! Each stock packet describes a step of a product from one level to another. After a crash, a step
//! may be published later than its successors, so the order on the rapids proves nothing. But in any
//! order, each level except the first and the last must occur as often before a step as after one.

use std::collections::{BTreeMap, HashMap};

use rapids_client::Packet;
use serde::Deserialize;

/// How many pieces of a product there are, and how many of them are reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub(crate) struct Level {
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
}

#[derive(Deserialize)]
struct Item {
    sku: String,
    quantity: i64,
}

#[derive(Deserialize)]
struct Report {
    items: Vec<Item>,
    levels: BTreeMap<String, Level>,
}

/// All products that occur in packets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stock {
    products: BTreeMap<String, Product>,
    faults: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Product {
    /// How often a step ended at a level, minus how often one began there.
    balance: HashMap<Level, i64>,
    shipped: i64,
    added: i64,
    /// How many pieces may stay reserved.
    excused: i64,
}

impl Stock {
    /// Adds the step that a packet describes, if it is about stock.
    pub(crate) fn take(&mut self, packet: &Packet) {
        // What a step of one piece adds to on_hand and to reserved.
        let (on_hand, reserved) = match packet.event_name().as_deref() {
            Some("stock_reserved") => (0, 1),
            Some("stock_released") => (0, -1),
            Some("stock_updated") => (-1, -1),
            Some("stock_added") => (1, 0),
            _ => return,
        };
        let report: Report = match packet.parse() {
            Ok(report) => report,
            Err(error) => return self.faults.push(error.to_string()),
        };
        let mut quantities = BTreeMap::<_, i64>::new();
        for Item { sku, quantity } in report.items {
            *quantities.entry(sku).or_default() += quantity;
        }
        for (sku, quantity) in quantities {
            let Some(&after) = report.levels.get(&sku) else {
                self.faults.push(format!("packet `{}` has no level of {sku}", packet.id()));
                continue;
            };
            let before = Level {
                on_hand: after.on_hand - on_hand * quantity,
                reserved: after.reserved - reserved * quantity,
            };
            let product = self.products.entry(sku).or_default();
            match on_hand {
                1 => product.added += quantity,
                _ => product.shipped -= on_hand * quantity,
            }
            *product.balance.entry(after).or_default() += 1;
            *product.balance.entry(before).or_default() -= 1;
        }
    }

    /// Allows this many pieces of a product to stay reserved.
    pub(crate) fn excuse(&mut self, sku: &str, quantity: i64) {
        self.products.entry(sku.to_owned()).or_default().excused += quantity;
    }

    /// How many pieces may stay reserved.
    pub(crate) fn excused(&self) -> i64 {
        self.products.values().map(|product| product.excused).sum()
    }

    /// How many pieces were shipped.
    pub(crate) fn shipped(&self) -> i64 {
        self.products.values().map(|product| product.shipped).sum()
    }

    /// How many products occur in packets.
    pub(crate) fn products(&self) -> usize {
        self.products.len()
    }

    /// What does not balance.
    pub(crate) fn faults(&self) -> Vec<String> {
        let products = self.products.iter();
        let unbalanced = products
            .filter_map(|(sku, product)| product.fault().map(|fault| format!("{sku}: {fault}")));
        self.faults.iter().cloned().chain(unbalanced).collect()
    }
}

impl Product {
    fn fault(&self) -> Option<String> {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (level, count) in &self.balance {
            match count {
                0 => {}
                1 => last.push(*level),
                -1 => first.push(*level),
                _ => return Some(format!("{} steps meet at {level:?}", count.abs())),
            }
        }
        let (first, last) = match (first.as_slice(), last.as_slice()) {
            // The last level is the first one again.
            ([], []) if self.shipped == self.added => return None,
            ([first], [last]) => (first, last),
            _ => return Some("its levels do not follow from one another".to_owned()),
        };
        let gone = first.on_hand + self.added - last.on_hand;
        if gone != self.shipped {
            return Some(format!("{} were shipped, but the stock fell by {gone}", self.shipped));
        }
        // What was reserved before this run may stay reserved.
        let is_left = last.reserved > first.reserved + self.excused;
        is_left.then(|| format!("{} are left reserved", last.reserved))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn step(event: &str, quantity: i64, on_hand: i64, reserved: i64) -> Packet {
        Packet::event(event)
            .with("order_id", "o-1")
            .with("items", json!([{"sku": "riverside/canoe", "quantity": quantity}]))
            .with("levels", json!({"riverside/canoe": {"on_hand": on_hand, "reserved": reserved}}))
    }

    fn faults(steps: &[(&str, i64, i64, i64)]) -> Vec<String> {
        let mut stock = Stock::default();
        for (event, quantity, on_hand, reserved) in steps {
            stock.take(&step(event, *quantity, *on_hand, *reserved));
        }
        stock.faults()
    }

    const RESERVED: (&str, i64, i64, i64) = ("stock_reserved", 2, 10, 2);
    const RESERVED_MORE: (&str, i64, i64, i64) = ("stock_reserved", 3, 10, 5);
    const UPDATED: (&str, i64, i64, i64) = ("stock_updated", 2, 8, 3);
    const RELEASED: (&str, i64, i64, i64) = ("stock_released", 3, 8, 0);

    #[test]
    fn steps_balance_in_any_order() {
        assert_eq!(faults(&[RESERVED, RESERVED_MORE, UPDATED, RELEASED]), [""; 0]);
        assert_eq!(faults(&[UPDATED, RELEASED, RESERVED_MORE, RESERVED]), [""; 0]);
    }

    #[test]
    fn released_reservation_leaves_everything_as_it_was() {
        assert_eq!(faults(&[RESERVED, ("stock_released", 2, 10, 0)]), [""; 0]);
    }

    #[test]
    fn reservation_that_stays_is_found() {
        let left = "riverside/canoe: 3 are left reserved";
        assert_eq!(faults(&[RESERVED, RESERVED_MORE, UPDATED]), [left]);
    }

    #[test]
    fn step_that_is_lost_or_published_twice_is_found() {
        assert_eq!(faults(&[RESERVED, UPDATED, RELEASED]).len(), 1);
        assert_eq!(faults(&[RESERVED, RESERVED, RESERVED_MORE, UPDATED, RELEASED]).len(), 1);
    }

    #[test]
    fn stock_that_falls_by_more_than_was_shipped_is_found() {
        assert_eq!(faults(&[RESERVED, ("stock_updated", 2, 7, 0)]).len(), 1);
    }

    #[test]
    fn what_was_reserved_before_may_stay_reserved() {
        assert_eq!(faults(&[("stock_reserved", 1, 10, 8), ("stock_updated", 1, 9, 7)]), [""; 0]);
    }

    #[test]
    fn stock_that_comes_in_balances_what_is_shipped() {
        let added = ("stock_added", 2, 2, 0);
        let reserved = ("stock_reserved", 2, 2, 2);
        assert_eq!(faults(&[added, reserved, ("stock_updated", 2, 0, 0)]), [""; 0]);
        assert_eq!(faults(&[("stock_added", 2, 5, 0), reserved]).len(), 1);
    }

    #[test]
    fn unreadable_report_is_a_fault() {
        let mut stock = Stock::default();
        stock.take(&Packet::event("stock_updated").with("order_id", "o-1"));
        assert_eq!(stock.faults().len(), 1);
    }
}
