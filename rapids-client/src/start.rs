//! Where a new reader of the rapids begins.

use std::fmt;

use async_nats::jetstream::consumer::DeliverPolicy;
use jiff::Timestamp;

/// From where a new reader of the rapids begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With the next packet that is published.
    #[default]
    Now,
    /// With the oldest packet that the stream still holds.
    Beginning,
    /// With this sequence, or the next one that exists.
    Sequence(u64),
    /// With the first packet stored at or after this time, which may not be in the future, nor before
    /// 1677-09-21, when the server's time begins.
    Time(Timestamp),
}

impl Start {
    pub(crate) fn deliver_policy(self) -> DeliverPolicy {
        match self {
            Self::Now => DeliverPolicy::New,
            Self::Beginning => DeliverPolicy::All,
            // The server refuses 0.
            Self::Sequence(sequence) => {
                DeliverPolicy::ByStartSequence { start_sequence: sequence.max(1) }
            }
            Self::Time(time) if time < first_time() => DeliverPolicy::All,
            Self::Time(time) => {
                // Later times would overflow on the server.
                let nanoseconds = time.as_nanosecond().min(i64::MAX.into());
                let start_time = async_nats::datetime::from_nanos(nanoseconds)
                    .expect("both libraries know every nanosecond of 64 bits");
                DeliverPolicy::ByStartTime { start_time }
            }
        }
    }

    /// Why no reader can start there, to follow its name in a message; `None` if one can.
    pub(crate) fn fault(self, now: Timestamp) -> Option<String> {
        let Self::Time(time) = self else {
            return None;
        };
        let first = first_time();
        if time < first {
            return Some(format!(
                "it is to start at {time}, which is before {first:.0}, when the server's time \
                 begins; to start with the oldest packet, say so"
            ));
        }
        (time > now).then(|| format!("it is to start at {time}, which is in the future"))
    }
}

/// The earliest time that the server can express: it counts nanoseconds from 1970 in 64 bits.
fn first_time() -> Timestamp {
    Timestamp::from_nanosecond(i64::MIN.into()).expect("year 1677 is within its range")
}

/// `with the next packet`, `at sequence 7`, ...
impl fmt::Display for Start {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => formatter.write_str("with the next packet"),
            Self::Beginning => formatter.write_str("at the beginning"),
            Self::Sequence(sequence) => write!(formatter, "at sequence {sequence}"),
            Self::Time(time) => write!(formatter, "at {time}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::timestamp;

    fn at(time: &str) -> Start {
        Start::Time(time.parse().unwrap())
    }

    #[test]
    fn a_time_is_the_servers_to_the_nanosecond_and_never_on_the_other_side_of_its_range() {
        let policy = |time: &str| match at(time).deliver_policy() {
            DeliverPolicy::ByStartTime { start_time } => Some(timestamp(start_time).to_string()),
            DeliverPolicy::All => None,
            other => panic!("{other:?}"),
        };
        for time in ["1677-09-21T00:12:43.145224192Z", "2026-11-21T09:30:00.123456789Z"] {
            assert_eq!(policy(time).as_deref(), Some(time));
        }
        for time in ["-000044-03-15T00:00:00Z", "0001-01-01T00:00:00Z", "1677-09-21T00:12:43Z"] {
            assert_eq!(policy(time), None, "all was stored after {time}");
        }
        let last = Some("2262-04-11T23:47:16.854775807Z");
        assert_eq!(policy("2262-04-12T00:00:00Z").as_deref(), last);
        assert_eq!(policy("9999-12-30T00:00:00Z").as_deref(), last);
    }

    #[test]
    fn a_start_in_the_future_or_before_the_servers_time_is_a_fault() {
        let now = "2026-11-21T09:30:00Z".parse().unwrap();
        let fault = |start: Start| start.fault(now).unwrap_or_default();
        assert_eq!(fault(Start::Now), "");
        assert_eq!(fault(Start::Sequence(u64::MAX)), "");
        assert_eq!(fault(at("2026-11-21T09:30:00Z")), "");
        assert_eq!(
            fault(at("2026-11-21T09:30:00.000000001Z")),
            "it is to start at 2026-11-21T09:30:00.000000001Z, which is in the future"
        );
        assert!(fault(at("1600-01-01T00:00:00Z")).contains("before 1677-09-21T00:12:43Z"));
        assert!(fault(at("-009998-01-02T00:00:00Z")).contains("before 1677-09-21T00:12:43Z"));
    }
}
