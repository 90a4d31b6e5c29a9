//! Bodies that are JSON, but not as the bus wants them.

use rapids_client::{Kind, Note, Packet, River};

use crate::harness::Bench;

fn note(name: &str, event: &str) -> River {
    River::new(name).event(event).react(|packet: Packet| async move {
        Ok(Packet::event("noted").with("n", packet.get::<u64>("n")?))
    })
}

fn deep(event: &str, levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    format!(r#"{{"event":"{event}","n":1,"deep":{open}{close}}}"#)
}

#[tokio::test]
async fn a_body_nested_too_deep_is_a_letter_of_each_river_that_it_may_be_for() {
    let bench = Bench::start().await;
    let rivers = [
        note("charge", "placed"),
        note("other", "refused"),
        River::new("any").require("n").react(|_: Packet| async { Ok(()) }),
        River::new("lenient").event("placed").ignore_invalid().react(|_: Packet| async { Ok(()) }),
    ];
    let service = bench.run(bench.service("payment", rivers)).await;
    let body = deep("placed", 100_000);
    bench.publish_raw(body.clone()).await;
    // What is no JSON is no letter, however deep it is.
    bench.publish_raw(&deep("placed", 200)[..150]).await;
    bench.publish_raw(r#"{"event":"placed","n":2}"#).await;
    bench.tail().await.event("noted").await;
    bench.quiet(&["payment"]).await;

    assert_eq!(bench.letters().await, ["payment.charge.1", "payment.any.1"]);
    let stored = bench.letter("payment.charge.1").await;
    assert_eq!(stored.letter.kind, Kind::Invalid);
    assert_eq!(stored.letter.reason, "nested 100001 levels deep, the limit is 127");
    assert_eq!(stored.letter.name.as_deref(), Some("placed"));
    assert_eq!(stored.letter.body, body);

    let letters = bench.dead_letters().await;
    let corrected = r#"{"event":"placed","n":3}"#;
    letters.edit(&stored.letter.id, corrected, &Note::new("flat")).await.unwrap();
    let mut tail = bench.tail().await;
    let answers = [tail.event("noted").await, tail.event("noted").await];
    assert_eq!(answers.map(|it| it.get::<u64>("n").unwrap()), [Some(2), Some(3)]);
    service.stop().await;
}

#[tokio::test]
async fn a_packet_behind_a_byte_order_mark_is_handled() {
    let bench = Bench::start().await;
    let service = bench.run(bench.service("payment", [note("charge", "placed")])).await;
    bench.publish_raw("\u{feff}{\"event\":\"placed\",\"n\":7}").await;
    let noted = bench.tail().await.event("noted").await;
    assert_eq!(noted.get::<u64>("n").unwrap(), Some(7));
    service.stop().await;
}
