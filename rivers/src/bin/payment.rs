//! payment: charges every placed order once, or has it paid by invoice, unless its customer is flagged; and
//! gives the money back for what is not delivered.
//!
//! Listens for `order_placed` with `order_id`, `customer`, a `total` of at least 0, and maybe `payment`;
//! for `customer_flagged` and `customer_cleared` with `customer` and `number`; for the command
//! `pay_invoice`, and for `out_of_stock` and `order_cancelled`, with `order_id`; for the command `break_payment`
//! with a `share` of the orders, from 0 to 1, and the `seconds` for which these cannot be charged.
//! Publishes `order_checked` and from that `payment_received`, `payment_declined`, `invoice_sent` or, of
//! what it gives up, `payment_failed`; `payment_received` or `invoice_refused`; `payments_stopped` or `payments_resumed`;
//! `payment_refunded`; `break_payment` with a share of 0, by a timer.
//! Run: `just river payment`

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use rapids_client::{
    Config, Error, GivenUp, Outputs, Packet, Rapids, River, Service, Timestamp, reject, telemetry,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    tokio::select! {
        ended = service()?.run() => Ok(ended?),
        failed = beside() => failed,
    }
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    let payment = Service::from_env("payment")?.river(hear()).river(check());
    let payment = payment.river(charge(broken_share)).river(pay()).river(close());
    Ok(payment.river(break_down()))
}

/// What was last heard of one customer. A call to who knows it would cost each order a round trip, and
/// no order could be charged while nobody answers.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Standing {
    /// Of the packet it comes from; one with a lower number is older, whenever it is handled.
    number: u64,
    /// Why the customer is flagged, if so.
    flag: Option<String>,
}

fn hear() -> River {
    River::new("hear")
        .event(["customer_flagged", "customer_cleared"])
        .require(["customer", "number"])
        .publishes(["payments_stopped", "payments_resumed"])
        .memory("customers", "@.customer")
        .react(on_news)
}

#[derive(Deserialize)]
struct News {
    event: String,
    customer: String,
    number: u64,
    #[serde(default)]
    reason: String,
}

fn on_news(standing: &mut Standing, packet: &Packet) -> Result<Option<Packet>> {
    let News { event, customer, number, reason } = packet.parse()?;
    if number <= standing.number {
        return Ok(None);
    }
    let is_flagged = event == "customer_flagged";
    *standing = Standing { number, flag: is_flagged.then_some(reason) };
    let event = if is_flagged { "payments_stopped" } else { "payments_resumed" };
    Ok(Some(Packet::event(event).with("customer", customer)))
}

/// Stands in front of `charge`, because a river has one memory: here it is that of the customer, there
/// that of the order, which sees to it that no order is charged twice, however often it is checked.
fn check() -> River {
    River::new("check")
        .event("order_placed")
        .require(["order_id", "customer", "total"])
        .require_that("@.total >= 0")
        .publishes("order_checked")
        .memory("customers", "@.customer")
        .react(on_order_placed)
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    order_id: String,
    customer: String,
    #[serde(default)]
    items: Vec<Value>,
    total: u64,
    payment: Option<String>,
}

fn on_order_placed(standing: &mut Standing, packet: &Packet) -> Result<Packet> {
    let Order { order_id, customer, items, total, payment } = packet.parse()?;
    let checked = Packet::event("order_checked").with("order_id", order_id);
    let checked = checked.with("customer", customer).with("items", items).with("total", total);
    Ok(checked.with("payment", payment).with("flag", &standing.flag))
}

/// For how long an order may wait for what becomes of it, and who pays for one that has ended gets an answer.
const A_MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far the payment of one order got.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
enum Payment {
    #[default]
    Open,
    Invoiced(Order),
    Charged(u64),
    /// Declined, refunded, or not to be charged any more.
    Closed,
}

/// What the letters of a broken payment say.
const REFUSED: &str = "the bank refuses card payments";

