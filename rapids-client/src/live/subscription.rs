//! A plain subscription to the copies that the server sends of what it has stored.
//!
//! Nothing is acknowledged, and nothing is redelivered. It delivers copies without a gap;
//! [`unconfirmed_copies`](crate::live::unconfirmed_copies) finds out which of them are real.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use async_nats::header::NATS_MESSAGE_ID;
use futures::{FutureExt, StreamExt};
use tracing::warn;

use crate::connection::Connection;
use crate::jetstream::message::RawPacket;
use crate::jetstream::stream::{self, StreamFacts};
use crate::live::leave_reason::LeaveReason;
use crate::live::unconfirmed_copies::{SharedCopies, UnconfirmedCopies, fingerprint};
use crate::names::LIVE;
use crate::{Error, Result};

/// How often the stream is asked where it ends.
pub(crate) const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often while packets that are handled wait for their confirmation.
pub(crate) const CHECK_SOON: Duration = Duration::from_millis(250);

pub(crate) struct LiveSubscription {
    subscriber: Subscriber,
    copies: SharedCopies,
}

impl LiveSubscription {
    /// Joins the feed behind the end of the stream that is returned.
    ///
    /// # Errors
    /// As for [`subscribe`].
    pub(crate) async fn join(connection: &Connection) -> Result<(Self, StreamFacts)> {
        let (subscriber, facts) = subscribe(connection).await?;
        let copies = Rc::new(RefCell::new(UnconfirmedCopies::behind(facts.last_sequence)));
        Ok((Self { subscriber, copies }, facts))
    }

    pub(crate) fn copies(&self) -> &SharedCopies {
        &self.copies
    }

    /// Waits for the copy of the next packet. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the feed has to be left.
    pub(crate) async fn next(&mut self) -> Result<RawPacket, LeaveReason> {
        loop {
            let Some(message) = self.subscriber.next().await else {
                // Subscriptions end only when the connection is closed for good.
                return std::future::pending().await;
            };
            let Some(packet) = RawPacket::live(message) else {
                warn!("a message on `{LIVE}` that does not come from a stream is dropped");
                continue;
            };
            let fingerprint = fingerprint_of(&packet);
            if self.copies.borrow_mut().add(packet.place.sequence, fingerprint)? {
                return Ok(packet);
            }
        }
    }

    /// The copy of the next packet, if it has come.
    pub(crate) fn ready(&mut self) -> Option<Result<RawPacket, LeaveReason>> {
        self.next().now_or_never()
    }
}

/// Subscribes, and then asks where the stream ends. The server handles both in this order, so the
/// subscription brings everything behind that.
///
/// # Errors
/// `NotPermitted` if this user may not subscribe; `Stream`, `Server`.
pub(crate) async fn subscribe(connection: &Connection) -> Result<(Subscriber, StreamFacts)> {
    let since = Instant::now();
    let subscriber = connection.client.subscribe(LIVE).await.map_err(|error| Error::Server {
        action: format!("subscribe to `{LIVE}`"),
        source: error.into(),
    })?;
    let facts = stream::facts(connection).await?;
    match connection.refusal(LIVE, since) {
        Some(refusal) => Err(refusal),
        None => Ok((subscriber, facts)),
    }
}

/// The fingerprint of a packet.
pub(crate) fn fingerprint_of(packet: &RawPacket) -> u64 {
    let headers = packet.headers.as_ref();
    let message_id = headers.and_then(|headers| headers.get(NATS_MESSAGE_ID));
    fingerprint(&packet.body, message_id.map(|id| id.as_str()))
}
