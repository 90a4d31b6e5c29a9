//! The live feed: a plain subscription to the copies that the server sends of what it has stored.
//!
//! Nothing is acknowledged, and nothing comes again. What is missing is told by
//! [`seam`](super::seam).

use std::time::Instant;

use async_nats::Subscriber;
use futures::{FutureExt, StreamExt};
use tracing::warn;

use crate::connection::Connection;
use crate::delivery::delivered::Delivered;
use crate::names::LIVE;
use crate::rapids::stream::{self, StreamFacts};
use crate::{Error, Result};

pub(super) struct Live {
    subscriber: Subscriber,
}

impl Live {
    /// Subscribes, and then asks how the stream stands: the server takes both in this order, so
    /// everything behind that comes through the subscription.
    ///
    /// # Errors
    /// `NotPermitted` if this user may not subscribe; `Server`.
    pub(super) async fn join(connection: Connection) -> Result<(Self, StreamFacts)> {
        let since = Instant::now();
        let subscriber = connection.client.subscribe(LIVE).await.map_err(|error| {
            Error::Server { action: format!("subscribe to `{LIVE}`"), source: error.into() }
        })?;
        let facts = standing(&connection).await?;
        match connection.refusal(LIVE, since) {
            Some(refusal) => Err(refusal),
            None => Ok((Self { subscriber }, facts)),
        }
    }

    /// Waits for the next copy. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Delivered {
        loop {
            let Some(message) = self.subscriber.next().await else {
                // Only a connection that was closed for good ends its subscriptions.
                return std::future::pending().await;
            };
            match Delivered::live(message) {
                Some(delivered) => return delivered,
                None => warn!("a message on `{LIVE}` that no stream has stored is dropped"),
            }
        }
    }

    /// What has come already.
    pub(super) fn ready(&mut self) -> Option<Delivered> {
        self.next().now_or_never()
    }
}

/// How the stream stands.
///
/// # Errors
/// `Stream` if there is none any more; `Server`.
pub(super) async fn standing(connection: &Connection) -> Result<StreamFacts> {
    let info = stream::info(connection).await?;
    info.as_ref().map(StreamFacts::from).ok_or_else(|| Error::Stream {
        stream: crate::names::STREAM.to_owned(),
        differences: vec!["it was deleted".to_owned()],
    })
}
