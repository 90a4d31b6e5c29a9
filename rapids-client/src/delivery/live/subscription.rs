//! The live feed: a plain subscription to the copies that the server sends of what it has stored.
//!
//! Nothing is acknowledged, and nothing comes again. What is given of it comes without a gap; what
//! tells real copies from forged ones is left to [`copies`](crate::delivery::live::copies).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use async_nats::header::NATS_MESSAGE_ID;
use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::time::timeout;
use tracing::warn;

use crate::connection::Connection;
use crate::delivery::live::copies::{Copies, Copy, Forged, Unfit, fingerprint};
use crate::jetstream::message::RawPacket;
use crate::jetstream::stream;
use crate::jetstream::stream::StreamFacts;
use crate::names::LIVE;
use crate::{Error, Result};

/// How often the stream is asked where it ends, at least.
pub(crate) const LOOK: Duration = Duration::from_secs(1);
/// How often while something that was handled waits for being confirmed.
pub(crate) const LOOK_SOON: Duration = Duration::from_millis(250);

/// For how long the feed is left after a gap.
pub(crate) const GAP: Duration = Duration::from_millis(500);

pub(crate) struct Live {
    subscriber: Subscriber,
    copies: Rc<RefCell<Copies>>,
}

impl Live {
    /// Subscribes, and then asks how the stream stands: the server takes both in this order, so
    /// everything behind that comes through the subscription.
    ///
    /// # Errors
    /// `NotPermitted` if this user may not subscribe; `Server`.
    pub(crate) async fn join(connection: Connection) -> Result<(Self, StreamFacts)> {
        let since = Instant::now();
        let subscriber = connection.client.subscribe(LIVE).await.map_err(|error| {
            Error::Server { action: format!("subscribe to `{LIVE}`"), source: error.into() }
        })?;
        let facts = standing(&connection).await?;
        let copies = Rc::new(RefCell::new(Copies::new(facts.last_sequence)));
        match connection.refusal(LIVE, since) {
            Some(refusal) => Err(refusal),
            None => Ok((Self { subscriber, copies }, facts)),
        }
    }

    /// What came and is not confirmed yet.
    pub(crate) fn copies(&self) -> Rc<RefCell<Copies>> {
        self.copies.clone()
    }

    /// Waits for the copy of the next packet. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the feed has to be left.
    pub(crate) async fn next(&mut self) -> Result<RawPacket, Unfit> {
        loop {
            let Some(message) = self.subscriber.next().await else {
                // Only a connection that was closed for good ends its subscriptions.
                return std::future::pending().await;
            };
            let Some(delivered) = RawPacket::live(message) else {
                warn!("a message on `{LIVE}` that no stream has stored is dropped");
                continue;
            };
            let print = print(&delivered);
            match self.copies.borrow_mut().came(delivered.place.sequence, print) {
                Copy::Next => return Ok(delivered),
                Copy::Known => {}
                Copy::Unfit(unfit) => return Err(unfit),
            }
        }
    }

    /// What has come already.
    pub(crate) fn ready(&mut self) -> Option<Result<RawPacket, Unfit>> {
        self.next().now_or_never()
    }
}

/// What tells a packet from others of its sequence.
pub(crate) fn print(delivered: &RawPacket) -> u64 {
    let headers = delivered.headers.as_ref();
    let message_id = headers.and_then(|headers| headers.get(NATS_MESSAGE_ID));
    fingerprint(&delivered.body, message_id.map(|id| id.as_str()))
}

/// How the stream stands.
///
/// # Errors
/// `Stream` if there is none any more; `Server`.
pub(crate) async fn standing(connection: &Connection) -> Result<StreamFacts> {
    let info = stream::info(connection).await?;
    info.as_ref().map(StreamFacts::from).ok_or_else(|| Error::Stream {
        stream: crate::names::STREAM.to_owned(),
        differences: vec!["it was deleted".to_owned()],
    })
}

/// A look at where the stream ends, without waiting for it.
#[derive(Default)]
pub(crate) struct Looking {
    under_way: Option<LocalBoxFuture<'static, Result<StreamFacts>>>,
    /// The highest sequence that had come when it began.
    asked: u64,
}

impl Looking {
    /// Begins one, unless one is under way.
    pub(crate) fn begin(&mut self, connection: &Connection, copies: &RefCell<Copies>) {
        if self.under_way.is_none() {
            self.asked = copies.borrow().highest();
            let connection = connection.clone();
            self.under_way = Some(Box::pin(async move { look(&connection).await }));
        }
    }

    /// Waits for its end. Dropping the future loses nothing.
    pub(crate) async fn answered(&mut self) -> Result<StreamFacts> {
        let answer = match &mut self.under_way {
            Some(under_way) => under_way.await,
            None => std::future::pending().await,
        };
        self.under_way = None;
        answer
    }

    /// Confirms with its answer what came.
    ///
    /// # Errors
    /// Why the feed has to be left.
    pub(crate) fn confirm(&self, copies: &RefCell<Copies>, last: u64) -> Result<(), Unfit> {
        copies.borrow_mut().stands(self.asked, last)
    }
}

/// How the stream stands; an answer that a lost connection took along is not waited for.
pub(crate) async fn look(connection: &Connection) -> Result<StreamFacts> {
    let answer = timeout(LOOK, standing(connection)).await;
    answer.unwrap_or_else(|late| {
        Err(Error::Server { action: "read the stream `RAPIDS`".to_owned(), source: late.into() })
    })
}

/// When the live feed may be joined again after forged copies: later each time, and as soon as at
/// first once there were none for long.
#[derive(Debug, Default)]
pub(crate) struct Rejoining {
    times: u32,
    last: Option<Instant>,
}

/// The first wait, and the longest.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// After as long without forged copies they count as the first.
const FORGOTTEN: Duration = Duration::from_secs(600);

impl Rejoining {
    /// Tells of forged copies, and for how long the feed is not to be joined.
    pub(crate) fn wait(&mut self, forged: &Forged, now: Instant) -> Duration {
        if self.last.is_some_and(|last| now.duration_since(last) > FORGOTTEN) {
            self.times = 0;
        }
        let wait = WAITS[0].saturating_mul(1 << self.times.min(16)).min(WAITS[1]);
        (self.times, self.last) = (self.times + 1, Some(now));
        warn!(
            ?wait,
            "on `{LIVE}` {forged}: somebody beside the server publishes there, or the server has lost \
             what it had stored; let no user publish to `{LIVE}`. What is not confirmed is read again \
             from the stream, and so is what comes, until the feed is joined again"
        );
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feed_is_joined_later_each_time_there_are_forged_copies() {
        let (mut rejoining, now, forged) =
            (Rejoining::default(), Instant::now(), Forged::Differs(7));
        let waits = [0; 8].map(|_| rejoining.wait(&forged, now).as_secs());
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(rejoining.wait(&forged, now + FORGOTTEN * 2), WAITS[0]);
    }
}
