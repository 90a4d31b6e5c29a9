//! Reading what the stream has under single sequences.

use std::time::Duration;

use async_nats::HeaderMap;
use rapids_client::{Error, Packet};

use crate::harness::{Bench, called, soon};

#[tokio::test]
async fn packets_come_in_the_order_asked_for_and_without_what_is_none() {
    let bench = Bench::start().await;
    let published = bench.rapids.publish_all((1..=200).map(called)).await.unwrap();
    let body = "no packet".into();
    bench.jetstream().await.publish("rapids", body).await.unwrap().await.unwrap();
    // More than are asked for at once, twice the same, what is no packet, and what is not there.
    let wanted: Vec<u64> = (1..=202).rev().chain([17, 0, u64::MAX]).collect();
    let packets = soon("the packets", bench.rapids.packets(&wanted)).await.unwrap();
    let ids: Vec<_> = packets.iter().map(Packet::id).collect();
    let mut expected: Vec<_> = published.iter().rev().map(|stored| stored.id.as_str()).collect();
    expected.push(&published[16].id);
    assert_eq!(ids, expected);
    let arrived = |packet: &Packet| packet.arrival().unwrap().sequence;
    assert_eq!(packets.iter().map(arrived).take(3).collect::<Vec<_>>(), [200, 199, 198]);
    assert!(bench.rapids.packets(&[]).await.unwrap().is_empty());
    let error = bench.rapids.packet(201).await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn whatever_is_stored_is_shown_byte_for_byte() {
    let bench = Bench::start().await;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "m-1");
    headers.append("Zone", "one");
    headers.append("Zone", "another");
    headers.insert("Author", "ada");
    let body: &[u8] = b"{\"event\":\xff\x00 broken";
    let jetstream = bench.jetstream().await;
    let sent = jetstream.publish_with_headers("rapids", headers, body.into()).await.unwrap();
    sent.await.unwrap();
    jetstream.publish("rapids", "".into()).await.unwrap().await.unwrap();

    let raw = bench.rapids.raw(1).await.unwrap().unwrap();
    assert_eq!((raw.sequence, raw.body.as_ref()), (1, body));
    let age = jiff::Timestamp::now().duration_since(raw.stored);
    assert!(Duration::try_from(age).is_ok_and(|age| age < Duration::from_secs(60)), "{age}");
    let headers: Vec<_> =
        raw.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected =
        [("Author", "ada"), ("Nats-Msg-Id", "m-1"), ("Zone", "one"), ("Zone", "another")];
    assert_eq!(headers, expected);

    assert!(matches!(raw.packet(), Err(Error::Malformed { .. })));

    let empty = bench.rapids.raw(2).await.unwrap().unwrap();
    assert!(empty.headers.is_empty() && empty.body.is_empty(), "{empty:?}");
    assert_eq!(bench.rapids.raw(3).await.unwrap(), None);
    let id = bench.rapids.publish(called(1)).await.unwrap().id;
    let packet = bench.rapids.raw(3).await.unwrap().unwrap().packet().unwrap();
    assert_eq!((packet.id(), packet.arrival().unwrap().sequence), (id.as_str(), 3));
}
