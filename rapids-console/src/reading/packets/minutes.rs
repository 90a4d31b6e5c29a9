//! How many packets were published in each minute of the last hour, by whom.

use std::collections::VecDeque;

use jiff::Timestamp;
use rapids_client::Packet;
use rustc_hash::FxHashMap;

const MICROS: i64 = 60_000_000;
const HOUR: usize = 60;
/// So many services are told apart in a minute.
const MOST_PUBLISHERS: usize = 1_000;

/// The last minutes in which there were packets, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Minutes(VecDeque<Minute>);

#[derive(Debug)]
struct Minute {
    /// Since 1970.
    number: i64,
    all: u32,
    by_publisher: FxHashMap<String, u32>,
}

impl Minutes {
    pub(super) fn add(&mut self, packet: &Packet, stored: i64) {
        let number = stored.div_euclid(MICROS);
        // Times of the stream do not go back but with the clock of the server: then the last minute has it.
        if self.0.back().is_none_or(|last| last.number < number) {
            self.0.push_back(Minute { number, all: 0, by_publisher: FxHashMap::default() });
            if self.0.len() > HOUR {
                self.0.pop_front();
            }
        }
        let Some(minute) = self.0.back_mut() else { return };
        minute.all += 1;
        let Some(publisher) = packet.shown_publisher() else { return };
        if let Some(count) = minute.by_publisher.get_mut(publisher) {
            *count += 1;
        } else if minute.by_publisher.len() < MOST_PUBLISHERS {
            minute.by_publisher.insert(publisher.to_owned(), 1);
        }
    }

    /// The counts of the last hour before a moment.
    pub(super) fn last_hour(&self, publisher: Option<&str>, now: Timestamp) -> [u32; HOUR] {
        let last = now.as_microsecond().div_euclid(MICROS);
        let mut counts = [0; HOUR];
        for minute in &self.0 {
            let Some(place) = usize::try_from(last - minute.number)
                .ok()
                .and_then(|ago| (HOUR - 1).checked_sub(ago))
            else {
                continue;
            };
            counts[place] += match publisher {
                None => minute.all,
                Some(publisher) => minute.by_publisher.get(publisher).copied().unwrap_or(0),
            };
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_is_the_last_count() {
        let by = |service: &str| {
            let body = format!(r#"{{"event":"x","rapids":{{"breadcrumbs":["{service}"]}}}}"#);
            Packet::from_bytes(body).unwrap()
        };
        let mut minutes = Minutes::default();
        let now = Timestamp::from_second(100 * 60 + 30).unwrap();
        for (ago, service) in [(2, "order"), (2, "payment"), (0, "order")] {
            minutes.add(&by(service), now.as_microsecond() - ago * MICROS);
        }
        let all = minutes.last_hour(None, now);
        assert_eq!((all[57], all[58], all[59]), (2, 0, 1));
        assert_eq!(minutes.last_hour(Some("order"), now)[57], 1);
        assert_eq!(minutes.last_hour(Some("nobody"), now), [0; HOUR]);
    }
}
