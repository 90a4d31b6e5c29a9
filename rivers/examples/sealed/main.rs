//! sealed: a service that reads what is sealed in packets, for as long as somebody may.
//!
//! Packets stay in the stream until their time has come, and nobody can delete them. What is to be unreadable sooner
//! is sealed with a key of the person whom it is about (crypto-shredding): once the key is erased, all that was
//! sealed with it is noise, also in letters, replays, timers and copies of the stream. What that does not do
//! stands in docs/patterns.md.
//!
//! Listens for `customer_moved` with `customer`, which is plain, and `address`, which is sealed.
//! Publishes `label_printed`, without the address.
//! Run: `just sealed`; `just sealed move c-1 "Dorset Street 1, London"`; `just sealed erase c-1`

mod keys;
mod sealed_fields;

use anyhow::{Context, Result, bail};
use rapids_client::{Config, Packet, Rapids, River, Service, telemetry};

pub(crate) use keys::Keys;
pub(crate) use sealed_fields::{Opened, SealedFields};

const USAGE: &str = "usage: sealed [move CUSTOMER ADDRESS | erase CUSTOMER]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    // Where the server is, and nothing of how to log in: keys are best kept where the rapids are not.
    let url = std::env::var("NATS_URL").unwrap_or_else(|_| "nats://127.0.0.1:4222".to_owned());
    let client = async_nats::connect(&url).await.context("cannot connect to the keys")?;
    let keys = Keys::open(client).await?;
    match arguments[..] {
        [] => Ok(service(address(keys))?.run().await?),
        ["move", customer, to] => {
            let rapids = Rapids::connect(&Config::from_env()?).await?;
            rapids.publish(moved(&address(keys), customer, to).await?).await?;
            Ok(())
        }
        ["erase", customer] => match keys.erase(customer).await? {
            true => Ok(()),
            false => bail!("there is no key of `{customer}`"),
        },
        _ => bail!(USAGE),
    }
}

/// What is sealed: the address, with the key of the customer.
pub(crate) fn address(keys: Keys) -> SealedFields {
    keys.sealed("customer", &["address"])
}

fn service(sealed: SealedFields) -> rapids_client::Result<Service> {
    Ok(Service::from_env("labels")?.river(print(sealed)))
}

pub(crate) fn print(sealed: SealedFields) -> River {
    River::new("print")
        .event("customer_moved")
        .require(["customer", "address"])
        .publishes("label_printed")
        .react(move |packet: Packet| {
            let sealed = sealed.clone();
            async move {
                match sealed.open(&packet).await? {
                    Opened::Plain(packet) => label(&packet).map(Some),
                    // As if it had never been said.
                    Opened::Erased => Ok(None),
                }
            }
        })
}

/// A customer lives somewhere else.
pub(crate) async fn moved(sealed: &SealedFields, customer: &str, to: &str) -> Result<Packet> {
    let moved = Packet::event("customer_moved").with("customer", customer).with("address", to);
    sealed.seal(moved).await
}

/// What is told of a label, once it is printed: how many lines it has.
fn label(packet: &Packet) -> Result<Packet> {
    let address: String = packet.get("address")?.context("there is no address")?;
    let customer: String = packet.get("customer")?.context("there is no customer")?;
    let lines = address.split(',').count();
    Ok(Packet::event("label_printed").with("customer", customer).with("lines", lines))
}
