//! Output as JSON: an object per order once it is over, and the summary last.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use serde::Serialize;

use crate::order_status::{End, OrderStatus};
use crate::tracker::Tracker;
use crate::verify::Fact;

/// Writes each order once.
#[derive(Debug)]
pub(crate) struct Json<W> {
    out: W,
    written: HashSet<usize>,
}

#[derive(Serialize)]
struct Order<'a> {
    order: usize,
    order_id: &'a str,
    customer: &'a str,
    ended: &'static str,
    events: Vec<&'a str>,
}

#[derive(Serialize)]
struct Last<'a> {
    summary: Summary<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    holds: bool,
    orders: usize,
    completed: usize,
    cancelled: usize,
    refused: usize,
    open: usize,
    packets: u64,
    seconds: f64,
    orders_per_second: f64,
    offers: BTreeMap<&'a str, Option<Offer<'a>>>,
    facts: Vec<Claim<'a>>,
}

#[derive(Serialize)]
struct Offer<'a> {
    provider: &'a str,
    expected: f64,
}

/// A fact as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Claim<'a> {
    fact: &'a str,
    holds: bool,
    faults: &'a [String],
}

pub(crate) fn claims(facts: &[Fact]) -> Vec<Claim<'_>> {
    let claims = facts.iter().map(|fact| Claim {
        fact: &fact.claim,
        holds: fact.holds(),
        faults: &fact.faults,
    });
    claims.collect()
}

impl<W: Write> Json<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, written: HashSet::new() }
    }

    pub(crate) fn changed(&mut self, order: &OrderStatus) -> io::Result<()> {
        if order.is_over() { self.write(order) } else { Ok(()) }
    }

    fn write(&mut self, order: &OrderStatus) -> io::Result<()> {
        if !self.written.insert(order.number) {
            return Ok(());
        }
        self.line(&Order {
            order: order.number,
            order_id: &order.id,
            customer: order.wanted.customer,
            ended: match order.end() {
                End::Open => "open",
                End::Refused => "refused",
                End::Completed => "completed",
                End::Cancelled => "cancelled",
            },
            events: order.steps.iter().map(|step| step.event.as_str()).collect(),
        })
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        writeln!(self.out)
    }

    pub(crate) fn finish(&mut self, tracker: &Tracker, facts: &[Fact]) -> io::Result<()> {
        tracker.orders.iter().try_for_each(|order| self.write(order))?;
        let offers = tracker.offers.iter().map(|offer| {
            let selected = offer.selected.as_ref();
            let selected =
                selected.map(|got| Offer { provider: &got.provider, expected: got.expected });
            (offer.user, selected)
        });
        let summary = Summary {
            holds: facts.iter().all(Fact::holds),
            orders: tracker.orders.len(),
            completed: tracker.count(End::Completed),
            cancelled: tracker.count(End::Cancelled),
            refused: tracker.count(End::Refused),
            open: tracker.count(End::Open),
            packets: tracker.packets,
            seconds: tracker.seconds(),
            orders_per_second: tracker.orders_per_second(),
            offers: offers.collect(),
            facts: claims(facts),
        };
        self.line(&Last { summary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_status::tests::COMPLETED;
    use crate::tracker::tests::tracker;
    use crate::verify::facts;
    use serde_json::Value;

    #[test]
    fn every_line_is_an_object_and_the_summary_is_the_last() {
        let tracker = tracker(&COMPLETED);
        let mut json = Json::new(Vec::new());
        json.changed(&tracker.orders[0]).unwrap();
        json.finish(&tracker, &facts(&tracker)).unwrap();
        let text = String::from_utf8(json.out).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["ended"], "completed");
        assert_eq!(lines[0]["events"].as_array().unwrap().len(), COMPLETED.len());
        assert_eq!(lines[1]["summary"]["holds"], true);
        assert_eq!(lines[1]["summary"]["offers"]["zoe"]["expected"], 150.0);
    }
}
