//! The facts that must hold at the end of a run.
//!
//! Judges what the tracker holds. Reads neither the rapids nor processes.

use crate::offers::Offer;
use crate::order_status::{End, OrderStatus};
use crate::overdue;
use crate::tracker::Tracker;

/// A fact, and the faults that contradict it.
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
pub(crate) fn facts(tracker: &Tracker) -> Vec<Fact> {
    let each = |claim: &str, judge: fn(&OrderStatus) -> Option<String>| {
        let fault = |order: &OrderStatus| {
            judge(order).map(|fault| format!("order {} ({}) {fault}", order.number, order.id))
        };
        let orders = tracker.orders.iter().filter(|order| !order.is_excused);
        Fact { claim: claim.to_owned(), faults: orders.filter_map(fault).collect() }
    };
    let (pieces, products) = (tracker.stock.shipped(), tracker.stock.products());
    let (waited, fulfilled) = tracker.back_orders.counts();
    let flagged = |order: &OrderStatus| {
        let fault = tracker.flags.fault(&order.id)?;
        (!order.is_excused).then(|| format!("order {} ({}) {fault}", order.number, order.id))
    };
    vec![
        Fact { claim: "nothing that must come is missing".to_owned(), faults: tracker.missing() },
        each("every order was answered by order_placed or order_refused", answered),
        each("every order placed ended in exactly one of completed or cancelled", ended_once),
        each("every charge of a cancelled order was refunded once, and no other charge", refunded),
        each("every completed order was paid and shipped once, and no other shipped", shipped),
        each(
            &format!(
                "no order was cancelled as unpaid in less than {:?}, or once it was paid; so cancelled: {}",
                overdue::PATIENCE,
                overdue::count(&tracker.orders)
            ),
            overdue::fault,
        ),
        each("every reservation was either released or shipped, once", reserved),
        each("every customer, and every vendor of what was sold, was notified once", notified),
        Fact {
            claim: format!(
                "the stock balances: {pieces} pieces of {products} products left, {} reserved",
                match tracker.stock.excused() {
                    0 => "none is".to_owned(),
                    left => format!("at most {left} stay"),
                }
            ),
            faults: tracker.stock.faults(),
        },
        offered(&tracker.offers),
        each("every order was charged what the catalogue said when it was asked", priced),
        Fact {
            claim: format!(
                "no customer who is flagged was charged; orders of such customers: {}",
                tracker.flags.stopped()
            ),
            faults: tracker.orders.iter().filter_map(flagged).collect(),
        },
        Fact {
            claim: format!("{fulfilled} of {waited} orders that waited got stock, in their order"),
            faults: tracker.back_orders.faults(),
        },
        each("every order from a vendor, and every shortage told to one, came once", supplied),
        tracker.minutes.fact(),
    ]
}

fn offered(offers: &[Offer]) -> Fact {
    let selected = offers.iter().map(|offer| match &offer.selected {
        Some(got) if got.offers == 0 => format!("{} none", offer.user),
        Some(got) => {
            format!("{} {} {:.1} of {}", offer.user, got.provider, got.expected, got.offers)
        }
        None => format!("{} no answer", offer.user),
    });
    Fact {
        claim: format!(
            "each user was given one answer, the best offer: {}",
            selected.collect::<Vec<_>>().join(", ")
        ),
        faults: offers.iter().filter_map(Offer::fault).collect(),
    }
}

/// The number of each of these events, if that is a fault.
fn fault(order: &OrderStatus, events: &[&str], is_fault: bool) -> Option<String> {
    is_fault.then(|| {
        let counts = events.iter().map(|event| format!("{event} x{}", order.count(event)));
        format!("has {}", counts.collect::<Vec<_>>().join(", "))
    })
}

fn answered(order: &OrderStatus) -> Option<String> {
    let events = ["order_placed", "order_refused"];
    let [placed, refused] = events.map(|event| order.count(event));
    fault(order, &events, placed + refused != 1)
}

fn ended_once(order: &OrderStatus) -> Option<String> {
    let events = ["order_placed", "order_completed", "order_cancelled"];
    let [placed, completed, cancelled] = events.map(|event| order.count(event));
    fault(order, &events, completed + cancelled != placed.min(1))
}

