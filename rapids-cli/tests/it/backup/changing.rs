//! A key that is saved all the time, also while its bucket is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context};
use serde_json::Value;

use super::{back_up, noise, restored};
use crate::bench::Bench;

const STREAM: &str = "KV_RAPIDS_MEMORY_busy";

async fn put(jetstream: &Context, key: &str, value: String) {
    let mut headers = HeaderMap::new();
    headers.insert("KV-Operation", "PUT");
    let subject = format!("$KV.RAPIDS_MEMORY_busy.{key}");
    jetstream.publish_with_headers(subject, headers, value.into()).await.unwrap().await.unwrap();
}

async fn value(jetstream: &Context, key: &str) -> Option<u64> {
    let stream = jetstream.get_stream_no_info(STREAM).await.unwrap();
    let message = stream.direct_get_last_for_subject(format!("$KV.RAPIDS_MEMORY_busy.{key}")).await;
    message.ok().map(|message| std::str::from_utf8(&message.payload).unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_saved_while_its_bucket_is_taken_has_a_value() {
    let bench = Bench::start().await;
    let jetstream = jetstream::new(async_nats::connect(bench.server.url()).await.unwrap());
    let config = jetstream::stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["$KV.RAPIDS_MEMORY_busy.>".to_owned()],
        max_messages_per_subject: 1,
        allow_direct: true,
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    // More than may be on its way at once, so that reading takes its time.
    for seed in 1..40 {
        put(&jetstream, &format!("large.{seed}"), noise(seed, 500_000)).await;
    }
    put(&jetstream, "hot", "0".to_owned()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let saving = {
        let (jetstream, stop) = (jetstream.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut count = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                count += 1;
                put(&jetstream, "hot", count.to_string()).await;
            }
            count
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let before = value(&jetstream, "hot").await.unwrap();
    tokio::task::block_in_place(|| back_up(&bench, folder.path()));
    stop.store(true, Ordering::Relaxed);
    let after = saving.await.unwrap();
    drop(bench);

    let (bench, _) = restored(folder.path()).await;
    let jetstream = jetstream::new(async_nats::connect(bench.server.url()).await.unwrap());
    let kept = value(&jetstream, "hot").await.expect("it has a value");
    assert!((before..=after).contains(&kept) && kept > 0, "{before} <= {kept} <= {after}");
    let info = jetstream.get_stream(STREAM).await.unwrap().cached_info().clone();
    assert_eq!(info.state.messages, 40);
    let manifest = std::fs::read(folder.path().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let noted = manifest["streams"].as_array().unwrap().iter().find(|it| it["name"] == STREAM);
    assert!(noted.unwrap()["changes"].as_u64() > Some(0), "{manifest}");
}
