//! The status of one order, by the packets so far: how it ended, and what is still to come.
//!
//! Judging whether it ended as it should is left to `verify`.

use std::collections::{BTreeMap, BTreeSet};

use rapids_client::{Packet, Timestamp};
use serde::Deserialize;

use crate::orders::Order;
use crate::outside::Answer;

/// One order, from its command to its end.
#[derive(Debug, Clone)]
pub(crate) struct OrderStatus {
    /// Counted from 1, in the order of placing.
    pub(crate) number: usize,
    /// The id of the command, which is the order's.
    pub(crate) id: String,
    /// What the customer wants.
    pub(crate) wanted: Order,
    /// Whether the command was seen on the rapids.
    pub(crate) commanded: bool,
    /// When the command was stored.
    pub(crate) stored: Option<Timestamp>,
    /// What the order costs at the prices in its command, which the catalogue has named.
    pub(crate) asked: i64,
    /// How many commands to order from a vendor followed.
    pub(crate) vendor_orders: usize,
    /// The events of the order, as they came.
    pub(crate) steps: Vec<Step>,
    /// Whether a known reason kept the order from ending. No fact is then asked of it.
    pub(crate) is_excused: bool,
}

/// An event of an order, with the fields that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) event: String,
    /// An amount in cents.
    pub(crate) amount: Option<i64>,
    pub(crate) vendor: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) stored: Option<Timestamp>,
}

/// How an order ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Refused,
    Completed,
    Cancelled,
}

impl OrderStatus {
    pub(crate) fn new(number: usize, id: &str, wanted: Order) -> Self {
        Self {
            number,
            id: id.to_owned(),
            wanted,
            commanded: false,
            stored: None,
            asked: 0,
            vendor_orders: 0,
            steps: Vec::new(),
            is_excused: false,
        }
    }

    /// Adds a packet of this order.
    pub(crate) fn take(&mut self, packet: &Packet) {
        let stored = packet.arrival().map(|arrival| arrival.stored);
        if packet.id() == self.id {
            self.commanded = true;
            self.stored = self.stored.or(stored);
            self.asked = asked(packet);
        }
        if packet.command_name().as_deref() == Some("order_from_vendor") {
            self.vendor_orders += 1;
        }
        let Some(event) = packet.event_name() else { return };
        // A field of another type counts as missing; the facts do not hold then.
        let amount = packet.get("amount").ok().flatten();
        let vendor = packet.get("vendor").ok().flatten();
        let reason = packet.get("reason").ok().flatten();
        self.steps.push(Step { event, amount, vendor, reason, created: packet.created(), stored });
    }

    pub(crate) fn count(&self, event: &str) -> usize {
        self.steps.iter().filter(|step| step.event == event).count()
    }

    pub(crate) fn has(&self, event: &str) -> bool {
        self.count(event) > 0
    }

    /// The sum of the amounts in events of this name, in cents.
    pub(crate) fn amount(&self, event: &str) -> i64 {
        let events = self.steps.iter().filter(|step| step.event == event);
        events.filter_map(|step| step.amount).sum()
    }