fn charge(broken: fn() -> f64) -> River {
    River::new("charge")
        .event("order_checked")
        .require(["order_id", "customer", "total"])
        .publishes(["payment_received", "payment_declined", "invoice_sent", "payment_failed"])
        .on_give_up(payment_failed)
        .memory("payments", "@.order_id")
        .expires(A_MONTH)
        .react(move |payment: &mut Payment, packet: &Packet| {
            on_order_checked(payment, packet, broken())
        })
}

/// So an order ends although nobody can say whether it was charged; if it was, it is refunded then. Of a
/// charge that succeeds once it is replayed nothing more is told: by then the order has ended. What the bank has
/// refused was certainly not charged, so that order waits for whoever decides on its letter.
fn payment_failed(packet: &Packet, cause: &GivenUp) -> Option<Packet> {
    if cause.reason() == REFUSED {
        return None;
    }
    let order_id = packet.get::<String>("order_id").ok().flatten()?;
    let failed = Packet::event("payment_failed").with("order_id", order_id);
    Some(failed.with("reason", cause.kind().as_str()))
}

#[derive(Deserialize)]
struct Checked {
    flag: Option<String>,
    #[serde(flatten)]
    order: Order,
}

fn on_order_checked(payment: &mut Payment, packet: &Packet, broken: f64) -> Result<Option<Packet>> {
    let Checked { flag, order } = packet.parse()?;
    if *payment != Payment::Open {
        return Ok(None);
    }
    let limit = limit(&order.customer);
    Ok(Some(if let Some(flag) = flag {
        *payment = Payment::Closed;
        let reason = format!("the customer is flagged: {flag}");
        about("payment_declined", &order).with("flag", flag).with("reason", reason)
    } else if order.total > limit {
        *payment = Payment::Closed;
        let declined = about("payment_declined", &order).with("limit", limit);
        declined.with("reason", "the total is above the limit")
    } else if order.payment.as_deref() == Some("invoice") {
        let sent = about("invoice_sent", &order);
        *payment = Payment::Invoiced(order);
        sent
    } else if place(&order.order_id) < broken {
        return Err(reject(REFUSED));
    } else {
        payment.charge(&order)
    }))
}

/// What a customer may spend on one order, in cents.
fn limit(customer: &str) -> u64 {
    match customer {
        "ada" => 250_000,
        "grace" => 150_000,
        _ => 100_000,
    }
}

fn about(event: &str, order: &Order) -> Packet {
    let about = Packet::event(event).with("order_id", &order.order_id);
    about.with("amount", order.total).with("customer", &order.customer)
}

impl Payment {
    fn charge(&mut self, order: &Order) -> Packet {
        *self = Self::Charged(order.total);
        about("payment_received", order).with("items", &order.items)
    }
}

fn pay() -> River {
    River::new("pay")
        .command("pay_invoice")
        .require("order_id")
        .publishes(["payment_received", "invoice_refused"])
        .memory("payments", "@.order_id")
        .react(on_pay_invoice)
}

#[derive(Deserialize)]
struct OfOrder {
    order_id: String,
}

fn on_pay_invoice(payment: &mut Payment, packet: &Packet) -> Result<Packet> {
    let OfOrder { order_id } = packet.parse()?;
    match std::mem::take(payment) {
        Payment::Invoiced(order) => Ok(payment.charge(&order)),
        other => {
            *payment = other;
            let refused = Packet::event("invoice_refused").with("order_id", order_id);
            Ok(refused.with("reason", "no invoice is open"))
        }
    }
}

fn close() -> River {
    River::new("close")
        .event(["out_of_stock", "order_cancelled"])
        .require("order_id")
        .publishes("payment_refunded")
        .memory("payments", "@.order_id")
        .react(on_failure)
}

fn on_failure(payment: &mut Payment, packet: &Packet) -> Result<Option<Packet>> {
    let OfOrder { order_id } = packet.parse()?;
    let Payment::Charged(amount) = std::mem::replace(payment, Payment::Closed) else {
        return Ok(None);
    };
    let refunded = Packet::event("payment_refunded").with("order_id", order_id);
    Ok(Some(refunded.with("amount", amount)))
}

