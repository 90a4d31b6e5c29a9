//! async-nats as a first-time user would write it: defaults, each body parsed as a whole, one thing
//! after the other.

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::{self, Context};
use serde_json::Value;
use uuid::Uuid;

use super::tuned::{ANSWER, acknowledge, answer, fact, next, note};
use super::{Placed, order_id, window};
use crate::bench_server::STREAM;
use crate::goal;
use crate::meter::Meter;
use crate::packets::WANTED;
use crate::task::{Measured, Task, Work};

pub(crate) async fn run(task: &Task) -> Result<Measured> {
    let client = async_nats::connect(&task.url).await?;
    let jetstream = jetstream::new(client);
    match task.work {
        Work::Publish { count, size } => publish(task, &jetstream, count, size).await,
        Work::Read { count, wanted, .. } => read(task, &jetstream, count, wanted).await,
        Work::React { count } => react(task, &jetstream, count).await,
        Work::Hop { .. }
        | Work::Remember { .. }
        | Work::Ask { .. }
        | Work::AskAtOnce { .. }
        | Work::Back { .. }
        | Work::Serve => {
            bail!("the plain side does not do this work")
        }
    }
}

async fn publish(task: &Task, jetstream: &Context, count: u64, size: usize) -> Result<Measured> {
    let note = note(size)?;
    let meter = Meter::begin(task.server);
    for number in 0..count {
        let id = Uuid::now_v7().to_string();
        let body = fact(&id, &order_id(number), &note);
        window::send(jetstream, &id, body.into()).await?.await?;
    }
    Ok(goal::measured(&meter))
}

async fn read(task: &Task, jetstream: &Context, count: u64, wanted: u64) -> Result<Measured> {
    let mut messages = messages(task, jetstream).await?;
    let (mut meter, mut handled) = (None, 0);
    for _ in 0..count {
        let message = next(&mut messages).await?;
        meter.get_or_insert_with(|| goal::begin(task));
        let packet: Value = serde_json::from_slice(&message.payload)?;
        if packet["event"] == WANTED {
            handled += 1;
        }
        acknowledge(&message).await?;
    }
    if handled != wanted {
        bail!("{handled} packets were wanted, not {wanted}");
    }
    goal::end(task, &meter.context("there was nothing to read")?, count).await
}

async fn react(task: &Task, jetstream: &Context, count: u64) -> Result<Measured> {
    let mut messages = messages(task, jetstream).await?;
    let note = note(ANSWER)?;
    let mut meter = None;
    for _ in 0..2 * count {
        let message = next(&mut messages).await?;
        meter.get_or_insert_with(|| goal::begin(task));
        let packet: Value = serde_json::from_slice(&message.payload)?;
        if packet["event"] == WANTED {
            let placed: Placed = serde_json::from_value(packet)?;
            let (id, body) = answer(&message, &placed, &note)?;
            window::send(jetstream, &id, body.into()).await?.await?;
        }
        acknowledge(&message).await?;
    }
    goal::end(task, &meter.context("there was nothing to read")?, 2 * count).await
}

async fn messages(task: &Task, jetstream: &Context) -> Result<Messages> {
    let stream = jetstream.get_stream(STREAM).await?;
    let config = Config { durable_name: Some(task.service.clone()), ..Config::default() };
    let consumer = stream.create_consumer(config).await?;
    Ok(consumer.messages().await?)
}
