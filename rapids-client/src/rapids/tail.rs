//! Watching the rapids without a position of one's own.

use std::error::Error as StdError;
use std::ops::RangeInclusive;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::stream::Info;
use futures::StreamExt;
use jiff::Timestamp;

use crate::connection::{Connection, Retry};
use crate::jetstream::message::message_id;
use crate::jetstream::stream;
use crate::jetstream::timestamp;
use crate::names::STREAM;
use crate::packet::{Arrival, Packet};
use crate::start::Start;
use crate::{Error, Result};

const ACTION: &str = "watch the rapids";

/// How long nothing may come until the stream itself is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The packets of the rapids in stream order, from a point on, without end.
///
/// While the server is away it waits, and goes on behind the last packet that it gave.
pub struct Tail {
    connection: Connection,
    stream_created: Timestamp,
    messages: Ordered,
    /// Where to read on.
    from: Start,
    /// The last sequence that was stored when it was opened; 0 if nothing of it is to come.
    end: u64,
}

impl Tail {
    pub(super) async fn open(connection: &Connection, from: Start) -> Result<Self> {
        if let Some(fault) = from.fault(Timestamp::now()) {
            return Err(Error::Definition { of: "the tail".to_owned(), faults: vec![fault] });
        }
        let info = existing(connection).await?;
        let state = &info.state;
        let is_past = match from {
            Start::Time(from) => from > timestamp(state.last_timestamp),
            Start::Now | Start::Beginning | Start::Sequence(_) => false,
        };
        let end = if is_past || state.messages == 0 { 0 } else { state.last_sequence };
        // A new subscription must read on here, whatever is stored until then.
        let from = match from {
            Start::Now => Start::Sequence(state.last_sequence + 1),
            from => from,
        };
        Ok(Self {
            messages: subscribe(connection, from).await?,
            connection: connection.clone(),
            stream_created: timestamp(info.created),
            from,
            end,
        })
    }

    /// Waits for the next packet. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a body that is no packet, with its sequence: go on with the next
    /// one. [`Error::Stream`] if the stream was deleted or made anew, and [`Error::NotPermitted`]:
    /// it ends there.
    pub async fn next(&mut self) -> Result<Packet> {
        loop {
            if let Some(packet) = self.receive(None).await? {
                return Ok(packet);
            }
        }
    }

    /// Waits for the next of the packets that were stored when the tail was opened; `None` once
    /// all of them have come. Where the last of them expired meanwhile, one stored later may come
    /// instead. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn next_stored(&mut self) -> Result<Option<Packet>> {
        self.receive(Some(self.end)).await
    }

    /// Waits for the next packet, as long as one up to this sequence can come.
    async fn receive(&mut self, end: Option<u64>) -> Result<Option<Packet>> {
        let (mut retry, mut last_seen) = (None, 0);
        loop {
            if end.is_some_and(|end| self.is_behind(end)) {
                return Ok(None);
            }
            let problem: Box<dyn StdError + Send + Sync> = tokio::select! {
                message = self.messages.next() => match message {
                    Some(Ok(message)) => match self.read(&message) {
                        Some(read) => return read.map(Some),
                        None => continue,
                    },
                    Some(Err(error)) => error.into(),
                    None => "the server ended the subscription".into(),
                },
                // The subscription reports nothing when its stream is gone, and takes long to
                // report that the server was away.
                () = tokio::time::sleep(LOOK) => match look(&self.connection, self.stream_created).await? {
                    Some(held) if end.is_some_and(|end| *held.start() > end) => return Ok(None),
                    // It was stored before the last look, so it should have come by now.
                    Some(_) if self.is_missing(last_seen) => {
                        "no packet comes, though the stream holds more".into()
                    }
                    Some(held) => {
                        last_seen = *held.end();
                        continue;
                    }
                    None => continue,
                },
            };
            let retry = retry.get_or_insert_with(|| Retry::new(&self.connection, ACTION));
            let error = Error::Server { action: ACTION.to_owned(), source: problem };
            self.subscribe_again(retry, error).await?;
        }
    }

    /// Goes on with a new subscription, after this error of the present one.
    async fn subscribe_again(&mut self, retry: &mut Retry, mut error: Error) -> Result<()> {
        loop {
            retry.again(error).await?;
            look(&self.connection, self.stream_created).await?;
            match Box::pin(subscribe(&self.connection, self.from)).await {
                Ok(messages) => {
                    self.messages = messages;
                    return Ok(());
                }
                Err(failed @ (Error::Server { .. } | Error::Limit { .. })) => error = failed,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether nothing up to this sequence can come any more.
    fn is_behind(&self, end: u64) -> bool {
        end == 0 || matches!(self.from, Start::Sequence(next) if next > end)
    }

    /// Whether the packet of this sequence should have come.
    fn is_missing(&self, last: u64) -> bool {
        matches!(self.from, Start::Sequence(next) if next <= last)
    }

    /// Reads a message; `None` if it lies before the place to begin at, which async-nats forgets when
    /// it renews a subscription that has given nothing yet.
    fn read(&mut self, message: &Message) -> Option<Result<Packet>> {
        let info = match message.info() {
            Ok(info) => info,
            Err(error) => {
                let reason = format!("the stream's own facts are missing: {error}");
                return Some(Err(Error::Malformed { reason }));
            }
        };
        let sequence = info.stream_sequence;
        let is_before = match self.from {
            Start::Now | Start::Beginning => false,
            Start::Sequence(from) => sequence < from,
            Start::Time(from) => timestamp(info.published) < from,
        };
        if is_before {
            return None;
        }
        self.from = Start::Sequence(sequence + 1);
        let arrival = Arrival {
            sequence,
            replay: None,
            stored: timestamp(info.published),
            stream_created: self.stream_created,
            message_id: message_id(message.headers.as_ref()),
        };
        Some(Packet::arrived(message.payload.clone(), arrival).map_err(|error| match error {
            Error::Malformed { reason } => {
                Error::Malformed { reason: format!("sequence {sequence}: {reason}") }
            }
            other => other,
        }))
    }
}

/// Makes sure that the stream is still the one created then, and returns its first and its last
/// sequence; `None` if the server is away. It does not borrow the tail, which is not `Sync`, so that
/// the future is `Send`.
async fn look(
    connection: &Connection,
    stream_created: Timestamp,
) -> Result<Option<RangeInclusive<u64>>> {
    match Box::pin(existing(connection)).await {
        Ok(info) if timestamp(info.created) == stream_created => {
            Ok(Some(info.state.first_sequence..=info.state.last_sequence))
        }
        Ok(_) => Err(lost("it was made anew")),
        // A server that is away says nothing about the stream.
        Err(Error::Server { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn existing(connection: &Connection) -> Result<Info> {
    stream::info(connection).await?.ok_or_else(|| lost("it does not exist"))
}

fn lost(what: &str) -> Error {
    let difference = format!("{what}; connect again to begin anew");
    Error::Stream { stream: STREAM.to_owned(), differences: vec![difference] }
}

async fn subscribe(connection: &Connection, from: Start) -> Result<Ordered> {
    let config = OrderedConfig { deliver_policy: from.deliver_policy(), ..Default::default() };
    let subject = connection.api("CONSUMER.CREATE.>");
    let opening = async {
        let consumer = connection.jetstream.create_consumer_on_stream(config, STREAM).await?;
        consumer.messages().await.map_err(Into::into)
    };
    connection.attempt::<_, Box<dyn StdError + Send + Sync>>(ACTION, &subject, opening).await
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tail").finish_non_exhaustive()
    }
}
