//! Finding conversations, and what is not there any more.

use serde_json::{Value, json};

use super::{body, count, names};
use crate::bench::{Bench, rapids, said};

#[tokio::test]
async fn each_conversation_with_a_packet_that_matches_is_shown() {
    let bench = Bench::start().await;
    for (event, id, conversation, cause) in [
        ("placed", "a-1", "a-1", None),
        ("placed", "b-1", "b-1", None),
        ("placed", "c-1", "c-1", None),
        ("paid", "b-2", "b-1", Some("b-1")),
        ("paid", "a-2", "a-1", Some("a-1")),
    ] {
        bench.publish(&body(event, id, conversation, cause)).await;
    }
    let shown = bench.said(&["trace", "--where", "@.event == 'paid'", "-o", "json"]).well(0);
    let found: Vec<Value> =
        shown.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<_> = found.iter().map(|found| found["conversation"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a-1", "b-1"]);
    assert!(found.iter().all(|found| names(found) == ["placed", "paid"]), "{found:?}");
    let shown = bench.said(&["trace", "--where", "@.event == 'paid'"]).well(0);
    let heads = shown.lines().into_iter().filter(|line| line.starts_with("conversation "));
    assert_eq!(heads.count(), 2);
    assert_eq!(shown.lines().len(), 9, "{shown:?}");
    bench
        .said(&["trace", "--where", "@.event == 'x'"])
        .badly(5, &["no packet in the stream matches"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_without_an_id_is_found_by_the_one_that_the_stream_gives_it() {
    let bench = Bench::start().await;
    let _shop = bench.run_shop().await;
    bench.publish(r#"{"event":"other"}"#).await;
    bench.publish_raw(r#"{"event":"order_placed","total":1}"#).await;
    let conversation = bench.until("2", |it| count(it, "packets") == 3).await;
    let id = conversation["conversation"].as_str().unwrap();
    assert!(id.starts_with("RAPIDS-") && id.ends_with("-2"), "{id}");
    assert_eq!(
        names(&bench.trace(&[id])),
        ["order_placed", "payment_received", "shipment_scheduled"]
    );
    let last = conversation["packets"][2]["id"].as_str().unwrap();
    assert_eq!(names(&bench.trace(&[last])), names(&conversation));
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let bench = Bench::start().await;
    bench.publish(&body("paid", "b", "a", Some("a"))).await;
    bench.said(&["trace", "2"]).badly(5, &["there is no packet with sequence `2` in the stream"]);
    for id in ["o-1", "0193a5c2-7d1e-7b4a-9c55-3f2a9c51e7d0", "RAPIDS-1-1", "a\u{1b}[2J"] {
        let shown = id.replace('\u{1b}', r"\u{1b}");
        let words = format!("there is no packet with the id or correlation id `{shown}`");
        bench.said(&["trace", id]).badly(5, &[&words, "or it has expired"]);
    }
    bench.said(&["trace"]).badly(2, &["<ID|--where <EXPRESSION>>"]);
    bench.said(&["trace", "1", "--where", "@.a"]).badly(2, &["cannot be used with"]);
    let following = ["trace", "1", "--follow", "-o", "mermaid"];
    bench.said(&following).badly(2, &["a flowchart cannot be followed"]);

    let shown = bench.said(&["trace", "a"]).well(0);
    assert!(shown.lines()[1].ends_with("  … cause a is not in the conversation"), "{shown:?}");
    assert!(shown.lines()[2].ends_with("  └─ paid  outside"), "{shown:?}");
    let found = bench.trace(&["1"]);
    assert_eq!(
        (&found["missing"], &found["packets"][0]["cause_is_missing"]),
        (&json!(["a"]), &true.into())
    );
}

/// Makes rapids whose packets before this sequence have expired.
async fn begun_at(first: u64, url: &str) -> async_nats::jetstream::Context {
    let jetstream = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
    let config = async_nats::jetstream::stream::Config {
        name: "RAPIDS".to_owned(),
        subjects: vec!["rapids".to_owned()],
        first_sequence: Some(first),
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    jetstream
}

#[tokio::test]
async fn a_packet_that_has_expired_is_not_found_whatever_comes_next() {
    let server = rapids_test::NatsServer::start().unwrap();
    let url = server.url();
    let jetstream = begun_at(2, &url).await;
    for body in ["nonsense", &body("paid", "b", "a", Some("a"))] {
        jetstream.publish("rapids", body.to_owned().into()).await.unwrap().await.unwrap();
    }
    for (sequence, code, words) in [
        ("1", 5, "there is no packet with sequence"),
        ("2", 2, "sequence 2: "),
        ("4", 5, "there is no packet with sequence"),
    ] {
        said(&mut rapids(&["trace", sequence, "-s", &url])).badly(code, &[words]);
        let explain = ["explain", "--where", "@.event", "--sequence", sequence, "-s", &url];
        said(&mut rapids(&explain)).badly(code, &[words]);
    }
    said(&mut rapids(&["trace", "3", "-s", &url])).well(0);
}

#[tokio::test]
async fn of_too_many_conversations_the_first_are_shown_with_a_warning() {
    let bench = Bench::start().await;
    let packets = (0..10_001).map(|_| rapids_client::Packet::event("x"));
    bench.rapids.publish_all(packets).await.unwrap();
    let shown = bench.said(&["trace", "--where", "@.event == 'x'", "-o", "json"]);
    assert_eq!((shown.code, shown.lines().len()), (0, 10_000));
    let words =
        "10000 conversations are found; those that match from sequence 10001 on are left out";
    assert!(shown.err.contains(words), "{}", shown.err);
}

#[tokio::test]
async fn a_cause_that_has_expired_is_told_in_the_tree() {
    let server = rapids_test::NatsServer::start().unwrap();
    let jetstream = begun_at(100, &server.url()).await;
    let gone = "0193a5c2-7d1e-7b4a-9c55-3f2a9c51e7d0";
    for (event, id, cause) in [("paid", "b", gone), ("packaged", "c", "b"), ("refused", "d", gone)]
    {
        let body = body(event, id, gone, Some(cause));
        jetstream.publish("rapids", body.into()).await.unwrap().await.unwrap();
    }
    for id in ["100", "102", "c", gone] {
        let shown = said(&mut rapids(&["trace", id, "-s", &server.url()]));
        let shown = shown.well(0);
        let ends = [
            &format!("… cause {gone} is not in the stream any more"),
            "  ├─ paid  outside",
            "  │  └─ packaged  outside",
            "  └─ refused  outside",
        ];
        for (line, end) in shown.lines()[1..].iter().zip(ends) {
            assert!(line.ends_with(end), "{end} in {shown:?}");
        }
        assert_eq!(shown.lines().len(), 6);
    }
}

#[tokio::test]
async fn tail_prints_one_conversation_on_request() {
    let bench = Bench::start().await;
    for (event, id, conversation) in [("x", "a", "c-1"), ("y", "b", "c-2"), ("z", "c", "c-1")] {
        bench.publish(&body(event, id, conversation, None)).await;
    }
    let shown = bench.said(&["tail", "--conversation", "c-1"]).well(0);
    let [first, second] = shown.lines()[..] else { panic!("{shown:?}") };
    assert!(first.contains(" x ") && first.ends_with(" ~c-1"), "{first}");
    assert!(second.contains(" z "), "{second}");
    let both = ["tail", "--conversation", "c-1", "--where", "@.event == 'z'"];
    assert_eq!(bench.said(&both).well(0).lines().len(), 1);
    assert_eq!(bench.said(&["tail", "--conversation", "c-3"]).well(0).out, "");
}
