//! Reads what comes, for all asks of a connection: the live feed, and the stream where that has a gap or is
//! not there.
//!
//! The feed gives no guarantee. Its sequences are checked for gaps ([`feed`](super::feed)), and the end of
//! the stream is compared once a second, since the last copies may be those that were lost. After a gap, a
//! forged copy or a new connection, whatever the stream has not confirmed is read from it, and so is all
//! that comes until the feed is joined again.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Subscriber;
use bytes::Bytes;
use tokio::time::{interval, sleep};
use tracing::{debug, warn};

use super::feed::Leave;
use super::listening::Heard;
use super::waiting::Waiting;
use crate::connection::{Connection, Retry};
use crate::error::with_causes;
use crate::jetstream::follower::{Delivered, lost};
use crate::jetstream::message::message_id;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::stored_message::StoredMessage;
use crate::jetstream::stream::{self, StreamFacts};
use crate::live::rejoin_backoff::RejoinBackoff;
use crate::live::subscription::{CHECK_EVERY, subscribe};
use crate::names::{LIVE, STREAM};
use crate::rapids::stored_packet::stored_packet;
use crate::rapids::tail::Tail;
use crate::start::Start;
use crate::{Error, Result};

/// How long nobody waits before the reading ends. A subscription for each ask would cost two requests.
pub(super) const IDLE: Duration = Duration::from_secs(10);

pub(super) struct Reader {
    pub(super) connection: Connection,
    facts: StreamFacts,
    pub(super) waiting: Arc<Waiting>,
    /// Up to before this sequence the stream was read, or has confirmed what came; `None` at the beginning.
    pub(super) next: Option<u64>,
    backoff: RejoinBackoff,
}

