//! Publishing with many acknowledgements under way: the fastest way that async-nats has.

use std::collections::VecDeque;

use anyhow::Result;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;

use crate::bench::arena::SUBJECT;

/// How many are under way. Faster than 256 or 1,024, and within the 5,000 that async-nats allows.
const WINDOW: usize = 4_096;

/// Publishes each body under its id, in order, and returns once all are stored.
///
/// # Errors
/// If one is not stored.
pub(crate) async fn publish(
    jetstream: &Context,
    packets: impl Iterator<Item = (String, Bytes)>,
) -> Result<()> {
    let mut window = VecDeque::with_capacity(WINDOW);
    for (id, body) in packets {
        if window.len() == WINDOW
            && let Some(oldest) = window.pop_front()
        {
            stored(oldest).await?;
        }
        window.push_back(send(jetstream, &id, body).await?);
    }
    for sent in window {
        stored(sent).await?;
    }
    Ok(())
}

/// Hands one packet to the connection.
///
/// # Errors
/// If it is too large, or the connection is gone.
pub(crate) async fn send(jetstream: &Context, id: &str, body: Bytes) -> Result<PublishAckFuture> {
    let message = PublishMessage::build().payload(body).message_id(id);
    Ok(jetstream.send_publish(SUBJECT, message).await?)
}

async fn stored(sent: PublishAckFuture) -> Result<()> {
    sent.await?;
    Ok(())
}
