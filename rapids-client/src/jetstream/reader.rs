//! Reads the stream in order through a consumer that exists only meanwhile: without acknowledgements, in the
//! server's memory, and deleted when the reading ends.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use tracing::debug;

use crate::jetstream::message::RawPacket;
use crate::jetstream::pull::{Pull, Pulled};
use crate::jetstream::read_from::ReadFrom;
use crate::jetstream::sequence::StreamName;
use crate::{Error, Result};

/// The server deletes the consumer if nobody asks for anything for so long.
const INACTIVE: Duration = Duration::from_secs(60);
/// How often the server sends a heartbeat while it has no packets.
const HEARTBEAT: Duration = Duration::from_secs(1);

pub(crate) struct Reader {
    action: String,
    pull: Pull,
    /// Declared, and so dropped, after the pull.
    _consumer: Passing,
    /// The number of the last delivery. If a number is missing, a delivery was lost on its way.
    number: u64,
    /// How many packets were to follow the last delivery.
    pending: u64,
}

impl Reader {
    /// Reads from this sequence on, through a consumer whose name begins so.
    ///
    /// # Errors
    /// `NotPermitted`, `Limit`, `Server` with `action`.
    pub(crate) async fn open(
        read_from: &ReadFrom,
        action: String,
        name: &str,
        from: u64,
    ) -> Result<Self> {
        let name = format!("{name}_{}", fastrand::u32(..));
        let (connection, stream) = (read_from.connection(), read_from.stream());
        let consumer = Passing { read_from: read_from.clone(), name };
        let wanted = PullConfig {
            name: Some(consumer.name.clone()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ack_policy: AckPolicy::None,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..PullConfig::default()
        };
        let subject = connection.api(&format!("CONSUMER.CREATE.{stream}.>"));
        let creating = connection.jetstream.create_consumer_on_stream(wanted, stream);
        let created = connection.attempt(&action, &subject, creating).await?;
        let pending = created.cached_info().num_pending;
        let of = (StreamName::Rapids, stream);
        let pull = Pull::open(connection, of, &consumer.name, HEARTBEAT).await?;
        Ok(Self { action, pull, _consumer: consumer, number: 0, pending })
    }

    /// How many packets follow what was read.
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

    /// Waits for the next packet; `None` if a request ended. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `Server` if another reader is needed.
    pub(crate) async fn next(&mut self) -> Result<Option<RawPacket>> {
        let problem = match self.pull.next().await {
            Pulled::RequestEnded => return Ok(None),
            Pulled::Packet(mut packet) if packet.number == self.number + 1 => {
                (self.number, self.pending) = (packet.number, packet.pending);
                packet.answer = None;
                return Ok(Some(packet));
            }
            Pulled::Packet(_) => "a delivery was lost".to_owned(),
            Pulled::Doubtful(reason) => reason,
        };
        Err(Error::Server { action: self.action.clone(), source: problem.into() })
    }

    /// Whether requests were lost, and perhaps deliveries with them.
    pub(crate) fn is_lost(&mut self) -> bool {
        self.pull.reset_if_lost().is_some()
    }
}

/// The name of a consumer. Dropped, it deletes the consumer, also while that is still being created.
struct Passing {
    read_from: ReadFrom,
    name: String,
}

impl Drop for Passing {
    fn drop(&mut self) {
        // Without a runtime the server deletes the consumer by itself, a little later.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (read_from, name) = (self.read_from.clone(), std::mem::take(&mut self.name));
        runtime.spawn(async move {
            let jetstream = &read_from.connection().jetstream;
            let deleting = jetstream.delete_consumer_from_stream(&name, read_from.stream());
            if let Err(error) = deleting.await {
                debug!(%error, "the server is left to delete the consumer {name} by itself");
            }
        });
    }
}
