//! Publishing with many acknowledgements in flight, which is the fastest way with async-nats.

use std::time::Duration;

use anyhow::Result;
use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;

use crate::bench_server::SUBJECT;

/// Half of the window. While one half waits for its acknowledgements, the other half is sent;
/// waiting for the oldest publish alone would wake the task for each. Both halves together stay
/// below the 5,000 that async-nats allows.
const HALF: usize = 2_048;

/// With `sync_interval: always` and a slow disk, a full window takes longer than async-nats' default
/// of 5 seconds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A JetStream context for publishers with a window.
pub(crate) fn jetstream(client: Client) -> Context {
    ContextBuilder::new().timeout(TIMEOUT).build(client)
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

/// Sends one packet without waiting for its acknowledgement.
///
/// # Errors
/// If it is too large, or the connection is closed.
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
