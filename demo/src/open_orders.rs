//! Whether the read model of the open orders says what the packets on the rapids say, and nothing is remembered of
//! those that have ended.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::{Context, Result};
use rapids_client::{EntryKey, Error, Packet, Rapids, Start};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::verify::Fact;

/// The service that keeps it.
const SERVICE: &str = "open_orders";

/// The memories of which nothing is left once an order has ended, each with its service.
const ENDING: [(&str, &str); 2] = [("order", "orders"), ("shipping", "shipments")];

/// The services whose memories are read here.
pub(crate) const SERVICES: [&str; 3] = [SERVICE, ENDING[0].0, ENDING[1].0];

/// Open orders, and what they are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
struct Open {
    orders: i64,
    value: i64,
}

impl Open {
    fn add(&mut self, value: i64) {
        self.orders += 1;
        self.value += value;
    }
}

/// The orders, by what the packets say.
#[derive(Debug, Default)]
struct Orders {
    /// Whose each is, and its total.
    placed: HashMap<String, (String, i64)>,
    ended: HashSet<String>,
}

impl Orders {
    fn take(&mut self, packet: &Packet) {
        let text = |key: &str| packet.get::<String>(key).ok().flatten();
        let Some(order) = text("order_id") else { return };
        match packet.event_name().as_deref() {
            Some("order_placed") => {
                let total = packet.get("total").ok().flatten();
                if let Some(placed) = text("customer").zip(total) {
                    self.placed.entry(order).or_insert(placed);
                }
            }
            Some("order_packaged" | "order_cancelled") => {
                self.ended.insert(order);
            }
            _ => {}
        }
    }

    /// By customer, and in total.
    fn open(&self) -> (BTreeMap<EntryKey, Open>, Open) {
        let (mut customers, mut total) = (BTreeMap::<_, Open>::new(), Open::default());
        for (order, (customer, value)) in &self.placed {
            if !self.ended.contains(order) {
                customers.entry(EntryKey::from(customer)).or_default().add(*value);
                total.add(*value);
            }
        }
        (customers, total)
    }
}

/// That who reads what the service remembers reads what the packets say.
///
/// # Errors
/// If the server does not answer.
pub(crate) async fn fact(rapids: &Rapids) -> Result<Fact> {
    let customers = rapids.memory::<Open>(SERVICE, "customers");
    let totals = rapids.memory::<Open>(SERVICE, "total");
    let last = async || {
        let contents = rapids.contents().await?;
        anyhow::Ok(contents.map_or(0, |contents| contents.last_sequence))
    };
    let reading = async {
        loop {
            // What it publishes itself it takes too.
            let end = last().await?;
            let read = customers.at_least(end).entries("@.orders != 0 || @.value != 0").await?;
            let total = totals.at_least(end).get("all").await?.unwrap_or_default();
            if last().await? == end {
                return anyhow::Ok((read, total));
            }
        }
    };
    let (read, total) = reading.await.context("cannot read the open orders")?;
    let orders = packets(rapids).await.context("cannot read the rapids")?;
    let said = orders.open();
    let mut faults: Vec<_> = said
        .0
        .keys()
        .chain(read.keys())
        .filter(|key| said.0.get(key) != read.get(key))
        .map(|key| format!("{key} has {:?}, but reads as {:?}", said.0.get(key), read.get(key)))
        .collect();
    faults.dedup();
    if said.1 != total {
        faults.push(format!("in total there are {:?}, but that reads as {total:?}", said.1));
    }
    for (service, memory) in ENDING {
        let view = rapids.memory::<IgnoredAny>(service, memory).at_least(last().await?);
        let kept = view.all().await.with_context(|| format!("cannot read what {service} keeps"))?;
        let ended = kept.keys().filter(|key| orders.ended.contains(&key.to_string()));
        faults.extend(ended.map(|key| format!("{service} remembers {key}, which has ended")));
    }
    let claim = format!(
        "who asks for the open orders of each customer is told right: {}; those that ended are forgotten",
        total.orders
    );
    Ok(Fact { claim, faults })
}

async fn packets(rapids: &Rapids) -> Result<Orders> {
    let mut tail = rapids.tail(Start::Beginning).await?;
    let mut orders = Orders::default();
    loop {
        match Box::pin(tail.next_stored()).await {
            Ok(Some(packet)) => orders.take(&packet),
            Ok(None) => return Ok(orders),
            Err(Error::Malformed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(event: &str, id: &str) -> Packet {
        Packet::event(event).with("order_id", id).with("customer", "ada").with("total", 100)
    }

    #[test]
    fn orders_are_open_that_were_placed_and_have_not_ended_in_any_order() {
        let mut orders = Orders::default();
        for packet in [
            order("order_placed", "o-1"),
            order("order_placed", "o-1"),
            order("order_cancelled", "o-2"),
            order("order_placed", "o-2"),
            order("order_placed", "o-3"),
            order("order_packaged", "o-3"),
        ] {
            orders.take(&packet);
        }
        let one = Open { orders: 1, value: 100 };
        assert_eq!(orders.open(), (BTreeMap::from([("ada".into(), one)]), one));
    }
}
