//! A consumer for one reading: without acknowledgements, in the server's memory, and deleted when the
//! reading ends.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info};
use tracing::debug;

use crate::Result;
use crate::connection::Connection;
use crate::names::STREAM;

/// The name of such a consumer. Dropped, it deletes the consumer, also while that is still being
/// created.
pub(crate) struct Reader {
    connection: Connection,
    pub(crate) name: String,
}

impl Reader {
    /// Makes up a name that begins so.
    pub(crate) fn new(connection: Connection, name: &str) -> Self {
        Self { connection, name: unused(name) }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Without a runtime the server deletes the consumer by itself, a little later.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (jetstream, name) = (self.connection.jetstream.clone(), std::mem::take(&mut self.name));
        runtime.spawn(async move {
            if let Err(error) = jetstream.delete_consumer_from_stream(&name, STREAM).await {
                debug!(%error, "the server is left to delete the consumer {name} by itself");
            }
        });
    }
}

/// A name that begins so, and that nobody else has.
pub(crate) fn unused(name: &str) -> String {
    format!("{name}_{}", fastrand::u32(..))
}

/// Creates one of this name. The server deletes it if nobody reads for the time `unread_for`.
///
/// # Errors
/// `NotPermitted`, `Server` with `action`.
pub(crate) async fn open(
    connection: &Connection,
    action: &str,
    name: &str,
    deliver_policy: DeliverPolicy,
    unread_for: Duration,
) -> Result<Info> {
    let wanted = PullConfig {
        name: Some(name.to_owned()),
        deliver_policy,
        ack_policy: AckPolicy::None,
        inactive_threshold: unread_for,
        memory_storage: true,
        num_replicas: 1,
        ..PullConfig::default()
    };
    let subject = connection.api(&format!("CONSUMER.CREATE.{STREAM}.>"));
    let creating = connection.jetstream.create_consumer_on_stream(wanted, STREAM);
    let created = connection.attempt(action, &subject, creating).await?;
    Ok(created.cached_info().clone())
}
