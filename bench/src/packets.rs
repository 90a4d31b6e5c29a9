//! The packets that all sides handle. Apart from the id, a packet's bytes follow from its number.

use bytes::Bytes;
use uuid::Uuid;

use crate::task::Work;

/// The event that the measured services want.
pub(crate) const WANTED: &str = "order_placed";

/// Other events of the shop, which the measured services do not want.
const OTHERS: [&str; 19] = [
    "payment_received",
    "payment_declined",
    "stock_reserved",
    "stock_short",
    "order_confirmed",
    "order_cancelled",
    "shipment_prepared",
    "shipment_sent",
    "shipment_delivered",
    "invoice_written",
    "invoice_paid",
    "customer_registered",
    "customer_moved",
    "basket_changed",
    "price_changed",
    "offer_requested",
    "offer_selected",
    "mail_sent",
    "return_announced",
];

/// An item of an order. Packets are filled up with items to reach their size.
const ITEM: &str = r#"{"sku":"riverside/canoe","quantity":1,"price":7550}"#;

/// Which packets are wanted. The first and the last always are: they mark the begin and the end of
/// a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    OneIn(u64),
    EndsOnly,
}

/// The packets to publish before or during a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) count: u64,
    /// Bytes of each body.
    pub(crate) size: usize,
    pub(crate) wanted: Wanted,
}

impl Load {
    /// How many are wanted.
    pub(crate) fn wanted(&self) -> u64 {
        (0..self.count).filter(|number| self.is_wanted(*number)).count() as u64
    }

    /// Reading all of them with a single river.
    pub(crate) fn reading(&self) -> Work {
        let Self { count, size, .. } = *self;
        Work::Read { count, size, wanted: self.wanted(), idle_rivers: 0 }
    }

    /// The ids and bodies.
    pub(crate) fn packets(&self) -> impl Iterator<Item = (String, Bytes)> {
        (0..self.count).map(|number| {
            let other = OTHERS[(number % OTHERS.len() as u64) as usize];
            let event = if self.is_wanted(number) { WANTED } else { other };
            let id = Uuid::now_v7().to_string();
            let body = body(event, number, &id, self.size);
            (id, body)
        })
    }

    fn is_wanted(&self, number: u64) -> bool {
        let among = match self.wanted {
            Wanted::All => true,
            Wanted::OneIn(share) => number.is_multiple_of(share),
            Wanted::EndsOnly => false,
        };
        among || number == 0 || number + 1 == self.count
    }
}

/// A body as the library writes it: the event's name first, `rapids` last.
fn body(event: &str, number: u64, id: &str, size: usize) -> Bytes {
    let head = format!(r#"{{"event":"{event}","order_id":"o-{number:08}","total":7550,"items":["#);
    let tail = format!(
        r#"","rapids":{{"id":"{id}","created":"2026-11-21T09:30:00.123456Z","correlation_id":"{id}","read_count":0,"breadcrumbs":[]}}}}"#
    );
    let note = r#"],"note":""#;
    let room = size.saturating_sub(head.len() + note.len() + tail.len());
    let items = vec![ITEM; room / (ITEM.len() + 1)].join(",");
    let rest = "-".repeat(room - items.len());
    format!("{head}{items}{note}{rest}{tail}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Packet;

    fn names(load: Load) -> Vec<String> {
        let name = |(_, body)| Packet::from_bytes(body).unwrap().event_name().unwrap();
        load.packets().map(name).collect()
    }

    #[test]
    fn bodies_are_packets_of_the_size_that_was_asked_for() {
        for size in [300, 600, 8_000] {
            let load = Load { count: 2, size, wanted: Wanted::All };
            for (id, body) in load.packets() {
                assert_eq!(body.len(), size);
                assert_eq!(Packet::from_bytes(body).unwrap().id(), id);
            }
        }
    }

    #[test]
    fn first_and_last_are_wanted_in_any_case() {
        let load = Load { count: 42, size: 300, wanted: Wanted::OneIn(20) };
        let names_of = |wanted| names(Load { wanted, ..load });
        let wanted = |names: &[String]| names.iter().filter(|name| *name == WANTED).count() as u64;
        for kind in [Wanted::All, Wanted::OneIn(20), Wanted::EndsOnly] {
            let names = names_of(kind);
            assert_eq!(wanted(&names), Load { wanted: kind, ..load }.wanted());
            assert_eq!((names[0].as_str(), names[41].as_str()), (WANTED, WANTED));
        }
        assert_eq!(wanted(&names_of(Wanted::OneIn(20))), 4);
        assert_eq!(wanted(&names_of(Wanted::EndsOnly)), 2);
    }
}
