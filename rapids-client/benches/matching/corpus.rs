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
pub(crate) enum Place {
    First,
    Last,
}

/// Packets of about this size, in bytes.
pub(crate) fn packets(size: usize, place: Place) -> Vec<Vec<u8>> {
    let mut random = Rng::with_seed(7);
    // Too many to be learnt by heart, few enough to stay in the cache.
    let count = (400_000 / size).clamp(100, 1_000) / EVENTS * EVENTS;
    (0..count).map(|at| packet(NAMES[at % EVENTS], size, place, &mut random).into()).collect()
}

fn packet(event: &str, size: usize, place: Place, random: &mut Rng) -> String {
    let mut text = String::with_capacity(size + 128);
    text.push('{');
    if let Place::First = place {
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
    if let Place::Last = place {
        write(&mut text, format_args!(",\"event\":\"{event}\""));
    }
    text.push('}');
    text
}

fn write(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("a string takes everything");
}

/// Conditions of one of four kinds, as an expression and as a pattern of quamina.
pub(crate) fn condition(number: usize) -> (String, String) {
    let (kind, number) = (number % 4, number / 4);
    // Narrow, so that nearly all packets are for nobody.
    let low = number * 7_919 % 1_000_000;
    match kind {
        0 => {
            let (event, low) = (NAMES[number % EVENTS], low % 10_000);
            let high = low + 5;
            (
                format!(
                    "@.event == '{event}' && @.payment.amount >= {low} && @.payment.amount < {high}"
                ),
                format!(
                    r#"{{"event":["{event}"],"payment":{{"amount":[{{"numeric":[">=",{low},"<",{high}]}}]}}}}"#
                ),
            )
        }
        1 => (
            format!("@.customer.id == 'c-{low:06}'"),
            format!(r#"{{"customer":{{"id":["c-{low:06}"]}}}}"#),
        ),
        2 => (format!("@.flag_{number}"), format!(r#"{{"flag_{number}":[{{"exists":true}}]}}"#)),
        _ => {
            let high = low + 5;
            (
                format!("@.weight >= {low} && @.weight < {high}"),
                format!(r#"{{"weight":[{{"numeric":[">=",{low},"<",{high}]}}]}}"#),
            )
        }
    }
}
