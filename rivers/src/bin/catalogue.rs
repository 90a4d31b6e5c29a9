//! catalogue: changes prices, and tells them to whoever asks.
//!
//! A question that changes nothing, and that one service can answer, is no packet: nobody else gains by
//! hearing it, and who asks waits for the answer. The answer is quick, because it is made of what was
//! heard: each instance has read all changes, also those that another one has made. A river would not do
//! for that, since each packet goes to one instance.
//!
//! Listens for the command `change_price` with `sku` and `price`; for `day_ended`.
//! Publishes `price_changed` or `price_refused`.
//! Answers `nats req catalogue.price '{"sku":"summit/tent"}'` with `sku`, `name` and `price` in cents.
//! Run: `just river catalogue`

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_nats::service::ServiceExt;
use async_nats::service::error::Error as Refusal;
use futures::StreamExt;
use rapids_client::{Config, Error, Packet, Rapids, River, Service, Start, Tail, telemetry};
use serde::Deserialize;
use serde_json::{Value, json};

const SUBJECT: &str = "catalogue.price";

/// How long to wait between two tries while the server is not there yet.
const RETRY: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    tokio::select! {
        ended = service()?.run() => Ok(ended?),
        failed = beside() => failed,
    }
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("catalogue")?.river(change()).river(repeat()))
}

fn change() -> River {
    River::new("change")
        .command("change_price")
        .require(["sku", "price"])
        .publishes(["price_changed", "price_refused"])
        .memory("prices", "'prices'")
        .react(on_change_price)
}

/// The prices that were changed.
type Changed = BTreeMap<String, i64>;

#[derive(Deserialize)]
struct ChangePrice {
    sku: String,
    price: i64,
}

fn on_change_price(changed: &mut Changed, packet: &Packet) -> Result<Packet> {
    let ChangePrice { sku, price } = packet.parse()?;
    let refused = |reason: &str| {
        let refused = Packet::event("price_refused").with("sku", &sku).with("price", price);
        Ok(refused.with("reason", reason))
    };
    match (Prices::new().of(&sku), price) {
        (None, _) => refused("there is no such product"),
        (_, ..0) => refused("the price is below zero"),
        _ => {
            let said = price_changed((&sku, &price));
            changed.insert(sku, price);
            Ok(said)
        }
    }
}

fn price_changed((sku, price): (&String, &i64)) -> Packet {
    Packet::event("price_changed").with("sku", sku).with("price", price)
}

/// Says all changes again each day: an instance that starts knows only of what has not expired.
fn repeat() -> River {
    River::new("repeat")
        .event("day_ended")
        .publishes("price_changed")
        .memory("prices", "'prices'")
        .react(on_day_ended)
}

fn on_day_ended(changed: &mut Changed, _: &Packet) -> Result<Vec<Packet>> {
    Ok(changed.iter().map(price_changed).collect())
}

