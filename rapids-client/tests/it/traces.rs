//! What travels with packets about traces, where nothing in the process records any.

use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::HeaderMap;
use rapids_client::{Delivery, Note, Packet, River, reject};

use crate::harness::{Bench, found};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const STATE: &str = "congo=t61rcWkgMzE";

/// Publishes what is part of a trace.
async fn place(bench: &Bench, headers: &[(&str, &str)]) {
    let mut map = HeaderMap::new();
    headers.iter().for_each(|(name, value)| map.append(*name, *value));
    let jetstream = bench.jetstream().await;
    let body = r#"{"event":"placed"}"#.into();
    let stored = jetstream.publish_with_headers("rapids", map, body).await.unwrap();
    stored.await.unwrap();
}

/// The headers of the message of a stream that comes last, and contains this.
async fn headers(bench: &Bench, stream: &str, subject: &str, words: &str) -> HeaderMap {
    let stream = bench.jetstream().await.get_stream(stream).await.unwrap();
    found(words, async || {
        let message = stream.get_last_raw_message_by_subject(subject).await.ok()?;
        let body = String::from_utf8_lossy(&message.payload).into_owned();
        body.contains(words).then_some(message.headers)
    })
    .await
}

fn trace(headers: &HeaderMap) -> [Option<&str>; 2] {
    ["traceparent", "tracestate"].map(|name| headers.get(name).map(|value| value.as_str()))
}

#[tokio::test]
async fn what_a_reaction_returns_is_part_of_the_trace_of_its_packet() {
    for delivery in [Delivery::Shared, Delivery::Exclusive] {
        let bench = Bench::of(delivery).await;
        let plain = River::new("plain").event("placed").react(|packet: Packet| async move {
            assert_eq!(packet.trace().unwrap().parent(), TRACE);
            Ok(Packet::event("paid"))
        });
        let once = River::new("once").event("paid").once();
        let once = once.react(|_: Packet| async { Ok(Packet::event("told")) });
        let counting = River::new("count").event("told").memory("counts", "'all'").react(
            |count: &mut u64, _: &Packet| {
                *count += 1;
                anyhow::Ok(Packet::event("counted").with("n", *count))
            },
        );
        let service = bench.run(bench.service("payment", [plain, once, counting])).await;
        place(&bench, &[("Traceparent", TRACE), ("tracestate", STATE)]).await;
        let last = headers(&bench, "RAPIDS", "rapids", "counted").await;
        assert_eq!(trace(&last), [Some(TRACE), Some(STATE)]);
        service.stop().await;
    }
}

#[tokio::test]
async fn a_malformed_trace_counts_as_absent() {
    let bench = Bench::start().await;
    let pay = River::new("pay").event("placed").react(|packet: Packet| async move {
        assert!(packet.trace().is_none());
        Ok(Packet::event("paid"))
    });
    let service = bench.run(bench.service("payment", [pay])).await;
    place(&bench, &[("traceparent", "00-nonsense"), ("tracestate", STATE)]).await;
    let last = headers(&bench, "RAPIDS", "rapids", "paid").await;
    assert_eq!(trace(&last), [None, None]);
    service.stop().await;
}

#[tokio::test]
async fn a_dead_letter_keeps_the_trace_and_what_is_sent_again_says_so() {
    for to_all in [false, true] {
        let bench = Bench::start().await;
        let is_first = AtomicBool::new(true);
        let pay = River::new("pay").event("placed").react(move |packet: Packet| {
            let is_first = is_first.swap(false, Ordering::SeqCst);
            async move {
                assert_eq!(packet.is_sent_again(), !is_first);
                if is_first { Err(reject("no")) } else { Ok(Packet::event("paid")) }
            }
        });
        let service = bench.run(bench.service("payment", [pay])).await;
        place(&bench, &[("traceparent", TRACE), ("tracestate", STATE)]).await;
        let letter = bench.letter("payment.pay.1").await;
        let context = letter.letter.trace.clone().unwrap();
        assert_eq!((context.parent(), context.state()), (TRACE, Some(STATE)));
        let letters = bench.dead_letters().await;
        let note = Note::new("ada");
        if to_all {
            letters.replay_to_all(&letter.letter.id, &note).await.unwrap();
        } else {
            letters.replay(&letter.letter.id, &note).await.unwrap();
        }
        let last = headers(&bench, "RAPIDS", "rapids", "paid").await;
        assert_eq!(trace(&last), [Some(TRACE), Some(STATE)]);
        service.stop().await;
    }
}
