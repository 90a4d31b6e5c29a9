//! back_order: offers a later date to who has ordered more than there is, and takes the answer.
//!
//! Listens for `stock_short` with `order_id`, `items` and `skus`; for the commands
//! `accept_delivery_date` and `decline_delivery_date` with `order_id`; for `order_cancelled` with
//! `order_id`; for `day_ended`.
//! Publishes `delivery_date_offered`; `delivery_date_accepted`, `out_of_stock`, or
//! `delivery_date_refused` to who has no offer. An offer without an answer lapses with its day, or with
//! its order.
//! Run: `just river back_order`

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long vendors take to deliver: a week.
const DELIVERY: Duration = Duration::from_secs(7 * 86_400);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    let back_order = Service::from_env("back_order")?.river(offer()).river(answer());
    Ok(back_order.river(withdraw()).river(lapse()))
}

/// The open offers, by order. They share a key, because the end of a day is about all of them.
type Offers = BTreeMap<String, Offer>;

#[derive(Serialize, Deserialize)]
struct Offer {
    items: Value,
    skus: Vec<String>,
}

fn offer() -> River {
    River::new("offer")
        .event("stock_short")
        .require(["order_id", "items", "skus"])
        .publishes("delivery_date_offered")
        .memory("offers", "'offers'")
        .react(on_stock_short)
}

#[derive(Deserialize)]
struct StockShort {
    order_id: String,
    customer: Option<String>,
    #[serde(flatten)]
    offer: Offer,
}

fn on_stock_short(offers: &mut Offers, packet: &Packet) -> Result<Packet> {
    let StockShort { order_id, customer, offer } = packet.parse()?;
    let date = (packet.created() + DELIVERY).strftime("%F").to_string();
    let offered = Packet::event("delivery_date_offered").with("order_id", &order_id);
    let offered = offered.with("customer", customer).with("skus", &offer.skus).with("date", date);
    offers.insert(order_id, offer);
    Ok(offered)
}

fn answer() -> River {
    River::new("answer")
        .command(["accept_delivery_date", "decline_delivery_date"])
        .require("order_id")
        .publishes(["delivery_date_accepted", "out_of_stock", "delivery_date_refused"])
        .memory("offers", "'offers'")
        .react(on_answer)
}

#[derive(Deserialize)]
struct Answer {
    command: String,
    order_id: String,
}

fn on_answer(offers: &mut Offers, packet: &Packet) -> Result<Packet> {
    let Answer { command, order_id } = packet.parse()?;
    Ok(match offers.remove(&order_id) {
        None => Packet::event("delivery_date_refused")
            .with("order_id", order_id)
            .with("reason", "there is no offer, or it has lapsed"),
        Some(offer) if command == "accept_delivery_date" => {
            let accepted = Packet::event("delivery_date_accepted").with("order_id", order_id);
            accepted.with("items", offer.items)
        }
        Some(offer) => out_of_stock(order_id, offer),
    })
}

/// What ends an order for which nobody waits.
fn out_of_stock(order_id: String, offer: Offer) -> Packet {
    Packet::event("out_of_stock").with("order_id", order_id).with("skus", offer.skus)
}

fn withdraw() -> River {
    River::new("withdraw")
        .event("order_cancelled")
        .require("order_id")
        .memory("offers", "'offers'")
        .react(on_order_cancelled)
}

fn on_order_cancelled(offers: &mut Offers, packet: &Packet) -> Result<()> {
    offers.remove(&packet.get::<String>("order_id")?.unwrap_or_default());
    Ok(())
}

fn lapse() -> River {
    River::new("lapse")
        .event("day_ended")
        .publishes("out_of_stock")
        .memory("offers", "'offers'")
        .react(on_day_ended)
}

fn on_day_ended(offers: &mut Offers, _: &Packet) -> Result<Vec<Packet>> {
    let lapsed = std::mem::take(offers).into_iter();
    Ok(lapsed.map(|(order_id, offer)| out_of_stock(order_id, offer)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::json;

    fn short(order_id: &str) -> Packet {
        Packet::event("stock_short")
            .with("order_id", order_id)
            .with("customer", "ada")
            .with("items", json!([{"sku": "a/b", "quantity": 1}, {"sku": "c/d", "quantity": 2}]))
            .with("skus", ["a/b"])
    }

    fn command(name: &str, order_id: &str) -> Packet {
        Packet::command(name).with("order_id", order_id)
    }

    async fn after(packets: impl IntoIterator<Item = Packet>) -> TestRapids {
        let mut rapids =
            TestRapids::new().service("back_order", [offer(), answer(), withdraw(), lapse()]);
        for packet in packets {
            rapids.publish(packet).await;
        }
        rapids
    }

    #[test]
    fn each_river_takes_its_own_packets() {
        assert_eq!(offer().judge(&short("o-1")), Verdict::Matches);
        assert_eq!(answer().judge(&command("decline_delivery_date", "o-1")), Verdict::Matches);
        assert_eq!(answer().judge(&Packet::event("accept_delivery_date")), Verdict::NotForMe);
        assert_eq!(lapse().judge(&Packet::event("day_ended")), Verdict::Matches);
    }

    #[tokio::test]
    async fn an_offer_is_accepted_once_and_all_items_go_on() {
        let accept = || command("accept_delivery_date", "o-1");
        let rapids = after([short("o-1"), accept(), accept()]).await;
        let date = rapids.only("delivery_date_offered").get::<String>("date").unwrap().unwrap();
        assert_eq!(date.len(), "2026-11-21".len());
        let items = rapids.only("delivery_date_accepted").get::<Vec<Value>>("items").unwrap();
        assert_eq!(items.unwrap().len(), 2);
        rapids.only("delivery_date_refused");
        rapids.none("out_of_stock");
    }

    #[tokio::test]
    async fn an_order_is_out_of_stock_if_its_customer_declines_or_says_nothing() {
        let decline = command("decline_delivery_date", "o-1");
        let packets = [short("o-1"), short("o-2"), decline, Packet::event("day_ended")];
        let rapids = after(packets).await;
        let orders = rapids.events("out_of_stock").into_iter();
        let orders = orders.map(|packet| packet.get::<String>("order_id").unwrap().unwrap());
        assert_eq!(orders.collect::<Vec<_>>(), ["o-1", "o-2"]);
        let late =
            after([Packet::event("day_ended"), command("accept_delivery_date", "o-1")]).await;
        late.only("delivery_date_refused");
        let cancelled = Packet::event("order_cancelled").with("order_id", "o-1");
        let rapids = after([short("o-1"), cancelled, Packet::event("day_ended")]).await;
        rapids.none("out_of_stock");
    }
}