/// Why reading ends.
pub(super) enum End {
    /// Nobody waits any more.
    Idle,
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Reader {
    pub(super) fn new(
        connection: &Connection,
        facts: &StreamFacts,
        waiting: &Arc<Waiting>,
    ) -> Self {
        Self {
            connection: connection.clone(),
            facts: *facts,
            waiting: Arc::clone(waiting),
            next: None,
            backoff: RejoinBackoff::default(),
        }
    }

    /// Reads as long as somebody waits, and a while longer.
    pub(super) async fn run(mut self) {
        match Box::pin(self.read()).await {
            Err(End::Idle) => debug!("nobody asks any more"),
            Err(End::Failed(error)) => self.waiting.fail(|| copy_of(&error)),
            Ok(never) => match never {},
        }
    }

    async fn read(&mut self) -> Result<Infallible, End> {
        loop {
            if self.waiting.is_feed_silent() {
                // The next connection may bring it.
                let reconnected = Box::pin(self.connection.reconnected());
                self.follow(reconnected).await?;
                self.waiting.set_feed_silent(false);
            }
            let reconnected = Box::pin(self.connection.reconnected());
            let Some((subscriber, facts)) = self.join().await? else {
                // It has no end before the reading has one.
                self.follow(pending()).await?;
                continue;
            };
            let left = match self.backoff.check_gap(facts.last_sequence) {
                Ok(()) => {
                    self.read_to(facts.last_sequence).await?;
                    self.listen(subscriber, facts.last_sequence, reconnected).await
                }
                Err(forged) => forged.into(),
            };
            let wait = match left {
                Leave::End(end) => return Err(end),
                Leave::Silent => {
                    self.warn(&format!("nothing comes on `{LIVE}`; let this account import it"));
                    self.waiting.set_feed_silent(true);
                    continue;
                }
                Leave::For(reason) => self.backoff.wait_after(&reason, Instant::now()),
            };
            if !wait.is_zero() {
                self.follow(sleep(wait)).await?;
            }
        }
    }

    /// Subscribes to the feed, which brings everything behind the end of the stream that is returned; `None`
    /// if this user may not, or the stream sends no copies.
    async fn join(&self) -> Result<Option<(Subscriber, StreamFacts)>> {
        let mut retry = Retry::new(&self.connection, "listen for answers");
        loop {
            let error = match subscribe(&ReadFrom::rapids(&self.connection)).await {
                Ok((subscriber, facts)) => {
                    self.check_stream(&facts)?;
                    return Ok(facts.has_live.then_some((subscriber, facts)));
                }
                Err(error) => error,
            };
            if let Error::NotPermitted { violation } = &error {
                self.warn(&format!("the server does not permit {violation}"));
                return Ok(None);
            }
            retry.again_if_passing(error).await?;
        }
    }

    /// Says once why answers are read from the stream.
    fn warn(&self, why: &str) {
        if self.connection.is_news(why) {
            warn!("answers are read from the stream, which costs the server more: {why}");
        }
    }

    pub(super) fn check_stream(&self, facts: &StreamFacts) -> Result<()> {
        if facts.made == self.facts.made {
            return Ok(());
        }
        Err(lost(STREAM, "it was made anew"))
    }

    /// Reads the stream up to this sequence, which it has.
    async fn read_to(&mut self, last: u64) -> Result<()> {
        let Some(next) = self.next.filter(|next| *next <= last) else {
            self.begin_at(last + 1);
            return Ok(());
        };
        let mut tail = self.tail(next).await?;
        while let Some(delivered) = tail.next_stored_message().await? {
            let sequence = delivered.sequence;
            self.pass_stored(delivered);
            if sequence >= last {
                break;
            }
        }
        self.begin_at(last + 1);
        Ok(())
    }

    fn begin_at(&mut self, next: u64) {
        self.next = Some(next);
        self.waiting.begin(next);
    }

    /// Reads the stream alone until this is over.
    async fn follow(&mut self, over: impl Future<Output = ()>) -> Result<(), End> {
        let next = match self.next {
            Some(next) => next,
            None => self.end_of_stream().await? + 1,
        };
        let mut tail = self.tail(next).await?;
        self.begin_at(next);
        let mut over = std::pin::pin!(over);
        let mut tick = interval(CHECK_EVERY);
        loop {
            tokio::select! {
                delivered = tail.next_message() => self.pass_stored(delivered?),
                () = &mut over => return Ok(()),
                _ = tick.tick() => if self.waiting.end_after(IDLE) {
                    return Err(End::Idle);
                },
            }
        }
    }

    async fn end_of_stream(&self) -> Result<u64> {
        let mut retry = Retry::new(&self.connection, "listen for answers");
        loop {
            match stream::facts(&self.connection).await {
                Ok(facts) => {
                    self.check_stream(&facts)?;
                    return Ok(facts.last_sequence);
                }
                Err(error) => retry.again_if_passing(error).await?,
            }
        }
    }

    async fn tail(&self, next: u64) -> Result<Tail> {
        let mut retry = Retry::new(&self.connection, "read the stream for answers");
        loop {
            match Box::pin(Tail::open(&self.connection, Start::Sequence(next))).await {
                Ok(tail) => return Ok(tail),
                Err(error) => retry.again_if_passing(error).await?,
            }
        }
    }

    fn pass_stored(&mut self, delivered: Delivered) {
        let Delivered { message, sequence, stored } = delivered;
        self.next = Some(sequence + 1);
        let own = message_id(message.headers.as_ref());
        if self.waiting.is_wanted(sequence, own.as_deref(), &message.payload) {
            self.bring(StoredMessage::delivered(message, sequence, stored), true);
        }
    }

    pub(super) fn bring(&self, message: StoredMessage, is_stored: bool) {
        let sequence = message.sequence;
        // It may be kept for long, and must not keep all that was received with it.
        let body = Bytes::copy_from_slice(&message.body);
        match stored_packet(StoredMessage { body, ..message }, self.facts.created) {
            Ok(packet) => self.waiting.bring(&Heard { sequence, packet, is_stored }),
            Err(error) => debug!("passed over: {error}"),
        }
    }
}

/// The same error once more: each ask gets one.
fn copy_of(error: &Error) -> Error {
    match error {
        Error::Stream { stream, differences } => {
            Error::Stream { stream: stream.clone(), differences: differences.clone() }
        }
        Error::NotPermitted { violation } => Error::NotPermitted { violation: violation.clone() },
        error => Error::Server {
            action: "listen for answers".to_owned(),
            source: with_causes(error).into(),
        },
    }
}