    /// How often each vendor was notified.
    pub(crate) fn vendors_notified(&self) -> BTreeMap<&str, usize> {
        let mut vendors = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.event == "vendor_notified") {
            *vendors.entry(step.vendor.as_deref().unwrap_or_default()).or_default() += 1;
        }
        vendors
    }

    /// The vendors of the order's items: the part of a sku before its `/`.
    pub(crate) fn vendors(&self) -> BTreeSet<&'static str> {
        let skus = self.wanted.items.iter().map(|item| item.sku);
        skus.filter_map(|sku| sku.split_once('/')).map(|(vendor, _)| vendor).collect()
    }

    /// Whether the customer was offered a later date, and only the end of the day tells the answer.
    pub(crate) fn awaits_end_of_day(&self) -> bool {
        self.has("delivery_date_offered")
            && !self.has("out_of_stock")
            && !self.has("order_cancelled")
            && Answer::of(self.wanted.customer) == Answer::Nothing
    }

    pub(crate) fn end(&self) -> End {
        if self.has("order_completed") {
            End::Completed
        } else if self.has("order_cancelled") {
            End::Cancelled
        } else if self.has("order_refused") {
            End::Refused
        } else {
            End::Open
        }
    }

    /// The packets that must still come, after those that came.
    pub(crate) fn missing(&self) -> Vec<String> {
        if self.has("order_refused") {
            return Vec::new();
        }
        let mut missing = Vec::new();
        if !self.has("order_placed") {
            missing.push("order_placed or order_refused".to_owned());
        }
        let [charged, paid, declined, cancelled] =
            ["payment_received", "order_paid", "payment_declined", "order_cancelled"]
                .map(|event| self.has(event));
        let (reserved, short) = (self.has("stock_reserved"), self.has("out_of_stock"));
        let (offered, waits) = (self.has("stock_short"), self.has("delivery_date_accepted"));
        let mut expect = |event: &str, due: bool| {
            if due && !self.has(event) {
                missing.push(event.to_owned());
            }
        };
        expect("order_paid or order_cancelled", !paid && !cancelled);
        expect("payment_received", paid);
        let stock =
            if offered { "an answer to the offer" } else { "stock_reserved or out_of_stock" };
        // Who hears first that an order is cancelled need not answer.
        expect(stock, !reserved && !short && !cancelled && !waits);
        expect("delivery_date_offered", offered);
        expect("stock_back_ordered", waits && !cancelled);
        expect("stock_reserved", waits && !cancelled);
        expect("vendor_order_placed", self.vendor_orders > 0);
        expect("shortage_reported", short);
        expect("order_cancelled", declined || short);
        let completes = paid && reserved && !cancelled;
        for event in ["shipment_scheduled", "order_packaged", "stock_updated", "order_completed"] {
            expect(event, completes);
        }
        expect("payment_refunded", charged && cancelled);
        expect("stock_released", reserved && cancelled);
        expect("customer_notified", completes || cancelled);
        let notified = self.vendors_notified();
        let vendors = self.vendors();
        let unheard = vendors.iter().filter(|vendor| charged && !notified.contains_key(*vendor));
        missing.extend(unheard.map(|vendor| format!("vendor_notified ({vendor})")));
        missing
    }

    /// Whether nothing more can come.
    pub(crate) fn is_over(&self) -> bool {
        let cancelled = self.has("order_cancelled");
        let settled = self.has("payment_received")
            || self.has("payment_declined")
            || self.has("payment_failed")
            || (self.wanted.is_never_paid() && cancelled);
        let waits = cancelled && self.has("delivery_date_accepted");
        let stocked = self.has("stock_reserved") || self.has("out_of_stock") || waits;
        self.missing().is_empty() && (self.has("order_refused") || (settled && stocked))
    }
}

#[derive(Deserialize)]
struct Command {
    items: Vec<AskedItem>,
}

#[derive(Deserialize)]
struct AskedItem {
    quantity: i64,
    price: i64,
}

