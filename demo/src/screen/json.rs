//! One JSON object per order once it is over, and the summary last, for machines.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use serde::Serialize;

use crate::ledger::Ledger;
use crate::story::{End, Story};
use crate::verify::Fact;

/// Writes each order once.
#[derive(Debug)]
pub(crate) struct Json<W> {
    out: W,
    told: HashSet<usize>,
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

/// One fact.
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
        Self { out, told: HashSet::new() }
    }

    pub(crate) fn changed(&mut self, story: &Story) -> io::Result<()> {
        if story.is_over() { self.tell(story) } else { Ok(()) }
    }

    fn tell(&mut self, story: &Story) -> io::Result<()> {
        if !self.told.insert(story.number) {
            return Ok(());
        }
        self.line(&Order {
            order: story.number,
            order_id: &story.id,
            customer: story.order.customer,
            ended: match story.end() {
                End::Open => "open",
                End::Refused => "refused",
                End::Completed => "completed",
                End::Cancelled => "cancelled",
            },
            events: story.steps.iter().map(|step| step.event.as_str()).collect(),
        })
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, value)?;
        writeln!(self.out)
    }

    pub(crate) fn finish(&mut self, ledger: &Ledger, facts: &[Fact]) -> io::Result<()> {
        ledger.stories.iter().try_for_each(|story| self.tell(story))?;
        let offers = ledger.offers.iter().map(|offer| {
            let selected = offer.selected.as_ref();
            let selected =
                selected.map(|got| Offer { provider: &got.provider, expected: got.expected });
            (offer.user, selected)
        });
        let summary = Summary {
            holds: facts.iter().all(Fact::holds),
            orders: ledger.stories.len(),
            completed: ledger.count(End::Completed),
            cancelled: ledger.count(End::Cancelled),
            refused: ledger.count(End::Refused),
            open: ledger.count(End::Open),
            packets: ledger.packets,
            seconds: ledger.seconds(),
            orders_per_second: ledger.orders_per_second(),
            offers: offers.collect(),
            facts: claims(facts),
        };
        self.line(&Last { summary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::ledger;
    use crate::story::tests::COMPLETED;
    use crate::verify::facts;
    use serde_json::Value;

    #[test]
    fn every_line_is_an_object_and_the_summary_is_the_last() {
        let ledger = ledger(&COMPLETED);
        let mut json = Json::new(Vec::new());
        json.changed(&ledger.stories[0]).unwrap();
        json.finish(&ledger, &facts(&ledger)).unwrap();
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
