//! Where reading ends, and going on from there.

use std::time::Duration;

use rapids_client::{Packet, River, retry_after};
use serde_json::Value;
use tokio::time::timeout;

use super::{body, names};
use crate::bench::{Bench, DEADLINE};
use crate::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn following_prints_what_comes_of_the_conversation() {
    let bench = Bench::start().await;
    let _shop = bench.run_shop().await;
    bench.publish(&body("begun", "a", "a", None)).await;
    let mut following = Program::start(&mut bench.command(&["trace", "a", "--follow"]));
    assert!(following.line().await.starts_with("conversation a since "));
    assert!(following.line().await.ends_with("begun  outside"));
    assert!(following.line().await.starts_with("1 packet; "));
    bench.publish(&body("other", "b", "b", None)).await;
    let placed = r#"{"event":"order_placed","total":13,"rapids":{"id":"c","correlation_id":"a","causation_id":"a"}}"#;
    bench.publish(placed).await;
    let next = following.line().await;
    assert!(next.ends_with("order_placed  outside  total=13  after 1"), "{next}");
    let next = following.line().await;
    let letter = "✗ payment.charge.3 exhausted waiting: no answer from the bank  about 3";
    assert!(next.ends_with(letter), "{next}");
    following.interrupt();
    assert_eq!(following.end().await, (Some(130), vec![], String::new()));
}

#[tokio::test]
async fn following_as_json_prints_an_object_for_each_packet() {
    let bench = Bench::start().await;
    bench.publish(&body("begun", "a", "a", None)).await;
    let follow = ["trace", "a", "--follow", "-o", "json"];
    let mut following = Program::start(&mut bench.command(&follow));
    let mut next = async || -> Value { serde_json::from_str(&following.line().await).unwrap() };
    assert_eq!(names(&next().await), ["begun"]);
    bench.publish(&body("ended", "b", "a", Some("a"))).await;
    let added = next().await;
    assert_eq!((&added["conversation"], &added["packet"]["event"]), (&"a".into(), &"ended".into()));
    following.interrupt();
    assert_eq!(following.end().await.0, Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_ends_early_only_on_request_once_the_conversation_is_quiet_and_handled() {
    let bench = Bench::start().await;
    bench.publish(&body("begun", "a", "a", None)).await;
    for _ in 0..3 {
        bench.publish(r#"{"event":"other"}"#).await;
    }
    let end_of = |quiet: &str| {
        let found = bench.trace(&["a", "--quiet", quiet]);
        (found["end"].as_str().unwrap().to_owned(), found["read_to"].as_u64().unwrap())
    };
    let (quiet, stream) = (("quiet".to_owned(), 2), ("stream".to_owned(), 4));
    assert_eq!(end_of("0s"), quiet);
    assert_eq!(end_of("1h"), stream);
    let shown = bench.said(&["trace", "a", "--quiet", "0s"]).well(0);
    let words = "1 packet; quiet, read up to sequence 2: later packets were not looked for\n";
    assert!(shown.out.ends_with(words), "{shown:?}");
    let shown = bench.said(&["trace", "a"]).well(0);
    assert!(shown.out.ends_with("1 packet; read up to the end of the stream\n"), "{shown:?}");

    // Of several, none ends before all have begun.
    bench.publish(&body("begun", "z", "z", None)).await;
    let both = ["trace", "--where", "@.event == 'begun'", "--quiet", "0s", "-o", "json"];
    assert_eq!(bench.said(&both).well(0).lines().len(), 2);
    let (last, stream) = (5, ("stream".to_owned(), 5));

    // One that is tried again is not handled yet.
    let later = River::new("charge")
        .event("begun")
        .react(async |_: Packet| Err::<(), _>(retry_after(Duration::from_secs(3_600))));
    let failing = bench.run_exclusive("payment", later).await;
    let is_begun = async { while bench.rapids.position("payment").await.unwrap().is_none() {} };
    timeout(DEADLINE, is_begun).await.unwrap();
    assert_eq!(end_of("0s"), stream);
    failing.stop().await;
    let charge = River::new("charge").event("begun").react(async |_: Packet| anyhow::Ok(()));
    let payment = bench.run_exclusive("payment", charge).await;
    bench.stop_after("payment", last, payment).await;
    assert_eq!(end_of("0s"), quiet);
}
