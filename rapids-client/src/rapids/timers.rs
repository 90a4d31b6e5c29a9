//! Packets that a publisher puts off, and the timers that wait: listed, looked at, cancelled.

use std::collections::VecDeque;

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE, NATS_SCHEDULE_TIME_ZONE};
use async_nats::jetstream::message::StreamMessage;
use bytes::Bytes;
use jiff::Timestamp;

use super::{PATIENCE, Rapids};
use crate::Result;
use crate::connection::Connection;
use crate::jetstream::ensure::info_of;
use crate::jetstream::publish_fault::Patience;
use crate::jetstream::scan::Scan;
use crate::jetstream::stored_message::last_of_subject;
use crate::jetstream::stream;
use crate::jetstream::timers::{
    OutgoingTimer, TimerPlace, cancellation, schedule as headers_of, timers_of, wrong_schedule,
};
use crate::jetstream::timestamp;
use crate::packet::Packet;
use crate::printable::printable;
use crate::timer::{TimerChange, TimerId, When};

/// A packet that was put off; see [`Rapids::publish_later`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutOff {
    /// Which timer brings it.
    pub timer: TimerId,
    /// Whether the packet had been put off before, so that nothing was changed: its timer waits until the time
    /// that was set then, or has fired or been cancelled since.
    pub duplicate: bool,
}

/// A timer that waits.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WaitingTimer {
    /// Which one.
    pub id: TimerId,
    /// When it is due; `None` if it comes again and again.
    pub due: Option<Timestamp>,
    /// What the scheduler was told: `@at` and a time, `@every` and a duration, or the six fields of cron.
    pub schedule: String,
    /// The time zone that the fields of cron are meant in; `None` for UTC.
    pub time_zone: Option<String>,
    /// When it was set.
    pub set: Timestamp,
    /// What it brings, as JSON.
    pub body: Bytes,
}

impl WaitingTimer {
    /// Reads a message; `None` if it is none that the scheduler keeps, such as a cancellation.
    fn read(subject: &str, headers: &HeaderMap, body: Bytes, set: Timestamp) -> Option<Self> {
        let text = |name| headers.get(name).map(|value| value.as_str().to_owned());
        let schedule = text(NATS_SCHEDULE)?;
        Some(Self {
            id: TimerId::of_subject(subject)?,
            due: schedule.strip_prefix("@at ").and_then(|due| due.parse().ok()),
            schedule,
            time_zone: text(NATS_SCHEDULE_TIME_ZONE),
            set,
            body,
        })
    }
}

/// The timers that wait, one after the other, in the order in which they were set; where services have accounts
/// of their own, those of one service after those of another.
pub struct TimerListing {
    connection: Connection,
    /// Streams that are still to be read, and the subjects in each.
    rest: VecDeque<(String, String)>,
    scan: Option<Scan>,
}

impl TimerListing {
    /// The next timer; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server): it ends there.
    pub async fn next(&mut self) -> Result<Option<WaitingTimer>> {
        loop {
            let Some(scan) = &mut self.scan else {
                let Some((stream, subjects)) = self.rest.pop_front() else { return Ok(None) };
                if info_of(&self.connection, &stream).await?.is_some() {
                    self.scan = Some(Scan::new(&self.connection, &stream, subjects));
                }
                continue;
            };
            let Some(message) = scan.next().await? else {
                self.scan = None;
                continue;
            };
            let StreamMessage { subject, headers, payload, time, .. } = message;
            let timer = WaitingTimer::read(&subject, &headers, payload, timestamp(time));
            if timer.is_some() {
                return Ok(timer);
            }
        }
    }
}

impl std::fmt::Debug for TimerListing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TimerListing").finish_non_exhaustive()
    }
}

impl Rapids {
    /// Publishes a packet later: at a [`Timestamp`], or after a [`Duration`](std::time::Duration). Returns
    /// once the server has stored it, which keeps it until then; what is over is published at once. A duration
    /// is added to the clock of this machine, and the server's decides. The timer that is returned can be
    /// [cancelled](Self::cancel_timer).
    ///
    /// The same packet again within ten minutes changes nothing, as [`PutOff::duplicate`] tells.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish); [`Error::Stream`](crate::Error::Stream) if the server or its streams cannot keep timers.
    pub async fn publish_later(&self, packet: Packet, when: impl Into<When>) -> Result<PutOff> {
        let due = when.into().after(Timestamp::now());
        packet.check()?;
        let timer = TimerId::of_packet(packet.id());
        let packet = packet.of_timer(&timer.to_string());
        let change = TimerChange::set(timer.clone(), due, packet);
        self.publisher.check_timer(&change)?;
        let duplicate = self.store_timer(OutgoingTimer::of(&change)).await?;
        Ok(PutOff { timer, duplicate })
    }

