//! How far each service is: the durable consumers of the stream.

use async_nats::jetstream::consumer::Info;
use async_nats::jetstream::context::RequestError;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{self, ErrorCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, json};

use crate::connection::Connection;
use crate::names::{self, STREAM};
use crate::{Error, Result};

/// How far a service is in the stream, all its instances together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The service's name.
    pub service: String,
    /// The sequence of the last packet that an instance was given; 0 if there was none.
    pub delivered: u64,
    /// The sequence up to which every packet is acknowledged.
    pub acknowledged: u64,
    /// How many packets no instance was given yet: how far the service is behind.
    pub pending: u64,
    /// How many packets were given to an instance and not acknowledged: in hand, or waiting to be
    /// tried again.
    pub unacknowledged: u64,
}

impl Position {
    /// Reads a consumer; `None` if it is something else than the position of a service.
    fn read(info: &Info) -> Option<Self> {
        let service = info.config.durable_name.as_deref()?;
        // Others may have durable consumers on the stream too.
        let is_position = info.config.description == Some(description(service));
        (names::is_name(service) && is_position).then(|| Self {
            service: service.to_owned(),
            delivered: info.delivered.stream_sequence,
            acknowledged: info.ack_floor.stream_sequence,
            pending: info.num_pending,
            unacknowledged: u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX),
        })
    }
}

/// By what a position is known among consumers.
pub(crate) fn description(service: &str) -> String {
    format!("position of the service {service}")
}

/// What the server knows of the consumer of this name; `None` if there is none.
pub(crate) async fn info(connection: &Connection, service: &str) -> Result<Option<Info>> {
    let action = format!("read the position of `{service}`");
    let request = format!("CONSUMER.INFO.{STREAM}.{service}");
    match ask(connection, &action, &request, &Map::new()).await? {
        Ok(info) => Ok(Some(info)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::Server { action, source: error.into() }),
    }
}

pub(super) async fn one(connection: &Connection, service: &str) -> Result<Option<Position>> {
    // What can be no name may be no subject either.
    if !names::is_name(service) {
        return Ok(None);
    }
    Ok(info(connection, service).await?.as_ref().and_then(Position::read))
}

pub(super) async fn all(connection: &Connection) -> Result<Vec<Position>> {
    #[derive(Deserialize)]
    struct Page {
        total: usize,
        consumers: Option<Vec<Info>>,
    }
    let (action, request) = ("list the positions", format!("CONSUMER.LIST.{STREAM}"));
    let (mut positions, mut offset) = (Vec::new(), 0);
    loop {
        let from = Map::from_iter([("offset".to_owned(), json!(offset))]);
        let page: Page = match ask(connection, action, &request, &from).await? {
            Ok(page) => page,
            Err(error) if is_absent(&error) => break,
            Err(error) => {
                return Err(Error::Server { action: action.to_owned(), source: error.into() });
            }
        };
        let consumers = page.consumers.unwrap_or_default();
        offset += consumers.len();
        positions.extend(consumers.iter().filter_map(Position::read));
        if consumers.is_empty() || offset >= page.total {
            break;
        }
    }
    positions.sort_by(|one, two| one.service.cmp(&two.service));
    Ok(positions)
}

/// Puts a question to the server, with an empty object where there is nothing to say: it takes that
/// for an empty request, and nothing else that has JSON.
async fn ask<T: DeserializeOwned>(
    connection: &Connection,
    action: &str,
    request: &str,
    body: &Map<String, serde_json::Value>,
) -> Result<Result<T, jetstream::Error>> {
    let subject = connection.api(request);
    let asking = connection.jetstream.request(request.to_owned(), body);
    let answer = connection.attempt::<_, RequestError>(action, &subject, asking).await?;
    Ok(match answer {
        Response::Ok(answer) => Ok(answer),
        Response::Err { error } => Err(error),
    })
}

fn is_absent(error: &jetstream::Error) -> bool {
    [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND].contains(&error.error_code())
}
