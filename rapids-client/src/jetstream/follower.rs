//! Follows a stream in its order, from a point on, without end and without a position on the server.
//!
//! What the messages mean is left to its users.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use async_nats::Message;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::Info;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::time::{Instant, interval, sleep_until};

use crate::connection::{Connection, Retry};
use crate::jetstream::created::Identity;
use crate::jetstream::ensure::info_of;
use crate::jetstream::polled::Polled;
use crate::jetstream::resumed::Resumed;
use crate::jetstream::stored_message::{first_since, last_of_leader, next_of_subject};
use crate::jetstream::timestamp;
use crate::start::Start;
use crate::{Error, Result};

/// How long nothing may come until the stream itself is looked at.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// How long after a look at which the stream held more than has come, or nobody answered.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long nobody may answer until the same is asked once more.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// The stream that is followed.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) stream: Cow<'static, str>,
    /// The subjects of the messages that are wanted; `None` for all.
    pub(crate) subjects: Option<String>,
    /// Names the following in errors and in the log, such as `watch the rapids`.
    pub(crate) action: &'static str,
    /// Whether bodies stay on the server.
    pub(crate) headers_only: bool,
}

/// A message, with the facts of the stream.
pub(crate) struct Delivered {
    pub(crate) message: Message,
    pub(crate) sequence: u64,
    pub(crate) stored: Timestamp,
}

impl From<StreamMessage> for Delivered {
    fn from(message: StreamMessage) -> Self {
        let StreamMessage { subject, sequence, headers, payload, time } = message;
        let message = Message {
            length: payload.len(),
            subject,
            reply: None,
            payload,
            headers: Some(headers),
            status: None,
            description: None,
        };
        Self { message, sequence, stored: timestamp(time) }
    }
}

/// Where the messages come from.
enum Source {
    Consumer(Box<Ordered>),
    /// For who may create no consumer.
    Polled(Box<Polled>),
}

impl Source {
    /// Waits for the next message.
    ///
    /// # Errors
    /// `NotPermitted`; `Server` with `action` where another source is needed.
    async fn next(&mut self, action: &str) -> Result<Delivered> {
        match self {
            Self::Polled(polled) => Ok(polled.next().await?.into()),
            Self::Consumer(messages) => delivered(messages)
                .await
                .map_err(|source| Error::Server { action: action.to_owned(), source }),
        }
    }
}

async fn delivered(messages: &mut Ordered) -> Result<Delivered, Box<dyn StdError + Send + Sync>> {
    let message = messages.next().await.ok_or("the server ended the subscription")??;
    let info = message.info()?;
    let (sequence, stored) = (info.stream_sequence, timestamp(info.published));
    Ok(Delivered { message: message.into(), sequence, stored })
}

/// The messages of a stream in order.
///
/// While the server is away it waits, and goes on behind the last message that it gave.
pub(crate) struct Follower {
    connection: Connection,
    followed: Followed,
    stream: Identity,
    messages: Source,
    /// Where to read on.
    from: Start,
    /// The last sequence that was stored when it was opened; 0 if nothing of it is to come.
    end: u64,
    /// When something came last, or the stream was looked at.
    looked: Instant,
    /// The last sequence that the stream had then, or the next one that was to come.
    last_seen: u64,
    /// Whether something should have come by then, or nobody has answered.
    is_in_doubt: bool,
    /// A look at the stream.
    look: Resumed<Result<Option<(u64, u64)>>>,
    /// What is done about an error: other messages, and the tries since the last message.
    recovery: Resumed<Result<(Source, Retry)>>,
    retry: Option<Retry>,
}

