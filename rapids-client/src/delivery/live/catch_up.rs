//! Reading the stream in order from a sequence on, without acknowledgements, over a consumer that
//! lasts only as long.

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

/// The server forgets the consumer of an instance that has asked for nothing for so long.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// How often the server says that it is alive while a request waits.
const HEARTBEAT: Duration = Duration::from_secs(1);

pub(crate) struct CatchUp {
    pull: Pull,
    /// Dropped behind the requests for it.
    _reader: Reader,
    /// The number of the last delivery: one that is missing was lost on its way.
    number: u64,
    /// How many packets were to follow when it was looked at last.
    pub(crate) pending: u64,
}

/// What came.
pub(crate) enum Read {
    Packet(Box<RawPacket>),
    Nothing,
    /// A delivery was lost, or the consumer is gone: to be opened anew.
    Broken(String),
}

impl CatchUp {
    /// Reads from this sequence on.
    ///
    /// # Errors
    /// `NotPermitted`, `Server`.
    pub(crate) async fn open(
        connection: Connection,
        (service, instance): (String, String),
        from: u64,
    ) -> Result<Box<Self>> {
        let action = format!("read the stream for `{service}`");
        let reader = Reader::new(connection.clone(), &format!("{service}_{instance}"));
        let from = DeliverPolicy::ByStartSequence { start_sequence: from };
        let made = reader::open(&connection, &action, &reader.name, from, FORGOTTEN).await?;
        let pull =
            Pull::open(&connection, (StreamName::Rapids, STREAM), &reader.name, HEARTBEAT).await?;
        Ok(Box::new(Self { pull, _reader: reader, number: 0, pending: made.num_pending }))
    }

    /// Sees to it that so many are asked for.
    pub(crate) async fn request(&mut self, wanted: usize) -> Result<()> {
        let outstanding = self.pull.outstanding();
        if outstanding < wanted {
            self.pull.request(wanted - outstanding).await?;
        }
        Ok(())
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Read {
        let pulled = self.pull.next().await;
        self.read(pulled)
    }

    /// What has come already.
    pub(crate) fn ready(&mut self) -> Option<Read> {
        let pulled = self.pull.ready()?;
        Some(self.read(pulled))
    }

    fn read(&mut self, pulled: Pulled) -> Read {
        match pulled {
            Pulled::Packet(mut delivered) => {
                self.number += 1;
                if delivered.number != self.number {
                    return Read::Broken("a delivery was lost".to_owned());
                }
                self.pending = delivered.pending;
                delivered.answer = None;
                Read::Packet(Box::new(delivered))
            }
            Pulled::Doubtful(reason) => Read::Broken(reason),
            Pulled::Ended
            | Pulled::Failed(_)
            | Pulled::Passed { .. }
            | Pulled::Gone { .. }
            | Pulled::Real(_)
            | Pulled::Forged { .. } => Read::Nothing,
        }
    }

    /// Whether requests were lost, and the deliveries to them perhaps too.
    pub(crate) fn lost(&mut self) -> Option<&'static str> {
        self.pull.lost()
    }
}
