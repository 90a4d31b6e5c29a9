//! The state of the server once a service has handled everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, Context};
use futures::StreamExt;
use rapids_client::Rapids;
use serde_json::Value;
use tokio::time::{Instant, interval};

/// Longer than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at the position: ten runs wait at the same time, mostly for a redelivery.
const LOOK: Duration = Duration::from_millis(50);

/// The part of the server's state that must not depend on when a service was killed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct End {
    /// The published packets without their times, sorted by id.
    pub(super) packets: Vec<Value>,
    /// The user's memories by key.
    pub(super) memories: BTreeMap<String, Value>,
    /// The timers that wait.
    pub(super) timers: Vec<String>,
}

pub(super) async fn connect(url: &str) -> Context {
    jetstream::new(async_nats::connect(url).await.unwrap())
}

/// Waits until the service has acknowledged everything in the stream, or has been killed.
pub(super) async fn quiet(jetstream: &Context, service: &str, killed: impl Fn() -> bool) {
    let (begun, mut pause) = (Instant::now(), interval(LOOK));
    let stream = jetstream.get_stream("RAPIDS").await.unwrap();
    let position: PullConsumer = stream.get_consumer(service).await.unwrap();
    let last = async || stream.get_info().await.unwrap().state.last_sequence;
    while !killed() {
        let end = last().await;
        let done = position.get_info().await.unwrap().ack_floor.stream_sequence;
        if done == end && last().await == end {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "acknowledged to {done} of {end} after {DEADLINE:?}");
        pause.tick().await;
    }
}

impl End {
    /// Reads the state, and checks what must hold in any case.
    pub(super) async fn read(jetstream: &Context, rapids: &Rapids, service: &str) -> Self {
        let stream = jetstream.get_stream("RAPIDS").await.unwrap();
        let (mut packets, mut ids) = (Vec::new(), BTreeSet::new());
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let mut packet: Value = serde_json::from_slice(&message.payload).unwrap();
            let bus = packet["rapids"].as_object_mut().unwrap();
            bus.remove("created");
            assert!(ids.insert(bus["id"].to_string()), "a second {packet}");
            packets.push(packet);
        }
        packets.sort_by_key(|packet| packet["rapids"]["id"].to_string());
        // The bucket does not exist until something is stored in it.
        if let Ok(letters) = jetstream.get_stream("DEAD_LETTERS").await {
            assert_eq!(letters.cached_info().state.messages, 0, "dead letters");
        }
        let mut memories = BTreeMap::new();
        for (key, value) in entries(jetstream, &format!("RAPIDS_MEMORY_{service}")).await {
            let mut record: Value = serde_json::from_slice(&value).unwrap();
            // It goes sooner or later.
            if record.get("ended").is_some() {
                continue;
            }
            memories.insert(key, record["memory"].take());
        }
        let permission = format!("{service}.alone");
        let notes = entries(jetstream, "RAPIDS_HANDLING").await;
        let notes: Vec<_> = notes.keys().filter(|key| **key != permission).collect();
        assert!(notes.is_empty(), "notes of what is done: {notes:?}");
        let (mut timers, mut waiting) = (Vec::new(), rapids.timers(Some(service)).await.unwrap());
        while let Some(timer) = waiting.next().await.unwrap() {
            timers.push(timer.id.to_string());
        }
        Self { packets, memories, timers }
    }

    /// The facts without their provenance.
    pub(super) fn facts(&self) -> Self {
        let mut facts = self.clone();
        for packet in &mut facts.packets {
            packet.as_object_mut().unwrap().remove("rapids");
        }
        facts.packets.sort_by_key(Value::to_string);
        facts
    }
}

/// The entries of a bucket; none if it does not exist.
async fn entries(jetstream: &Context, bucket: &str) -> BTreeMap<String, Vec<u8>> {
    let mut entries = BTreeMap::new();
    let Ok(bucket) = jetstream.get_key_value(bucket).await else { return entries };
    let mut keys = bucket.keys().await.unwrap();
    while let Some(key) = keys.next().await {
        let key = key.unwrap();
        if let Some(value) = bucket.get(&key).await.unwrap() {
            entries.insert(key, value.to_vec());
        }
    }
    entries
}
