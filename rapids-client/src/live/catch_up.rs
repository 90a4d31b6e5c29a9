//! Reads the stream in order from a sequence on: through a consumer, or by direct gets where this program may
//! create none, which is slower.

use futures::FutureExt;

use crate::Result;
use crate::jetstream::message::RawPacket;
use crate::jetstream::polled::Polled;
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::reader::Reader;

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
        read_from: ReadFrom,
        (service, instance): (String, String),
        from: u64,
    ) -> Result<Self> {
        let connection = read_from.connection();
        if connection.provision().is_provisioned {
            let polled = Polled::new(connection, read_from.stream(), ">", from);
            return Ok(Self::Polled(Box::new(polled)));
        }
        let action = format!("read the stream for `{service}`");
        let name = format!("{service}_{instance}");
        let reader = Reader::open(&read_from, action, &name, from).await?;
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
