//! Packets and rivers from a seed.

use std::fmt::Write;

use fastrand::Rng;

/// How many names of events there are; each stands in the same share of the packets.
pub(crate) const EVENTS: usize = 20;
/// The name that 5 % of the packets have.
pub(crate) const WANTED: &str = "order_placed";

const NAMES: [&str; EVENTS] = [
    WANTED,
    "order_changed",
    "order_refused",
    "payment_received",
    "payment_declined",
    "payment_refunded",
    "stock_reserved",
    "stock_missing",
    "stock_counted",
    "parcel_packed",
    "parcel_sent",
    "parcel_delivered",
    "parcel_returned",
    "customer_registered",
    "customer_changed",
    "coupon_issued",
    "coupon_redeemed",
    "invoice_sent",
    "review_written",
    "newsletter_opened",
];
const WORDS: [&str; 8] =
    ["tent", "rope", "lantern", "waterproof", "boots, size 42", "blue", "second hand", "stove"];

/// Where the name of the event stands.
#[derive(Clone, Copy)]
pub(crate) enum EventPosition {
    First,
    Last,
}

/// Packets of about this size, in bytes.
pub(crate) fn packets(size: usize, position: EventPosition) -> Vec<Vec<u8>> {
    let mut random = Rng::with_seed(7);
    // Too many for the branch predictor to learn, few enough to stay in the cache.
    let count = (400_000 / size).clamp(100, 1_000) / EVENTS * EVENTS;
    (0..count).map(|at| packet(NAMES[at % EVENTS], size, position, &mut random).into()).collect()
}

fn packet(event: &str, size: usize, position: EventPosition, random: &mut Rng) -> String {
    let mut text = String::with_capacity(size + 128);
    text.push('{');
    if let EventPosition::First = position {
        write(&mut text, format_args!("\"event\":\"{event}\","));
    }
    write(
        &mut text,
        format_args!(
            "\"order_id\":\"o-{:08}\",\"customer\":{{\"id\":\"c-{:06}\",\"country\":\"DE\",\
             \"vip\":{}}},\"payment\":{{\"amount\":{}.{:02},\"currency\":\"EUR\"}},\
             \"weight\":{}.5,\"note\":\"{}\"",
            random.u32(0..100_000_000),
            random.u32(0..1_000_000),
            random.bool(),
            random.u32(1..10_000),
            random.u32(0..100),
            random.u32(0..1_000_000),
            random.choice(WORDS).unwrap_or_default(),
        ),
    );
    if random.u32(0..50) == 0 {
        write(&mut text, format_args!(",\"flag_{}\":true", random.u32(0..10_000)));
    }
    if size > 400 {
        write(&mut text, format_args!(",\"items\":["));
        let mut comma = "";
        while text.len() + 260 < size {
            write(
                &mut text,
                format_args!(
                    "{comma}{{\"sku\":\"{:06}\",\"name\":\"{}\",\"quantity\":{},\"price\":{}.99,\
                     \"tags\":[\"{}\",\"{}\"]}}",
                    random.u32(0..1_000_000),
                    random.choice(WORDS).unwrap_or_default(),
                    random.u32(1..20),
                    random.u32(1..500),
                    random.choice(WORDS).unwrap_or_default(),
                    random.choice(WORDS).unwrap_or_default(),
                ),
            );
            comma = ",";
        }
        text.push(']');
    }
    write(
        &mut text,
        format_args!(
            ",\"rapids\":{{\"id\":\"{:016x}\",\"created\":\"2026-11-21T09:30:00.123456Z\",\
             \"read_count\":{}}}",
            random.u64(..),
            random.u32(0..4),
        ),
    );
    if let EventPosition::Last = position {
        write(&mut text, format_args!(",\"event\":\"{event}\""));
    }
    text.push('}');
    text
}

fn write(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("a string takes everything");
}

/// A condition as an expression, and as a pattern of quamina or as members of one.
pub(crate) type Condition = (String, String);

/// Conditions of four kinds: an event with a range, another key, presence of a key, a range alone.
pub(crate) fn mixed(number: usize) -> Condition {
    let (kind, number) = (number % 4, number / 4);
    match kind {
        0 => all([event(number), amount(number)]),
        1 => all([customer(number)]),
        2 => all([flag(number)]),
        _ => all([weight(number)]),
    }
}

/// As rivers are mostly written: an event, with a range, another key or presence of one.
pub(crate) fn of_event(number: usize) -> Condition {
    let (kind, number) = (number % 3, number / 3);
    let other = [amount, customer, flag][kind];
    all([event(number), other(number)])
}

fn all<const N: usize>(conditions: [Condition; N]) -> Condition {
    let (expressions, members): (Vec<_>, Vec<_>) = conditions.into_iter().unzip();
    (expressions.join(" && "), format!("{{{}}}", members.join(",")))
}

fn event(number: usize) -> Condition {
    let event = NAMES[number % EVENTS];
    (format!("@.event == '{event}'"), format!(r#""event":["{event}"]"#))
}

fn amount(number: usize) -> Condition {
    let (expression, numbers) = range("@.payment.amount", low(number) % 10_000);
    (expression, format!(r#""payment":{{"amount":[{numbers}]}}"#))
}

fn customer(number: usize) -> Condition {
    let id = format!("c-{:06}", low(number));
    (format!("@.customer.id == '{id}'"), format!(r#""customer":{{"id":["{id}"]}}"#))
}

fn flag(number: usize) -> Condition {
    (format!("@.flag_{number}"), format!(r#""flag_{number}":[{{"exists":true}}]"#))
}

fn weight(number: usize) -> Condition {
    let (expression, numbers) = range("@.weight", low(number));
    (expression, format!(r#""weight":[{numbers}]"#))
}

/// Narrow, so that nearly all packets are for nobody.
fn range(path: &str, low: usize) -> Condition {
    let high = low + 5;
    (
        format!("{path} >= {low} && {path} < {high}"),
        format!(r#"{{"numeric":[">=",{low},"<",{high}]}}"#),
    )
}

fn low(number: usize) -> usize {
    number * 7_919 % 1_000_000
}
