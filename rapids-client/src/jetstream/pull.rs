//! Pulls packets for a service.
//!
//! What is asked for is counted by [`Requests`], so that none waits in a buffer until its acknowledgement wait
//! is over.

use std::time::Duration;

use futures::FutureExt;
use tracing::warn;

use crate::Result;
use crate::connection::Connection;
use crate::jetstream::message::RawPacket;
use crate::jetstream::requests::{Answer, Requests};
use crate::jetstream::sequence::StreamName;

pub(crate) struct Pull {
    stream: StreamName,
    requests: Requests,
}

/// What the server has sent.
#[derive(Debug)]
pub(crate) enum Pulled {
    Packet(RawPacket),
    /// A request ended before it brought all its packets, and the caller may ask for more.
    RequestEnded,
    /// A request failed for this reason. The consumer may be gone, and the caller has to check it.
    Doubtful(String),
}

impl Pull {
    /// Pulls from the consumer of the service's name on this stream.
    pub(crate) async fn open(
        connection: &Connection,
        (stream, name): (StreamName, &str),
        service: &str,
        heartbeat: Duration,
    ) -> Result<Self> {
        let requests = Requests::open(connection, format!("{name}.{service}"), heartbeat).await?;
        Ok(Self { stream, requests })
    }

    /// Asks as one of a group. The server answers no other requests where the consumer has a group.
    pub(crate) fn in_group(self, group: Option<String>) -> Self {
        Self { requests: self.requests.in_group(group), ..self }
    }

    pub(crate) fn outstanding(&self) -> usize {
        self.requests.outstanding()
    }

    /// Asks for up to this many packets more, unless a request failed just now.
    pub(crate) async fn request(&mut self, batch: usize) -> Result<()> {
        self.requests.request(batch).await
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Pulled {
        loop {
            match self.requests.next().await {
                Answer::Message(message) => match RawPacket::read(self.stream, message) {
                    Some(packet) => return Pulled::Packet(packet),
                    None => warn!("a message that does not come from a stream is dropped"),
                },
                Answer::Ended => return Pulled::RequestEnded,
                Answer::Doubtful(reason) => return Pulled::Doubtful(reason),
            }
        }
    }

    /// The next, if it has come already.
    pub(crate) fn ready(&mut self) -> Option<Pulled> {
        self.next().now_or_never()
    }

    /// Counts requests as ended that were lost, and returns the reason. To be called every now and then.
    pub(crate) fn reset_if_lost(&mut self) -> Option<&'static str> {
        self.requests.reset_if_lost()
    }

    /// Stops the deliveries, and returns the packets that were on their way.
    pub(crate) async fn close(&mut self) -> Vec<RawPacket> {
        let rest = self.requests.close().await;
        rest.into_iter().filter_map(|message| RawPacket::read(self.stream, message)).collect()
    }
}
