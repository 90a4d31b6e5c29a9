//! The one reader of the stream: it goes through the last hour once, and follows what comes.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use rapids_client::{Error, Rapids, Start, Tail};
use tokio::time::sleep;
use tracing::warn;

use super::link::Link;
use super::packets::PacketIndex;
use crate::fault::with_causes;

/// How far back the reading begins, unless that is more packets than are kept.
const BACK: Duration = Duration::from_secs(3_600);
/// So many packets are added at a time.
const AT_A_TIME: usize = 500;
/// How long to wait until the next attempt.
const AGAIN: Duration = Duration::from_secs(2);

/// Reads until the console ends.
pub(crate) async fn read(link: Link, packets: Arc<PacketIndex>) {
    let Some(rapids) = link.opened().await else { return };
    loop {
        let failed = Box::pin(follow(&rapids, &packets)).await;
        warn!("the stream is read anew: {}", with_causes(&failed));
        packets.clear();
        sleep(AGAIN).await;
    }
}

/// Reads until something ends it, and returns that.
async fn follow(rapids: &Rapids, packets: &PacketIndex) -> Error {
    let mut tail = match begin(rapids, packets.most()).await {
        Ok(tail) => tail,
        Err(error) => return error,
    };
    let mut read = Vec::with_capacity(AT_A_TIME);
    loop {
        let mut next = Box::pin(tail.next()).await;
        loop {
            match next {
                Ok(packet) => read.push(packet),
                // It has no id and leads to nothing.
                Err(Error::Malformed { .. }) => {}
                Err(error) => return error,
            }
            if read.len() == AT_A_TIME {
                break;
            }
            // Dropping the future loses nothing.
            match Box::pin(tail.next()).now_or_never() {
                Some(further) => next = further,
                None => break,
            }
        }
        packets.add(&read);
        read.clear();
        tokio::task::yield_now().await;
    }
}

/// Opens the stream where the last hour begins, or where so many packets are left.
async fn begin(rapids: &Rapids, most: usize) -> rapids_client::Result<Tail> {
    let contents = rapids.contents().await?;
    let last = contents.as_ref().map_or(0, |contents| contents.last_sequence);
    let first = last.saturating_sub(most as u64) + 1;
    let hour_ago = Timestamp::now() - BACK;
    let oldest = contents.and_then(|contents| contents.oldest);
    if oldest.is_none_or(|oldest| oldest >= hour_ago) {
        return rapids.tail(Start::Sequence(first)).await;
    }
    rapids.tail(Start::Time(hour_ago)).await
}
