//! Where in the stream the packet of an id can be, the likeliest part first.
//!
//! An id that the stream derived holds the sequence, a UUIDv7 the time, and so does a UUIDv8 that a service has
//! derived with a key: that of the cause, which was stored shortly before in most cases. The clocks of publishers and of
//! the server differ, so that the time only says where to look first. Together the parts are the whole
//! stream: what is in it is found.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::moment::Moment;
use crate::names::STREAM;
use crate::start::Start;

/// By how much most clocks are ahead of the server's at most.
const NEAR: Duration = Duration::from_millis(250);
/// By how much most are behind, together with the time from a packet's making to its storing.
const SOON: Duration = Duration::from_secs(1);

/// By how much clocks may differ before it takes a reading of the whole stream.
const FAR: Duration = Duration::from_secs(600);

/// A part of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Start,
    /// The last time at which a packet of it was stored.
    until: Option<Timestamp>,
    /// The last sequence of it.
    last: Option<u64>,
}

impl Span {
    /// From there to the end of the stream.
    pub(super) fn from(from: Start) -> Self {
        Self { from, until: None, last: None }
    }

    fn until(self, time: Timestamp) -> Self {
        Self { until: Some(time), ..self }
    }

    /// Only what lies before a sequence.
    pub(super) fn before(self, sequence: u64) -> Self {
        let last = sequence.saturating_sub(1);
        Self { last: Some(self.last.map_or(last, |found| found.min(last))), ..self }
    }

    /// Only what was there at a moment; everything, if there is none.
    pub(super) fn to(self, moment: Option<Moment>) -> Self {
        match moment {
            None => self,
            Some(Moment::Time(time)) => self.until(time),
            Some(Moment::Sequence(sequence)) => self.before(sequence.saturating_add(1)),
        }
    }

    /// Whether a packet lies behind it, as do all that follow.
    pub(super) fn ends_before(&self, sequence: u64, stored: Timestamp) -> bool {
        self.last.is_some_and(|last| sequence > last)
            || self.until.is_some_and(|until| stored > until)
    }

    /// The last sequence of it, in a stream that ends with this one.
    pub(super) fn last(&self, end: u64) -> u64 {
        self.last.map_or(end, |last| last.min(end))
    }
}

/// The parts of a stream that was created then, for an id, at this time.
pub(super) fn spans(id: &str, created: Timestamp, now: Timestamp) -> Vec<Span> {
    if let Some(sequence) = sequence_of(id, created) {
        let before = Span::from(Start::Beginning).before(sequence);
        return vec![Span::from(Start::Sequence(sequence)), before];
    }
    let Some(time) = time_of(id) else {
        return vec![Span::from(Start::Beginning)];
    };
    let time = time.min(now);
    let earlier = |by: Duration| time.checked_sub(by).unwrap_or(Timestamp::UNIX_EPOCH);
    let later = |by: Duration| time.checked_add(by).unwrap_or(time);
    vec![
        Span::from(Start::Time(earlier(NEAR))).until(later(SOON)),
        Span::from(Start::Time(later(SOON).min(now))).until(later(FAR)),
        Span::from(Start::Time(earlier(FAR))).until(earlier(NEAR)),
        Span::from(Start::Time(later(FAR).min(now))),
        Span::from(Start::Beginning).until(earlier(FAR)),
    ]
}

/// The sequence in an id that this stream derived.
pub(super) fn sequence_of(id: &str, created: Timestamp) -> Option<u64> {
    let (stream, sequence) = id.strip_prefix(STREAM)?.strip_prefix('-')?.rsplit_once('-')?;
    // One spelling for each: `017` is none.
    let number = sequence.parse::<u64>().ok().filter(|number| number.to_string() == sequence)?;
    (stream == created.as_second().to_string()).then_some(number)
}

/// The time in a UUIDv7, and in a UUIDv8 as services derive it.
fn time_of(id: &str) -> Option<Timestamp> {
    let id = Uuid::try_parse(id).ok().filter(|id| matches!(id.get_version_num(), 7 | 8))?;
    let milliseconds = i64::try_from(id.as_u128() >> 80).ok()?;
    Timestamp::from_millisecond(milliseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn spans_of(id: &str) -> Vec<Span> {
        spans(id, at("2026-11-01T00:00:00Z"), at("2026-11-21T12:00:00Z"))
    }

    #[test]
    fn an_id_of_the_stream_says_the_sequence() {
        let found = spans_of("RAPIDS-1793491200-17");
        assert_eq!(found[0], Span::from(Start::Sequence(17)));
        assert_eq!(found[1].last(100), 16);
        for other in ["RAPIDS-1793491201-17", "RAPIDS-1793491200-017", "RAPIDS-17", "o-1", ""] {
            assert_eq!(spans_of(other), [Span::from(Start::Beginning)], "{other}");
        }
    }

    #[test]
    fn the_time_of_a_uuid_says_where_to_look_first() {
        // 2026-11-21T09:30:00Z
        let id = "019aa5a2-3f40-7000-8000-000000000000";
        let [near, later, earlier, far, rest] = spans_of(id)[..] else { panic!() };
        let time = time_of(id).unwrap();
        assert_eq!(near.from, Start::Time(time - NEAR));
        assert!(!near.ends_before(9, time + SOON) && near.ends_before(9, time + 2 * SOON));
        assert_eq!(later, Span::from(Start::Time(time + SOON)).until(time + FAR));
        assert_eq!(earlier, Span::from(Start::Time(time - FAR)).until(time - NEAR));
        assert_eq!(far, Span::from(Start::Time(time + FAR)));
        assert_eq!(rest, Span::from(Start::Beginning).until(time - FAR));
        let derived_with_a_key = "019aa5a2-3f40-8000-8000-000000000000";
        assert_eq!(spans_of(derived_with_a_key), spans_of(id));
        assert_eq!(spans_of("2ed6657d-e927-568b-95e1-2665a8aea6a2").len(), 1);
    }

    #[test]
    fn a_time_in_the_future_is_no_place_to_start() {
        let now = at("2026-11-21T12:00:00Z");
        for span in spans_of("ffffffff-ffff-7fff-bfff-ffffffffffff") {
            assert_eq!(span.from.fault(now), None, "{span:?}");
        }
        for span in spans_of("ffffffff-ffff-8fff-bfff-ffffffffffff") {
            assert_eq!(span.from.fault(now), None, "{span:?}");
        }
        for span in spans_of("00000000-0000-7000-8000-000000000000") {
            assert_eq!(span.from.fault(now), None, "{span:?}");
        }
    }

    #[test]
    fn a_span_before_a_sequence_ends_there() {
        let span = Span::from(Start::Beginning).before(17).before(30);
        assert!(!span.ends_before(16, Timestamp::MAX) && span.ends_before(17, Timestamp::MIN));
        assert_eq!((span.last(100), span.last(5)), (16, 5));
    }
}
