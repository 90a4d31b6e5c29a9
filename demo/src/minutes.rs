//! The orders of each window of time, by the packets on the rapids, against what `orders_per_minute` says.
//!
//! After a crash, packets may be published later than their successors. But orders only ever come to a
//! window, so of all that is said of one, that with the most orders is the last word.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use rapids_client::{Packet, Timestamp};

use crate::verify::Fact;

/// How long a window is in the demo.
const WINDOW: Duration = Duration::from_secs(1);

/// The service that counts.
pub(crate) const SERVICE: &str = "orders_per_minute";

/// The variable that tells the length to the service.
pub(crate) fn environment() -> (&'static str, String) {
    ("ORDERS_WINDOW", format!("{}ms", WINDOW.as_millis()))
}

/// How many orders, and what they are worth in cents.
type Sum = (u64, i64);

/// The orders that were placed in each window, and what was said of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Minutes {
    /// The packets that count already.
    ids: HashSet<String>,
    /// By the begin of the window, in milliseconds.
    placed: BTreeMap<i64, Sum>,
    told: BTreeMap<i64, Sum>,
    is_excused: bool,
}

impl Minutes {
    pub(crate) fn take(&mut self, packet: &Packet) {
        // A field of another type counts as missing; orders and sums differ then.
        let number = |key: &str| packet.get::<i64>(key).ok().flatten().unwrap_or_default();
        match packet.event_name().as_deref() {
            Some("order_placed") if self.ids.insert(packet.id().to_owned()) => {
                let (orders, value) = self.placed.entry(begin(packet.created())).or_default();
                *orders += 1;
                *value += number("total");
            }
            Some("orders_counted") => {
                let minute = packet.get::<Timestamp>("minute").ok().flatten().unwrap_or_default();
                let said = (number("orders").unsigned_abs(), number("value"));
                let told = self.told.entry(minute.as_millisecond()).or_default();
                *told = said.max(*told);
            }
            _ => {}
        }
    }

    /// Excuses orders that were not counted: the monkey is to blame.
    pub(crate) fn excuse(&mut self) {
        self.is_excused = true;
    }

    /// Whether every order was counted.
    pub(crate) fn is_complete(&self) -> bool {
        self.faults().is_empty()
    }

    /// The windows of which something else was said last than what was placed. What was placed before this
    /// run is not known.
    fn faults(&self) -> Vec<String> {
        let fault = |(begin, placed): (&i64, &Sum)| {
            let told = self.told.get(begin).copied().unwrap_or_default();
            let is_right = if self.is_excused { told <= *placed } else { told == *placed };
            let at = Timestamp::from_millisecond(*begin).unwrap_or_default();
            (!is_right).then(|| format!("{at} has {placed:?}, but {told:?} was said last"))
        };
        self.placed.iter().filter_map(fault).collect()
    }

    /// That each order was counted once, in its own window.
    pub(crate) fn fact(&self) -> Fact {
        let windows = self.placed.len();
        let told = self.placed.keys().filter_map(|begin| self.told.get(begin));
        let (orders, value) = told.fold((0, 0), |sum, told| (sum.0 + told.0, sum.1 + told.1));
        let placed: u64 = self.placed.values().map(|(orders, _)| orders).sum();
        let claim = format!(
            "each order was counted in its second: {orders} of {placed} orders in {windows}, worth \
             {}.{:02}",
            value / 100,
            value % 100
        );
        Fact { claim, faults: self.faults() }
    }
}

/// The begin of the window of a time.
fn begin(time: Timestamp) -> i64 {
    let length = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
    let time = time.as_millisecond();
    time - time.rem_euclid(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// An order that was placed so many milliseconds after 1970.
    fn placed(id: &str, at: i64) -> Packet {
        let created = Timestamp::from_millisecond(at).unwrap().to_string();
        let of_the_bus = json!({"id": id, "created": created});
        let body = json!({"event": "order_placed", "total": 700, "rapids": of_the_bus});
        Packet::from_bytes(body.to_string()).unwrap()
    }

    fn counted(second: i64, orders: u64, value: i64) -> Packet {
        let minute = Timestamp::from_second(second).unwrap();
        let counted = Packet::event("orders_counted").with("minute", minute);
        counted.with("orders", orders).with("value", value)
    }

    fn after(packets: &[Packet]) -> Minutes {
        let mut minutes = Minutes::default();
        packets.iter().for_each(|packet| minutes.take(packet));
        minutes
    }

    #[test]
    fn the_last_word_of_each_window_counts_in_whatever_order_it_came() {
        let orders =
            [placed("a", 1_000), placed("b", 1_999), placed("c", 2_000), placed("c", 2_000)];
        let words = [counted(1, 2, 1_400), counted(1, 1, 700), counted(2, 1, 700)];
        let all = [&orders[..], &words[..]].concat();
        let minutes = after(&all);
        assert!(minutes.is_complete(), "{:?}", minutes.faults());
        let claim = "each order was counted in its second: 3 of 3 orders in 2, worth 21.00";
        assert_eq!(minutes.fact().claim, claim);
        assert!(after(&[counted(7, 9, 9)]).is_complete(), "that was before this run");
        for left_out in 4..7 {
            let mut some = all.clone();
            some.remove(left_out);
            assert_eq!(after(&some).is_complete(), left_out == 5, "{left_out}");
        }
    }

    #[test]
    fn an_order_that_is_counted_twice_or_not_at_all_is_found() {
        let order = placed("a", 1_000);
        for (orders, value) in [(0, 0), (2, 1_400), (1, 699)] {
            let minutes = after(&[order.clone(), counted(1, orders, value)]);
            assert_eq!(minutes.fact().faults.len(), 1, "{orders}");
        }
        let mut minutes = after(&[order]);
        minutes.excuse();
        assert!(minutes.fact().holds());
    }
}
