//! Dead letters to work on, written as services write them.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use tokio::time::timeout;

use crate::bench::{Bench, DEADLINE};

/// A packet with numbers that do not survive being read as floats.
pub(crate) const BODY: &str =
    r#"{ "event":"order_placed", "total":9007199254740993, "price":1.10, "n":{"b":1.50} }"#;

/// A server with dead letters.
pub(crate) struct Letters {
    pub(crate) bench: Bench,
    jetstream: Context,
}

impl Letters {
    pub(crate) async fn start() -> Self {
        let bench = Bench::start().await;
        let jetstream = jetstream(&bench).await;
        let common =
            Config { discard: DiscardPolicy::New, allow_direct: true, ..Config::default() };
        let letters = Config {
            name: "DEAD_LETTERS".to_owned(),
            subjects: vec!["dead_letters.*.*.*".to_owned()],
            ..common.clone()
        };
        let replays = Config {
            name: "REPLAYS".to_owned(),
            subjects: vec!["replays.*".to_owned()],
            duplicate_window: Duration::from_secs(86_400),
            ..common
        };
        jetstream.create_stream(letters).await.unwrap();
        jetstream.create_stream(replays).await.unwrap();
        Self { bench, jetstream }
    }

    /// Kills the server, and starts it again.
    pub(crate) async fn restart(&mut self) {
        self.bench.server.kill();
        self.bench.server.restart().unwrap();
        self.jetstream = jetstream(&self.bench).await;
    }

    /// Stores a letter, with these headers in place of the usual ones.
    pub(crate) async fn put(&self, id: &str, changes: &[(&str, &str)]) {
        let token = id.rsplit('.').next().unwrap();
        let (packet, reason) = (format!("p-{token}"), format!("no answer for order o-{token}"));
        let usual = [
            ("Rapids-Kind", "exhausted"),
            ("Rapids-Reason", &reason),
            ("Rapids-Attempts", "5"),
            ("Rapids-Instance", "Xa81"),
            ("Rapids-Sequence", "17"),
            ("Rapids-Stored", "2026-11-21T09:30:00.123456Z"),
            ("Rapids-First-Failure", "2026-11-21T09:30:01Z"),
            ("Rapids-Last-Failure", "2026-11-21T09:31:00Z"),
            ("Rapids-Packet-Id", &packet),
            ("Rapids-Name", "order_placed"),
            ("Rapids-Correlation-Id", "c-1"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in usual.iter().chain(changes) {
            headers.insert(*name, *value);
        }
        for cause in ["connection refused", "os error 111"] {
            headers.append("Rapids-Cause", cause);
        }
        let subject = format!("dead_letters.{id}");
        let sent = self.jetstream.publish_with_headers(subject, headers, BODY.into());
        sent.await.unwrap().await.unwrap();
    }

    /// Stores letters about packets of these sequences.
    pub(crate) async fn put_all(&self, sequences: impl IntoIterator<Item = u64>) {
        for sequence in sequences {
            self.put(&format!("payment.charge.{sequence}"), &[]).await;
        }
    }

    /// Waits until somebody reads the letters.
    pub(crate) async fn are_read(&self) {
        let readers = async || {
            let stream = self.jetstream.get_stream("DEAD_LETTERS").await.unwrap();
            stream.cached_info().state.consumer_count
        };
        timeout(DEADLINE, async { while readers().await == 0 {} }).await.unwrap();
    }

    /// The newest replay.
    pub(crate) async fn replay(&self) -> StreamMessage {
        let stream = self.jetstream.get_stream("REPLAYS").await.unwrap();
        stream.direct_get(stream.cached_info().state.last_sequence).await.unwrap()
    }

    /// How many replays there are.
    pub(crate) async fn replays(&self) -> u64 {
        self.jetstream.get_stream("REPLAYS").await.unwrap().cached_info().state.messages
    }

    /// Makes it look as if the author of an action had ended before recording that it is done.
    pub(crate) async fn interrupt(&self, id: &str) {
        let store = self.jetstream.get_key_value("RAPIDS_LETTERS").await.unwrap();
        let value = store.get(id).await.unwrap().unwrap();
        let mut record: serde_json::Value = serde_json::from_slice(&value).unwrap();
        record["state"] = "unfinished".into();
        record["action"].as_object_mut().unwrap().remove("replay");
        store.put(id, record.to_string().into()).await.unwrap();
    }
}

async fn jetstream(bench: &Bench) -> Context {
    async_nats::jetstream::new(async_nats::connect(bench.server.url()).await.unwrap())
}
