//! What the library has no words for: bodies that are no packets, and where consumers stand.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::message::PublishMessage;
use futures::{StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep};

use super::letters::Letter;
use super::rest::{Position, Standing};

const STREAM: &str = "RAPIDS";
const SUBJECT: &str = "rapids";
const DEAD_LETTERS: &str = "DEAD_LETTERS";

/// How long to go on while the server is away.
const PATIENCE: Duration = Duration::from_secs(30);

const RETRY: Duration = Duration::from_millis(200);

/// A connection of its own to the server.
#[derive(Debug, Clone)]
pub(crate) struct Wire(jetstream::Context);

impl Wire {
    /// # Errors
    /// If the server cannot be reached.
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let client = async_nats::connect(url).await.context("cannot connect to the server")?;
        Ok(Self(jetstream::new(client)))
    }

    /// Publishes a body as it is, under this message id, and returns once it is stored.
    ///
    /// # Errors
    /// If that takes longer than half a minute.
    pub(crate) async fn publish(&self, id: &str, body: &'static [u8]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = PublishMessage::build().payload(body.into()).message_id(id);
            let stored = match self.0.send_publish(SUBJECT, message).await {
                Ok(answer) => answer.await,
                Err(error) => Err(error),
            };
            match stored {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => {
                    return Err(error).context("cannot publish a malformed body");
                }
                Err(_) => sleep(RETRY).await,
            }
        }
    }

    /// Reads where the rapids and these services stand.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(crate) async fn standing(&self, services: &[String]) -> Result<Standing> {
        let mut stream = self.0.get_stream(STREAM).await?;
        let mut positions = Vec::new();
        for service in services {
            // One that has none is left out, which tells.
            let Ok(info) = stream.consumer_info(service).await else { continue };
            positions.push(Position {
                service: service.clone(),
                floor: info.ack_floor.stream_sequence,
                pending: info.num_pending,
                unacknowledged: u64::try_from(info.num_ack_pending).unwrap_or_default(),
            });
        }
        // After the positions, so that none of them can be beyond it.
        let last = stream.info().await?.state.last_sequence;
        Ok(Standing { last, positions })
    }

    /// Reads every dead letter.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(crate) async fn letters(&self) -> Result<Vec<Letter>> {
        let Ok(mut stream) = self.0.get_stream(DEAD_LETTERS).await else { return Ok(Vec::new()) };
        let count = usize::try_from(stream.info().await?.state.messages)?;
        let config = OrderedConfig { headers_only: true, ..OrderedConfig::default() };
        let messages = stream.create_consumer(config).await?.messages().await?;
        let letters = messages.take(count).map_err(Into::into).map_ok(|message| letter(&message));
        letters.try_collect().await
    }
}

fn letter(message: &Message) -> Letter {
    let headers = message.headers.clone().unwrap_or_default();
    let text = |name| headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default();
    let subject = message.subject.as_str();
    Letter {
        id: subject.split_once('.').map_or(subject, |(_, id)| id).to_owned(),
        service: text("Rapids-Service"),
        kind: text("Rapids-Kind"),
        packet: text("Rapids-Packet-Id"),
        origin: text("Rapids-Correlation-Id"),
        breadcrumbs: headers
            .get_all("Rapids-Breadcrumb")
            .map(|value| value.as_str().to_owned())
            .collect(),
    }
}
