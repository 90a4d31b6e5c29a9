//! Bodies that are no packets, and a publisher for them: the library refuses to publish them.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::jetstream;
use async_nats::jetstream::message::PublishMessage;
use rapids_client::Rapids;
use tokio::time::{Instant, sleep};

use super::script_runner::PATIENCE;

const SUBJECT: &str = "rapids";

/// What arrives when people type packets by hand. None of these is a packet.
pub(crate) const BODIES: [&[u8]; 8] = [
    b"",
    b"\n",
    b"null",
    b"[]",
    b"\"order_placed\"",
    b"{\"event\":\"order_placed\",",
    b"{\"event\":\"order_placed\"} {}",
    b"{\"event\":\"\xff\xfe\"}",
];

const RETRY: Duration = Duration::from_millis(200);

/// Publishes any body.
#[derive(Debug, Clone)]
pub(crate) struct RawPublisher(jetstream::Context);

impl RawPublisher {
    /// Publishes through this connection.
    pub(crate) fn new(rapids: &Rapids) -> Self {
        Self(jetstream::new(rapids.nats()))
    }

    /// Publishes a body as it is, under this message id, and returns once it is stored.
    ///
    /// # Errors
    /// If that takes minutes.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::Packet;

    #[test]
    fn none_of_the_bodies_is_a_packet() {
        for body in BODIES {
            assert!(Packet::from_bytes(body).is_err(), "{body:?}");
        }
    }
}
