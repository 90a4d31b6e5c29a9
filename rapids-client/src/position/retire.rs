//! Retiring a service: removing from the server what is kept for it alone.

use std::time::Duration;

use tokio::time::sleep;

use crate::announcement::instances::instances_of;
use crate::connection::Connection;
use crate::jetstream::bucket::Bucket;
use crate::jetstream::ensure::info_of;
use crate::jetstream::stream;
use crate::jetstream::timers::{TimerPlace, of_service};
use crate::names::{HANDLING, ONCE, POSITIONS, REPLAYS, memory_bucket};
use crate::position::consumer::Consumer;
use crate::position::entries::ServiceEntries;
use crate::position::forget::clear;
use crate::position::lease::holder_watch::{HolderState, HolderWatch};
use crate::position::record::PositionRecord;
use crate::position::replay_consumer;
use crate::{Error, Result, names};

/// Instances that do not answer for so long are not there.
const ANSWERS: Duration = Duration::from_millis(500);

/// How a service is retired, by [`Rapids::retire`](crate::Rapids::retire). Without more: what it
/// remembers stays.
///
/// ```no_run
/// # async fn example(rapids: rapids_client::Rapids) -> rapids_client::Result<()> {
/// use rapids_client::Retiring;
///
/// if let Some(retired) = rapids.retire("payment", Retiring::new().forget()).await? {
///     println!("removed: {}", retired.removed.join(", "));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "nothing is retired before `Rapids::retire`"]
pub struct Retiring {
    forgets: bool,
}

impl Retiring {
    /// Removes the position, and what is noted of the service and of packets that it has not
    /// finished.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also removes its memories, what its `once` reactions have done, and its timers. It is gone for good.
    pub fn forget(self) -> Self {
        Self { forgets: true }
    }
}

/// A service that was retired.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retired {
    /// The service's name.
    pub service: String,
    /// What was removed, each in a few words.
    pub removed: Vec<String>,
    /// What was kept, each in a few words with how to remove it.
    pub kept: Vec<String>,
}

pub(crate) async fn retire(
    connection: &Connection,
    service: &str,
    how: Retiring,
) -> Result<Option<Retired>> {
    // What can be no name may be no subject either.
    if !names::is_name(service) {
        return Ok(None);
    }
    let entries = ServiceEntries::existing(connection, service).await?;
    let entry = match &entries {
        Some(entries) => entries.load().await?,
        None => None,
    };
    let (is_noted, position) =
        (entry.is_some(), Consumer::noted(connection, service, entry.as_ref()));
    let positions = Bucket::existing(connection, POSITIONS).await?;
    let record = match &positions {
        Some(positions) => positions.load(service).await?.0,
        None => None,
    };
    let consumer = position.info().await?;
    let replays = replay_consumer::existing(connection, service).await?;
    if !is_noted && record.is_none() && consumer.is_none() && replays.is_none() {
        return Ok(None);
    }
    let waits = [&consumer, &replays].into_iter().flatten().any(|found| found.num_waiting > 0);
    if waits || !instances_of(connection, service, ANSWERS).await?.is_empty() {
        return Err(not_retired(service, "an instance of it runs"));
    }
    let mut removed = Vec::new();
    if consumer.is_some() {
        position.delete().await?;
        let stream = position.read_from.name();
        removed.push(format!("its position, the consumer `{service}` of {stream}"));
    }
    if let (Some(positions), Some(_)) = (&positions, &record) {
        is_at_rest(positions, service).await?;
        positions.delete(service).await?;
        removed.push(format!("its position, the key `{service}` in {POSITIONS}"));
    }
    if replays.is_some() {
        replay_consumer::delete(connection, service).await?;
        removed.push(format!("the consumer `{service}` of {REPLAYS}"));
    }
    let of_it = format!("{service}.>");
    let notes = clear(Bucket::existing(connection, HANDLING).await?.as_ref(), &of_it).await?;
    if notes > 0 {
        removed.push(format!("{notes} notes about packets in {HANDLING}"));
    }
    let kept = memories(connection, service, how, &mut removed).await?;
    // Last, so that a retirement that was broken off can be repeated.
    if let (Some(entries), true) = (entries, is_noted) {
        entries.remove().await?;
        removed.push(format!("its entry in {}", names::SERVICES));
    }
    Ok(Some(Retired { service: service.to_owned(), removed, kept }))
}

/// Removes what a service remembers, and its timers, if it is to forget that; returns what is kept.
async fn memories(
    connection: &Connection,
    service: &str,
    how: Retiring,
    removed: &mut Vec<String>,
) -> Result<Vec<String>> {
    let bucket = memory_bucket(service);
    let info = info_of(connection, &format!("KV_{bucket}")).await?;
    let place = TimerPlace::of(stream::form(connection).await?, service);
    let later = &place.stream;
    if !how.forgets {
        let timers = of_service::count(connection, &place, service).await?;
        let memories =
            info.map(|_| format!("its memories, the bucket {bucket}; `--forget` removes it"));
        let timers = (timers > 0)
            .then(|| format!("its timers, {timers} messages in {later}; `--forget` removes them"));
        return Ok(memories.into_iter().chain(timers).collect());
    }
    let timers = of_service::delete(connection, &place, service).await?;
    if timers > 0 {
        removed.push(format!("its timers, {timers} messages in {later}"));
    }
    let once = Bucket::existing(connection, ONCE).await?;
    let once = clear(once.as_ref(), &format!("{service}.>")).await?;
    if once > 0 {
        removed.push(format!("{once} entries in {ONCE}"));
    }
    if let Some(info) = info {
        let action = format!("delete the bucket `{bucket}`");
        let subject = connection.api(&format!("STREAM.DELETE.KV_{bucket}"));
        let deleting = connection.jetstream.delete_stream(format!("KV_{bucket}"));
        connection.attempt(&action, &subject, deleting).await?;
        removed.push(format!("its memories, the bucket {bucket} of {} keys", info.state.messages));
    }
    Ok(Vec::new())
}

/// Makes sure that no instance is active that writes the record.
async fn is_at_rest(positions: &Bucket, service: &str) -> Result<()> {
    let mut watch = HolderWatch::new(Duration::ZERO);
    loop {
        let (json, revision) = positions.load(service).await?;
        let record = json.and_then(|json| PositionRecord::read(&json).ok());
        let holder = record.as_ref().and_then(PositionRecord::holder);
        match watch.look(holder, revision) {
            HolderState::Absent => return Ok(()),
            HolderState::Active => {
                let holder = holder.unwrap_or_default();
                return Err(not_retired(service, &format!("its instance {holder} is active")));
            }
            HolderState::Unknown => sleep(HolderWatch::LOOK).await,
        }
    }
}

fn not_retired(service: &str, fault: &str) -> Error {
    Error::NotRetired { service: service.to_owned(), reason: fault.to_owned() }
}