/// Breaks payment on command, so that there are letters to be looked at and retried.
fn break_down() -> River {
    River::new("break")
        .command("break_payment")
        .require_that("@.share >= 0 && @.share <= 1")
        .require_that("@.share == 0 || (@.seconds > 0 && @.seconds <= 86400)")
        .publishes_commands("break_payment")
        .memory("broken", "'share'")
        .react(on_break_payment)
}

#[derive(Deserialize)]
struct BreakPayment {
    share: f64,
    #[serde(default)]
    seconds: f64,
}

/// The time begins when the command was stored, also where nobody was there to take it.
fn on_break_payment(broken: &mut f64, packet: &Packet) -> Result<Outputs> {
    const MENDED: &str = "mended";
    let BreakPayment { share, seconds } = packet.parse()?;
    *broken = share;
    if share == 0.0 {
        return Ok(Outputs::new().cancel(MENDED, "payment"));
    }
    let stored = packet.arrival().map_or_else(Timestamp::now, |arrival| arrival.stored);
    let end = stored + Duration::from_secs_f64(seconds);
    let mend = Packet::command("break_payment").with("share", 0);
    Ok(Outputs::new().later(MENDED, "payment", end, mend))
}

/// Where an order lies among all of them, from 0 to 1: the same for each try, in each instance.
fn place(order_id: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    order_id.hash(&mut hasher);
    hasher.finish() as f64 / u64::MAX as f64
}

/// The bits of the share that is broken, as `beside` has read it last: `charge` has a memory of its own, and an
/// order is to cost no round trip.
static BROKEN: AtomicU64 = AtomicU64::new(0);

fn broken_share() -> f64 {
    f64::from_bits(BROKEN.load(Ordering::Relaxed))
}

/// How long to wait until the memory is looked for again, which the service makes when it starts.
const RETRY: Duration = Duration::from_secs(1);

