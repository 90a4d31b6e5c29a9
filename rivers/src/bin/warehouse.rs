//! warehouse: packages what is to be shipped.
//!
//! Listens for `shipment_scheduled` with `order_id`.
//! Publishes `order_packaged`.
//! Run: `just river warehouse`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("warehouse")?.river(package()))
}

fn package() -> River {
    River::new("package")
        .event("shipment_scheduled")
        .require("order_id")
        .publishes("order_packaged")
        .react(on_shipment_scheduled)
}

#[derive(Deserialize)]
struct ShipmentScheduled {
    order_id: String,
}

async fn on_shipment_scheduled(packet: Packet) -> Result<Packet> {
    let ShipmentScheduled { order_id } = packet.parse()?;
    Ok(Packet::event("order_packaged").with("order_id", order_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;

    fn scheduled() -> Packet {
        Packet::event("shipment_scheduled").with("order_id", "o-1")
    }

    #[test]
    fn only_scheduled_shipments_are_packaged() {
        assert_eq!(package().judge(&scheduled()), Verdict::Matches);
        let paid = package().explain(&Packet::event("payment_received")).to_string();
        assert!(paid.contains(r#"@.event = "payment_received""#), "{paid}");
        let nameless = package().judge(&Packet::event("shipment_scheduled"));
        assert!(matches!(nameless, Verdict::Invalid(_)), "{nameless:?}");
    }

    #[tokio::test]
    async fn an_order_id_that_is_no_text_is_refused() {
        assert!(on_shipment_scheduled(scheduled().with("order_id", 7)).await.is_err());
    }

    #[tokio::test]
    async fn a_shipment_that_is_handled_twice_is_packaged_under_one_id() {
        let mut rapids =
            TestRapids::new().service("warehouse", [package()]).service("warehouse", [package()]);
        rapids.publish(scheduled()).await;
        let packaged = rapids.only("order_packaged");
        assert_eq!(packaged.get::<String>("order_id").unwrap().unwrap(), "o-1");
    }
}