impl Follower {
    /// Begins to follow a stream; `None` if there is none.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn open(
        connection: &Connection,
        followed: Followed,
        from: Start,
    ) -> Result<Option<Self>> {
        let Some(info) = info_of(connection, &followed.stream).await? else {
            return Ok(None);
        };
        let state = &info.state;
        let last = match &followed.subjects {
            None => state.last_sequence,
            Some(_) => Box::pin(last_wanted(connection, &followed)).await?,
        };
        let is_past = match from {
            Start::Time(from) => from > timestamp(state.last_timestamp),
            Start::Now | Start::Beginning | Start::Sequence(_) => false,
        };
        let end = if is_past || state.messages == 0 { 0 } else { last };
        // A new subscription must read on here, whatever is stored until then.
        let from = match from {
            Start::Now => Start::Sequence(state.last_sequence + 1),
            Start::Time(time) if connection.provision().is_provisioned => {
                let (action, stream) = (followed.action, &followed.stream);
                let first = Box::pin(first_since(connection, action, stream, time)).await?;
                Start::Sequence(first.unwrap_or(state.last_sequence + 1))
            }
            from => from,
        };
        Ok(Some(Self {
            messages: subscribe(connection, &followed, from).await?,
            connection: connection.clone(),
            followed,
            stream: Identity::of(&info),
            from,
            end,
            looked: Instant::now(),
            last_seen: 0,
            is_in_doubt: false,
            look: Resumed::default(),
            recovery: Resumed::default(),
            retry: None,
        }))
    }

    /// When the stream was created, by which its messages go.
    pub(crate) fn created(&self) -> Timestamp {
        self.stream.created
    }

    /// When the server made the stream.
    pub(crate) fn made(&self) -> Timestamp {
        self.stream.made
    }

    /// The last sequence that was stored when it was opened; 0 if nothing of it is to come.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Waits for the next message. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `Stream` if the stream was deleted or made anew, and `NotPermitted`: it ends there.
    pub(crate) async fn next(&mut self) -> Result<Delivered> {
        loop {
            if let Some(delivered) = self.receive(None).await? {
                return Ok(delivered);
            }
        }
    }

    /// Waits for the next of the messages that were stored when this was opened; `None` once all of
    /// them have come. Where the last of them is gone meanwhile, one stored later may come instead.
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub(crate) async fn next_stored(&mut self) -> Result<Option<Delivered>> {
        self.receive(Some(self.end)).await
    }

    /// Waits for the next message, as long as one up to this sequence can come.
    async fn receive(&mut self, end: Option<u64>) -> Result<Option<Delivered>> {
        loop {
            if end.is_some_and(|end| self.is_behind(end)) {
                return Ok(None);
            }
            if self.recovery.is_begun() {
                let (messages, retry) = self.recovery.ended().await?;
                (self.messages, self.retry) = (messages, Some(retry));
                (self.looked, self.last_seen, self.is_in_doubt) = (Instant::now(), 0, false);
            }
            let next_look = self.next_look();
            let error = tokio::select! {
                delivered = self.messages.next(self.followed.action) => match delivered {
                    Ok(delivered) => match self.take(delivered) {
                        Some(delivered) => return Ok(Some(delivered)),
                        None => continue,
                    },
                    Err(error @ Error::NotPermitted { .. }) => return Err(error),
                    Err(error) => error,
                },
                // The subscription reports nothing when its stream is gone, and takes long to
                // report that the server was away.
                () = sleep_until(next_look), if !self.look.is_begun() => {
                    self.begin_look();
                    continue;
                }
                held = self.look.ended() => {
                    self.looked = Instant::now();
                    match held? {
                        Some((first, _)) if end.is_some_and(|end| first > end) => return Ok(None),
                        // It was stored before the last look, so it should have come by now.
                        Some((first, _)) if self.is_missing(first) => {
                            let action = self.followed.action.to_owned();
                            let source = "nothing comes, though the stream holds more".into();
                            Error::Server { action, source }
                        }
                        Some((first, last)) => {
                            self.last_seen = last;
                            self.is_in_doubt = self.is_missing(first);
                            continue;
                        }
                        None => {
                            self.is_in_doubt = true;
                            continue;
                        }
                    }
                }
            };
            self.recover(error);
        }
    }

    fn next_look(&self) -> Instant {
        self.looked + if self.is_in_doubt { LOOK_AGAIN } else { LOOK }
    }

    fn begin_look(&mut self) {
        let (connection, followed) = (self.connection.clone(), self.followed.clone());
        let place = (self.stream.made, self.from);
        self.look.begin(async move { look(&connection, &followed, place).await });
    }

    /// Begins to go on with a new subscription, after this error of the present one.
    fn recover(&mut self, mut error: Error) {
        let (connection, followed) = (self.connection.clone(), self.followed.clone());
        let (made, from) = (self.stream.made, self.from);
        let retry = self.retry.take();
        let mut retry = retry.unwrap_or_else(|| Retry::new(&connection, followed.action));
        self.recovery.begin(async move {
            loop {
                retry.again(error).await?;
                look(&connection, &followed, (made, from)).await?;
                match asked(|| subscribe(&connection, &followed, from)).await {
                    Ok(messages) => return Ok((messages, retry)),
                    Err(failed @ (Error::Server { .. } | Error::Limit { .. })) => error = failed,
                    Err(error) => return Err(error),
                }
            }
        });
    }

    /// Whether nothing up to this sequence can come any more.
    fn is_behind(&self, end: u64) -> bool {
        end == 0 || matches!(self.from, Start::Sequence(next) if next > end)
    }

    /// Whether a message should have come that the stream had at the last look, if it begins with `first`
    /// now.
    fn is_missing(&self, first: u64) -> bool {
        matches!(self.from, Start::Sequence(next) if next.max(first) <= self.last_seen)
    }

    /// Takes a message; `None` if it lies before the place to begin at, which async-nats forgets when
    /// it renews a subscription that has given nothing yet.
    fn take(&mut self, delivered: Delivered) -> Option<Delivered> {
        (self.looked, self.is_in_doubt) = (Instant::now(), false);
        let is_before = match self.from {
            Start::Now | Start::Beginning => false,
            Start::Sequence(from) => delivered.sequence < from,
            Start::Time(from) => delivered.stored < from,
        };
        if is_before {
            return None;
        }
        self.from = Start::Sequence(delivered.sequence + 1);
        self.retry = None;
        Some(delivered)
    }
}

