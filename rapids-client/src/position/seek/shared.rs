//! Moving the position of a service in shared delivery, whether instances of it run or not.
//!
//! The server moves no consumer back. So a note says where the service is to go on, and the consumer
//! is deleted and made anew there. Should that end halfway, whoever finds no consumer makes the one
//! that the note asks for. An instance that runs notices that its consumer is another one, and goes on
//! with that. Where the service is to forget, the server gives it nothing of the new consumer before
//! ([`group`](crate::position::consumer::group)).

use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::Info;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::connection::Retry;
use crate::error::with_causes;
use crate::position::consumer::{Consumer, epoch_of};
use crate::position::entries::ServiceEntries;
use crate::position::entry::ServiceEntry;
use crate::position::record::PositionRecord;
use crate::position::seek::report::SeekReport;
use crate::position::seek::{Moving, finish};
use crate::start::Start;
use crate::{Error, Result};

/// For how long packets in hand are waited for, and how often it is looked whether they are done.
const IN_HAND: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);
/// Deliveries pause longer than what is done meanwhile takes; should this program end, no longer than that.
const PAUSE: Duration = Duration::from_secs(10);
/// For how long a mirror that is behind is waited for.
const REACHING: Duration = Duration::from_secs(5);
/// How often it is tried to make the consumer while the server fails.
const TRIES: u32 = 5;

/// Moves the position of one service in shared delivery.
pub(super) struct SharedSeek<'a> {
    pub(super) moving: Moving<'a>,
    pub(super) entries: ServiceEntries,
}

/// What a move would mean, and up to where everything was done, and some of it.
pub(super) async fn plan(moving: &Moving<'_>) -> Result<(SeekReport, Option<(u64, u64)>)> {
    let found = moving.consumer().info().await?;
    Ok((moving.report(&before(moving, found.as_ref())), found.as_ref().map(done)))
}

impl SharedSeek<'_> {
    pub(super) async fn run(&self) -> Result<SeekReport> {
        let (seek, consumer) = (self.moving.seek, self.moving.consumer());
        let mut found = consumer.info().await?;
        if seek.forgets && found.is_some() {
            found = finish_in_hand(&consumer).await?;
        }
        let mut report = self.moving.report(&before(&self.moving, found.as_ref()));
        let past = self.moving.past().await?;
        let done = found.as_ref().map(done);
        let moved = self.moving.note(&self.entries, (past.as_ref(), done)).await?;
        self.make(&consumer, found.as_ref(), &moved).await?;
        finish(&self.entries, &moved).await?;
        // Last, since it may take long, and instances wait for the consumer.
        self.moving.clear(past.as_ref(), &moved, &mut report).await?;
        Ok(report)
    }

    /// Deletes the consumer, and makes another with the same settings.
    async fn make(
        &self,
        consumer: &Consumer<'_>,
        found: Option<&Info>,
        moved: &ServiceEntry,
    ) -> Result<()> {
        let start = Start::Sequence(self.moving.floor + 1);
        let reaching = timeout(REACHING, consumer.read_from.reaches(self.moving.floor)).await;
        reaching.map_err(|_| behind(consumer, self.moving.floor))??;
        let wanted = match found {
            Some(found) => consumer.again(found, start, moved),
            None => consumer.wanted(start, None, moved),
        };
        let mut retry = Retry::new(consumer.connection, "make a position anew").at_most(TRIES);
        loop {
            match try_make(consumer, &wanted, moved.epoch()).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => retry.again_if_passing(error).await?,
            }
        }
    }
}

/// The error of a move that the service makes once the mirror that it reads from is far enough.
fn behind(consumer: &Consumer<'_>, floor: u64) -> Error {
    let Consumer { service, read_from, .. } = consumer;
    let fault = format!(
        "{} does not reach sequence {floor} yet; {service} goes on there once it does, when it is started",
        read_from.name()
    );
    Error::Server { action: "make a position anew".to_owned(), source: fault.into() }
}

/// Where the service was, if that is known.
fn before(moving: &Moving<'_>, found: Option<&Info>) -> Result<PositionRecord, String> {
    let created = moving.facts.created;
    let other = moving.entry.as_ref().and_then(|entry| entry.other_stream(created));
    match (found, other) {
        (Some(found), _) => {
            let (floor, given) = done(found);
            Ok(PositionRecord { given, ..PositionRecord::at(created.to_string(), floor) })
        }
        (None, Some(other)) => Err(format!("it was in a stream created at {other}")),
        (None, None) => Err("its consumer was deleted".to_owned()),
    }
}

/// Up to where everything was done, and some of it.
fn done(found: &Info) -> (u64, u64) {
    (found.ack_floor.stream_sequence, found.delivered.stream_sequence)
}

/// Makes the consumer of an epoch; `false` if another instance was faster to make one.
async fn try_make(consumer: &Consumer<'_>, wanted: &PullConfig, epoch: u64) -> Result<bool> {
    match consumer.info().await? {
        // An instance may have made it.
        Some(made) if epoch_of(&made) >= epoch => return Ok(true),
        // Or, if it does not know of the move yet, the one from before once more.
        Some(_) => consumer.delete().await?,
        None => {}
    }
    Ok(consumer.create(wanted.clone()).await?.is_some())
}

/// Has the server give out nothing more, waits until what was given out is done, and returns how the consumer
/// stands then. So it is known exactly what was published before, and no acknowledgement of before comes
/// when the same packet is given out again. What fails, or takes longer, is not waited for.
async fn finish_in_hand(consumer: &Consumer<'_>) -> Result<Option<Info>> {
    if let Err(error) = consumer.pause(PAUSE).await {
        warn!(
            "packets are given out while the position is moved, and what is published about them may be \
             published once more: {}",
            with_causes(&error)
        );
        return consumer.info().await;
    }
    let begun = Instant::now();
    loop {
        let found = consumer.info().await?;
        let is_done = found.as_ref().is_none_or(|found| found.num_ack_pending == 0);
        if is_done || begun.elapsed() >= IN_HAND {
            return Ok(found);
        }
        sleep(LOOK).await;
    }
}
