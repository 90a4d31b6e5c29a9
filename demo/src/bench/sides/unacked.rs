//! async-nats without acknowledgements, as a careful user writes it: one thread, and a look at each
//! sequence, so that a gap is noticed.

use anyhow::{Context as _, Result, bail};
use async_nats::ConnectOptions;
use async_nats::header::NATS_SEQUENCE;
use async_nats::jetstream::consumer::AckPolicy;
use async_nats::jetstream::consumer::pull::{Config, OrderedConfig};
use futures::{Stream, StreamExt, TryStreamExt};

use super::{tuned, window};
use crate::bench::arena::{LIVE, STREAM};
use crate::bench::errand::{Errand, Measured, Work};
use crate::bench::goal;
use crate::bench::side::Side;

/// More than is ever published in a measurement: beyond it async-nats drops what comes.
const ROOM: usize = 1_000_000;

pub(crate) async fn run(errand: &Errand) -> Result<Measured> {
    let Work::Read { count, .. } = errand.work else {
        bail!("this is measured against those that acknowledge");
    };
    let client = ConnectOptions::new().subscription_capacity(ROOM).connect(&errand.url).await?;
    if errand.side == Side::Live {
        let copies = client.subscribe(LIVE).await?;
        client.flush().await?;
        let sequence = |copy: async_nats::Message| {
            let told = copy.headers.as_ref().and_then(|headers| headers.get(NATS_SEQUENCE));
            Ok(told.context("a copy has no sequence")?.as_str().parse()?)
        };
        return read(errand, copies.map(sequence), count).await;
    }
    let stream = window::jetstream(client).get_stream_no_info(STREAM).await?;
    let name = Some(errand.service.clone());
    let sequence = |message: async_nats::jetstream::Message| {
        Ok(message.info().map_err(anyhow::Error::from_boxed)?.stream_sequence)
    };
    if errand.side == Side::Ordered {
        let consumer = stream.create_consumer(OrderedConfig { name, ..OrderedConfig::default() });
        let messages = consumer.await?.messages().await?.map_err(anyhow::Error::from);
        let sequences = messages.map(|message| sequence(message?));
        return read(errand, sequences, count).await;
    }
    // As an ordered consumer has it.
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
    read(errand, messages.map(|message| sequence(message?)), count).await
}

/// Reads so many, of which none may be missing.
async fn read(
    errand: &Errand,
    sequences: impl Stream<Item = Result<u64>>,
    count: u64,
) -> Result<Measured> {
    let mut sequences = std::pin::pin!(sequences);
    // A subscriber has its meter from here on, since nobody else knows when it is there.
    let mut meter = (errand.side == Side::Live).then(|| goal::begin(errand));
    for expected in 1..=count {
        let sequence = sequences.next().await.context("the deliveries ended")??;
        meter.get_or_insert_with(|| goal::begin(errand));
        if sequence != expected {
            bail!("packet {sequence} came where {expected} was due");
        }
    }
    goal::end(errand, &meter.context("there was nothing to read")?, count).await
}
