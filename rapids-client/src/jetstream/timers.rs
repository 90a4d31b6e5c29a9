//! The streams of timers: sets them and cancels them, until the server has stored that.
//!
//! The server's scheduler keeps them
//! ([ADR-51](https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-51.md)). What is due it
//! moves to one subject of the stream, from which the rapids take it.

pub(crate) mod of_service;
mod outgoing;
mod place;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE_TARGET, NATS_SCHEDULE_TTL};
use async_nats::jetstream::stream::Info;
use futures::future::try_join_all;
use jiff::Timestamp;
use tokio::sync::Mutex as AsyncMutex;

use crate::connection::Connection;
use crate::jetstream::form::Form;
use crate::jetstream::publish_fault::Patience;
use crate::jetstream::publish_once::publish_once;
use crate::jetstream::stream;
use crate::jetstream::validity::LeaseValidity;
use crate::timer::{TimerChange, TimerId};
use crate::{Error, Result};
use outgoing::FIRED_AGE_LIMITED;
pub(crate) use outgoing::{OutgoingTimer, cancellation, schedule, wrong_schedule};
pub(crate) use place::{TimerPlace, timers_of};

/// What is known of the stream is read again after this time, and sooner where its size is limited.
const KNOWN_FOR: Duration = Duration::from_secs(10);
const LIMITED_KNOWN_FOR: Duration = Duration::from_secs(1);
/// So many queues of timers are kept before those are removed in which nothing waits.
const QUEUES: usize = 1_024;
/// From this share of a limit on, in percent, no timer is set: beyond the limit the server would drop one
/// that waits.
const FULL: u128 = 90;

/// Sets and cancels timers over one connection.
#[derive(Debug)]
pub(crate) struct TimerStore {
    connection: Connection,
    form: Form,
    /// Nothing is stored while this lease is not valid.
    validity: LeaseValidity,
    // Locks, since any thread may publish; held for a moment.
    /// By the name of the stream.
    known: Mutex<HashMap<String, Known>>,
    /// Held while a stream is looked at, so that one does for all.
    looking: AsyncMutex<()>,
    /// Changes of one timer wait for each other in the order in which they come.
    queues: Mutex<HashMap<TimerId, Weak<AsyncMutex<()>>>>,
}

/// What is known of a stream, and when it was read.
#[derive(Debug, Clone)]
struct Known {
    read: Instant,
    /// Zero is for ever.
    max_age: Duration,
    /// How many bytes and messages it holds and may hold; no limit is zero or less.
    bytes: (u64, i64),
    messages: (u64, i64),
}

impl Known {
    fn is_outdated(&self) -> bool {
        let lasts = if self.full_with(0).is_some() { LIMITED_KNOWN_FOR } else { KNOWN_FOR };
        self.read.elapsed() >= lasts
    }

    /// How full it is with one more message of this size, in percent of its limits; `None` if it has none.
    fn full_with(&self, size: usize) -> Option<u128> {
        let share = |(used, limit): (u64, i64), more: u64| {
            let limit = u128::try_from(limit).ok().filter(|limit| *limit > 0)?;
            Some(u128::from(used.saturating_add(more)) * 100 / limit)
        };
        share(self.bytes, size as u64).max(share(self.messages, 1))
    }
}

impl From<&Info> for Known {
    fn from(info: &Info) -> Self {
        let (state, config) = (&info.state, &info.config);
        Self {
            read: Instant::now(),
            max_age: config.max_age,
            bytes: (state.bytes, config.max_bytes),
            messages: (state.messages, config.max_messages),
        }
    }
}

impl TimerStore {
    /// Creates and reads nothing until something is to be stored.
    pub(crate) fn new(connection: Connection, form: Form, validity: LeaseValidity) -> Self {
        Self {
            connection,
            form,
            validity,
            known: Mutex::default(),
            looking: AsyncMutex::default(),
            queues: Mutex::default(),
        }
    }

    /// The queue of a timer.
    fn queue(&self, timer: &TimerId) -> Arc<AsyncMutex<()>> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(timer).and_then(Weak::upgrade) {
            return queue;
        }
        if queues.len() >= QUEUES {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::default();
        queues.insert(timer.clone(), Arc::downgrade(&queue));
        queue
    }

