//! async-nats without acknowledgements, as a careful user would write it: one thread, and a check of
//! each sequence, so that a gap is noticed.

use anyhow::{Context as _, Result, bail};
use async_nats::header::NATS_SEQUENCE;
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull::{Config, OrderedConfig};
use async_nats::{Client, ConnectOptions, Subscriber};
use futures::{Stream, StreamExt, TryStreamExt};

use super::{tuned, window};
use crate::bench_server::{LIVE, STREAM};
use crate::goal;
use crate::side::Side;
use crate::task::{Measured, Task, Work};

/// More than a measurement publishes. async-nats drops messages beyond the capacity.
const CAPACITY: usize = 1_000_000;

pub(crate) async fn run(task: &Task) -> Result<Measured> {
    let Work::Read { count, .. } = task.work else {
        bail!("the sides without acknowledgements only read");
    };
    let client = ConnectOptions::new().subscription_capacity(CAPACITY).connect(&task.url).await?;
    if task.side == Side::Live {
        let copies = subscribed(&client).await?;
        return read(task, copies.map(|copy| sequence_of(&copy)), count).await;
    }
    let stream = window::jetstream(client).get_stream_no_info(STREAM).await?;
    let name = Some(task.service.clone());
    let sequence = |message: async_nats::jetstream::Message| {
        Ok(message.info().map_err(anyhow::Error::from_boxed)?.stream_sequence)
    };
    if task.side == Side::Ordered {
        let consumer = stream.create_consumer(OrderedConfig { name, ..OrderedConfig::default() });
        let messages = consumer.await?.messages().await?.map_err(anyhow::Error::from);
        let sequences = messages.map(|message| sequence(message?));
        return read(task, sequences, count).await;
    }
    // The settings of an ordered consumer.
    let config = Config {
        name,
        ack_policy: AckPolicy::None,
        memory_storage: true,
        num_replicas: 1,
        ..Config::default()
    };
    let consumer = stream.create_consumer(config).await?;
    let messages = consumer.stream().max_messages_per_batch(tuned::BATCH).messages().await?;
    let messages = messages.map_err(anyhow::Error::from);
    read(task, messages.map(|message| sequence(message?)), count).await
}

/// Subscribes to the live feed, and returns once the server has the subscription.
///
/// `Client::flush` would only write it to the socket. The server handles the commands of a
/// connection in order, so it has the subscription when it answers a later request.
async fn subscribed(client: &Client) -> Result<Subscriber> {
    let copies = client.subscribe(LIVE).await?;
    window::jetstream(client.clone()).get_stream(STREAM).await?;
    Ok(copies)
}

/// The sequence of the packet that the server copied.
fn sequence_of(copy: &async_nats::Message) -> Result<u64> {
    let sequence = copy.headers.as_ref().and_then(|headers| headers.get(NATS_SEQUENCE));
    Ok(sequence.context("a copy has no sequence")?.as_str().parse()?)
}

/// Reads `count` packets, of which none may be missing.
async fn read(
    task: &Task,
    sequences: impl Stream<Item = Result<u64>>,
    count: u64,
) -> Result<Measured> {
    let mut sequences = std::pin::pin!(sequences);
    // The bench publishes once `begin` has told it that the subscriber is ready.
    let mut meter = (task.side == Side::Live).then(|| goal::begin(task));
    for expected in 1..=count {
        let sequence = sequences.next().await.context("the deliveries ended")??;
        meter.get_or_insert_with(|| goal::begin(task));
        if sequence != expected {
            bail!("packet {sequence} came instead of {expected}");
        }
    }
    goal::end(task, &meter.context("there was nothing to read")?, count).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapids_client::{Config, Packet, Rapids};
    use rapids_test::NatsServer;

    #[tokio::test(flavor = "multi_thread")]
    async fn subscriber_gets_what_is_published_right_after_it_subscribed() {
        let server = NatsServer::start().unwrap();
        let rapids = Rapids::connect(&Config::new(server.url())).await.unwrap();
        for _ in 0..200 {
            let client = async_nats::connect(server.url()).await.unwrap();
            let mut copies = subscribed(&client).await.unwrap();
            let published = rapids.publish(Packet::event("x")).await.unwrap();
            // What is published later comes in any case.
            rapids.publish(Packet::event("x")).await.unwrap();
            let first = copies.next().await.unwrap();
            assert_eq!(sequence_of(&first).unwrap(), published.sequence);
        }
    }
}
