//! What an earlier revision leaves on a server, written down for the tests of those who read it: `tests/golden`.

use std::fs;
use std::path::Path;

use async_nats::jetstream::Context;
use futures::StreamExt;
use rapids_client::{Delivery, Packet};
use serde_json::json;

use super::{EARLIER, Ledger};
use crate::harness::until;

/// The variable that names the folder for what the earlier one has stored.
const GOLDEN: &str = "RAPIDS_TEST_GOLDEN";

/// All that lies in its streams. Of exclusive delivery only what differs: its position.
async fn is_written_down(delivery: Delivery, name: &str) {
    let folder = Path::new(&std::env::var_os(GOLDEN).expect("a folder")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let mut ledger = Ledger::start(delivery).await;
    let earlier = ledger.run(EARLIER).await;
    ledger.publish(24).await;
    ledger.quiet().await;
    ledger.earlier_act();
    ledger.bench.rapids.publish(Packet::event("postponed")).await.unwrap();
    let jetstream = ledger.bench.jetstream().await;
    let is_exclusive = ledger.bench.is_exclusive();
    // There, an attempt waits in the process.
    until("it is postponed", async || {
        is_exclusive || count(&jetstream, "KV_RAPIDS_HANDLING").await > 0
    })
    .await;
    until("replays failed again", async || count(&jetstream, "DEAD_LETTERS").await == 5).await;
    earlier.stop().await;
    let mut streams = jetstream.stream_names();
    while let Some(stream) = streams.next().await {
        let stream = stream.unwrap();
        if !is_exclusive || ["KV_RAPIDS_POSITIONS", "KV_RAPIDS_SERVICES"].contains(&&*stream) {
            let lines = dump(&jetstream, &stream).await;
            fs::write(folder.join(format!("{stream}.jsonl")), lines).unwrap();
        }
    }
}

async fn count(jetstream: &Context, stream: &str) -> u64 {
    let found = jetstream.get_stream(stream).await;
    found.map_or(0, |stream| stream.cached_info().state.messages)
}

/// Subject, headers and body of each message, as JSON, one a line.
async fn dump(jetstream: &Context, stream: &str) -> String {
    let stream = jetstream.get_stream(stream).await.unwrap();
    let state = &stream.cached_info().state;
    let mut lines = String::new();
    for sequence in state.first_sequence..=state.last_sequence {
        // One that was replaced is gone.
        let Ok(message) = stream.get_raw_message(sequence).await else { continue };
        let headers = message.headers.iter().flat_map(|(name, values)| {
            values.iter().map(move |value| [name.to_string(), value.to_string()])
        });
        let body = String::from_utf8(message.payload.to_vec()).unwrap();
        let headers: Vec<_> = headers.collect();
        let line = json!({"subject": message.subject.as_str(), "headers": headers, "body": body});
        lines.push_str(&format!("{line}\n"));
    }
    lines
}

#[tokio::test]
#[ignore = "needs an earlier revision, and writes files: `just golden`"]
async fn what_is_stored_is_written_down() {
    is_written_down(Delivery::Shared, "shared").await;
    is_written_down(Delivery::Exclusive, "exclusive").await;
}
