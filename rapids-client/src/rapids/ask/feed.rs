//! What the live feed brings, as long as nothing shows that a copy is missing or forged.

use std::future::pending;
use std::pin::Pin;

use async_nats::{Message, Subscriber};
use futures::future::{BoxFuture, OptionFuture};
use futures::{FutureExt, StreamExt};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::reader::{End, IDLE, Reader};
use crate::connection::Connection;
use crate::jetstream::message::RawPacket;
use crate::jetstream::stored_message::StoredMessage;
use crate::jetstream::stream::{self, StreamFacts};
use crate::live::leave_reason::LeaveReason;
use crate::live::subscription::{CHECK_EVERY, fingerprint_of};
use crate::live::unconfirmed_copies::UnconfirmedCopies;
use crate::names::STREAM;
use crate::{Error, Result};

/// The highest sequence of a copy when the stream was asked, and its answer; `None` if it did not come.
type Check = BoxFuture<'static, (u64, Option<Result<StreamFacts>>)>;

/// Why the feed is read no more.
pub(super) enum Leave {
    For(LeaveReason),
    /// It has brought nothing, though there was something.
    Silent,
    End(End),
}

impl From<LeaveReason> for Leave {
    fn from(reason: LeaveReason) -> Self {
        Self::For(reason)
    }
}

impl Reader {
    /// Passes on what the feed brings behind this sequence, as long as nothing is missing or forged.
    pub(super) async fn listen(
        &mut self,
        mut subscriber: Subscriber,
        end: u64,
        mut reconnected: Pin<Box<impl Future<Output = ()>>>,
    ) -> Leave {
        let mut copies = UnconfirmedCopies::behind(end);
        let mut tick = interval(CHECK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut check: Option<Check> = None;
        let left = loop {
            let step = tokio::select! {
                message = subscriber.next() => match message {
                    Some(message) => self.pass_copies(message, &mut subscriber, &mut copies),
                    // Subscriptions end only when the connection is closed for good.
                    None => pending().await,
                },
                Some((highest, answer)) = OptionFuture::from(check.as_mut()) => {
                    check = None;
                    let step = self.checked(highest, answer, &mut subscriber, &mut copies);
                    match step {
                        Err(Leave::For(LeaveReason::Lost(_))) if copies.next() == end + 1 => {
                            Err(Leave::Silent)
                        }
                        step => step,
                    }
                }
                () = &mut reconnected => {
                    Err(LeaveReason::Lost("the connection was made again").into())
                }
                _ = tick.tick() => {
                    if check.is_none() {
                        check = Some(check_stream_end(copies.highest(), self.connection.clone()));
                    }
                    if self.waiting.end_after(IDLE) { Err(Leave::End(End::Idle)) } else { Ok(()) }
                }
            };
            if let Err(left) = step {
                break left;
            }
        };
        self.next = Some(copies.confirmed() + 1);
        left
    }

    /// Passes a copy on, and those that have come behind it.
    fn pass_copies(
        &self,
        message: Message,
        subscriber: &mut Subscriber,
        copies: &mut UnconfirmedCopies,
    ) -> Result<(), Leave> {
        let mut next = Some(message);
        while let Some(message) = next {
            if let Some(copy) = RawPacket::live(STREAM, message) {
                let sequence = copy.place.sequence;
                if copies.add(sequence, fingerprint_of(&copy))? {
                    self.pass_copy(copy);
                }
            }
            next = subscriber.next().now_or_never().flatten();
        }
        Ok(())
    }

    fn pass_copy(&self, copy: RawPacket) {
        let (sequence, own) = (copy.place.sequence, copy.message_id());
        if self.waiting.is_wanted(sequence, own.as_deref(), &copy.body) {
            let (stored, publisher) = (copy.stored(), copy.publisher());
            let (headers, body) = (copy.headers, copy.body);
            self.bring(StoredMessage { sequence, stored, publisher, headers, body }, false);
        }
    }

    /// Acts on the answer of the stream about its end.
    fn checked(
        &self,
        highest: u64,
        answer: Option<Result<StreamFacts>>,
        subscriber: &mut Subscriber,
        copies: &mut UnconfirmedCopies,
    ) -> Result<(), Leave> {
        // What has come before the answer.
        if let Some(message) = subscriber.next().now_or_never().flatten() {
            self.pass_copies(message, subscriber, copies)?;
        }
        let facts = match answer {
            Some(Ok(facts)) => facts,
            Some(Err(error @ Error::Stream { .. })) => return Err(Leave::End(error.into())),
            // There is no answer while the server is away.
            Some(Err(_)) | None => return Ok(()),
        };
        self.check_stream(&facts).map_err(|error| Leave::End(error.into()))?;
        Ok(copies.confirm(highest, facts.last_sequence)?)
    }
}

/// Asks the stream where it ends, while this is the highest sequence of a copy.
fn check_stream_end(highest: u64, connection: Connection) -> Check {
    Box::pin(async move {
        // The answer may be lost with the connection.
        let answer = timeout(CHECK_EVERY, stream::facts(&connection)).await;
        (highest, answer.ok())
    })
}
