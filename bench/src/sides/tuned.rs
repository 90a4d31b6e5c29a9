//! async-nats as a careful user would write it: one thread, large batches, acknowledgements that
//! nobody waits for, and many publishes in flight.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::{Context, Message};
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use serde::Deserialize;
use uuid::Uuid;

use super::{CHECKED, Fact, Placed, order_id, window};
use crate::bench_server::STREAM;
use crate::goal;
use crate::hops::{Hops, Stamp};
use crate::meter::Meter;
use crate::packets::WANTED;
use crate::task::{Measured, Task, Work};

/// Larger batches are not faster.
pub(super) const BATCH: usize = 10_000;

/// Batches of large packets are smaller: the server closes a connection that has 64 MiB before it.
const MOST_BYTES: usize = 16 << 20;

/// More than the default of 1,000, which would slow reading down.
const MAX_ACK_PENDING: i64 = 50_000;

/// How many reactions may wait until their packet is stored.
const REACTIONS: usize = 1_024;

/// The length of the facts that reactions publish: about that of the library's packets with their
/// provenance.
pub(super) const ANSWER: usize = 300;

pub(crate) async fn run(task: &Task) -> Result<Measured> {
    let client = async_nats::connect(&task.url).await?;
    let jetstream = window::jetstream(client);
    match task.work {
        Work::Publish { count, size } => publish(task, &jetstream, count, size).await,
        Work::Read { count, size, .. } => {
            let batch = (MOST_BYTES / size).clamp(1, BATCH);
            read(task, &jetstream, count, batch).await
        }
        Work::React { count } => react(task, &jetstream, count).await,
        Work::Hop { count, every_micros } => {
            hop(task, jetstream, count, Duration::from_micros(every_micros)).await
        }
        Work::Remember { .. }
        | Work::Ask { .. }
        | Work::AskAtOnce { .. }
        | Work::Back { .. }
        | Work::Serve => bail!("only the library's sides do this work"),
    }
}

async fn publish(task: &Task, jetstream: &Context, count: u64, size: usize) -> Result<Measured> {
    let note = note(size)?;
    let packets = (0..count).map(|number| {
        let id = Uuid::now_v7().to_string();
        let body = fact(&id, &order_id(number), &note);
        (id, body.into())
    });
    let meter = Meter::begin(task.server);
    window::publish(jetstream, packets).await?;
    Ok(goal::measured(&meter))
}

/// Acknowledges every packet without reading its body.
async fn read(task: &Task, jetstream: &Context, count: u64, batch: usize) -> Result<Measured> {
    let mut messages = messages(task, jetstream, batch).await?;
    let mut meter = None;
    for _ in 0..count {
        let message = next(&mut messages).await?;
        meter.get_or_insert_with(|| goal::begin(task));
        acknowledge(&message).await?;
    }
    goal::end(task, &meter.context("there was nothing to read")?, count).await
}

/// Publishes one packet for each that it wants, and acknowledges that once the new one is stored. It
/// also reads its own packets, and skips them.
async fn react(task: &Task, jetstream: &Context, count: u64) -> Result<Measured> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        event: &'a str,
    }
    let mut messages = messages(task, jetstream, BATCH).await?;
    let note = note(ANSWER)?;
    let mut reacting = FuturesOrdered::new();
    let (mut meter, mut read) = (None, 0);
    while read < 2 * count || !reacting.is_empty() {
        tokio::select! {
            Some(stored) = reacting.next() => acknowledge(&Result::<Message>::from(stored)?).await?,
            message = next(&mut messages), if read < 2 * count && reacting.len() < REACTIONS => {
                let message = message?;
                meter.get_or_insert_with(|| goal::begin(task));
                read += 1;
                let Kind { event } = serde_json::from_slice(&message.payload)?;
                if event != WANTED {
                    acknowledge(&message).await?;
                    continue;
                }
                let placed: Placed = serde_json::from_slice(&message.payload)?;
                let (id, body) = answer(&message, &placed, &note)?;
                let sent = window::send(jetstream, &id, body.into()).await?;
                reacting.push_back(async move {
                    sent.await?;
                    Ok(message)
                });
            }
        }
    }
    goal::end(task, &meter.context("there was nothing to read")?, 2 * count).await
}

async fn hop(task: &Task, jetstream: Context, count: u64, every: Duration) -> Result<Measured> {
    let mut messages = messages(task, &jetstream, BATCH).await?;
    let publisher = window::jetstream(async_nats::connect(&task.url).await?);
    let origin = Instant::now();
    let publishing = async {
        let mut clock = tokio::time::interval(every);
        for number in 0..count {
            clock.tick().await;
            let id = order_id(number);
            let body = serde_json::to_vec(&Stamp::now(origin))?;
            window::send(&publisher, &id, body.into()).await?.await?;
        }
        anyhow::Ok(())
    };
    let reading = async {
        let mut hops = Hops::new(origin);
        for _ in 0..count {
            let message = next(&mut messages).await?;
            let arrived = hops.now();
            hops.add(&serde_json::from_slice::<Stamp>(&message.payload)?, arrived);
            acknowledge(&message).await?;
        }
        anyhow::Ok(hops)
    };
    let ((), hops) = tokio::try_join!(publishing, reading)?;
    Ok(hops.measured())
}

async fn messages(task: &Task, jetstream: &Context, batch: usize) -> Result<Messages> {
    let stream = jetstream.get_stream_no_info(STREAM).await?;
    let config = Config {
        durable_name: Some(task.service.clone()),
        max_ack_pending: MAX_ACK_PENDING,
        ..Config::default()
    };
    let consumer = stream.create_consumer(config).await?;
    Ok(consumer.stream().max_messages_per_batch(batch).messages().await?)
}

pub(super) async fn next(messages: &mut Messages) -> Result<Message> {
    Ok(messages.next().await.context("the deliveries ended")??)
}

/// Sends the acknowledgement without waiting for the server.
pub(super) async fn acknowledge(message: &Message) -> Result<()> {
    message.ack().await.map_err(anyhow::Error::from_boxed)
}

/// What a reaction publishes. Its id is the same when the packet is delivered again.
pub(super) fn answer(message: &Message, placed: &Placed, note: &str) -> Result<(String, Vec<u8>)> {
    let sequence = message.info().map_err(anyhow::Error::from_boxed)?.stream_sequence;
    let id = format!("checked-{sequence}");
    let fact =
        Fact { event: CHECKED, id: &id, order_id: &placed.order_id, total: placed.total, note };
    let body = serde_json::to_vec(&fact)?;
    Ok((id, body))
}

pub(super) fn fact(id: &str, order_id: &str, note: &str) -> Vec<u8> {
    let fact = Fact { event: WANTED, id, order_id, total: 7550, note };
    serde_json::to_vec(&fact).expect("a struct of texts and numbers has a JSON text")
}

/// A note of the length that fills a fact up to this size.
pub(super) fn note(size: usize) -> Result<String> {
    let bare = fact(&Uuid::nil().to_string(), &order_id(0), "").len();
    match size.checked_sub(bare) {
        Some(room) => Ok("-".repeat(room)),
        None => bail!("a fact has at least {bare} bytes"),
    }
}