fn refunded(order: &OrderStatus) -> Option<String> {
    let events = ["payment_received", "payment_refunded"];
    let [charged, refunded] = events.map(|event| order.count(event));
    let due = if order.end() == End::Cancelled { charged } else { 0 };
    let counts = fault(order, &events, charged > 1 || refunded != due);
    counts.or_else(|| {
        let [charged, refunded] = events.map(|event| order.amount(event));
        let is_short = due > 0 && charged != refunded;
        is_short.then(|| format!("was charged {charged} cents and refunded {refunded}"))
    })
}

fn shipped(order: &OrderStatus) -> Option<String> {
    let events = ["order_paid", "shipment_scheduled", "order_packaged", "stock_updated"];
    let [paid, rest @ ..] = events.map(|event| order.count(event));
    let is_fault = match order.end() {
        End::Completed => paid != 1 || rest != [1; 3],
        _ => rest != [0; 3],
    };
    fault(order, &events, is_fault)
}

fn reserved(order: &OrderStatus) -> Option<String> {
    let events = ["stock_reserved", "stock_released", "stock_updated"];
    let [reserved, released, updated] = events.map(|event| order.count(event));
    fault(order, &events, reserved > 1 || released + updated != reserved)
}

fn notified(order: &OrderStatus) -> Option<String> {
    let due = usize::from(matches!(order.end(), End::Completed | End::Cancelled));
    let customer = "customer_notified";
    fault(order, &[customer], order.count(customer) != due).or_else(|| {
        let vendors = if order.has("payment_received") { order.vendors() } else { [].into() };
        let notified = order.vendors_notified();
        let each_once = notified.values().all(|count| *count == 1);
        let is_right = notified.keys().eq(vendors.iter()) && each_once;
        (!is_right).then(|| format!("notified {notified:?} instead of each of {vendors:?} once"))
    })
}

fn priced(order: &OrderStatus) -> Option<String> {
    let items = order.wanted.items.iter();
    let listed = items.map(|item| i64::from(item.quantity) * i64::from(item.price)).sum::<i64>();
    let charged = order.amount("payment_received");
    let is_charged = order.has("payment_received") && charged != order.asked;
    let is_fault = order.commanded && (listed != order.asked || is_charged);
    is_fault.then(|| format!("costs {listed}, was asked for {} and charged {charged}", order.asked))
}

