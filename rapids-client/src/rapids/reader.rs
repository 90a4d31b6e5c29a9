//! A consumer that lasts only as long as somebody reads: without acknowledgements, and kept in the
//! server's memory.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info};

use crate::Result;
use crate::connection::Connection;
use crate::names::STREAM;

/// Makes one of a name that begins so. The server forgets it by itself, after it was not asked for
/// anything for so long.
///
/// # Errors
/// `NotPermitted`, `Server` with `action`.
pub(crate) async fn open(
    connection: &Connection,
    action: &str,
    name: &str,
    deliver_policy: DeliverPolicy,
    forgotten: Duration,
) -> Result<Info> {
    let wanted = PullConfig {
        name: Some(format!("{name}_{}", fastrand::u32(..))),
        deliver_policy,
        ack_policy: AckPolicy::None,
        inactive_threshold: forgotten,
        memory_storage: true,
        num_replicas: 1,
        ..PullConfig::default()
    };
    let subject = connection.api(&format!("CONSUMER.CREATE.{STREAM}.>"));
    let creating = connection.jetstream.create_consumer_on_stream(wanted, STREAM);
    let created = connection.attempt(action, &subject, creating).await?;
    Ok(created.cached_info().clone())
}
