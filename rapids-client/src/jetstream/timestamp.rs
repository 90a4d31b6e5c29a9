//! Times of the client library as times of this one.

use async_nats::datetime::DateTime;
use jiff::Timestamp;

pub(crate) fn timestamp(time: DateTime) -> Timestamp {
    Timestamp::from_nanosecond(time.unix_timestamp_nanos()).unwrap_or_default()
}
