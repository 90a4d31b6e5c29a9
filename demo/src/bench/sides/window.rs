//! Publishing with many acknowledgements under way: the fastest way that async-nats has.

use std::time::Duration;

use anyhow::Result;
use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;

use crate::bench::arena::SUBJECT;

/// While so many wait for their acknowledgements, as many again are handed over: whoever waits for
/// the oldest alone is woken for each. Both are within the 5,000 that async-nats allows.
const HALF: usize = 2_048;

/// A full window takes its time where each packet is written through to a slow disk; the default of
/// 5 seconds is for one.
const PATIENCE: Duration = Duration::from_secs(60);

/// For publishers with a window.
pub(crate) fn jetstream(client: Client) -> Context {
    ContextBuilder::new().timeout(PATIENCE).build(client)
}

/// Publishes each body under its id, in order, and returns once all are stored.
///
/// # Errors
/// If one is not stored.
pub(crate) async fn publish(
    jetstream: &Context,
    packets: impl Iterator<Item = (String, Bytes)>,
) -> Result<()> {
    let (mut older, mut newer) = (Vec::with_capacity(HALF), Vec::with_capacity(HALF));
    for (id, body) in packets {
        newer.push(send(jetstream, &id, body).await?);
        if newer.len() == HALF {
            all_stored(older.drain(..)).await?;
            std::mem::swap(&mut older, &mut newer);
        }
    }
    all_stored(older.into_iter().chain(newer)).await
}

/// Hands one packet to the connection.
///
/// # Errors
/// If it is too large, or the connection is gone.
pub(crate) async fn send(jetstream: &Context, id: &str, body: Bytes) -> Result<PublishAckFuture> {
    let message = PublishMessage::build().payload(body).message_id(id);
    Ok(jetstream.send_publish(SUBJECT, message).await?)
}

async fn all_stored(window: impl Iterator<Item = PublishAckFuture>) -> Result<()> {
    for sent in window {
        sent.await?;
    }
    Ok(())
}
