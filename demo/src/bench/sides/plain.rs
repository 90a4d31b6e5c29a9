//! async-nats as a first-time user writes it: defaults, each body parsed whole, one thing after
//! the other.

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::{self, Context};
use serde_json::Value;
use uuid::Uuid;

use super::tuned::{ANSWER, acknowledge, answer, fact, next, note};
use super::{Placed, order_id, window};
use crate::bench::arena::STREAM;
use crate::bench::errand::{Errand, Measured, Work};
use crate::bench::goal;
use crate::bench::meter::Meter;
use crate::bench::packets::WANTED;

pub(crate) async fn run(errand: &Errand) -> Result<Measured> {
    let client = async_nats::connect(&errand.url).await?;
    let jetstream = jetstream::new(client);
    match errand.work {
        Work::Publish { count, size } => publish(errand, &jetstream, count, size).await,
        Work::Read { count, wanted, .. } => read(errand, &jetstream, count, wanted).await,
        Work::React { count } => react(errand, &jetstream, count).await,
        Work::Hop { .. } | Work::Serve => bail!("this is measured against the careful user alone"),
    }
}

async fn publish(
    errand: &Errand,
    jetstream: &Context,
    count: u64,
    size: usize,
) -> Result<Measured> {
    let note = note(size)?;
    let meter = Meter::begin(errand.server);
    for number in 0..count {
        let id = Uuid::now_v7().to_string();
        let body = fact(&id, &order_id(number), &note);
        window::send(jetstream, &id, body.into()).await?.await?;
    }
    Ok(goal::measured(&meter))
}

async fn read(errand: &Errand, jetstream: &Context, count: u64, wanted: u64) -> Result<Measured> {
    let mut messages = messages(errand, jetstream).await?;
    let (mut meter, mut handled) = (None, 0);
    for _ in 0..count {
        let message = next(&mut messages).await?;
        meter.get_or_insert_with(|| goal::begin(errand));
        let packet: Value = serde_json::from_slice(&message.payload)?;
        if packet["event"] == WANTED {
            handled += 1;
        }
        acknowledge(&message).await?;
    }
    if handled != wanted {
        bail!("{handled} packets were wanted, not {wanted}");
    }
    goal::end(errand, &meter.context("there was nothing to read")?, count).await
}

async fn react(errand: &Errand, jetstream: &Context, count: u64) -> Result<Measured> {
    let mut messages = messages(errand, jetstream).await?;
    let note = note(ANSWER)?;
    let mut meter = None;
    for _ in 0..2 * count {
        let message = next(&mut messages).await?;
        meter.get_or_insert_with(|| goal::begin(errand));
        let packet: Value = serde_json::from_slice(&message.payload)?;
        if packet["event"] == WANTED {
            let placed: Placed = serde_json::from_value(packet)?;
            let (id, body) = answer(&message, &placed, &note)?;
            window::send(jetstream, &id, body.into()).await?.await?;
        }
        acknowledge(&message).await?;
    }
    goal::end(errand, &meter.context("there was nothing to read")?, 2 * count).await
}

async fn messages(errand: &Errand, jetstream: &Context) -> Result<Messages> {
    let stream = jetstream.get_stream(STREAM).await?;
    let config = Config { durable_name: Some(errand.service.clone()), ..Config::default() };
    let consumer = stream.create_consumer(config).await?;
    Ok(consumer.messages().await?)
}