/// Makes sure that the stream is still the one made then, and returns its first and its last
/// sequence, or where only some subjects are wanted, the next one of those; `None` if the server is away.
async fn look(
    connection: &Connection,
    followed: &Followed,
    (made, from): (Timestamp, Start),
) -> Result<Option<(u64, u64)>> {
    let stream = &followed.stream;
    let looked = match asked(|| info_of(connection, stream)).await {
        Ok(Some(Info { created: found, state, .. })) if timestamp(found) == made => {
            match &followed.subjects {
                None => Ok((state.first_sequence, state.last_sequence)),
                Some(subjects) => next_wanted(connection, followed, (subjects, from)).await,
            }
        }
        Ok(Some(_)) => return Err(lost(stream, "it was made anew")),
        Ok(None) => return Err(lost(stream, "it does not exist")),
        Err(error) => Err(error),
    };
    match looked {
        Ok(held) => Ok(Some(held)),
        // A server that is away says nothing about the stream.
        Err(Error::Server { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a request, and the same again each second, until one of them has ended. A server that is gone never answers,
/// nor does one that is not elected yet; one that is slow answers the first.
async fn asked<T, F: Future<Output = T>>(request: impl Fn() -> F) -> T {
    let (mut requests, mut again) = (FuturesUnordered::new(), interval(ASK_AGAIN));
    loop {
        tokio::select! {
            Some(answer) = requests.next() => return answer,
            _ = again.tick() => requests.push(Box::pin(request())),
        }
    }
}

/// The sequence of the next message that is wanted, as first and last; if there is none, a first one behind
/// everything.
async fn next_wanted(
    connection: &Connection,
    Followed { stream, action, .. }: &Followed,
    (subjects, from): (&str, Start),
) -> Result<(u64, u64)> {
    let from = if let Start::Sequence(from) = from { from } else { 0 };
    let next = next_of_subject(connection, action, stream, (subjects, from)).await?;
    Ok(next.map_or((u64::MAX, 0), |next| (next.sequence, next.sequence)))
}

/// The sequence of the last message that is wanted; 0 if there is none.
async fn last_wanted(connection: &Connection, followed: &Followed) -> Result<u64> {
    let Followed { stream, action, subjects, .. } = followed;
    let subjects = subjects.as_deref().unwrap_or(">");
    let last = last_of_leader(connection, action, stream, subjects).await?;
    Ok(last.map_or(0, |last| last.sequence))
}

/// The error for a stream that is not there any more.
pub(crate) fn lost(stream: &str, what: &str) -> Error {
    let difference = format!("{what}; connect again to begin anew");
    Error::Stream { stream: stream.to_owned(), differences: vec![difference] }
}

async fn subscribe(connection: &Connection, followed: &Followed, from: Start) -> Result<Source> {
    let Followed { stream, action, subjects, headers_only } = followed;
    if connection.provision().is_provisioned {
        let from = if let Start::Sequence(from) = from { from } else { 0 };
        let subjects = subjects.as_deref().unwrap_or(">");
        return Ok(Source::Polled(Box::new(Polled::new(connection, stream, subjects, from))));
    }
    let config = OrderedConfig {
        deliver_policy: from.deliver_policy(),
        filter_subject: subjects.clone().unwrap_or_default(),
        headers_only: *headers_only,
        ..OrderedConfig::default()
    };
    let subject = connection.api("CONSUMER.CREATE.>");
    let opening = async {
        let consumer = connection.jetstream.create_consumer_on_stream(config, &**stream).await?;
        consumer.messages().await.map_err(Into::into)
    };
    let opened =
        connection.attempt::<_, Box<dyn StdError + Send + Sync>>(action, &subject, opening);
    Ok(Source::Consumer(Box::new(opened.await?)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_answers_is_asked_again_and_the_first_answer_counts() {
        let (began, count) = (Instant::now(), Cell::new(0));
        let answer = asked(|| {
            count.set(count.get() + 1);
            let (number, seconds) = (count.get(), if count.get() == 3 { 0 } else { 5 });
            async move {
                sleep(Duration::from_secs(seconds)).await;
                number
            }
        });
        assert_eq!((answer.await, began.elapsed().as_secs()), (3, 2));
    }
}
