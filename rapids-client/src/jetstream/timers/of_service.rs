//! All timers of one service: counted, and deleted once the service is no more.

use futures::TryStreamExt;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::ensure::existing;
use crate::jetstream::timers::{TimerPlace, timers_of};

/// How many messages there are about timers of a service: those that wait, and for a minute those that were
/// cancelled.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn count(
    connection: &Connection,
    place: &TimerPlace,
    service: &str,
) -> Result<usize> {
    let name = &place.stream;
    let Some(stream) = Box::pin(existing(connection, name)).await? else { return Ok(0) };
    let subject = connection.api(&format!("STREAM.INFO.{name}"));
    let counting = async {
        let subjects = stream.info_with_subjects(timers_of(service)).await?;
        let subjects: Vec<_> = subjects.try_collect().await?;
        Ok(subjects.len())
    };
    let action = format!("count the timers of `{service}`");
    connection
        .attempt::<_, Box<dyn std::error::Error + Send + Sync>>(&action, &subject, counting)
        .await
}

/// Deletes all timers of a service; returns how many messages that were.
///
/// # Errors
/// `NotPermitted`, `Server`.
pub(crate) async fn delete(
    connection: &Connection,
    place: &TimerPlace,
    service: &str,
) -> Result<u64> {
    let name = &place.stream;
    let Some(stream) = Box::pin(existing(connection, name)).await? else { return Ok(0) };
    let action = format!("delete the timers of `{service}`");
    let api = connection.api(&format!("STREAM.PURGE.{name}"));
    let purging = stream.purge().filter(timers_of(service));
    Ok(connection.attempt(&action, &api, purging).await?.purged)
}