    /// Publishes what a packet says again and again, each time as a new packet, until that is
    /// [cancelled](Self::cancel_timer). One of the same name is replaced.
    ///
    /// The schedule is `@every` and a duration of at least a second, such as `@every 1h`, or the six fields
    /// of cron, seconds first, such as `0 30 14 * * *`, or `@hourly`, `@daily`, `@weekly`, `@monthly`,
    /// `@yearly`. The fields are meant in UTC, or in a time zone such as `Europe/Berlin`.
    ///
    /// # Errors
    /// [`Error::Definition`](crate::Error::Definition) for a name, schedule or time zone that is none; otherwise as for
    /// [`publish_later`](Self::publish_later).
    pub async fn publish_every(
        &self,
        name: &str,
        schedule: &str,
        time_zone: Option<&str>,
        packet: Packet,
    ) -> Result<TimerId> {
        packet.check()?;
        for text in [Some(schedule), time_zone].into_iter().flatten() {
            if text.contains(char::is_control) {
                let fault = format!("`{}` has a control character in it", printable(text));
                return Err(wrong_schedule(&printable(schedule).to_string(), fault));
            }
        }
        let timer = TimerId::every(name).map_err(|fault| wrong_schedule(schedule, fault))?;
        let mut headers = headers_of(schedule);
        if let Some(zone) = time_zone {
            headers.insert(NATS_SCHEDULE_TIME_ZONE, zone);
        }
        let id = Packet::event(name).id().to_owned();
        let outgoing = OutgoingTimer::new(timer.clone(), &id, headers).with_body(packet.facts());
        self.store_timer(outgoing).await?;
        Ok(timer)
    }

    /// The timers that wait, of one service or of all. What publishers have put off is of `PUBLISHED`, what
    /// comes again and again of `EVERY`.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn timers(&self, owner: Option<&str>) -> Result<TimerListing> {
        let rest = match owner {
            Some(owner) => {
                let place = TimerPlace::of(self.facts.form, owner);
                [(place.stream, timers_of(owner))].into()
            }
            None => {
                let rapids = stream::present(&self.connection).await?;
                let of_place = |TimerPlace { stream, timers, .. }| {
                    timers.into_iter().map(move |subjects| (stream.clone(), subjects))
                };
                TimerPlace::all(&rapids.config).into_iter().flat_map(of_place).collect()
            }
        };
        Ok(TimerListing { connection: self.connection.clone(), rest, scan: None })
    }

    /// One timer; `None` if it does not wait.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn timer(&self, id: &TimerId) -> Result<Option<WaitingTimer>> {
        match self.stream_of(id).await? {
            Some(stream) => self.waiting_timer(&stream, id).await,
            None => Ok(None),
        }
    }

    /// The stream in which a timer lies; `None` if there is none.
    async fn stream_of(&self, id: &TimerId) -> Result<Option<String>> {
        let TimerPlace { stream, .. } = TimerPlace::of(self.facts.form, id.owner());
        Ok(info_of(&self.connection, &stream).await?.map(|_| stream))
    }

    /// One timer, where the stream is there.
    async fn waiting_timer(&self, stream: &str, id: &TimerId) -> Result<Option<WaitingTimer>> {
        let action = format!("read the timer `{id}`");
        let found = last_of_subject(&self.connection, &action, stream, id.subject()).await?;
        Ok(found.and_then(|found| {
            WaitingTimer::read(&found.subject, &found.headers, found.payload, timestamp(found.time))
        }))
    }

    /// Cancels a timer; `false` if none of this id waits, as far as the server that answers knows.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), [`Error::NotPermitted`](crate::Error::NotPermitted).
    pub async fn cancel_timer(&self, id: &TimerId) -> Result<bool> {
        let Some(stream) = self.stream_of(id).await? else { return Ok(false) };
        // A replica may not know it yet, so it is cancelled in any case.
        let waits = self.waiting_timer(&stream, id).await?.is_some();
        // Each cancellation is one of its own.
        let own = Packet::event("cancel").id().to_owned();
        self.store_timer(OutgoingTimer::new(id.clone(), &own, cancellation())).await?;
        Ok(waits)
    }

    /// Returns whether it was stored before.
    async fn store_timer(&self, timer: OutgoingTimer) -> Result<bool> {
        Box::pin(self.timers.store_one(&timer, Patience::For(PATIENCE))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::LATER;
    use crate::packet::Packet;
    use crate::stored::golden;

    #[test]
    fn what_an_earlier_revision_wrote_is_read() {
        for message in golden::messages("shared", LATER) {
            let body = message.body.into();
            let timer =
                WaitingTimer::read(&message.subject, &message.headers, body, Timestamp::MIN);
            let timer = timer.unwrap();
            assert!(timer.id.to_string().starts_with("ledger.reminder:") && timer.due.is_some());
            let packet = Packet::from_bytes(timer.body).unwrap();
            assert_eq!(packet.event_name().as_deref(), Some("reminded"));
        }
    }
}
