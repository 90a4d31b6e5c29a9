//! Packets whose body claims another id than the message that they came in.

use async_nats::HeaderMap;
use rapids_client::{Note, Packet, River, reject};

use crate::harness::{Bench, Watch};

/// Publishes how many packets there were so far, and of which id the last one was.
fn count() -> River {
    River::new("count").event("came").memory("counts", "'all'").react(
        |count: &mut u64, packet: &Packet| {
            *count += 1;
            anyhow::Ok(Packet::event("counted").with("n", *count).with("of", packet.id()))
        },
    )
}

/// Publishes a packet that claims an id, in a message of another one.
async fn publish(bench: &Bench, message_id: &str, claimed: &str) {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", message_id);
    let body = format!(r#"{{"event":"came","rapids":{{"id":"{claimed}"}}}}"#);
    let jetstream = bench.jetstream().await;
    let sent = jetstream.publish_with_headers("rapids", headers, body.into()).await.unwrap();
    assert!(!sent.await.unwrap().duplicate);
}

#[tokio::test]
async fn a_packet_that_claims_the_id_of_another_does_not_take_over_its_outcome() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("counter", [count()])).await;
    let honest = bench.rapids.publish(Packet::event("came")).await.unwrap();
    publish(&bench, "m-2", &honest.id).await;
    let mut tail = bench.tail().await;
    let of = async |tail: &mut Watch, n: u64| {
        let counted = tail.event("counted").await;
        assert_eq!(counted.get("n").unwrap(), Some(n));
        counted.get::<String>("of").unwrap().unwrap()
    };
    assert_eq!(of(&mut tail, 1).await, honest.id);
    assert_eq!(of(&mut tail, 2).await, "m-2");
    service.stop().await;
}

#[tokio::test]
async fn a_replay_keeps_the_id_of_the_letter() {
    let bench = Bench::start().await;
    let river = River::new("fail").event("came").react(|packet: Packet| async move {
        if packet.arrival().is_some_and(|arrival| arrival.replay.is_some()) {
            return Ok(Packet::event("replayed").with("of", packet.id()));
        }
        Err(reject("not yet"))
    });
    let service = bench.run(bench.service("s", [river])).await;
    publish(&bench, "m-1", "p-1").await;
    let stored = bench.letter("s.fail.1").await;
    assert_eq!(stored.letter.packet_id, "m-1");
    assert_eq!(stored.packet().unwrap().id(), "m-1");
    let letters = bench.dead_letters().await;
    letters.replay(&stored.letter.id, &Note::new("ada")).await.unwrap();
    let replayed = bench.tail().await.event("replayed").await;
    assert_eq!(replayed.get::<String>("of").unwrap().as_deref(), Some("m-1"));
    assert_eq!(replayed.causation_id(), Some("m-1"));
    service.stop().await;
}
