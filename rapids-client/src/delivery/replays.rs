//! The service's position on the stream of replays.

use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info};
use async_nats::jetstream::context::RequestError;
use async_nats::jetstream::response::Response;
use async_nats::jetstream;

use super::consumer::{self, ACK_WAIT, MAX_ACK_PENDING};
use crate::connection::Connection;
use crate::names::{REPLAYS, replay_subject};
use crate::{Error, Result};

/// Makes the position, or brings it up to date, and returns for how long the server waits for an
/// acknowledgement. It begins with the oldest replay: those that were asked for while no instance was
/// there are wanted too.
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
        max_ack_pending: MAX_ACK_PENDING,
        filter_subject: replay_subject(service),
        ..PullConfig::default()
    };
    let subject = connection.api(&format!("CONSUMER.CREATE.{REPLAYS}.>"));
    let action = format!("create the position of `{service}` on {REPLAYS}");
    let creating = (action.as_str(), subject.as_str(), REPLAYS);
    let created = consumer::create(connection, creating, wanted).await?;
    let found = match created {
        Some(created) => created,
        None => info(connection, service).await?,
    };
    if let Some(changed) = consumer::adjusted(&found.config, ack_wait) {
        let updating = connection.jetstream.update_consumer_on_stream(changed, REPLAYS);
        connection.attempt(&action, &subject, updating).await?;
    }
    Ok(ack_wait.unwrap_or(found.config.ack_wait))
}

/// Up to where the server will deliver no replay again.
pub(crate) async fn floor(connection: &Connection, service: &str) -> Result<u64> {
    Ok(info(connection, service).await?.ack_floor.stream_sequence)
}

async fn info(connection: &Connection, service: &str) -> Result<Info> {
    ask(connection, service).await?.map_err(|error| unread(service, error))
}

fn unread(service: &str, error: jetstream::Error) -> Error {
    let action = format!("read the position of `{service}` on {REPLAYS}");
    Error::Server { action, source: error.into() }
}

async fn ask(connection: &Connection, service: &str) -> Result<Result<Info, jetstream::Error>> {
    let request = format!("CONSUMER.INFO.{REPLAYS}.{service}");
    let subject = connection.api(&request);
    let nothing = serde_json::Map::new();
    let asking = connection.jetstream.request(request, &nothing);
    let action = format!("read the position of `{service}` on {REPLAYS}");
    let answer = connection.attempt::<_, RequestError>(&action, &subject, asking).await?;
    Ok(match answer {
        Response::Ok(info) => Ok(info),
        Response::Err { error } => Err(error),
    })
}
