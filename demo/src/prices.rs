//! Asks the catalogue for prices, as a shop's web page does before its customers order.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_nats::Client;
use async_nats::client::RequestErrorKind;
use rapids_client::{Packet, Rapids};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

/// Where the catalogue answers.
const SUBJECT: &str = "catalogue.price";

/// How long to ask again: the catalogue may have been killed, and the server too.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait for an answer. That nobody is there to answer is not told where the catalogue has an account of
/// its own.
const ANSWER: Duration = Duration::from_secs(1);

const RETRY: Duration = Duration::from_millis(50);

/// What the price of one product is changed to before anything is ordered.
pub(crate) const CHANGED: (&str, u32) = ("lunar/lantern", 2_450);

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Prices(Client);

#[derive(Debug, Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: i64,
    #[serde(default)]
    price: i64,
}

#[derive(Deserialize)]
struct Answer {
    price: i64,
}

impl Prices {
    /// Asks through this connection.
    pub(crate) fn new(rapids: &Rapids) -> Self {
        Self(rapids.nats())
    }

    /// Has the price of one product changed, and returns once the catalogue has heard of it.
    ///
    /// # Errors
    /// If it has not within a minute.
    pub(crate) async fn change(&self, rapids: &Rapids) -> Result<()> {
        let (sku, price) = CHANGED;
        let command = Packet::command("change_price").with("sku", sku).with("price", price);
        rapids.publish(command).await.context("cannot change a price")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let heard = self.of(sku).await?;
            if heard == i64::from(price) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the catalogue still says that `{sku}` costs {heard} instead of {price}");
            }
            sleep(RETRY).await;
        }
    }

    /// The command with the price of each of its items, if it is one that places an order.
    ///
    /// # Errors
    /// If the catalogue does not answer for a minute, or does not know a product.
    pub(crate) async fn fill_in(&self, packet: Packet) -> Result<Packet> {
        if packet.command_name().as_deref() != Some("place_order") {
            return Ok(packet);
        }
        let mut items: Vec<Item> = packet.get("items")?.unwrap_or_default();
        for item in &mut items {
            item.price = self.of(&item.sku).await?;
        }
        Ok(packet.with("items", items))
    }

    /// What a product costs, in cents.
    async fn of(&self, sku: &str) -> Result<i64> {
        let question = json!({"sku": sku}).to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asking = self.0.request(SUBJECT, question.clone().into());
            let answered = timeout(ANSWER, asking).await;
            match answered.unwrap_or_else(|_| Err(RequestErrorKind::TimedOut.into())) {
                Ok(answer) => {
                    let Answer { price } = serde_json::from_slice(&answer.payload)
                        .with_context(|| format!("the catalogue does not know `{sku}`"))?;
                    return Ok(price);
                }
                Err(error) if Instant::now() > deadline => {
                    return Err(error).context("the catalogue does not answer");
                }
                Err(_) => sleep(RETRY).await,
            }
        }
    }
}
