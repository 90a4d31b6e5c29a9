//! Everything that the rapids have told since the first packet of this run.
//!
//! Sorts packets by what they are about; judging them is left to `verify`. Packets of other
//! publishers count only where they touch the stock.

use std::collections::{HashMap, HashSet};

use rapids_client::{Packet, Timestamp};

use crate::offers::Offer;
use crate::orders::Order;
use crate::stock::Stock;
use crate::story::{End, Story};

/// The orders, the offers and the stock, as far as they are known.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) stories: Vec<Story>,
    pub(crate) offers: Vec<Offer>,
    pub(crate) stock: Stock,
    pub(crate) packets: u64,
    positions: HashMap<String, usize>,
    /// When the first and the last packet were stored.
    times: Option<(Timestamp, Timestamp)>,
}

impl Ledger {
    /// Awaits these orders, each with the id of its command, and the answers to these questions.
    pub(crate) fn new(
        orders: impl IntoIterator<Item = (String, Order)>,
        offers: Vec<Offer>,
    ) -> Self {
        let numbered = orders.into_iter().enumerate();
        let stories: Vec<_> =
            numbered.map(|(place, (id, order))| Story::new(place + 1, &id, order)).collect();
        let ids = stories.iter().map(|story| story.id.clone());
        Self {
            positions: ids.enumerate().map(|(place, id)| (id, place)).collect(),
            stories,
            offers,
            stock: Stock::default(),
            packets: 0,
            times: None,
        }
    }

    /// Takes a packet, and answers with the place of the order that it is about, if it is one of
    /// this run.
    pub(crate) fn take(&mut self, packet: &Packet) -> Option<usize> {
        self.packets += 1;
        if let Some(arrival) = packet.arrival() {
            let first = self.times.map_or(arrival.stored, |(first, _)| first);
            self.times = Some((first, arrival.stored));
        }
        self.stock.take(packet);
        for offer in &mut self.offers {
            offer.take(packet);
        }
        let order_id = packet.get::<String>("order_id").ok().flatten();
        let id = order_id.as_deref().unwrap_or_else(|| packet.correlation_id());
        let place = *self.positions.get(id)?;
        self.stories[place].take(packet);
        Some(place)
    }

    /// From the first packet to the last, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.times.map_or(0.0, |(first, last)| last.duration_since(first).as_secs_f64())
    }

    pub(crate) fn count(&self, end: End) -> usize {
        self.stories.iter().filter(|story| story.end() == end).count()
    }

    /// How many orders are on the rapids.
    pub(crate) fn commanded(&self) -> usize {
        self.stories.iter().filter(|story| story.commanded).count()
    }

    pub(crate) fn orders_per_second(&self) -> f64 {
        let ended = self.stories.len() - self.count(End::Open);
        let seconds = self.seconds();
        if seconds > 0.0 { u32::try_from(ended).map_or(0.0, f64::from) / seconds } else { 0.0 }
    }

    /// What has not come yet, one line for each order or offer.
    pub(crate) fn missing(&self) -> Vec<String> {
        let stories = self.stories.iter().filter(|story| !story.is_excused);
        let orders = stories.filter_map(|story| {
            let missing = if story.commanded {
                story.missing().join(", ")
            } else {
                "its own command".to_owned()
            };
            let Story { number, id, .. } = story;
            (!missing.is_empty()).then(|| format!("order {number} ({id}) lacks {missing}"))
        });
        orders.chain(self.offers.iter().filter_map(Offer::fault)).collect()
    }

    /// Asks nothing more of the orders and questions with these ids, and lets the stock keep what
    /// the orders had reserved.
    pub(crate) fn excuse(&mut self, ids: &HashSet<String>) {
        for story in self.stories.iter_mut().filter(|story| ids.contains(&story.id)) {
            story.is_excused = true;
            if story.has("stock_reserved") {
                for item in &story.order.items {
                    self.stock.excuse(item.sku, i64::from(item.quantity));
                }
            }
        }
        self.offers.retain(|offer| !ids.contains(offer.id()));
    }

    /// Whether everything that must come has come.
    pub(crate) fn is_complete(&self) -> bool {
        let offered = self.offers.iter().all(|offer| offer.fault().is_none());
        offered && self.stories.iter().all(|story| story.commanded && story.missing().is_empty())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::offers;
    use crate::stock::tests::step;
    use crate::story::tests::story;

    /// A run of one order to which these events have happened, with everything else in order.
    pub(crate) fn ledger(events: &[&str]) -> Ledger {
        let mut ledger = Ledger::new([], offers::tests::answered());
        let story = story(events);
        ledger.positions.insert(story.id.clone(), 0);
        ledger.stories.push(story);
        ledger
    }

    #[test]
    fn packet_belongs_to_the_order_it_names_or_else_to_its_conversation() {
        let order = story(&[]).order;
        let command = order.command();
        let mut ledger = Ledger::new([(command.id().to_owned(), order)], Vec::new());
        assert_eq!(ledger.take(&command), Some(0));
        let named = Packet::event("order_placed").with("order_id", command.id());
        assert_eq!(ledger.take(&named), Some(0));
        assert_eq!(ledger.take(&Packet::event("order_placed").with("order_id", "o-2")), None);
        assert!(ledger.stories[0].commanded && ledger.stories[0].has("order_placed"));
        assert_eq!((ledger.packets, ledger.commanded()), (3, 1));
    }

    #[test]
    fn stock_of_other_orders_counts_too() {
        let mut ledger = ledger(&[]);
        assert_eq!(ledger.take(&step("stock_updated", 2, 8, 0)), Some(0));
        assert_eq!(ledger.take(&step("stock_updated", 2, 6, 0).with("order_id", "else")), None);
        assert_eq!(ledger.stock.shipped(), 4);
    }

    #[test]
    fn excused_order_is_not_missed_and_may_keep_its_reservation() {
        let mut ledger = ledger(&["order_placed", "stock_reserved"]);
        ledger.stock.take(&step("stock_reserved", 1, 10, 1));
        assert_eq!((ledger.missing().len(), ledger.stock.faults().len()), (1, 1));
        ledger.excuse(&["o-1".to_owned()].into());
        assert_eq!((ledger.missing().len(), ledger.stock.faults().len()), (0, 0));
        ledger.stock.take(&step("stock_reserved", 1, 10, 2));
        assert_eq!(ledger.stock.faults().len(), 1);
    }

    #[test]
    fn order_that_never_came_to_the_rapids_is_missing() {
        let mut ledger = ledger(&[]);
        ledger.stories[0].commanded = false;
        assert_eq!(ledger.missing(), ["order 1 (o-1) lacks its own command"]);
        assert!(!ledger.is_complete());
    }
}