    /// Stores these changes of timers, all at once. Returns the positions of what was stored before,
    /// under the same id.
    ///
    /// # Errors
    /// `Stream` if the server or its streams cannot keep timers; `Refused` for one that the stream would
    /// drop before it is due; `Full`, unless patience is endless; `NotPermitted`, `Limit`, `Server`.
    pub(crate) async fn store(
        &self,
        changes: &[TimerChange],
        patience: Patience,
    ) -> Result<Vec<usize>> {
        let timers: Vec<_> = changes.iter().map(OutgoingTimer::of).collect();
        if timers.len() > 1 {
            // One that can never be set leaves the others unset, too.
            for timer in &timers {
                let place = self.place(timer);
                if let Err(error @ Error::Refused { .. }) = self.check(timer, &place).await {
                    return Err(error);
                }
            }
        }
        let storing = timers.iter().map(|timer| self.store_one(timer, patience));
        let repeated = try_join_all(storing).await?.into_iter().enumerate();
        Ok(repeated.filter_map(|(position, is_repeated)| is_repeated.then_some(position)).collect())
    }

    /// Stores one message. Returns whether it was stored before, under the same id.
    ///
    /// # Errors
    /// As for [`store`](Self::store).
    pub(crate) async fn store_one(
        &self,
        timer: &OutgoingTimer,
        patience: Patience,
    ) -> Result<bool> {
        let mut retry = patience.retry(&self.connection);
        let place = self.place(timer);
        let queue = self.queue(&timer.timer);
        let _first = queue.lock().await;
        loop {
            match self.try_store(timer, &place).await {
                Ok(is_repeated) => return Ok(is_repeated),
                Err(error @ Error::Full { .. }) if matches!(patience, Patience::For(_)) => {
                    return Err(error);
                }
                Err(error) => {
                    // The stream may have been deleted.
                    self.lock().remove(&place.stream);
                    retry.again_if_passing(error).await?;
                }
            }
        }
    }

    /// Where a timer lies.
    fn place(&self, timer: &OutgoingTimer) -> TimerPlace {
        TimerPlace::of(self.form, timer.timer.owner())
    }

    async fn try_store(&self, timer: &OutgoingTimer, place: &TimerPlace) -> Result<bool> {
        let headers = self.check(timer, place).await?;
        self.validity.wait().await;
        let message = (headers, timer.body.clone());
        let subject = timer.timer.subject();
        let answer = publish_once(&self.connection, "set a timer", subject, message).await?;
        let is_repeated = answer.map_err(|error| timer.refused(&place.stream, error))?.duplicate;
        if !is_repeated && let Some(known) = self.lock().get_mut(&place.stream) {
            known.bytes.0 += timer.size() as u64;
            known.messages.0 += 1;
        }
        Ok(is_repeated)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that the stream keeps the timer until it is due; returns the headers to store it with. To
    /// cancel one needs nothing.
    async fn check(&self, outgoing: &OutgoingTimer, place: &TimerPlace) -> Result<HeaderMap> {
        let OutgoingTimer { id, due, timer, body, .. } = outgoing;
        let mut headers = outgoing.headers.clone();
        let known = self.known(timer, place).await?;
        if body.is_empty() {
            return Ok(headers);
        }
        let stream = &place.stream;
        headers.insert(NATS_SCHEDULE_TARGET, place.due.as_str());
        let too_late = |due: &Timestamp| {
            let wait = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
            !known.max_age.is_zero() && wait >= known.max_age
        };
        if due.as_ref().is_some_and(too_late) {
            let reason = format!(
                "the timer `{timer}` is due later than the stream `{stream}` keeps anything, which is {} \
                 s: let it keep timers for ever with `nats stream edit {stream} --max-age=0`",
                known.max_age.as_secs()
            );
            return Err(Error::Refused { id: id.clone(), reason });
        }
        let Some(percent) = known.full_with(outgoing.size()) else { return Ok(headers) };
        if percent < FULL {
            headers.insert(NATS_SCHEDULE_TTL, FIRED_AGE_LIMITED);
            return Ok(headers);
        }
        Err(Error::Full {
            what: format!("the timer `{timer}`"),
            full: format!("the stream `{stream}`"),
            remedy: format!(
                "it would be {percent} % full, and beyond its limit the server drops timers that wait: raise \
                 it with `nats stream edit {stream} --max-bytes`"
            ),
            source: format!("timers are refused from {FULL} % on").into(),
        })
    }

    /// What is known of a stream, which is created if there is none.
    async fn known(&self, timer: &TimerId, place: &TimerPlace) -> Result<Known> {
        let current =
            || self.lock().get(&place.stream).filter(|known| !known.is_outdated()).cloned();
        if let Some(known) = current() {
            return Ok(known);
        }
        let _looking = self.looking.lock().await;
        if let Some(known) = current() {
            return Ok(known);
        }
        let info = Box::pin(stream::ensure_later(&self.connection, timer.owner())).await?;
        let known = Known::from(&info);
        self.lock().insert(place.stream.clone(), known.clone());
        Ok(known)
    }
}
