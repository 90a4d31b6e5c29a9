//! shipping: schedules a shipment once an order is both paid and reserved.
//!
//! Listens for `order_paid` and `stock_reserved` with `order_id`, whichever comes first, and for
//! `order_cancelled`, after which neither matters any more.
//! Publishes `shipment_scheduled`.
//! Run: `just river shipping`

use anyhow::Result;
use rapids_client::{Outputs, Packet, River, Service, telemetry};
use serde::{Deserialize, Serialize};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("shipping")?.river(join()).river(forget()))
}

fn join() -> River {
    River::new("join")
        .event(["order_paid", "stock_reserved"])
        .require("order_id")
        .publishes("shipment_scheduled")
        .memory("shipments", "@.order_id")
        .react(on_half)
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Shipment {
    paid: bool,
    reserved: bool,
}

#[derive(Deserialize)]
struct Half {
    event: String,
    order_id: String,
}

fn on_half(shipment: &mut Shipment, packet: &Packet) -> Result<Outputs> {
    let Half { event, order_id } = packet.parse()?;
    match event.as_str() {
        "order_paid" => shipment.paid = true,
        _ => shipment.reserved = true,
    }
    if !(shipment.paid && shipment.reserved) {
        return Ok(Outputs::new());
    }
    let scheduled = Packet::event("shipment_scheduled").with("order_id", order_id);
    Ok(Outputs::new().publish(scheduled).end_memory())
}

fn forget() -> River {
    River::new("forget")
        .event("order_cancelled")
        .require("order_id")
        .memory("shipments", "@.order_id")
        .react(|_: &mut Shipment, _: &Packet| Ok(Outputs::new().end_memory()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;

    fn half(event: &str, order_id: &str) -> Packet {
        Packet::event(event).with("order_id", order_id)
    }

    #[test]
    fn each_half_is_taken_and_nothing_without_an_order() {
        assert_eq!(join().judge(&half("order_paid", "o-1")), Verdict::Matches);
        assert_eq!(join().judge(&half("stock_reserved", "o-1")), Verdict::Matches);
        assert_eq!(join().judge(&half("payment_declined", "o-1")), Verdict::NotForMe);
        let nameless = join().explain(&Packet::event("stock_reserved")).to_string();
        assert!(nameless.contains("@.order_id is missing"), "{nameless}");
    }

    #[test]
    fn one_half_alone_schedules_nothing_however_often_it_comes() {
        let mut shipment = Shipment::default();
        for _ in 0..2 {
            let answer = on_half(&mut shipment, &half("stock_reserved", "o-1")).unwrap();
            assert!(answer.packets().is_empty() && !answer.ends_memory(), "{answer:?}");
        }
        let answer = on_half(&mut shipment, &half("order_paid", "o-1")).unwrap();
        assert_eq!(answer.packets()[0].event_name().as_deref(), Some("shipment_scheduled"));
        assert!(answer.ends_memory());
    }

    #[tokio::test]
    async fn nothing_is_scheduled_of_an_order_that_was_cancelled_before() {
        let mut rapids = TestRapids::new().service("shipping", [join(), forget()]);
        for event in ["order_cancelled", "order_paid", "stock_reserved"] {
            rapids.publish(half(event, "o-1")).await;
        }
        rapids.none("shipment_scheduled");
    }

    #[tokio::test]
    async fn both_halves_schedule_once_in_either_order() {
        for (first, second) in [("order_paid", "stock_reserved"), ("stock_reserved", "order_paid")]
        {
            let mut rapids = TestRapids::new().service("shipping", [join()]);
            rapids.publish(half(first, "o-1")).await;
            rapids.publish(half(second, "o-2")).await;
            rapids.none("shipment_scheduled");
            for event in [second, first, second] {
                rapids.publish(half(event, "o-1")).await;
            }
            let scheduled = rapids.only("shipment_scheduled");
            assert_eq!(scheduled.get::<String>("order_id").unwrap().unwrap(), "o-1");
        }
    }
}
