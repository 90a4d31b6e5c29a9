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

use crate::jetstream::message::RawPacket;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::stream::StreamFacts;
use crate::live::leave_reason::LeaveReason;
use crate::live::unconfirmed_copies::{SharedCopies, UnconfirmedCopies, fingerprint};
use crate::{Error, Result};

/// How often the stream is asked where it ends.
pub(crate) const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often while packets that are handled wait for their confirmation.
pub(crate) const CHECK_SOON: Duration = Duration::from_millis(250);

pub(crate) struct LiveSubscription {
    read_from: ReadFrom,
    subscriber: Subscriber,
    copies: SharedCopies,
}

impl LiveSubscription {
    /// Joins the feed behind the end of the stream that is returned.
    ///
    /// # Errors
    /// As for [`subscribe`].
    pub(crate) async fn join(read_from: &ReadFrom) -> Result<(Self, StreamFacts)> {
        let (subscriber, facts) = subscribe(read_from).await?;
        let copies = Rc::new(RefCell::new(UnconfirmedCopies::behind(facts.last_sequence)));
        Ok((Self { read_from: read_from.clone(), subscriber, copies }, facts))
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
            let Some(packet) = RawPacket::live(self.read_from.stream(), message) else {
                let live = self.read_from.live();
                warn!("a message on `{live}` that does not come from a stream is dropped");
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
pub(crate) async fn subscribe(read_from: &ReadFrom) -> Result<(Subscriber, StreamFacts)> {
    let (connection, live, since) = (read_from.connection(), read_from.live(), Instant::now());
    let subscribing = connection.client.subscribe(live.to_owned());
    let subscriber = subscribing.await.map_err(|error| Error::Server {
        action: format!("subscribe to `{live}`"),
        source: error.into(),
    })?;
    let facts = read_from.facts().await?;
    match connection.refusal(live, since) {
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