/// What each product is called and costs, in cents.
struct Prices(BTreeMap<String, (&'static str, i64)>);

impl Prices {
    /// The prices that the shop began with.
    fn new() -> Self {
        let first = [
            ("riverside/canoe", "Canoe", 7_550),
            ("riverside/paddle", "Paddle", 4_900),
            ("summit/tent", "Tent", 19_900),
            ("summit/rope", "Rope", 3_900),
            ("lunar/lantern", "Lantern", 2_500),
            ("lunar/moonraft", "Moon raft", 19_900),
        ];
        Self(first.map(|(sku, name, price)| (sku.to_owned(), (name, price))).into())
    }

    /// Hears what is read, and passes over what is no packet.
    fn take(&mut self, read: rapids_client::Result<Packet>) -> rapids_client::Result<()> {
        match read {
            Ok(packet) => self.hear(&packet),
            Err(Error::Malformed { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn hear(&mut self, packet: &Packet) {
        if packet.event_name().as_deref() == Some("price_changed")
            && let Ok(ChangePrice { sku, price }) = packet.parse()
            && let Some(product) = self.0.get_mut(&sku)
        {
            product.1 = price;
        }
    }

    fn of(&self, sku: &str) -> Option<Value> {
        let (name, price) = self.0.get(sku)?;
        Some(json!({"sku": sku, "name": name, "price": price}))
    }

    fn answer(&self, question: &[u8]) -> Result<Value, Refusal> {
        let refusal = |code, status: String| Refusal { code, status };
        let question: Value = serde_json::from_slice(question).unwrap_or_default();
        let sku = question["sku"].as_str();
        let sku =
            sku.ok_or_else(|| refusal(400, r#"ask with {"sku":"summit/tent"}"#.to_owned()))?;
        self.of(sku).ok_or_else(|| refusal(404, format!("there is no product `{sku}`")))
    }
}

/// Answers questions, beside the service: until it fails, or is dropped with the process.
pub(crate) async fn beside() -> Result<()> {
    let (rapids, mut heard) = loop {
        match listen().await {
            Err(Error::Connect { .. } | Error::Server { .. }) => tokio::time::sleep(RETRY).await,
            heard => break heard?,
        }
    };
    let mut prices = Prices::new();
    while let Some(packet) = heard.next_stored().await.transpose() {
        prices.take(packet)?;
    }
    let client = rapids.nats();
    let service = client.service_builder().description("tells what products cost");
    let started = service.start("prices", env!("CARGO_PKG_VERSION")).await;
    let service = started.map_err(|error| anyhow!(error))?;
    let questions = service.endpoint(SUBJECT).await.map_err(|error| anyhow!(error))?;
    let mut questions = std::pin::pin!(questions);
    loop {
        tokio::select! {
            packet = heard.next() => prices.take(packet)?,
            question = questions.next() => {
                let question = question.context("the questions have ended")?;
                let answer = prices.answer(&question.message.payload);
                // Who asks while the connection is gone gets no answer, and asks again.
                let _ = question.respond(answer.map(|answer| answer.to_string().into())).await;
            }
        }
    }
}

/// Connects, and hears everything that was said, and will be.
async fn listen() -> rapids_client::Result<(Rapids, Tail)> {
    let rapids = Rapids::connect(&Config::from_env()?).await?;
    let heard = rapids.tail(Start::Beginning).await?;
    Ok((rapids, heard))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;

    fn command(sku: &str, price: i64) -> Packet {
        Packet::command("change_price").with("sku", sku).with("price", price)
    }

    #[tokio::test]
    async fn a_price_is_changed_or_refused_with_the_reason() {
        assert_eq!(change().judge(&Packet::event("change_price")), Verdict::NotForMe);
        let mut rapids = TestRapids::new().service("catalogue", [change(), repeat()]);
        for (sku, price) in [("summit/rope", 0), ("summit/rope", -1), ("lunar/cheese", 1)] {
            rapids.publish(command(sku, price)).await;
        }
        let changed = rapids.only("price_changed");
        assert_eq!(changed.get::<String>("sku").unwrap().as_deref(), Some("summit/rope"));
        let reason = |packet: &&Packet| packet.get::<String>("reason").unwrap().unwrap();
        let reasons: Vec<_> = rapids.events("price_refused").iter().map(reason).collect();
        assert_eq!(reasons, ["the price is below zero", "there is no such product"]);
        rapids.publish(Packet::event("day_ended")).await;
        let repeated = rapids.events("price_changed")[1];
        assert_eq!(repeated.get::<i64>("price").unwrap(), Some(0));
    }

    #[test]
    fn an_answer_is_made_of_what_was_heard() {
        let mut prices = Prices::new();
        let ask = |prices: &Prices| prices.answer(br#"{"sku":"summit/tent"}"#).unwrap();
        let tent = json!({"sku": "summit/tent", "name": "Tent", "price": 19_900});
        assert_eq!(ask(&prices), tent);
        prices.hear(&Packet::event("price_refused").with("sku", "summit/tent").with("price", 1));
        prices.hear(&Packet::event("price_changed").with("sku", "lunar/cheese").with("price", 1));
        assert_eq!(ask(&prices), tent);
        prices.hear(&Packet::event("price_changed").with("sku", "summit/tent").with("price", 15));
        assert_eq!(ask(&prices)["price"], 15);
    }

    #[test]
    fn a_question_that_cannot_be_answered_is_refused_with_the_reason() {
        let refusal = |question: &[u8]| Prices::new().answer(question).unwrap_err();
        assert_eq!(refusal(br#"{"sku":"lunar/cheese"}"#).code, 404);
        for question in [&b""[..], b"no json", br#"{"sku":7}"#] {
            let refusal = refusal(question);
            assert_eq!(refusal.code, 400);
            assert!(refusal.status.contains("summit/tent"), "{refusal}");
        }
    }
}