/// The sum of the prices in a command; one that cannot be read costs nothing, which no fact allows.
fn asked(packet: &Packet) -> i64 {
    let items = packet.parse().map(|Command { items }| items).unwrap_or_default();
    items.iter().map(|item| item.quantity * item.price).sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::orders::Item;
    use crate::outside::NEVER_PAYS;

    /// An order of one canoe to which these events have happened.
    pub(crate) fn order(events: &[&str]) -> OrderStatus {
        let canoe = Item { sku: "riverside/canoe", quantity: 1, price: 59_900 };
        let order = Order { customer: "ada", items: vec![canoe] };
        let mut order = OrderStatus::new(1, "o-1", order);
        (order.commanded, order.asked) = (true, 59_900);
        for event in events {
            let packet = Packet::event(*event).with("amount", 59_900);
            order.take(&packet.with("vendor", "riverside"));
        }
        order
    }

    pub(crate) const COMPLETED: [&str; 10] = [
        "order_placed",
        "payment_received",
        "order_paid",
        "vendor_notified",
        "stock_reserved",
        "shipment_scheduled",
        "order_packaged",
        "customer_notified",
        "stock_updated",
        "order_completed",
    ];

    #[test]
    fn order_is_over_with_its_last_packet_and_not_before() {
        for left_out in COMPLETED {
            let events: Vec<_> = COMPLETED.into_iter().filter(|event| *event != left_out).collect();
            assert!(!order(&events).is_over(), "{left_out}");
            assert!(order(&events).missing().iter().any(|event| event.contains(left_out)));
        }
        assert!(order(&COMPLETED).is_over());
        assert_eq!(order(&COMPLETED).end(), End::Completed);
    }

    #[test]
    fn charge_of_an_order_without_stock_waits_for_its_refund() {
        let events = [
            "order_placed",
            "out_of_stock",
            "shortage_reported",
            "order_cancelled",
            "customer_notified",
        ];
        let mut order = order(&events);
        assert!(order.missing().is_empty());
        assert!(!order.is_over(), "payment may still charge it");
        order.take(&Packet::event("payment_received"));
        assert_eq!(order.missing(), ["payment_refunded", "vendor_notified (riverside)"]);
    }

    #[test]
    fn reservation_of_a_declined_order_waits_for_its_end_and_its_release() {
        let mut events = vec!["order_placed", "payment_declined", "stock_reserved"];
        assert_eq!(order(&events).missing(), ["order_paid or order_cancelled", "order_cancelled"]);
        events.push("order_cancelled");
        assert_eq!(order(&events).missing(), ["stock_released", "customer_notified"]);
    }

    #[test]
    fn charge_that_comes_too_late_waits_for_its_refund() {
        let events = ["order_placed", "stock_reserved", "payment_received", "vendor_notified"];
        assert_eq!(order(&events).missing(), ["order_paid or order_cancelled"]);
        let cancelled = [&events[..], &["order_cancelled"]].concat();
        assert_eq!(
            order(&cancelled).missing(),
            ["payment_refunded", "stock_released", "customer_notified"]
        );
    }

    #[test]
    fn order_that_is_never_paid_is_over_once_it_is_cancelled_and_released() {
        let mut order = order(&["order_placed", "stock_reserved", "invoice_sent"]);
        order.wanted.customer = NEVER_PAYS;
        assert_eq!(order.missing(), ["order_paid or order_cancelled"]);
        for event in ["order_cancelled", "stock_released", "customer_notified"] {
            assert!(!order.is_over());
            order.take(&Packet::event(event));
        }
        assert!(order.is_over());
    }

    #[test]
    fn order_that_is_short_waits_for_an_answer_and_then_for_its_stock() {
        let mut events = vec!["order_placed", "payment_received", "order_paid", "vendor_notified"];
        events.extend(["stock_short", "delivery_date_offered"]);
        assert_eq!(order(&events).missing(), ["an answer to the offer"]);
        events.push("delivery_date_accepted");
        assert_eq!(order(&events).missing(), ["stock_back_ordered", "stock_reserved"]);
        events.extend(["stock_back_ordered", "stock_reserved"]);
        assert_eq!(order(&events).missing()[0], "shipment_scheduled");
        events.push("order_cancelled");
        assert_eq!(order(&events).missing()[1], "stock_released");
    }

    #[test]
    fn unanswered_command_waits_for_an_answer_and_a_refused_one_for_nothing() {
        assert_eq!(order(&[]).missing()[0], "order_placed or order_refused");
        assert!(order(&["order_refused"]).is_over());
        assert_eq!(order(&["order_refused"]).end(), End::Refused);
    }
}
