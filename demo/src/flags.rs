//! Which orders were placed by a customer who was flagged, by the packets on the rapids.
//!
//! What was said of a customer may be heard after an order that was placed later, as after a crash. But
//! once payment has said that it has heard of a flag, it has: an order behind that is not charged.

use std::collections::{HashMap, HashSet};

use rapids_client::Packet;

/// What was said of customers, and their orders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    customers: HashMap<String, Customer>,
    /// By order: its customer, and where on the rapids it was placed first.
    placed: HashMap<String, (String, u64)>,
    declined: HashSet<String>,
    charged: HashSet<String>,
}

/// The last sequences of what was said of one customer; 0 if it never was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Customer {
    flagged: u64,
    stopped: u64,
    cleared: u64,
    resumed: u64,
}

impl Flags {
    pub(crate) fn take(&mut self, packet: &Packet) {
        let text = |key: &str| packet.get::<String>(key).ok().flatten();
        let sequence = packet.arrival().map_or(1, |arrival| arrival.sequence);
        let event = packet.event_name().unwrap_or_default();
        let (customer, order) = (text("customer"), text("order_id"));
        match (event.as_str(), customer, order) {
            ("order_placed", Some(customer), Some(order)) => {
                self.placed.entry(order).or_insert((customer, sequence));
            }
            ("payment_received", _, Some(order)) => {
                self.charged.insert(order);
            }
            ("payment_declined", _, Some(order)) if text("flag").is_some() => {
                self.declined.insert(order);
            }
            (_, Some(customer), _) => {
                let said = self.customers.entry(customer).or_default();
                match event.as_str() {
                    "customer_flagged" => said.flagged = sequence,
                    "payments_stopped" => said.stopped = sequence,
                    "customer_cleared" => said.cleared = sequence,
                    "payments_resumed" => said.resumed = sequence,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Whether an order was placed behind the word that its customer's payments are stopped, while
    /// nobody had cleared the customer.
    fn is_stopped(&self, order: &str) -> bool {
        let stopped = |(customer, placed): &(String, u64)| {
            let Customer { flagged, stopped, cleared, .. } = self.said_of(customer);
            flagged > cleared && stopped > flagged && *placed > stopped
        };
        self.placed.get(order).is_some_and(stopped)
    }

    /// Whether an order was placed by a customer of whom nothing was said, or nothing bad since the word
    /// that payments are resumed, before the order.
    fn is_free(&self, order: &str) -> bool {
        let free = |(customer, placed): &(String, u64)| {
            let said @ Customer { flagged, resumed, .. } = self.said_of(customer);
            said == Customer::default() || (resumed > flagged && *placed > resumed)
        };
        self.placed.get(order).is_some_and(free)
    }

    fn said_of(&self, customer: &str) -> Customer {
        self.customers.get(customer).copied().unwrap_or_default()
    }

    /// How many orders were placed while their customers' payments were stopped.
    pub(crate) fn stopped(&self) -> usize {
        self.placed.keys().filter(|order| self.is_stopped(order)).count()
    }

    /// What is wrong with the payment of an order, if anything.
    pub(crate) fn fault(&self, order: &str) -> Option<&'static str> {
        if self.is_stopped(order) && self.charged.contains(order) {
            return Some("was charged, though its customer is flagged");
        }
        let is_wrong = self.declined.contains(order) && self.is_free(order);
        is_wrong.then_some("was declined for a flag that its customer has not")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::{Arrival, Timestamp};
    use serde_json::{Value, json};

    /// The flags after these packets, which are stored one behind the other.
    fn after(bodies: &[Value]) -> Flags {
        let mut flags = Flags::default();
        for (sequence, body) in (1..).zip(bodies) {
            let (stored, message_id) = (Timestamp::UNIX_EPOCH, None);
            let arrival = Arrival { message_id, ..Arrival::at(sequence, stored) };
            flags.take(&Packet::arrived(body.to_string(), arrival).unwrap());
        }
        flags
    }

    fn of_customer(event: &str) -> Value {
        json!({"event": event, "customer": "mallory"})
    }

    fn of_order(event: &str) -> Value {
        json!({"event": event, "customer": "mallory", "order_id": "o-1"})
    }

    #[test]
    fn charge_behind_the_word_that_payments_are_stopped_is_found() {
        let [flagged, stopped, cleared] =
            ["customer_flagged", "payments_stopped", "customer_cleared"].map(of_customer);
        let [placed, charged] = ["order_placed", "payment_received"].map(of_order);
        for (packets, is_stopped) in [
            ([&flagged, &stopped, &placed, &charged].as_slice(), true),
            (&[&flagged, &placed, &stopped, &charged], false),
            (&[&flagged, &stopped, &placed, &cleared, &charged], false),
            (&[&flagged, &cleared, &stopped, &placed, &charged], false),
        ] {
            let packets: Vec<_> = packets.iter().copied().cloned().collect();
            let flags = after(&packets);
            assert_eq!(flags.fault("o-1").is_some(), is_stopped, "{packets:?}");
            assert_eq!(flags.stopped(), usize::from(is_stopped));
        }
    }

    #[test]
    fn order_that_is_declined_for_no_flag_is_found() {
        let mut declined = of_order("payment_declined");
        declined["flag"] = "too much".into();
        let placed = of_order("order_placed");
        let packets = [of_customer("customer_flagged"), of_customer("payments_resumed"), placed];
        assert!(after(&[&packets[..], &[declined.clone()]].concat()).fault("o-1").is_some());
        assert!(after(&[packets[2].clone(), declined.clone()]).fault("o-1").is_some());
        let flagged = [packets[0].clone(), packets[2].clone(), declined];
        assert_eq!(after(&flagged).fault("o-1"), None);
    }
}
