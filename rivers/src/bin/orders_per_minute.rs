//! orders_per_minute: counts the orders of each minute, and what they are worth.
//!
//! An order counts in the minute of its own time, `rapids.created`, whenever it is handled. A minute is told
//! once it is over, by a timer, and again with each order of it that comes later: of all that is told of a
//! minute, that with the most orders is the last word. An hour after its end a minute is forgotten; an order
//! that the stream stores later than that cannot be counted, and is a dead letter. So is one whose time is
//! more than an hour ahead.
//! Listens for `order_placed` with `total`.
//! Publishes `orders_counted` with `minute`, `orders`, `value` in cents and `correction`; `minute_over`, by a
//! timer.
//! Run: `just river orders_per_minute`; with `ORDERS_WINDOW=1s` it counts by the second.

use std::collections::BTreeMap;
use std::env;

use anyhow::Result;
use rapids_client::{
    Error, Outputs, Packet, River, Service, Timestamp, parse_duration, reject, telemetry,
};
use serde::{Deserialize, Serialize};

/// The variable that says how long a minute is.
const WINDOW: &str = "ORDERS_WINDOW";

/// How long it is if that is not set, in milliseconds as all times here.
const MINUTE: i64 = 60_000;

/// For how long a minute is kept after its end.
const HOUR: i64 = 3_600_000;

/// The name of the timer that each minute has until it is over, and of what that brings.
const OVER: &str = "minute_over";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    telemetry::init();
    Ok(service()?.run().await?)
}

pub(crate) fn service() -> rapids_client::Result<Service> {
    let length = length(env::var(WINDOW).unwrap_or_default())?;
    Ok(Service::from_env("orders_per_minute")?.river(count(length)).river(tell()))
}

