//! A message to the server's scheduler: what is done to one timer.

use async_nats::HeaderMap;
use async_nats::header::{
    NATS_MESSAGE_ID, NATS_MESSAGE_TTL, NATS_ROLLUP, NATS_SCHEDULE, NATS_SCHEDULE_TIME_ZONE,
    NATS_SCHEDULE_TTL,
};
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::PublishError;
use bytes::Bytes;
use jiff::Timestamp;

use crate::Error;
use crate::connection::server_answer;
use crate::jetstream::refusal::of_publish;
use crate::jetstream::trace_headers;
use crate::packet::Packet;
use crate::timer::{TimerChange, TimerId};

/// How long the server keeps what timers have brought, until the rapids have room for it: a day, and an hour
/// where the size of the stream is limited, since it counts there.
const FIRED_AGE: &str = "86400s";
pub(super) const FIRED_AGE_LIMITED: &str = "3600s";
/// How long the message stays that cancels a timer.
const CANCELLED_AGE: &str = "60s";
/// The bytes of its headers, at most, beside the subject and the ids.
const HEADERS: usize = 512;

/// A message to the scheduler.
#[derive(Debug)]
pub(crate) struct OutgoingTimer {
    pub(super) timer: TimerId,
    pub(super) id: String,
    pub(super) due: Option<Timestamp>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl OutgoingTimer {
    /// What is done to a timer, written out.
    pub(crate) fn of(change: &TimerChange) -> Self {
        let headers = match (change.due(), change.packet()) {
            (Some(due), Some(packet)) => {
                let mut headers = schedule(&format!("@at {due}"));
                if let Some(trace) = packet.trace() {
                    trace_headers::write(trace, &mut headers);
                }
                headers
            }
            _ => cancellation(),
        };
        Self {
            body: change.packet().map(Packet::written).unwrap_or_default(),
            due: change.due(),
            ..Self::new(change.timer().clone(), change.id(), headers)
        }
    }

    /// One without a body.
    pub(crate) fn new(timer: TimerId, id: &str, mut headers: HeaderMap) -> Self {
        headers.insert(NATS_MESSAGE_ID, id);
        Self { timer, id: id.to_owned(), due: None, headers, body: Bytes::new() }
    }

    pub(crate) fn with_body(self, body: Bytes) -> Self {
        Self { body, ..self }
    }

    /// Why the server did not store it.
    pub(super) fn refused(&self, stream: &str, error: PublishError) -> Error {
        let text = |name| self.headers.get(name).map_or("", |value| value.as_str());
        let schedule = text(NATS_SCHEDULE);
        match server_answer(&error).map(|answer| answer.error_code()) {
            Some(ErrorCode::MESSAGE_SCHEDULES_PATTERN_INVALID) => wrong_schedule(
                schedule,
                "the server reads no schedule in it, expected such as `@every 1h` (at least `1s`), `0 \
                 30 14 * * *` or `@daily`"
                    .to_owned(),
            ),
            Some(ErrorCode::MESSAGE_SCHEDULES_TIME_ZONE_INVALID) => {
                let zone = text(NATS_SCHEDULE_TIME_ZONE);
                wrong_schedule(
                    schedule,
                    format!(
                        "the server knows no time zone `{zone}` for it, expected such as \
                         `Europe/Berlin`, with the fields of cron"
                    ),
                )
            }
            _ => of_publish("set a timer", stream, &self.id, None, error),
        }
    }

    /// How many bytes the server counts, and a little more.
    pub(crate) fn size(&self) -> usize {
        self.body.len() + self.timer.subject().len() + self.id.len() + HEADERS
    }
}

/// The error for what is no schedule.
pub(crate) fn wrong_schedule(schedule: &str, fault: String) -> Error {
    Error::Definition { of: format!("the schedule `{schedule}`"), faults: vec![fault] }
}

/// The headers of a message that the scheduler moves to the rapids when its time has come, but where to.
pub(crate) fn schedule(when: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_SCHEDULE, when);
    headers.insert(NATS_SCHEDULE_TTL, FIRED_AGE);
    headers
}

/// The headers of a message that takes the place of a timer, and brings nothing.
pub(crate) fn cancellation() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_ROLLUP, "sub");
    headers.insert(NATS_MESSAGE_TTL, CANCELLED_AGE);
    headers
}
