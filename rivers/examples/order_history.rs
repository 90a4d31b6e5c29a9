//! order_history: tells what an order looked like at a moment, and the steps that led there.
//!
//! Nothing is kept for that: the packets of the order are the record of it, and their order in the stream is
//! the order of what happened.
//! Run: `just order-history o-1 --until 2026-11-23T10:00:00Z`; without `--until`, as it is now.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use rapids_client::{Config, Folded, Packet, Rapids, Timestamp, telemetry};
use serde::Deserialize;

const USAGE: &str = "usage: order_history ORDER [--until 2026-11-23T10:00:00Z]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (id, until) = match arguments[..] {
        [id] => (id, None),
        [id, "--until", until] => (id, Some(until.parse().context(USAGE)?)),
        _ => bail!(USAGE),
    };
    let rapids = Rapids::open(&Config::from_env()?).await?.context("there are no rapids yet")?;
    let history = history(&rapids, id, until).await?;
    write!(io::stdout().lock(), "{}", told(id, &history))?;
    Ok(())
}

/// The order as it was then, or as it is now.
pub(crate) async fn history(
    rapids: &Rapids,
    id: &str,
    until: Option<Timestamp>,
) -> Result<Folded<Order>> {
    // A text in JSON is one in an expression, too.
    let history = rapids.history(&format!("@.order_id == {}", serde_json::to_string(id)?));
    let history = match until {
        Some(until) => history.until(until),
        None => history,
    };
    Ok(history.fold(Order::default(), on_event).await?)
}

/// An order, as far as its packets tell.
#[derive(Debug, Default)]
pub(crate) struct Order {
    customer: Option<String>,
    total: Option<i64>,
    /// What has come of the order, of its payment and of its items, each by the last event about it.
    states: BTreeMap<&'static str, String>,
    steps: Vec<String>,
}

#[derive(Deserialize)]
struct Event {
    event: Option<String>,
    customer: Option<String>,
    total: Option<i64>,
    reason: Option<String>,
}

fn on_event(order: &mut Order, packet: &Packet) -> Result<()> {
    let Event { event, customer, total, reason } = packet.parse()?;
    // Commands and needs about the order change nothing by themselves.
    let Some(event) = event else { return Ok(()) };
    let (what, state) = match event.as_str() {
        "order_placed" => ("order", "placed"),
        "order_completed" => ("order", "completed"),
        "order_cancelled" => ("order", "cancelled"),
        "payment_received" => ("payment", "received"),
        "payment_declined" => ("payment", "declined"),
        "payment_failed" => ("payment", "failed"),
        "payment_refunded" => ("payment", "refunded"),
        "stock_reserved" => ("items", "reserved"),
        "out_of_stock" => ("items", "not there"),
        "stock_released" => ("items", "given back"),
        "shipment_scheduled" => ("items", "to be shipped"),
        "order_packaged" => ("items", "packaged"),
        _ => ("", ""),
    };
    if event == "order_placed" {
        (order.customer, order.total) = (customer, total);
    }
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let mut step = format!("{event}{reason}");
    if !what.is_empty() {
        let before = order.states.insert(what, format!("{state}{reason}"));
        let before = before.map(|before| format!("{before} -> ")).unwrap_or_default();
        step.push_str(&format!(": {what} {before}{state}"));
    }
    let arrival = packet.arrival().context("it is not from the stream")?;
    let stored = arrival.stored.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    order.steps.push(format!("{:>9}  {stored}  {step}", arrival.sequence));
    Ok(())
}

/// The order with its steps, for people.
pub(crate) fn told(id: &str, history: &Folded<Order>) -> String {
    let Order { customer, total, states, steps } = &history.state;
    let mut lines = vec![format!("order {id}")];
    lines.extend(customer.iter().map(|customer| format!("  customer: {customer}")));
    lines.extend(total.map(|total| format!("  total: {total} cents")));
    lines.extend(states.iter().map(|(what, state)| format!("  {what}: {state}")));
    lines.push(format!("{} packets", history.packets));
    lines.extend_from_slice(steps);
    let expired = |sequence| {
        format!(
            "packets before sequence {sequence} have expired: \
                                      what they said of the order is missing"
        )
    };
    lines.extend(history.expired_before.map(expired));
    if history.malformed > 0 {
        lines.push(format!("{} bodies could not be read", history.malformed));
    }
    // Packets may say anything, such as sequences that move the cursor.
    lines.iter().map(|line| format!("{}\n", line.replace(char::is_control, "·"))).collect()
}