fn length(set: String) -> rapids_client::Result<i64> {
    if set.is_empty() {
        return Ok(MINUTE);
    }
    let length = parse_duration(&set).and_then(|set| u32::try_from(set.as_millis()).ok());
    let expected = "a duration such as `1m`".to_owned();
    let error = Error::Config { name: WINDOW.to_owned(), value: set, expected };
    length.filter(|length| *length > 0).map(i64::from).ok_or(error)
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Minutes {
    /// By their begin.
    kept: BTreeMap<i64, Minute>,
    /// What ended by then is forgotten.
    forgotten: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Minute {
    orders: u64,
    value: i64,
    is_told: bool,
}

impl Minutes {
    /// Forgets what ended by this time. What was not told yet is told now: whoever reads the orders of a
    /// whole month at once is ahead of the timers.
    fn forget(&mut self, by: i64, length: i64) -> Outputs {
        self.forgotten = self.forgotten.max(by);
        let kept = self.kept.split_off(&(self.forgotten - length + 1));
        let gone = std::mem::replace(&mut self.kept, kept).into_iter();
        let untold = gone.filter(|(_, minute)| !minute.is_told);
        let told = untold.map(|(begin, minute)| minute.counted(begin, false));
        told.fold(Outputs::new(), Outputs::publish)
    }
}

impl Minute {
    fn counted(&self, begin: i64, correction: bool) -> Packet {
        let counted = Packet::event("orders_counted").with("minute", time(begin));
        let counted = counted.with("orders", self.orders).with("value", self.value);
        counted.with("correction", correction)
    }
}

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}

fn count(length: i64) -> River {
    River::new("count")
        .event("order_placed")
        .require("total")
        .publishes(["orders_counted", OVER])
        .memory("minutes", "'all'")
        .react(move |minutes: &mut Minutes, packet| on_order_placed(minutes, packet, length))
}

#[derive(Deserialize)]
struct OrderPlaced {
    total: i64,
}

fn on_order_placed(minutes: &mut Minutes, packet: &Packet, length: i64) -> Result<Outputs> {
    let OrderPlaced { total } = packet.parse()?;
    let created = packet.created().as_millisecond();
    let stored = packet.arrival().map_or(created, |arrival| arrival.stored.as_millisecond());
    let outputs = minutes.forget(stored - HOUR, length);
    let begin = created - created.rem_euclid(length);
    let end = begin + length;
    if end <= minutes.forgotten || created > stored + HOUR {
        return Err(reject(format!("it was placed in {}, more than an hour off", time(begin))));
    }
    let minute = minutes.kept.entry(begin).or_default();
    minute.orders += 1;
    let value = minute.value.checked_add(total);
    minute.value = value.ok_or_else(|| reject("the value of the minute is too large"))?;
    let over = Packet::event(OVER).with("minute", time(begin));
    Ok(match minute {
        Minute { is_told: true, .. } => outputs.publish(minute.counted(begin, true)),
        Minute { orders: 1, .. } => outputs.later(OVER, time(begin).to_string(), time(end), over),
        _ => outputs,
    })
}

fn tell() -> River {
    River::new("tell")
        .event(OVER)
        .require("minute")
        .publishes("orders_counted")
        .memory("minutes", "'all'")
        .react(on_minute_over)
}

fn on_minute_over(minutes: &mut Minutes, packet: &Packet) -> Result<Option<Packet>> {
    let begin = packet.get::<Timestamp>("minute")?.unwrap_or_default().as_millisecond();
    let untold = minutes.kept.get_mut(&begin).filter(|minute| !minute.is_told);
    Ok(untold.map(|minute| {
        minute.is_told = true;
        minute.counted(begin, false)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_test::TestRapids;
    use serde_json::json;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    /// Rapids on which a minute has just begun, and its begin.
    async fn rapids() -> (TestRapids, Timestamp) {
        let mut rapids = TestRapids::new().service("orders_per_minute", [count(MINUTE), tell()]);
        let now = rapids.now().as_nanosecond();
        let minute = i128::from(MINUTE) * 1_000_000;
        let rest = minute - now.rem_euclid(minute);
        rapids.advance(Duration::from_nanos(u64::try_from(rest).unwrap())).await;
        let begin = rapids.now();
        (rapids, begin)
    }

    /// An order of this value that was placed then.
    async fn place(rapids: &mut TestRapids, created: Timestamp, total: i64) {
        let id = format!("p-{}", rapids.packets().len());
        let of_the_bus = json!({"id": id, "created": created.to_string()});
        let body = json!({"event": "order_placed", "total": total, "rapids": of_the_bus});
        rapids.publish_bytes(body.to_string()).await;
    }

    /// What was told: the seconds from `begin` to the minute, its orders and value, and whether it corrects.
    fn told(rapids: &TestRapids, begin: Timestamp) -> Vec<(i64, u64, i64, bool)> {
        let told = |packet: &&Packet| {
            let minute = packet.get::<Timestamp>("minute").unwrap().unwrap();
            let number = |key| packet.get::<i64>(key).unwrap().unwrap();
            let orders = number("orders").try_into().unwrap();
            let correction = packet.get("correction").unwrap().unwrap();
            (minute.duration_since(begin).as_secs(), orders, number("value"), correction)
        };
        rapids.events("orders_counted").iter().map(told).collect()
    }

    #[tokio::test]
    async fn a_minute_is_told_once_it_is_over_though_nothing_else_comes() {
        let (mut rapids, begin) = rapids().await;
        place(&mut rapids, begin, 100).await;
        place(&mut rapids, begin + 59 * SECOND, 250).await;
        rapids.advance(59 * SECOND).await;
        rapids.none("orders_counted");
        assert_eq!(rapids.timers().len(), 1, "a minute has one timer");
        rapids.advance(SECOND).await;
        assert_eq!(told(&rapids, begin), [(0, 2, 350, false)]);
        rapids.advance(3_600 * SECOND).await;
        rapids.only("orders_counted");
    }

    #[tokio::test]
    async fn an_order_counts_in_its_own_minute_and_corrects_what_was_told() {
        let (mut rapids, begin) = rapids().await;
        place(&mut rapids, begin + SECOND, 100).await;
        rapids.advance(61 * SECOND).await;
        place(&mut rapids, begin + 60 * SECOND, 10).await;
        place(&mut rapids, begin + 2 * SECOND, 200).await;
        place(&mut rapids, begin + 3 * SECOND, 300).await;
        rapids.advance(60 * SECOND).await;
        let expected = [(0, 1, 100, false), (0, 2, 300, true), (0, 3, 600, true)];
        assert_eq!(told(&rapids, begin)[..3], expected);
        assert_eq!(told(&rapids, begin)[3..], [(60, 1, 10, false)]);
        // The first order of a minute that is over is told of at once.
        place(&mut rapids, begin - SECOND, 7).await;
        assert_eq!(told(&rapids, begin)[4..], [(-60, 1, 7, false)]);
    }

    #[tokio::test]
    async fn an_order_that_comes_again_is_counted_once() {
        let (mut rapids, begin) = rapids().await;
        place(&mut rapids, begin, 100).await;
        let id = rapids.packets()[0].id().to_owned();
        rapids.redeliver(&id).await;
        rapids.advance(60 * SECOND).await;
        rapids.redeliver(&id).await;
        assert_eq!(told(&rapids, begin), [(0, 1, 100, false)]);
    }

    #[tokio::test]
    async fn what_is_more_than_an_hour_off_is_given_up_and_spoils_no_count() {
        let (mut rapids, begin) = rapids().await;
        place(&mut rapids, begin, 100).await;
        rapids.advance(3_659 * SECOND).await;
        place(&mut rapids, begin, 200).await;
        rapids.advance(SECOND).await;
        place(&mut rapids, begin, 400).await;
        place(&mut rapids, begin + 7_261 * SECOND, 800).await;
        assert_eq!(told(&rapids, begin), [(0, 1, 100, false), (0, 2, 300, true)]);
        let [late, early] = rapids.problems() else { panic!("{}", rapids.trail()) };
        assert!(late.reason.ends_with("more than an hour off"), "{late}");
        assert!(early.reason.ends_with("more than an hour off"), "{early}");
    }

    #[test]
    fn an_hour_of_minutes_is_kept_and_what_is_forgotten_untold_is_told() {
        let mut minutes = Minutes::default();
        for order in 0..300 {
            let at = time(order * MINUTE).to_string();
            let body = json!({"event": "order_placed", "total": 1, "rapids": {"created": at}});
            let packet = Packet::from_bytes(body.to_string()).unwrap();
            let outputs = on_order_placed(&mut minutes, &packet, MINUTE).unwrap();
            let told = usize::from(order > 60);
            assert_eq!((outputs.packets().len(), outputs.timers().count()), (told, 1), "{order}");
        }
        assert_eq!(minutes.kept.len(), 61);
    }

    #[tokio::test]
    async fn a_value_that_no_number_can_hold_is_given_up() {
        let (mut rapids, begin) = rapids().await;
        for total in [i64::MAX, 1, -1] {
            place(&mut rapids, begin, total).await;
        }
        rapids.advance(60 * SECOND).await;
        assert_eq!(told(&rapids, begin), [(0, 2, i64::MAX - 1, false)]);
        assert_eq!(rapids.problems()[0].reason, "the value of the minute is too large");
    }

    #[test]
    fn a_window_is_a_duration_or_a_minute() {
        assert_eq!(length(String::new()).unwrap(), MINUTE);
        assert_eq!(length("500ms".to_owned()).unwrap(), 500);
        for wrong in ["soon", "0s", "10us", "60d"] {
            assert_eq!(
                length(wrong.to_owned()).unwrap_err().to_string(),
                format!("ORDERS_WINDOW is `{wrong}`, expected a duration such as `1m`")
            );
        }
    }
}