fn supplied(order: &OrderStatus) -> Option<String> {
    let events = ["out_of_stock", "shortage_reported", "vendor_order_placed"];
    let [short, reported, placed] = events.map(|event| order.count(event));
    fault(order, &events, short > 1 || reported != short || placed != order.vendor_orders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_status::tests::COMPLETED;
    use crate::stock::tests::step;
    use crate::tracker::tests::tracker;

    const CANCELLED: [&str; 9] = [
        "order_placed",
        "payment_received",
        "order_paid",
        "vendor_notified",
        "out_of_stock",
        "shortage_reported",
        "order_cancelled",
        "payment_refunded",
        "customer_notified",
    ];

    const UNPAID: [&str; 7] = [
        "order_placed",
        "invoice_sent",
        "stock_reserved",
        "payment_overdue",
        "order_cancelled",
        "stock_released",
        "customer_notified",
    ];

    /// The first words of the claims that do not hold.
    fn broken(tracker: &Tracker) -> Vec<String> {
        let broken = facts(tracker).into_iter().filter(|fact| !fact.holds());
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
        for events in
            [&COMPLETED[..], &CANCELLED, &UNPAID, &declined, &released, &["order_refused"]]
        {
            assert_eq!(broken(&tracker(events)), [""; 0], "{events:?}");
        }
    }

    #[test]
    fn order_without_an_answer_or_with_two_is_found() {
        assert!(broken(&tracker(&[])).contains(&"every order was".to_owned()));
        let twice = with(&COMPLETED, &["order_refused"]);
        assert_eq!(broken(&tracker(&twice)), ["every order was"]);
    }

    #[test]
    fn order_that_ends_twice_or_never_is_found() {
        for more in ["order_completed", "order_cancelled"] {
            let broken = broken(&tracker(&with(&COMPLETED, &[more])));
            assert!(broken.contains(&"every order placed".to_owned()), "{broken:?}");
        }
        let never = broken(&tracker(&without(&COMPLETED, "order_completed")));
        assert!(never.contains(&"every order placed".to_owned()), "{never:?}");
    }

    #[test]
    fn charge_that_is_not_refunded_or_twice_is_found() {
        let charge = "every charge of";
        let never = broken(&tracker(&without(&CANCELLED, "payment_refunded")));
        assert_eq!(never, ["nothing that must", charge]);
        assert_eq!(broken(&tracker(&with(&CANCELLED, &["payment_refunded"]))), [charge]);
        assert_eq!(broken(&tracker(&with(&COMPLETED, &["payment_refunded"]))), [charge]);
        let charged_twice = with(&CANCELLED, &["payment_received", "payment_refunded"]);
        assert_eq!(broken(&tracker(&charged_twice)), [charge, "every order was"]);
    }

    #[test]
    fn refund_of_another_amount_is_found() {
        let mut tracker = tracker(&CANCELLED);
        for step in &mut tracker.orders[0].steps {
            step.amount = step.amount.filter(|_| step.event != "payment_refunded");
        }
        let facts = facts(&tracker);
        assert_eq!(facts[3].faults, ["order 1 (o-1) was charged 59900 cents and refunded 0"]);
    }

    #[test]
    fn completed_order_that_was_not_paid_or_shipped_twice_is_found() {
        let completed = "every completed order";
        let unpaid = broken(&tracker(&without(&COMPLETED, "order_paid")));
        assert!(unpaid.contains(&completed.to_owned()), "{unpaid:?}");
        for event in ["order_paid", "shipment_scheduled", "order_packaged", "stock_updated"] {
            let twice = broken(&tracker(&with(&COMPLETED, &[event])));
            assert!(twice.contains(&completed.to_owned()), "{event}: {twice:?}");
        }
        let cancelled = with(&CANCELLED, &["order_packaged"]);
        assert_eq!(broken(&tracker(&cancelled)), [completed]);
    }

    #[test]
    fn reservation_that_ends_twice_or_never_is_found() {
        for more in ["stock_reserved", "stock_released"] {
            assert_eq!(broken(&tracker(&with(&COMPLETED, &[more]))), ["every reservation was"]);
        }
    }

    #[test]
    fn customer_or_vendor_notified_twice_is_found() {
        for more in ["customer_notified", "vendor_notified"] {
            assert_eq!(broken(&tracker(&with(&COMPLETED, &[more]))), ["every customer, and"]);
        }
    }

    #[test]
    fn charge_of_another_price_than_the_catalogue_said_is_found() {
        for (listed, asked) in [(59_900, 59_800), (59_800, 59_900), (59_800, 59_800)] {
            let mut tracker = tracker(&COMPLETED);
            tracker.orders[0].wanted.items[0].price = listed;
            tracker.orders[0].asked = asked;
            let facts = facts(&tracker);
            let broken: Vec<_> = facts.iter().filter(|fact| !fact.holds()).collect();
            assert_eq!(broken.len(), 1, "{broken:?}");
            assert!(broken[0].claim.contains("catalogue"));
        }
    }

    #[test]
    fn vendor_order_without_an_outcome_and_shortage_told_twice_are_found() {
        let supplied = "every order from";
        let mut tracker = tracker(&COMPLETED);
        tracker.orders[0].vendor_orders = 1;
        assert_eq!(broken(&tracker), ["nothing that must", supplied]);
        let twice = with(&CANCELLED, &["shortage_reported"]);
        assert_eq!(broken(&crate::tracker::tests::tracker(&twice)), [supplied]);
    }

    #[test]
    fn stock_that_does_not_balance_is_found() {
        let mut tracker = tracker(&COMPLETED);
        tracker.stock.take(&step("stock_reserved", 2, 10, 2));
        assert_eq!(broken(&tracker), ["the stock balances:"]);
    }

    #[test]
    fn user_without_an_answer_is_found() {
        let mut tracker = tracker(&COMPLETED);
        tracker.offers[1] = crate::offers::ask().0.remove(1);
        assert_eq!(broken(&tracker), ["nothing that must", "each user was"]);
    }
}
