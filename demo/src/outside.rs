//! Whoever is outside of the shop: customers who answer offers and pay invoices, vendors who deliver, and
//! the desk that clears a customer.
//!
//! They speak as people do who type a packet: each begins a conversation of its own. So what they say is
//! published by their reactions themselves, under ids that follow from what they have heard, and is on
//! the rapids once, however often a reaction runs. The end of the day is left to who runs the demo.

use std::env;
use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{Config, Error, Packet, Rapids, River, Service, telemetry};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::rivers::Program;

/// How long to wait for the server.
const PATIENCE: Duration = Duration::from_secs(60);

const RETRY: Duration = Duration::from_millis(200);

/// The name of the service, and of its process.
pub(crate) const NAME: &str = "outside";

/// Who says no to a later date, and who says nothing. All others say yes.
const DECLINES: &str = "alan";
const SAYS_NOTHING: &str = "zoe";

/// Who tries to spend far too much, is flagged, and stays so; and who is cleared after that.
pub(crate) const FLAGGED: &str = "mallory";
pub(crate) const CLEARED: &str = "trudy";

/// Who orders on invoice: one pays at once, and one never does.
pub(crate) const INVOICED: &str = "heidi";
pub(crate) const NEVER_PAYS: &str = "victor";

/// What a customer answers to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    Nothing,
}

impl Answer {
    pub(crate) fn of(customer: &str) -> Self {
        match customer {
            DECLINES => Self::No,
            SAYS_NOTHING => Self::Nothing,
            _ => Self::Yes,
        }
    }
}

/// Runs the service in this process, with the settings of the environment.
///
/// # Errors
/// The errors of the service.
pub(crate) async fn run() -> Result<()> {
    telemetry::init();
    let rapids = connect().await?;
    let service = Service::from_env(NAME)?
        .river(heard("customers", "delivery_date_offered", &rapids, answer))
        .river(heard("debtors", "invoice_sent", &rapids, pay))
        .river(heard("vendors", "vendor_order_placed", &rapids, deliver))
        .river(heard("desk", "customer_flagged", &rapids, clear));
    Ok(service.run().await?)
}

/// Connects, also if the server has been killed and is not back yet.
async fn connect() -> Result<Rapids> {
    let (config, deadline) = (Config::from_env()?, Instant::now() + PATIENCE);
    loop {
        match Rapids::connect(&config).await {
            Err(Error::Connect { .. } | Error::Server { .. }) if Instant::now() < deadline => {
                sleep(RETRY).await;
            }
            connected => return Ok(connected?),
        }
    }
}

/// How to start it.
///
/// # Errors
/// If the demo cannot tell where its own program is.
pub(crate) fn program() -> Result<Program> {
    let path = env::current_exe().context("cannot tell where the demo itself was built")?;
    let (name, arguments) = (NAME.to_owned(), vec![NAME.to_owned()]);
    Ok(Program { services: vec![name.clone()], name, path, arguments })
}

/// A river that hears an event, and publishes what somebody outside says to it.
fn heard(
    name: &str,
    event: &str,
    rapids: &Rapids,
    say: fn(&Packet) -> Result<Option<Packet>>,
) -> River {
    let rapids = rapids.clone();
    River::new(name).event(event).react(move |packet: Packet| {
        let rapids = rapids.clone();
        async move {
            if let Some(said) = say(&packet)? {
                rapids.publish(said).await?;
            }
            anyhow::Ok(())
        }
    })
}

/// A packet with these fields, whose id follows from the one that was heard.
fn said(heard: &Packet, mut fields: Value) -> Result<Option<Packet>> {
    fields["rapids"] = json!({"id": format!("{NAME}-{}", heard.id())});
    Ok(Some(Packet::from_bytes(fields.to_string())?))
}

#[derive(Deserialize)]
struct OfOrder {
    order_id: String,
    customer: String,
}

fn answer(packet: &Packet) -> Result<Option<Packet>> {
    let OfOrder { order_id, customer } = packet.parse()?;
    let command = match Answer::of(&customer) {
        Answer::Yes => "accept_delivery_date",
        Answer::No => "decline_delivery_date",
        Answer::Nothing => return Ok(None),
    };
    said(packet, json!({"command": command, "order_id": order_id}))
}

fn pay(packet: &Packet) -> Result<Option<Packet>> {
    let OfOrder { order_id, customer } = packet.parse()?;
    if customer == NEVER_PAYS {
        return Ok(None);
    }
    said(packet, json!({"command": "pay_invoice", "order_id": order_id}))
}

#[derive(Deserialize)]
struct Ordered {
    sku: String,
    quantity: u64,
}

fn deliver(packet: &Packet) -> Result<Option<Packet>> {
    let Ordered { sku, quantity } = packet.parse()?;
    said(packet, json!({"event": "stock_received", "sku": sku, "quantity": quantity}))
}

#[derive(Deserialize)]
struct Flagged {
    customer: String,
}

fn clear(packet: &Packet) -> Result<Option<Packet>> {
    let Flagged { customer } = packet.parse()?;
    if customer != CLEARED {
        return Ok(None);
    }
    said(packet, json!({"command": "clear_customer", "customer": customer}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(customer: &str) -> Packet {
        let offered = Packet::event("delivery_date_offered").with("order_id", "o-1");
        offered.with("customer", customer)
    }

    #[test]
    fn each_customer_answers_an_offer_in_a_conversation_of_its_own() {
        let offer = offered("ada");
        let accepted = answer(&offer).unwrap().unwrap();
        assert_eq!(accepted.command_name().as_deref(), Some("accept_delivery_date"));
        assert_eq!(accepted.correlation_id(), accepted.id());
        assert_eq!(answer(&offer).unwrap().unwrap().id(), accepted.id());
        let declined = answer(&offered(DECLINES)).unwrap().unwrap();
        assert_eq!(declined.command_name().as_deref(), Some("decline_delivery_date"));
        assert!(answer(&offered(SAYS_NOTHING)).unwrap().is_none());
    }

    #[test]
    fn invoices_are_paid_at_once_or_never() {
        let invoice = |customer: &str| offered(customer).with("amount", 100);
        let paid = pay(&invoice(INVOICED)).unwrap().unwrap();
        assert_eq!(paid.command_name().as_deref(), Some("pay_invoice"));
        assert!(pay(&invoice(NEVER_PAYS)).unwrap().is_none());
    }

    #[test]
    fn what_was_ordered_from_a_vendor_is_delivered() {
        let ordered = Packet::event("vendor_order_placed").with("sku", "a/b").with("quantity", 3);
        let received = deliver(&ordered).unwrap().unwrap();
        assert_eq!(received.event_name().as_deref(), Some("stock_received"));
        assert_eq!(received.get::<u64>("quantity").unwrap(), Some(3));
    }

    #[test]
    fn only_one_of_the_flagged_is_cleared() {
        let flagged = |customer: &str| Packet::event("customer_flagged").with("customer", customer);
        assert!(clear(&flagged(CLEARED)).unwrap().is_some());
        assert!(clear(&flagged(FLAGGED)).unwrap().is_none());
    }
}
