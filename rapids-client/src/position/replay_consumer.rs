//! The service's position on the stream of replays: a durable consumer.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info};

use crate::connection::Connection;
use crate::jetstream::api;
use crate::names::{REPLAYS, replay_subject};
use crate::position::consumer;
use crate::position::consumer::ACK_WAIT;
use crate::{Error, Result};

/// Makes the position, or updates its settings, and returns for how long the server waits for an
/// acknowledgement. It begins with the oldest replay, so that those are read that were asked for
/// while no instance ran.
pub(crate) async fn ensure(
    connection: &Connection,
    service: &str,
    ack_wait: Option<Duration>,
) -> Result<Duration> {
    let wanted = PullConfig {
        durable_name: Some(service.to_owned()),
        name: Some(service.to_owned()),
        description: Some(format!("replays for the service {service}")),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ack_wait.unwrap_or(ACK_WAIT),
        max_deliver: -1,
        max_ack_pending: connection.max_ack_pending().into(),
        filter_subject: replay_subject(service),
        ..PullConfig::default()
    };
    let action = format!("create the position of `{service}` on {REPLAYS}");
    let mut found = existing(connection, service).await?;
    if found.is_none() {
        found = consumer::create(connection, (&action, REPLAYS), wanted).await?;
    }
    let found = match found {
        Some(found) => found,
        // Another instance was faster.
        None => info(connection, service).await?,
    };
    if let Some(changed) =
        consumer::adjusted(&found.config, ack_wait, connection.provision().max_ack_pending)
    {
        consumer::update(connection, (&action, REPLAYS), (&found.config, changed)).await?;
    }
    Ok(ack_wait.unwrap_or(found.config.ack_wait))
}

/// Up to where every replay is done; 0 as long as the service has never asked for any.
pub(crate) async fn floor(connection: &Connection, service: &str) -> Result<u64> {
    let found = existing(connection, service).await?;
    Ok(found.map_or(0, |found| found.ack_floor.stream_sequence))
}

/// What the server knows of the position; `None` if there is none.
pub(crate) async fn existing(connection: &Connection, service: &str) -> Result<Option<Info>> {
    match ask(connection, service).await? {
        Ok(info) => Ok(Some(info)),
        Err(error) if api::is_absent(&error) => Ok(None),
        Err(error) => Err(unread(service, error)),
    }
}

/// Deletes the position.
pub(crate) async fn delete(connection: &Connection, service: &str) -> Result<()> {
    let subject = connection.api(&format!("CONSUMER.DELETE.{REPLAYS}.{service}"));
    let action = format!("delete the position of `{service}` on {REPLAYS}");
    let deleting = connection.jetstream.delete_consumer_from_stream(service, REPLAYS);
    connection.attempt(&action, &subject, deleting).await.map(drop)
}

async fn info(connection: &Connection, service: &str) -> Result<Info> {
    ask(connection, service).await?.map_err(|error| unread(service, error))
}

fn unread(service: &str, error: jetstream::Error) -> Error {
    let action = format!("read the position of `{service}` on {REPLAYS}");
    Error::Server { action, source: error.into() }
}

async fn ask(connection: &Connection, service: &str) -> Result<Result<Info, jetstream::Error>> {
    let action = format!("read the position of `{service}` on {REPLAYS}");
    let request = format!("CONSUMER.INFO.{REPLAYS}.{service}");
    api::ask(connection, &action, &request, &serde_json::Map::new()).await
}
