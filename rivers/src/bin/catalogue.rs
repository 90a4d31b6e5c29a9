//! catalogue: changes prices, and tells them to whoever asks.
//!
//! A question that changes nothing, and that one service can answer, is no packet: nobody else gains by
//! hearing it, and who asks waits for the answer. The answer is quick, because it is made of what was
//! remembered: each instance watches the memory of changed prices, which another one may have changed.
//!
//! Listens for the command `change_price` with `sku` and `price`.
//! Publishes `price_changed` or `price_refused`.
//! Answers `nats req catalogue.price '{"sku":"summit/tent"}'` with `sku`, `name` and `price` in cents.
//! Run: `just river catalogue`

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use async_nats::service::ServiceExt;
use async_nats::service::error::Error as Refusal;
use futures::StreamExt;
use rapids_client::{Change, Config, Error, Packet, Rapids, River, Service, telemetry};
use serde::Deserialize;
use serde_json::{Value, json};

const SUBJECT: &str = "catalogue.price";

/// How long to wait between two tries while the server is not there yet, or the memory, which the service makes
/// when it starts.
const RETRY: Duration = Duration::from_secs(1);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    tokio::select! {
        ended = service()?.run() => Ok(ended?),
        failed = beside() => failed.map(|never| match never {}),
    }
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("catalogue")?.river(change()))
}

fn change() -> River {
    River::new("change")
        .command("change_price")
        .require(["sku", "price"])
        .publishes(["price_changed", "price_refused"])
        .memory("changed", "@.sku")
        .react(on_change_price)
}

/// What a product costs since its price was changed, in cents; `None` before.
type Changed = Option<i64>;

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
            *changed = Some(price);
            Ok(Packet::event("price_changed").with("sku", &sku).with("price", price))
        }
    }
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

    /// Learns what is remembered, and passes over what is no price.
    fn take(&mut self, read: rapids_client::Result<Change<Changed>>) -> rapids_client::Result<()> {
        match read {
            Ok(change) => self.learn(&change.key.to_string(), change.value.flatten()),
            Err(Error::Memory { .. } | Error::Record { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn learn(&mut self, sku: &str, changed: Changed) {
        if let (Some(product), Some(price)) = (self.0.get_mut(sku), changed) {
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
pub(crate) async fn beside() -> Result<Infallible> {
    loop {
        match answer().await {
            Err(error) if is_passing(&error) => tokio::time::sleep(RETRY).await,
            ended => return ended,
        }
    }
}

/// Whether the server, or the memory, is not there yet, or the service was made to forget it.
fn is_passing(error: &anyhow::Error) -> bool {
    use Error::{Connect, Memory, Server, Stream};
    let error = error.downcast_ref();
    matches!(error, Some(Connect { .. } | Memory { .. } | Server { .. } | Stream { .. }))
}

async fn answer() -> Result<Infallible> {
    let rapids = Rapids::connect(&Config::from_env()?).await?;
    let mut changes = rapids.memory::<Changed>("catalogue", "changed").watch().await?;
    let mut prices = Prices::new();
    while let Some(change) = changes.next_stored().await.transpose() {
        prices.take(change)?;
    }
    let client = rapids.nats();
    let service = client.service_builder().description("tells what products cost");
    let started = service.start("prices", env!("CARGO_PKG_VERSION")).await;
    let service = started.map_err(|error| anyhow!(error))?;
    let questions = service.endpoint(SUBJECT).await.map_err(|error| anyhow!(error))?;
    let mut questions = std::pin::pin!(questions);
    loop {
        tokio::select! {
            change = changes.next() => prices.take(change)?,
            question = questions.next() => {
                let question = question.context("the questions have ended")?;
                let answer = prices.answer(&question.message.payload);
                // Who asks while the connection is gone gets no answer, and asks again.
                let _ = question.respond(answer.map(|answer| answer.to_string().into())).await;
            }
        }
    }
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
        let mut rapids = TestRapids::new().service("catalogue", [change()]);
        for (sku, price) in [("summit/rope", 0), ("summit/rope", -1), ("lunar/cheese", 1)] {
            rapids.publish(command(sku, price)).await;
        }
        let changed = rapids.only("price_changed");
        assert_eq!(changed.get::<String>("sku").unwrap().as_deref(), Some("summit/rope"));
        let reason = |packet: &&Packet| packet.get::<String>("reason").unwrap().unwrap();
        let reasons: Vec<_> = rapids.events("price_refused").iter().map(reason).collect();
        assert_eq!(reasons, ["the price is below zero", "there is no such product"]);
    }

    #[test]
    fn an_answer_is_made_of_what_is_remembered() {
        let mut prices = Prices::new();
        let ask = |prices: &Prices| prices.answer(br#"{"sku":"summit/tent"}"#).unwrap();
        let tent = json!({"sku": "summit/tent", "name": "Tent", "price": 19_900});
        prices.learn("lunar/cheese", Some(1));
        prices.learn("summit/tent", None);
        assert_eq!(ask(&prices), tent);
        prices.learn("summit/tent", Some(15));
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
