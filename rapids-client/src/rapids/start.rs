//! From where a reader begins.

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
    /// With the first packet stored at or after this time.
    Time(Timestamp),
}

impl Start {
    pub(crate) fn deliver_policy(self) -> DeliverPolicy {
        match self {
            Self::Now => DeliverPolicy::New,
            Self::Beginning => DeliverPolicy::All,
            // The server refuses sequence 0.
            Self::Sequence(sequence) => {
                DeliverPolicy::ByStartSequence { start_sequence: sequence.max(1) }
            }
            Self::Time(time) => async_nats::datetime::from_nanos(time.as_nanosecond())
                .map_or(DeliverPolicy::All, |start_time| DeliverPolicy::ByStartTime { start_time }),
        }
    }
}

/// A time of the client library as ours.
pub(crate) fn timestamp(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or_default()
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
