//! notification: tells the customer how an order went.
//!
//! Listens for `order_packaged` and `order_cancelled` with `order_id`.
//! Publishes `customer_notified`.
//! Run: `just river notification`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::Deserialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("notification")?.river(notify()))
}

fn notify() -> River {
    River::new("notify")
        .event(["order_packaged", "order_cancelled"])
        .require("order_id")
        .publishes("customer_notified")
        .react(on_news)
}

#[derive(Deserialize)]
struct News {
    event: String,
    order_id: String,
    customer: Option<String>,
    reason: Option<String>,
}

async fn on_news(packet: Packet) -> Result<Packet> {
    let News { event, order_id, customer, reason } = packet.parse()?;
    let text = match (event.as_str(), reason) {
        ("order_packaged", _) => format!("Your order {order_id} is on its way."),
        (_, Some(reason)) => {
            format!("Your order {order_id} was cancelled: {}.", reason.replace('_', " "))
        }
        (_, None) => format!("Your order {order_id} was cancelled."),
    };
    let notified = Packet::event("customer_notified").with("order_id", order_id).with("text", text);
    Ok(match customer {
        Some(customer) => notified.with("customer", customer),
        None => notified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;

    fn news(event: &str) -> Packet {
        Packet::event(event).with("order_id", "o-1")
    }

    #[test]
    fn good_and_bad_news_are_taken_and_nothing_else() {
        assert_eq!(notify().judge(&news("order_packaged")), Verdict::Matches);
        assert_eq!(notify().judge(&news("order_cancelled")), Verdict::Matches);
        let completed = notify().explain(&news("order_completed")).to_string();
        assert!(completed.contains(r#"@.event = "order_completed""#), "{completed}");
    }

    #[tokio::test]
    async fn a_known_customer_is_named_and_an_unknown_one_is_left_out() {
        let notified = on_news(news("order_packaged").with("customer", "ada")).await.unwrap();
        assert_eq!(notified.get::<String>("customer").unwrap().as_deref(), Some("ada"));
        let notified = on_news(news("order_packaged")).await.unwrap();
        assert_eq!(notified.get::<Option<String>>("customer").unwrap(), None);
    }

    #[tokio::test]
    async fn each_piece_of_news_becomes_one_text() {
        let mut rapids = TestRapids::new().service("notification", [notify()]);
        rapids.publish(news("order_packaged")).await;
        rapids.publish(news("order_cancelled").with("reason", "out_of_stock")).await;
        rapids.publish(news("order_cancelled")).await;
        let text = |packet: &&Packet| packet.get::<String>("text").unwrap().unwrap();
        let texts: Vec<_> = rapids.events("customer_notified").iter().map(text).collect();
        assert_eq!(
            texts,
            [
                "Your order o-1 is on its way.",
                "Your order o-1 was cancelled: out of stock.",
                "Your order o-1 was cancelled.",
            ]
        );
    }
}
