//! Reads the stream in order from a sequence on, without acknowledgements, through a consumer that exists
//! only meanwhile.

use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::{Pull, Pulled};
use crate::jetstream::reader;
use crate::jetstream::reader::Reader;
use crate::jetstream::sequence::StreamName;
use crate::names::STREAM;

/// The server deletes the consumer if the instance asks for nothing for so long.
const INACTIVE: Duration = Duration::from_secs(60);
/// How often the server sends a heartbeat while it has no packets.
const HEARTBEAT: Duration = Duration::from_secs(1);

pub(crate) struct CatchUp {
    pull: Pull,
    /// Deletes the consumer when dropped. Declared, and so dropped, after the pull.
    _reader: Reader,
    /// The number of the last delivery. If a number is missing, a delivery was lost on its way.
    number: u64,
    /// How many packets were to follow the last delivery.
    pending: u64,
}

/// A packet, or nothing; or why a new consumer is needed.
pub(crate) type StreamRead = Result<Option<Box<RawPacket>>, String>;

impl CatchUp {
    /// Reads from this sequence on.
    ///
    /// # Errors
    /// `NotPermitted`, `Limit`, `Server`.
    pub(crate) async fn open(
        connection: Connection,
        (service, instance): (String, String),
        from: u64,
    ) -> Result<Box<Self>> {
        let action = format!("read the stream for `{service}`");
        let reader = Reader::new(connection.clone(), &format!("{service}_{instance}"));
        let from = DeliverPolicy::ByStartSequence { start_sequence: from };
        let made = reader::open(&connection, &action, &reader.name, from, INACTIVE).await?;
        let pull =
            Pull::open(&connection, (StreamName::Rapids, STREAM), &reader.name, HEARTBEAT).await?;
        Ok(Box::new(Self { pull, _reader: reader, number: 0, pending: made.num_pending }))
    }

    pub(crate) fn pending(&self) -> u64 {
        self.pending
    }

    /// Makes sure that so many packets are asked for.
    pub(crate) async fn request(&mut self, demand: usize) -> Result<()> {
        let outstanding = self.pull.outstanding();
        if outstanding < demand {
            self.pull.request(demand - outstanding).await?;
        }
        Ok(())
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> StreamRead {
        let pulled = self.pull.next().await;
        self.read(pulled)
    }

    /// The next, if it has come already.
    pub(crate) fn ready(&mut self) -> Option<StreamRead> {
        let pulled = self.pull.ready()?;
        Some(self.read(pulled))
    }

    fn read(&mut self, pulled: Pulled) -> StreamRead {
        match pulled {
            Pulled::Packet(mut packet) => {
                self.number += 1;
                if packet.number != self.number {
                    return Err("a delivery was lost".to_owned());
                }
                self.pending = packet.pending;
                packet.answer = None;
                Ok(Some(Box::new(packet)))
            }
            Pulled::Doubtful(reason) => Err(reason),
            Pulled::RequestEnded => Ok(None),
        }
    }

    /// Whether requests were lost, and perhaps deliveries with them.
    pub(crate) fn is_lost(&mut self) -> bool {
        self.pull.reset_if_lost().is_some()
    }
}
