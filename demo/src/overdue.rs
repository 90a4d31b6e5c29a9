//! The orders that are not paid in time: for how long payments are waited for, and what must hold of them.
//!
//! When a packet was stored is the server's word, and so is when a timer fires. That a service was killed
//! or slow makes an order overdue, and no fact wrong.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::Rapids;

use crate::order_status::{End, OrderStatus, Step};
use crate::verify::Fact;

/// For how long orders wait for their payment in the demo.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

const OVERDUE: &str = "payment_overdue";

/// The variable that tells this to the service.
pub(crate) fn environment() -> (&'static str, String) {
    ("ORDER_PATIENCE", format!("{}ms", PATIENCE.as_millis()))
}

/// How many orders were cancelled because they were not paid in time.
pub(crate) fn count(orders: &[OrderStatus]) -> usize {
    orders.iter().filter(|order| order.steps.iter().any(is_cancellation)).count()
}

fn is_cancellation(step: &Step) -> bool {
    step.event == "order_cancelled" && step.reason.as_deref() == Some(OVERDUE)
}

/// What is wrong with how an order was paid or became overdue, if anything.
pub(crate) fn fault(order: &OrderStatus) -> Option<String> {
    let fired = order.steps.iter().find(|step| step.event == OVERDUE);
    let cancelled = order.steps.iter().find(|step| is_cancellation(step));
    let paid = order.count("order_paid");
    if let Some(early) = [fired, cancelled].into_iter().flatten().find_map(|it| early(order, it)) {
        return Some(early);
    }
    match (cancelled, fired) {
        (Some(_), _) if paid > 0 => {
            Some("was cancelled as not paid in time, but is paid".to_owned())
        }
        (Some(_), None) => {
            Some("was cancelled as not paid in time, but no timer says so".to_owned())
        }
        _ if paid > 1 || (paid == 1 && !order.has("payment_received")) => Some(format!(
            "has {paid} order_paid, {} payment_received",
            order.count("payment_received")
        )),
        _ if order.wanted.is_never_paid() && order.has("payment_received") => {
            Some("was charged, but nobody has paid the invoice".to_owned())
        }
        _ => None,
    }
}

/// By how much a step came too early. The time begins with the command; or, if the server's clock is ahead
/// of that of the services, when the packet was made.
fn early(order: &OrderStatus, step: &Step) -> Option<String> {
    let (placed, stored) = (order.stored?, step.stored?);
    let made = order.steps.iter().filter(|step| step.event == OVERDUE).map(|step| step.created);
    let due = made.fold(placed, Ord::min) + PATIENCE;
    (stored < due).then(|| format!("has {} {:#} early", step.event, due.duration_since(stored)))
}

/// That no timer waits for the payment of an order that is paid or has ended. A timer is cancelled before
/// that is told.
///
/// # Errors
/// If the server does not answer.
pub(crate) async fn timers(rapids: &Rapids, orders: &[OrderStatus]) -> Result<Fact> {
    let orders: HashMap<_, _> = orders.iter().map(|order| (order.id.as_str(), order)).collect();
    let mut faults = Vec::new();
    let mut waiting = rapids.timers(Some("order")).await.context("cannot list the timers")?;
    while let Some(timer) = waiting.next().await.context("cannot list the timers")? {
        let key = timer.id.to_string();
        let of = key.split_once(':').and_then(|(_, id)| orders.get(id));
        if of.is_some_and(|order| order.end() != End::Open || order.has("order_paid")) {
            faults.push(format!("{key} waits until {:?}", timer.due));
        }
    }
    Ok(Fact { claim: "no timer waits for an order that is paid or has ended".to_owned(), faults })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_status::tests::{COMPLETED, order};
    use crate::outside::NEVER_PAYS;
    use rapids_client::{Arrival, Packet, Timestamp};

    /// An order that was placed at 0 s, and these events, each stored so many milliseconds later.
    fn after(events: &[(&str, u64)]) -> OrderStatus {
        let begin = Timestamp::UNIX_EPOCH;
        let mut order = order(&["order_placed"]);
        order.stored = Some(begin);
        for (event, milliseconds) in events {
            let stored = begin + Duration::from_millis(*milliseconds);
            let (sequence, replay, message_id) = (1, None, None);
            let arrival = Arrival {
                replay,
                stream_created: begin,
                message_id,
                ..Arrival::at(sequence, stored)
            };
            let body = format!(r#"{{"event":"{event}","reason":"{OVERDUE}","amount":59900}}"#);
            order.take(&Packet::arrived(body, arrival).unwrap());
        }
        order
    }

    #[test]
    fn order_that_is_cancelled_early_or_by_no_timer_is_found() {
        for (events, is_fault) in [
            ([(OVERDUE, 2_000), ("order_cancelled", 2_001)].as_slice(), false),
            (&[(OVERDUE, 1_999), ("order_cancelled", 2_001)], true),
            (&[("order_cancelled", 2_001)], true),
            (&[("order_paid", 10), (OVERDUE, 2_001), ("order_cancelled", 2_002)], true),
            (&[("payment_received", 10), ("order_paid", 11), (OVERDUE, 2_001)], false),
            (&[("payment_received", 10), ("order_paid", 11), ("order_paid", 12)], true),
        ] {
            let order = after(events);
            let fault = fault(&order);
            assert_eq!(fault.is_some(), is_fault, "{events:?}: {fault:?}");
        }
        let cancelled = after(&[(OVERDUE, 2_000), ("order_cancelled", 2_001)]);
        assert_eq!(count(&[cancelled, order(&COMPLETED)]), 1);
    }

    #[test]
    fn invoice_that_nobody_paid_and_was_charged_is_found() {
        let mut order = order(&COMPLETED);
        assert_eq!(fault(&order), None);
        order.wanted.customer = NEVER_PAYS;
        assert!(fault(&order).is_some());
    }
}
