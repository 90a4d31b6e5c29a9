//! A moment of the past, up to which the stream is read.

use std::fmt;

use jiff::Timestamp;

/// A moment of the past: a time, or a packet.
///
/// ```
/// use rapids_client::{Moment, Timestamp};
///
/// let ten: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
/// assert_eq!(Moment::from(ten), Moment::Time(ten));
/// assert_eq!(Moment::from(17), Moment::Sequence(17));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// What was stored at this time or before, by the server's clock.
    Time(Timestamp),
    /// Once the packet with this sequence was stored.
    Sequence(u64),
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl From<u64> for Moment {
    fn from(sequence: u64) -> Self {
        Self::Sequence(sequence)
    }
}

/// `at 2026-11-23T10:00:00Z`, `at sequence 17`
impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(formatter, "at {time}"),
            Self::Sequence(sequence) => write!(formatter, "at sequence {sequence}"),
        }
    }
}

/// What the stream holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    /// The sequence of the first packet; the next one to come, if it is empty.
    pub(super) first: u64,
    /// The sequence of the last packet that was stored; 0 if there was none.
    pub(super) last: u64,
    /// When the first packet was stored; `None` if it is empty.
    pub(super) since: Option<Timestamp>,
}

impl Moment {
    /// Why it cannot be told what was there at this moment; `None` if it can.
    pub(super) fn fault(self, held: &Held, now: Timestamp) -> Option<String> {
        let Held { first, last, since } = *held;
        match self {
            Self::Time(time) if time > now => {
                Some(format!("it is to end {self}, which is in the future"))
            }
            Self::Time(time) => since.filter(|since| time < *since).map(|since| {
                format!(
                    "it is to end {self}, but the stream begins with sequence {first} at {since}"
                )
            }),
            Self::Sequence(sequence) if sequence > last => {
                Some(format!("it is to end {self}, but the stream ends with sequence {last}"))
            }
            Self::Sequence(sequence) => (sequence < first).then(|| {
                format!("it is to end {self}, but the stream begins with sequence {first}")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn a_moment_outside_of_what_the_stream_holds_is_a_fault() {
        let held = Held { first: 5, last: 9, since: Some(at("2026-11-21T00:00:00Z")) };
        let now = at("2026-11-23T00:00:00Z");
        let fault = |moment: Moment| moment.fault(&held, now).unwrap_or_default();
        for within in [Moment::Sequence(5), Moment::Sequence(9), Moment::Time(now)] {
            assert_eq!(fault(within), "", "{within}");
        }
        assert_eq!(fault(Moment::from(at("2026-11-21T00:00:00Z"))), "");
        assert_eq!(
            fault(Moment::from(at("2026-11-20T23:59:59Z"))),
            "it is to end at 2026-11-20T23:59:59Z, but the stream begins with sequence 5 at \
             2026-11-21T00:00:00Z"
        );
        assert_eq!(
            fault(Moment::from(at("2026-11-23T00:00:01Z"))),
            "it is to end at 2026-11-23T00:00:01Z, which is in the future"
        );
        let [before, behind] = [4, 10].map(|sequence| fault(Moment::from(sequence)));
        assert_eq!(before, "it is to end at sequence 4, but the stream begins with sequence 5");
        assert_eq!(behind, "it is to end at sequence 10, but the stream ends with sequence 9");
    }
}