/// Reads in each instance what one of them was told, beside the service. Where it may not read that, nothing
/// breaks.
pub(crate) async fn beside() -> Result<()> {
    loop {
        match Box::pin(follow()).await {
            Err(Error::NotPermitted { .. }) => std::future::pending().await,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

async fn follow() -> rapids_client::Result<Infallible> {
    let rapids = Rapids::connect(&Config::from_env()?).await?;
    let mut changes = rapids.memory::<f64>("payment", "broken").watch().await?;
    loop {
        let share = changes.next().await?.value.unwrap_or_default();
        BROKEN.store(share.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    use rapids_client::Verdict;
    use rapids_test::TestRapids;
    use serde_json::json;

    fn placed(customer: &str, total: i64) -> Packet {
        Packet::event("order_placed")
            .with("order_id", "o-1")
            .with("customer", customer)
            .with("items", json!([{"sku": "a/b", "quantity": 1, "price": total}]))
            .with("total", total)
    }

    fn short() -> Packet {
        Packet::event("out_of_stock").with("order_id", "o-1").with("skus", ["a/b"])
    }

    fn cancelled() -> Packet {
        Packet::event("order_cancelled").with("order_id", "o-1")
    }

    async fn after(packets: impl IntoIterator<Item = Packet>) -> TestRapids {
        let rivers = [hear(), check(), charge(|| 0.0), pay(), close()];
        let mut rapids = TestRapids::new().service("payment", rivers);
        for packet in packets {
            rapids.publish(packet).await;
        }
        rapids
    }

    #[test]
    fn a_total_below_zero_is_malformed_and_one_of_zero_is_not() {
        assert_eq!(check().judge(&placed("ada", 0)), Verdict::Matches);
        assert_eq!(check().judge(&short()), Verdict::NotForMe);
        let explained = check().explain(&placed("ada", -5)).to_string();
        assert!(explained.ends_with("requires `@.total >= 0`, but @.total = -5"), "{explained}");
    }

    #[test]
    fn each_customer_may_spend_up_to_the_limit() {
        for (customer, limit) in
            [("ada", 250_000), ("grace", 150_000), ("alan", 100_000), ("nobody", 100_000)]
        {
            let event = |total| {
                let placed = placed(customer, total);
                let checked = on_order_placed(&mut Standing::default(), &placed).unwrap();
                let answer = on_order_checked(&mut Payment::Open, &checked, 0.0);
                answer.unwrap().unwrap().event_name().unwrap()
            };
            assert_eq!(event(limit), "payment_received", "{customer}");
            assert_eq!(event(limit + 1), "payment_declined", "{customer}");
        }
    }

    #[tokio::test]
    async fn an_order_is_charged_once_and_the_items_go_on() {
        let rapids = after([placed("ada", 7550), placed("ada", 7550)]).await;
        let received = rapids.only("payment_received");
        assert_eq!(received.get::<String>("order_id").unwrap().as_deref(), Some("o-1"));
        assert_eq!(received.get::<String>("customer").unwrap().as_deref(), Some("ada"));
        assert_eq!(received.get::<u64>("amount").unwrap(), Some(7550));
        assert_eq!(received.get::<String>("@.items[0].sku").unwrap().as_deref(), Some("a/b"));
    }

    #[tokio::test]
    async fn a_declined_payment_names_amount_and_limit_and_is_never_refunded() {
        let rapids = after([placed("alan", 100_001), short(), placed("alan", 100_001)]).await;
        let declined = rapids.only("payment_declined");
        assert_eq!(declined.get::<u64>("amount").unwrap(), Some(100_001));
        assert_eq!(declined.get::<u64>("limit").unwrap(), Some(100_000));
        rapids.none("payment_refunded");
        rapids.none("payment_received");
    }

    #[tokio::test]
    async fn what_was_charged_is_refunded_once() {
        let rapids = after([placed("ada", 7550), short(), cancelled(), placed("ada", 7550)]).await;
        rapids.only("payment_received");
        let refunded = rapids.only("payment_refunded");
        assert_eq!(refunded.get::<u64>("amount").unwrap(), Some(7550));
        assert_eq!(refunded.get::<String>("order_id").unwrap().as_deref(), Some("o-1"));
    }

    #[tokio::test]
    async fn an_order_that_ended_first_is_never_charged() {
        for end in [short(), cancelled()] {
            let rapids = after([end.clone(), placed("ada", 7550), end]).await;
            for event in ["payment_received", "payment_declined", "payment_refunded"] {
                rapids.none(event);
            }
        }
    }

    fn news(event: &str, number: u64) -> Packet {
        let news = Packet::event(event).with("customer", "ada").with("number", number);
        news.with("reason", "too much was declined")
    }

    #[tokio::test]
    async fn a_flagged_customer_is_not_charged_and_others_are() {
        let other = placed("grace", 7550).with("order_id", "o-2");
        let rapids = after([news("customer_flagged", 1), placed("ada", 7550), other]).await;
        rapids.only("payments_stopped");
        let declined = rapids.only("payment_declined");
        let reason = declined.get::<String>("reason").unwrap();
        assert_eq!(reason.as_deref(), Some("the customer is flagged: too much was declined"));
        let received = rapids.only("payment_received");
        assert_eq!(received.get::<String>("customer").unwrap().as_deref(), Some("grace"));
    }

    #[tokio::test]
    async fn older_news_that_comes_later_changes_nothing() {
        let cleared = news("customer_cleared", 2);
        let rapids = after([cleared, news("customer_flagged", 1), placed("ada", 7550)]).await;
        rapids.only("payments_resumed");
        rapids.none("payments_stopped");
        rapids.only("payment_received");
    }

    #[tokio::test]
    async fn an_invoice_is_charged_once_it_is_paid_and_only_while_it_is_open() {
        let pay = || Packet::command("pay_invoice").with("order_id", "o-1");
        let invoiced = || placed("ada", 7550).with("payment", "invoice");
        let rapids = after([pay(), invoiced(), invoiced()]).await;
        rapids.none("payment_received");
        let sent = rapids.only("invoice_sent");
        assert_eq!(sent.get::<u64>("amount").unwrap(), Some(7550));

        let rapids = after([invoiced(), pay(), pay()]).await;
        let received = rapids.only("payment_received");
        assert_eq!(received.get::<u64>("amount").unwrap(), Some(7550));
        assert_eq!(received.get::<String>("@.items[0].sku").unwrap().as_deref(), Some("a/b"));
        rapids.only("invoice_refused");

        let rapids = after([invoiced(), cancelled(), pay()]).await;
        rapids.only("invoice_refused");
        let too_much = placed("alan", 100_001).with("payment", "invoice");
        after([too_much]).await.only("payment_declined");
    }

    #[tokio::test]
    async fn what_the_bank_refuses_waits_as_a_letter_and_is_charged_once_it_is_retried() {
        thread_local!(static SHARE: Cell<f64> = const { Cell::new(1.0) });
        let rivers = [check(), charge(|| SHARE.get()), pay()];
        let mut rapids = TestRapids::new().service("payment", rivers);
        rapids.publish(placed("ada", 7550)).await;
        let [refused] = rapids.problems() else { panic!("{:?}", rapids.problems()) };
        assert!(refused.reason.contains(REFUSED), "{refused:?}");
        for event in ["payment_failed", "payment_received"] {
            rapids.none(event);
        }
        SHARE.set(0.0);
        rapids.replay("payment.charge.2").await;
        rapids.only("payment_received");
    }

    #[tokio::test]
    async fn only_what_would_be_charged_is_refused() {
        let rivers = [check(), charge(|| 1.0)];
        let mut rapids = TestRapids::new().service("payment", rivers);
        rapids.publish(placed("alan", 100_001)).await;
        rapids
            .publish(placed("ada", 7550).with("payment", "invoice").with("order_id", "o-2"))
            .await;
        rapids.only("payment_declined");
        rapids.only("invoice_sent");
    }

    fn break_payment(share: f64, seconds: i64) -> Packet {
        Packet::command("break_payment").with("share", share).with("seconds", seconds)
    }

    #[tokio::test]
    async fn payment_is_broken_for_a_while_or_until_it_is_mended() {
        let share = |rapids: &TestRapids| rapids.memory::<f64>("payment", "broken", "share");
        for mended_by_hand in [false, true] {
            let mut rapids = TestRapids::new().service("payment", [break_down()]);
            rapids.publish(break_payment(0.5, 60)).await;
            rapids.advance(Duration::from_secs(59)).await;
            assert_eq!(share(&rapids), Some(0.5));
            match mended_by_hand {
                true => rapids.publish(break_payment(0.0, 0)).await,
                false => rapids.advance(Duration::from_secs(1)).await,
            }
            assert_eq!(share(&rapids), Some(0.0));
            assert!(rapids.timers().is_empty());
        }
    }

    #[test]
    fn a_break_that_makes_no_sense_is_malformed() {
        let with =
            |share, seconds| break_down().explain(&break_payment(share, seconds)).to_string();
        for (share, seconds) in [(-0.5, 60), (1.5, 60), (0.5, 0), (0.5, 100_000)] {
            let explained = with(share, seconds);
            assert!(explained.contains(", but @."), "{share} {seconds}: {explained}");
        }
        for (share, seconds) in [(1.0, 60), (0.0, 0)] {
            assert!(!with(share, seconds).contains(", but @."), "{}", with(share, seconds));
        }
    }

    #[test]
    fn the_share_is_that_of_many_orders() {
        let refused = (0..1_000).filter(|order| place(&format!("o-{order}")) < 0.3).count();
        assert!((250..350).contains(&refused), "{refused}");
    }
}
