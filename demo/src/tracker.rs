//! Tracks the orders, offers and stock of a run by the packets on the rapids.
//!
//! Judging them is left to `verify`. Packets of other publishers count only for the stock.

use std::collections::{HashMap, HashSet};

use rapids_client::{Packet, Timestamp};

use crate::back_orders::BackOrders;
use crate::counters::Counters;
use crate::flags::Flags;
use crate::minutes::Minutes;
use crate::offers::Offer;
use crate::order_status::{End, OrderStatus};
use crate::orders::Order;
use crate::stock::Stock;

/// What the packets so far say of the orders, the offers and the stock.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) orders: Vec<OrderStatus>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) stock: Stock,
    pub(crate) back_orders: BackOrders,
    pub(crate) flags: Flags,
    pub(crate) minutes: Minutes,
    pub(crate) packets: u64,
    pub(crate) published: Counters,
    /// The index of each order, by its id.
    positions: HashMap<String, usize>,
    /// When the first and the last packet were stored.
    times: Option<(Timestamp, Timestamp)>,
}

impl Tracker {
    /// Tracks these orders, each with the id of its command, and these questions.
    pub(crate) fn new(
        orders: impl IntoIterator<Item = (String, Order)>,
        offers: Vec<Offer>,
    ) -> Self {
        let numbered = orders.into_iter().enumerate();
        let orders: Vec<_> =
            numbered.map(|(place, (id, order))| OrderStatus::new(place + 1, &id, order)).collect();
        let ids = orders.iter().map(|order| order.id.clone());
        Self {
            positions: ids.enumerate().map(|(place, id)| (id, place)).collect(),
            orders,
            offers,
            stock: Stock::default(),
            back_orders: BackOrders::default(),
            flags: Flags::default(),
            minutes: Minutes::default(),
            packets: 0,
            published: Counters::default(),
            times: None,
        }
    }

    /// Adds a packet. Returns the index of its order, if that belongs to this run.
    pub(crate) fn take(&mut self, packet: &Packet) -> Option<usize> {
        self.packets += 1;
        self.published.take(packet);
        if let Some(arrival) = packet.arrival() {
            let first = self.times.map_or(arrival.stored, |(first, _)| first);
            self.times = Some((first, arrival.stored));
        }
        self.stock.take(packet);
        self.back_orders.take(packet);
        self.flags.take(packet);
        self.minutes.take(packet);
        for offer in &mut self.offers {
            offer.take(packet);
        }
        let order_id = packet.get::<String>("order_id").ok().flatten();
        let id = order_id.as_deref().unwrap_or_else(|| packet.correlation_id());
        let place = *self.positions.get(id)?;
        self.orders[place].take(packet);
        Some(place)
    }

    /// The time from the first packet to the last, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.times.map_or(0.0, |(first, last)| last.duration_since(first).as_secs_f64())
    }

    pub(crate) fn count(&self, end: End) -> usize {
        self.orders.iter().filter(|order| order.end() == end).count()
    }

    /// The number of orders whose command is on the rapids.
    pub(crate) fn commanded(&self) -> usize {
        self.orders.iter().filter(|order| order.commanded).count()
    }

    pub(crate) fn orders_per_second(&self) -> f64 {
        let ended = self.orders.len() - self.count(End::Open);
        let seconds = self.seconds();
        if seconds > 0.0 { u32::try_from(ended).map_or(0.0, f64::from) / seconds } else { 0.0 }
    }

    /// What has not come yet, a line for each order or offer.
    pub(crate) fn missing(&self) -> Vec<String> {
        let orders = self.orders.iter().filter(|order| !order.is_excused);
        let orders = orders.filter_map(|order| {
            let missing = if order.commanded {
                order.missing().join(", ")
            } else {
                "its own command".to_owned()
            };
            let OrderStatus { number, id, .. } = order;
            (!missing.is_empty()).then(|| format!("order {number} ({id}) lacks {missing}"))
        });
        orders.chain(self.offers.iter().filter_map(Offer::fault)).collect()
    }

    /// Excuses the orders and questions with these ids from ending, and the stock from releasing
    /// what these orders had reserved.
    pub(crate) fn excuse(&mut self, ids: &HashSet<String>) {
        for order in self.orders.iter_mut().filter(|order| ids.contains(&order.id)) {
            order.is_excused = true;
            if order.has("stock_reserved") {
                for item in &order.wanted.items {
                    self.stock.excuse(item.sku, i64::from(item.quantity));
                }
            }
        }
        self.offers.retain(|offer| !ids.contains(offer.id()));
    }

    /// Whether what is missing of orders will come of the end of the day.
    pub(crate) fn awaits_end_of_day(&self) -> bool {
        let is_settled = |order: &OrderStatus| order.missing().is_empty();
        self.orders.iter().any(OrderStatus::awaits_end_of_day)
            && self.orders.iter().all(|order| order.awaits_end_of_day() || is_settled(order))
    }

    /// Whether everything that must come has come.
    pub(crate) fn is_complete(&self) -> bool {
        let is_told =
            self.minutes.is_complete() && self.offers.iter().all(|it| it.fault().is_none());
        is_told && self.orders.iter().all(|order| order.commanded && order.missing().is_empty())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::offers;
    use crate::order_status::tests::order;
    use crate::stock::tests::step;

    /// A run of one order to which these events have happened, with everything else in order.
    pub(crate) fn tracker(events: &[&str]) -> Tracker {
        let mut tracker = Tracker::new([], offers::tests::answered());
        let order = order(events);
        tracker.positions.insert(order.id.clone(), 0);
        tracker.orders.push(order);
        tracker
    }

    #[test]
    fn packet_belongs_to_the_order_it_names_or_else_to_its_conversation() {
        let order = order(&[]).wanted;
        let command = order.command();
        let mut tracker = Tracker::new([(command.id().to_owned(), order)], Vec::new());
        assert_eq!(tracker.take(&command), Some(0));
        let named = Packet::event("order_placed").with("order_id", command.id());
        assert_eq!(tracker.take(&named), Some(0));
        assert_eq!(tracker.take(&Packet::event("order_placed").with("order_id", "o-2")), None);
        assert!(tracker.orders[0].commanded && tracker.orders[0].has("order_placed"));
        assert_eq!((tracker.packets, tracker.commanded()), (3, 1));
    }

    #[test]
    fn stock_of_other_orders_counts_too() {
        let mut tracker = tracker(&[]);
        assert_eq!(tracker.take(&step("stock_updated", 2, 8, 0)), Some(0));
        assert_eq!(tracker.take(&step("stock_updated", 2, 6, 0).with("order_id", "else")), None);
        assert_eq!(tracker.stock.shipped(), 4);
    }

    #[test]
    fn excused_order_is_not_missed_and_may_keep_its_reservation() {
        let mut tracker = tracker(&["order_placed", "stock_reserved"]);
        tracker.stock.take(&step("stock_reserved", 1, 10, 1));
        assert_eq!((tracker.missing().len(), tracker.stock.faults().len()), (1, 1));
        tracker.excuse(&["o-1".to_owned()].into());
        assert_eq!((tracker.missing().len(), tracker.stock.faults().len()), (0, 0));
        tracker.stock.take(&step("stock_reserved", 1, 10, 2));
        assert_eq!(tracker.stock.faults().len(), 1);
    }

    #[test]
    fn order_that_never_came_to_the_rapids_is_missing() {
        let mut tracker = tracker(&[]);
        tracker.orders[0].commanded = false;
        assert_eq!(tracker.missing(), ["order 1 (o-1) lacks its own command"]);
        assert!(!tracker.is_complete());
    }
}
