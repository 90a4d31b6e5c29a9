//! The facts that must hold once all is quiet.
//!
//! Judges what the ledger holds; nothing here reads the rapids or knows of processes.

use crate::ledger::Ledger;
use crate::offers::Offer;
use crate::story::{End, Story};

/// One fact, and what speaks against it.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) claim: String,
    /// Empty if the fact holds.
    pub(crate) faults: Vec<String>,
}

impl Fact {
    pub(crate) fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Every fact, whether it holds or not.
pub(crate) fn facts(ledger: &Ledger) -> Vec<Fact> {
    let each = |claim: &str, judge: fn(&Story) -> Option<String>| {
        let fault = |story: &Story| {
            judge(story).map(|fault| format!("order {} ({}) {fault}", story.number, story.id))
        };
        let stories = ledger.stories.iter().filter(|story| !story.is_excused);
        Fact { claim: claim.to_owned(), faults: stories.filter_map(fault).collect() }
    };
    let (pieces, products) = (ledger.stock.shipped(), ledger.stock.products());
    vec![
        Fact { claim: "nothing that must come is missing".to_owned(), faults: ledger.missing() },
        each("every order was answered by order_placed or order_refused", answered),
        each("every order placed ended in exactly one of completed or cancelled", ended_once),
        each("every charge of a cancelled order was refunded once, and no other charge", refunded),
        each("every completed order was paid and shipped once, and no other shipped", shipped),
        each("every reservation was either released or shipped, once", reserved),
        each("every customer, and every vendor of what was sold, was told once", told),
        Fact {
            claim: format!(
                "the stock balances: {pieces} pieces of {products} products left, {} reserved",
                match ledger.stock.excused() {
                    0 => "none is".to_owned(),
                    left => format!("at most {left} stay"),
                }
            ),
            faults: ledger.stock.faults(),
        },
        offered(&ledger.offers),
    ]
}

fn offered(offers: &[Offer]) -> Fact {
    let told = offers.iter().map(|offer| match &offer.selected {
        Some(got) => format!("{} {} {:.1}", offer.user, got.provider, got.expected),
        None => format!("{} none", offer.user),
    });
    Fact {
        claim: format!("the best offers: {}", told.collect::<Vec<_>>().join(", ")),
        faults: offers.iter().filter_map(Offer::fault).collect(),
    }
}

/// How often each of these happened, if that is a fault.
fn fault(story: &Story, events: &[&str], is_fault: bool) -> Option<String> {
    is_fault.then(|| {
        let counts = events.iter().map(|event| format!("{event} x{}", story.count(event)));
        format!("has {}", counts.collect::<Vec<_>>().join(", "))
    })
}

fn answered(story: &Story) -> Option<String> {
    let events = ["order_placed", "order_refused"];
    let [placed, refused] = events.map(|event| story.count(event));
    fault(story, &events, placed + refused != 1)
}

fn ended_once(story: &Story) -> Option<String> {
    let events = ["order_placed", "order_completed", "order_cancelled"];
    let [placed, completed, cancelled] = events.map(|event| story.count(event));
    fault(story, &events, completed + cancelled != placed.min(1))
}

fn refunded(story: &Story) -> Option<String> {
    let events = ["payment_received", "payment_refunded"];
    let [charged, refunded] = events.map(|event| story.count(event));
    let due = if story.end() == End::Cancelled { charged } else { 0 };
    let counts = fault(story, &events, charged > 1 || refunded != due);
    counts.or_else(|| {
        let [charged, refunded] = events.map(|event| story.amount(event));
        let is_short = due > 0 && charged != refunded;
        is_short.then(|| format!("was charged {charged} cents and refunded {refunded}"))
    })
}

fn shipped(story: &Story) -> Option<String> {
    let events = ["payment_received", "shipment_scheduled", "order_packaged", "stock_updated"];
    let [paid, rest @ ..] = events.map(|event| story.count(event));
    let is_fault = match story.end() {
        End::Completed => paid != 1 || rest != [1; 3],
        _ => rest != [0; 3],
    };
    fault(story, &events, is_fault)
}

fn reserved(story: &Story) -> Option<String> {
    let events = ["stock_reserved", "stock_released", "stock_updated"];
    let [reserved, released, updated] = events.map(|event| story.count(event));
    fault(story, &events, reserved > 1 || released + updated != reserved)
}

fn told(story: &Story) -> Option<String> {
    let due = usize::from(matches!(story.end(), End::Completed | End::Cancelled));
    let customer = "customer_notified";
    fault(story, &[customer], story.count(customer) != due).or_else(|| {
        let vendors = if story.has("payment_received") { story.vendors() } else { [].into() };
        let told = story.vendors_notified();
        let is_right = told.keys().eq(vendors.iter()) && told.values().all(|count| *count == 1);
        (!is_right).then(|| format!("told vendors {told:?} instead of each of {vendors:?} once"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::ledger;
    use crate::stock::tests::step;
    use crate::story::tests::COMPLETED;

    const CANCELLED: [&str; 7] = [
        "order_placed",
        "payment_received",
        "vendor_notified",
        "out_of_stock",
        "order_cancelled",
        "payment_refunded",
        "customer_notified",
    ];

    /// The first words of the claims that do not hold.
    fn broken(ledger: &Ledger) -> Vec<String> {
        let broken = facts(ledger).into_iter().filter(|fact| !fact.holds());
        broken.map(|fact| fact.claim.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect()
    }

    fn with<'a>(events: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        [events, more].concat()
    }

    fn without<'a>(events: &[&'a str], event: &str) -> Vec<&'a str> {
        events.iter().copied().filter(|other| *other != event).collect()
    }

    #[test]
    fn facts_hold_for_orders_that_went_as_they_should() {
        let declined = ["order_placed", "payment_declined", "order_cancelled", "customer_notified"];
        let released = with(&declined, &["stock_reserved", "stock_released"]);
        for events in [&COMPLETED[..], &CANCELLED, &declined, &released, &["order_refused"]] {
            assert_eq!(broken(&ledger(events)), [""; 0], "{events:?}");
        }
    }

    #[test]
    fn order_without_an_answer_or_with_two_is_found() {
        assert!(broken(&ledger(&[])).contains(&"every order was".to_owned()));
        let twice = with(&COMPLETED, &["order_refused"]);
        assert_eq!(broken(&ledger(&twice)), ["every order was"]);
    }

    #[test]
    fn order_that_ends_twice_or_never_is_found() {
        for more in ["order_completed", "order_cancelled"] {
            let broken = broken(&ledger(&with(&COMPLETED, &[more])));
            assert!(broken.contains(&"every order placed".to_owned()), "{broken:?}");
        }
        let never = broken(&ledger(&without(&COMPLETED, "order_completed")));
        assert!(never.contains(&"every order placed".to_owned()), "{never:?}");
    }

    #[test]
    fn charge_that_is_not_refunded_or_twice_is_found() {
        let charge = "every charge of";
        let never = broken(&ledger(&without(&CANCELLED, "payment_refunded")));
        assert_eq!(never, ["nothing that must", charge]);
        assert_eq!(broken(&ledger(&with(&CANCELLED, &["payment_refunded"]))), [charge]);
        assert_eq!(broken(&ledger(&with(&COMPLETED, &["payment_refunded"]))), [charge]);
        let charged_twice = with(&CANCELLED, &["payment_received", "payment_refunded"]);
        assert_eq!(broken(&ledger(&charged_twice)), [charge]);
    }

    #[test]
    fn refund_of_another_amount_is_found() {
        let mut ledger = ledger(&CANCELLED);
        for step in &mut ledger.stories[0].steps {
            step.amount = step.amount.filter(|_| step.event != "payment_refunded");
        }
        let facts = facts(&ledger);
        assert_eq!(facts[3].faults, ["order 1 (o-1) was charged 59900 cents and refunded 0"]);
    }

    #[test]
    fn completed_order_that_was_not_paid_or_shipped_twice_is_found() {
        let completed = "every completed order";
        let unpaid = broken(&ledger(&without(&COMPLETED, "payment_received")));
        assert!(unpaid.contains(&completed.to_owned()), "{unpaid:?}");
        for event in ["payment_received", "shipment_scheduled", "order_packaged", "stock_updated"] {
            let twice = broken(&ledger(&with(&COMPLETED, &[event])));
            assert!(twice.contains(&completed.to_owned()), "{event}: {twice:?}");
        }
        let cancelled = with(&CANCELLED, &["order_packaged"]);
        assert_eq!(broken(&ledger(&cancelled)), [completed]);
    }

    #[test]
    fn reservation_that_ends_twice_or_never_is_found() {
        for more in ["stock_reserved", "stock_released"] {
            assert_eq!(broken(&ledger(&with(&COMPLETED, &[more]))), ["every reservation was"]);
        }
    }

    #[test]
    fn customer_or_vendor_told_twice_is_found() {
        for more in ["customer_notified", "vendor_notified"] {
            assert_eq!(broken(&ledger(&with(&COMPLETED, &[more]))), ["every customer, and"]);
        }
    }

    #[test]
    fn stock_that_does_not_balance_is_found() {
        let mut ledger = ledger(&COMPLETED);
        ledger.stock.take(&step("stock_reserved", 2, 10, 2));
        assert_eq!(broken(&ledger), ["the stock balances:"]);
    }

    #[test]
    fn wrong_offer_is_found() {
        let mut ledger = ledger(&COMPLETED);
        ledger.offers[1].selected = ledger.offers[0].selected.clone();
        assert_eq!(broken(&ledger), ["nothing that must", "the best offers:"]);
    }
}
