//! Ends the day once all that comes later has come, which lets the offers lapse that nobody has answered.
//!
//! What is put off is in no service's position: while a timer waits, all services may be idle. The server
//! publishes what is due in the order of its times, so the end of the day is put off behind it all.

use std::time::Duration;

use anyhow::{Context, Result};
use rapids_client::{Error, Packet, Rapids, Start, Tail};
use tokio::time::timeout;

/// Longer than any service of the shop puts something off, by more than the time between two timers that
/// the server may take for one.
const LAST: Duration = Duration::from_secs(5);

/// Puts the end of the day off behind what the services have put off, and returns once it is on the rapids.
///
/// # Errors
/// If it cannot be published, or does not come within this time.
pub(crate) async fn end(rapids: &Rapids, patience: Duration) -> Result<()> {
    let day_ended = Packet::event("day_ended");
    let id = day_ended.id().to_owned();
    let tail = rapids.tail(Start::Now).await?;
    rapids.publish_later(day_ended, LAST).await?;
    timeout(patience, come(tail, &id)).await.context("it does not come")?
}

async fn come(mut tail: Tail, id: &str) -> Result<()> {
    loop {
        match tail.next().await {
            Ok(packet) if packet.id() == id => return Ok(()),
            Ok(_) | Err(Error::Malformed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
