//! The orders that waited for stock, by the packets on the rapids.
//!
//! After a crash, packets may be published later than their successors, so their order on the rapids
//! proves nothing. But each order that waits has a number, and so has each fulfilment.

use std::collections::{BTreeMap, HashMap};

use rapids_client::Packet;

/// Orders that waited for stock, and those that got it.
#[derive(Debug, Clone, Default)]
pub(crate) struct BackOrders {
    /// The skus that an order was short of, by order.
    short: HashMap<String, Vec<String>>,
    waited: usize,
    /// By the number of the fulfilment: the number of the back-order, and the order.
    fulfilled: BTreeMap<u64, (u64, String)>,
}

impl BackOrders {
    pub(crate) fn take(&mut self, packet: &Packet) {
        // A field of another type counts as missing; orders lack something then.
        let number = |key: &str| packet.get::<u64>(key).ok().flatten();
        let Some(order) = packet.get::<String>("order_id").ok().flatten() else { return };
        match packet.event_name().as_deref() {
            Some("delivery_date_offered") => {
                let skus = packet.get("skus").ok().flatten().unwrap_or_default();
                self.short.insert(order, skus);
            }
            Some("stock_back_ordered") => self.waited += 1,
            Some("stock_reserved") => {
                if let (Some(back_order), Some(fulfilment)) =
                    (number("back_order"), number("fulfilment"))
                {
                    self.fulfilled.insert(fulfilment, (back_order, order));
                }
            }
            _ => {}
        }
    }

    /// How many orders waited, and how many of them got their stock.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.waited, self.fulfilled.len())
    }

    /// The orders that passed one which had waited longer for the same product.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut last = HashMap::<&String, u64>::new();
        let mut faults = Vec::new();
        for (number, order) in self.fulfilled.values() {
            for sku in self.short.get(order).into_iter().flatten() {
                let before = last.insert(sku, *number).unwrap_or_default();
                if before > *number {
                    faults.push(format!("order `{order}` ({number}) got {sku} after {before}"));
                }
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of orders that wait for these skus and are fulfilled in this order of their numbers.
    fn faults(fulfilled: &[(u64, &str)]) -> usize {
        let mut back_orders = BackOrders::default();
        for (fulfilment, (number, sku)) in (1_u64..).zip(fulfilled) {
            let about = |event: &str| Packet::event(event).with("order_id", format!("o-{number}"));
            back_orders.take(&about("delivery_date_offered").with("skus", [sku]));
            back_orders.take(&about("stock_back_ordered"));
            let reserved = about("stock_reserved").with("back_order", number);
            back_orders.take(&reserved.with("fulfilment", fulfilment));
        }
        assert_eq!(back_orders.counts(), (fulfilled.len(), fulfilled.len()));
        back_orders.faults().len()
    }

    #[test]
    fn order_that_passes_one_that_waits_for_the_same_is_found() {
        assert_eq!(faults(&[(1, "a"), (3, "a"), (4, "a")]), 0);
        assert_eq!(faults(&[(2, "a"), (1, "b")]), 0);
        assert_eq!(faults(&[(1, "a"), (4, "a"), (3, "a")]), 1);
    }
}
