//! The service's position on the stream of replays.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info};
use async_nats::jetstream::context::RequestError;
use async_nats::jetstream::response::Response;

use super::consumer::MAX_ACK_PENDING;
use crate::connection::Connection;
use crate::names::{REPLAYS, replay_subject};
use crate::{Error, Result};

/// Makes the position, or brings it up to date. It begins with the oldest replay: those that were
/// asked for while no instance was there are wanted too.
pub(crate) async fn ensure(
    connection: &Connection,
    service: &str,
    ack_wait: Duration,
) -> Result<()> {
    let wanted = PullConfig {
        durable_name: Some(service.to_owned()),
        name: Some(service.to_owned()),
        description: Some(format!("replays for the service {service}")),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait,
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        filter_subject: replay_subject(service),
        ..PullConfig::default()
    };
    let subject = connection.api(&format!("CONSUMER.CREATE.{REPLAYS}.>"));
    let action = format!("create the position of `{service}` on {REPLAYS}");
    let creating = connection.jetstream.create_consumer_on_stream(wanted, REPLAYS);
    connection.attempt(&action, &subject, creating).await?;
    Ok(())
}

/// Up to where the server will deliver no replay again; 0 as long as the service has never asked for
/// any.
pub(crate) async fn floor(connection: &Connection, service: &str) -> Result<u64> {
    let request = format!("CONSUMER.INFO.{REPLAYS}.{service}");
    let subject = connection.api(&request);
    let nothing = serde_json::Map::new();
    let asking = connection.jetstream.request(request, &nothing);
    let action = format!("read the position of `{service}` on {REPLAYS}");
    match connection.attempt::<_, RequestError>(&action, &subject, asking).await? {
        Response::Ok::<Info>(info) => Ok(info.ack_floor.stream_sequence),
        Response::Err { error } if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND => Ok(0),
        Response::Err { error } => Err(Error::Server { action, source: error.into() }),
    }
}
