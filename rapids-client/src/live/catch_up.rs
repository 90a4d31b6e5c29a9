//! Reads the stream in order from a sequence on: through a consumer, or by direct gets where this program may
//! create none, which is slower.

use futures::FutureExt;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::message::RawPacket;
use crate::jetstream::polled::Polled;
use crate::jetstream::reader::Reader;
use crate::names::STREAM;

pub(crate) enum CatchUp {
    Consumer(Box<Reader>),
    Polled(Box<Polled>),
}

impl CatchUp {
    /// Reads from this sequence on.
    ///
    /// # Errors
    /// `NotPermitted`, `Limit`, `Server`.
    pub(crate) async fn open(
        connection: Connection,
        (service, instance): (String, String),
        from: u64,
    ) -> Result<Self> {
        if connection.provision().is_provisioned {
            return Ok(Self::Polled(Box::new(Polled::new(&connection, STREAM, ">", from))));
        }
        let action = format!("read the stream for `{service}`");
        let name = format!("{service}_{instance}");
        let reader = Reader::open(&connection, action, &name, from).await?;
        Ok(Self::Consumer(Box::new(reader)))
    }

    /// How many packets are still to be read; `None` if that is not known.
    pub(crate) fn pending(&self) -> Option<u64> {
        match self {
            Self::Consumer(reader) => Some(reader.pending()),
            Self::Polled(polled) => polled.pending(),
        }
    }

    /// Makes sure that so many packets are asked for.
    pub(crate) async fn request(&mut self, demand: usize) -> Result<()> {
        match self {
            Self::Consumer(reader) => reader.request(demand).await,
            Self::Polled(_) => Ok(()),
        }
    }

    /// Waits for the next packet; `None` if there is more to ask for. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `NotPermitted`; `Server` if it has to be read anew.
    pub(crate) async fn next(&mut self) -> Result<Option<Box<RawPacket>>> {
        Ok(match self {
            Self::Consumer(reader) => reader.next().await?.map(Box::new),
            Self::Polled(polled) => Some(Box::new(RawPacket::of_rapids(polled.next().await?))),
        })
    }

    /// The next, if it has come already.
    pub(crate) fn ready(&mut self) -> Option<Result<Option<Box<RawPacket>>>> {
        self.next().now_or_never()
    }

    /// Whether requests were lost, and perhaps deliveries with them.
    pub(crate) fn is_lost(&mut self) -> bool {
        match self {
            Self::Consumer(reader) => reader.is_lost(),
            Self::Polled(_) => false,
        }
    }
}
