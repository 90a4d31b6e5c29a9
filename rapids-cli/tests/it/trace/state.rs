//! `--state` and `--until`: what each packet changes, and what was known at a moment.

use std::time::Duration;

use rapids_client::Timestamp;
use serde_json::{Value, json};

use super::names;
use crate::bench::Bench;
use crate::program::Program;

/// The end of the line behind the names of a packet and its publisher.
fn told(line: &str) -> &str {
    line.split_once("  outside").map_or(line, |(_, told)| told.trim_start())
}

/// Publishes a packet of the conversation `a` with these facts.
async fn say(bench: &Bench, event: &str, id: &str, cause: Option<&str>, facts: Value) {
    let mut body = facts;
    body["event"] = event.into();
    body["rapids"] = json!({"id": id, "correlation_id": "a", "causation_id": cause});
    bench.publish(&body.to_string()).await;
}

/// An order whose packets stand in another order in the tree than in the stream.
async fn order(bench: &Bench) {
    let placed = json!({"order_id": "o-1", "total": 9_007_199_254_740_993_u64, "note": "a  b"});
    say(bench, "placed", "a", None, placed).await;
    say(bench, "reserved", "b", Some("a"), json!({"order_id": "o-1", "pieces": 2})).await;
    let changed = json!({"total": 9_007_199_254_740_992_u64, "solutions": {"x": 1}});
    say(bench, "changed", "c", Some("a"), changed).await;
    say(bench, "shipped", "d", Some("b"), json!({"total": 7, "pieces": null})).await;
}

#[tokio::test]
async fn each_packet_is_shown_with_what_it_changes_in_the_order_of_the_stream() {
    let bench = Bench::start().await;
    order(&bench).await;
    let shown = bench.said(&["trace", "a", "--state"]).well(0);
    let lines = shown.lines();
    assert_eq!(
        lines[1..5].iter().map(|line| told(line)).collect::<Vec<_>>(),
        [
            r#"order_id: "o-1"  note: "a  b"  total: 9007199254740993"#,
            "pieces: 2",
            "pieces: 2 -> null  total: 9007199254740992 -> 7",
            "total: 9007199254740993 -> 9007199254740992",
        ],
        "{shown:?}"
    );
    assert!(lines[3].contains("─ shipped") && lines[4].contains("─ changed"), "{shown:?}");
    assert_eq!(lines[5], r#"state  note: "a  b"  order_id: "o-1"  pieces: null  total: 7"#);

    let found = bench.trace(&["a", "--state"]);
    let changes: Vec<_> =
        found["packets"].as_array().unwrap().iter().map(|it| it["changes"].to_string()).collect();
    let first =
        r#"{"note":{"new":"a  b"},"order_id":{"new":"o-1"},"total":{"new":9007199254740993}}"#;
    assert_eq!(changes[..2], [first, r#"{"pieces":{"new":2}}"#]);
    let last = r#"{"pieces":{"new":null,"old":2},"total":{"new":7,"old":9007199254740992}}"#;
    assert_eq!(changes[3], last);
    assert_eq!(
        found["state"],
        json!({"order_id": "o-1", "note": "a  b", "pieces": null, "total": 7})
    );
    let plain = bench.trace(&["a"]);
    assert!(plain.get("state").is_none() && plain["packets"][0].get("changes").is_none());
    bench
        .said(&["trace", "a", "--state", "-o", "mermaid"])
        .badly(2, &["a flowchart has no room for a state"]);
}

#[tokio::test]
async fn a_conversation_is_shown_as_it_was_at_a_moment() {
    let bench = Bench::start().await;
    order(&bench).await;
    let all = bench.trace(&["a"]);
    let stored =
        |place: usize| -> String { all["packets"][place]["stored"].as_str().unwrap().to_owned() };
    let then = bench.trace(&["a", "--state", "--until", &stored(2)]);
    assert_eq!(names(&then), ["placed", "reserved", "changed"]);
    assert_eq!((&then["end"], &then["read_to"]), (&"moment".into(), &3.into()));
    assert_eq!(then["state"]["total"].to_string(), "9007199254740992");
    let shown = bench.said(&["trace", "a", "--until", &stored(2)]).well(0);
    let words = "; read up to sequence 3: what came later is left out\n";
    assert!(shown.out.ends_with(words), "{shown:?}");
    assert_eq!(names(&bench.trace(&["a", "--until", &stored(3)])).len(), 4);

    let first: Timestamp = stored(0).parse().unwrap();
    let before = (first - Duration::from_nanos(1)).to_string();
    let words = format!("nothing of it was stored by {before}: it begins at {first}");
    bench.said(&["trace", "a", "--until", &before]).badly(5, &[&words]);
    let by_filter = ["trace", "--where", "@.total", "--until", &before];
    bench.said(&by_filter).badly(5, &[&words]);
    bench.said(&["trace", "a", "--until", "2300-01-01"]).badly(2, &["in the future"]);
    bench.said(&["trace", "a", "--until", "1s", "--follow"]).badly(2, &["cannot be used with"]);
}

#[tokio::test]
async fn what_follows_is_shown_with_what_it_changes() {
    let bench = Bench::start().await;
    order(&bench).await;
    let mut following = Program::start(&mut bench.command(&["trace", "a", "--state", "--follow"]));
    while !following.line().await.starts_with("4 packets") {}
    say(&bench, "packaged", "e", Some("d"), json!({"order_id": "o-1", "total": 8})).await;
    let next = following.line().await;
    assert!(next.ends_with("packaged  outside  total: 7 -> 8  after 4"), "{next}");
    following.interrupt();
    assert_eq!(following.end().await.0, Some(130));
}
