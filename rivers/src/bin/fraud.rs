//! fraud: flags customers who try again and again to spend far more than they may.
//!
//! Listens for `payment_declined` with `customer` and an `amount` of at least 10,000.00; for the
//! command `clear_customer` with `customer`.
//! Publishes `customer_flagged`; `customer_cleared`.
//! Run: `just river fraud`

use anyhow::Result;
use rapids_client::{Packet, River, Service, telemetry};
use serde::{Deserialize, Serialize};

/// After this many such payments a customer is flagged.
const ATTEMPTS: u64 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

/// Computes ahead, so that nobody has to ask: who needs to know has heard it. Started for the first
/// time, it reads the past as well.
pub(crate) fn service() -> rapids_client::Result<Service> {
    Ok(Service::from_env("fraud")?.from_beginning().river(watch()).river(clear()))
}

/// What is known of one customer.
#[derive(Default, Serialize, Deserialize)]
struct Record {
    attempts: u64,
    is_flagged: bool,
    /// Counts what was said about the customer. After a crash, the older of two packets may be handled
    /// later; by its number it is known.
    number: u64,
}

impl Record {
    fn say(&mut self, event: &str, customer: &str) -> Packet {
        self.number += 1;
        Packet::event(event).with("customer", customer).with("number", self.number)
    }
}

fn watch() -> River {
    River::new("watch")
        .event("payment_declined")
        .when("@.customer && @.amount >= 1000000")
        .publishes("customer_flagged")
        .memory("customers", "@.customer")
        .react(on_payment_declined)
}

#[derive(Deserialize)]
struct About {
    customer: String,
}

fn on_payment_declined(record: &mut Record, packet: &Packet) -> Result<Option<Packet>> {
    let About { customer } = packet.parse()?;
    record.attempts += 1;
    if record.is_flagged || record.attempts < ATTEMPTS {
        return Ok(None);
    }
    record.is_flagged = true;
    let reason = format!("{} payments of 10,000.00 or more were declined", record.attempts);
    Ok(Some(record.say("customer_flagged", &customer).with("reason", reason)))
}

fn clear() -> River {
    River::new("clear")
        .command("clear_customer")
        .require("customer")
        .publishes("customer_cleared")
        .memory("customers", "@.customer")
        .react(on_clear_customer)
}

fn on_clear_customer(record: &mut Record, packet: &Packet) -> Result<Packet> {
    let About { customer } = packet.parse()?;
    (record.attempts, record.is_flagged) = (0, false);
    Ok(record.say("customer_cleared", &customer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Verdict;
    use rapids_test::TestRapids;

    fn declined(customer: &str, amount: u64) -> Packet {
        Packet::event("payment_declined").with("customer", customer).with("amount", amount)
    }

    #[test]
    fn small_amounts_and_unknown_customers_are_no_attempts() {
        assert_eq!(watch().judge(&declined("ada", 1_000_000)), Verdict::Matches);
        assert_eq!(watch().judge(&declined("ada", 999_999)), Verdict::NotForMe);
        let nobody = Packet::event("payment_declined").with("amount", 1_000_000);
        assert_eq!(watch().judge(&nobody), Verdict::NotForMe);
    }

    #[tokio::test]
    async fn a_customer_is_flagged_once_until_cleared_and_each_word_has_its_number() {
        let mut rapids = TestRapids::new().service("fraud", [watch(), clear()]);
        let clear = Packet::command("clear_customer").with("customer", "mallory");
        rapids.publish(declined("ada", 1_000_000)).await;
        for _ in 0..3 {
            rapids.publish(declined("mallory", 2_000_000)).await;
        }
        rapids.only("customer_flagged");
        rapids.publish(clear).await;
        rapids.publish(declined("mallory", 2_000_000)).await;
        rapids.only("customer_flagged");
        rapids.publish(declined("mallory", 2_000_000)).await;
        let flagged = rapids.events("customer_flagged");
        let said = [flagged[0], rapids.only("customer_cleared"), flagged[1]];
        let numbers = said.map(|packet| packet.get::<u64>("number").unwrap().unwrap());
        assert_eq!(numbers, [1, 2, 3]);
        assert_eq!(flagged[1].get::<String>("customer").unwrap().as_deref(), Some("mallory"));
    }
}
