//! `rapids map` and `rapids what-if`.

use std::io::Write;
use std::process::{Command, Stdio};

use rapids_client::{Packet, River};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::bench::{Bench, DEADLINE, Said, said, said_to};

fn silent(river: River) -> River {
    river.react(|_: Packet| async { Ok(()) })
}

/// Runs a command that asks the services: all of them answer in this time, on a busy machine, too.
pub(crate) fn asked(bench: &Bench, arguments: &[&str]) -> Said {
    bench.said(&[arguments, &["--wait", "1500ms"]].concat())
}

/// Places an order, whose event it declares.
fn place() -> River {
    River::new("place")
        .command("place_order")
        .publishes("order_placed")
        .react(|_: Packet| async { Ok(Packet::event("order_placed").with("total", 7)) })
}

/// Waits until a service has handled everything up to this sequence.
async fn handled(bench: &Bench, service: &str, sequence: u64) {
    let done = async {
        while bench.rapids.position(service).await.unwrap().unwrap().acknowledged < sequence {}
    };
    timeout(DEADLINE, done).await.unwrap();
}

pub(crate) fn map(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap()
}

#[tokio::test]
async fn a_misspelt_name_is_found_on_both_sides() {
    let bench = Bench::start().await;
    let _order = bench.run("order", "1.0.0", place()).await;
    let charge = silent(River::new("charge").event("order_plcaed"));
    let _payment = bench.run("payment", "1.0.0", charge).await;
    bench.publish(r#"{"command":"place_order"}"#).await;
    handled(&bench, "order", 2).await;
    let check = asked(&bench, &["map", "--check"]).well(1);
    assert_eq!(
        check.lines(),
        [
            "! nobody reacts to `order_placed`, of order: 1 packet; is `order_plcaed` meant?",
            "! payment/charge waits for `order_plcaed`, which nobody publishes; is `order_placed` meant?",
        ]
    );
    asked(&bench, &["map"]).well(0);
    let ignored = ["map", "--check", "--ignore", "order_placed", "--ignore", "payment/charge"];
    assert_eq!(asked(&bench, &ignored).well(0).out, "");
}

#[tokio::test]
async fn the_map_tells_who_publishes_and_takes_what_and_how_often() {
    let bench = Bench::start().await;
    let _order = bench.run("order", "1.0.0", place()).await;
    let charge = River::new("charge").event("order_placed").require("order_id");
    let _payment = bench.run("payment", "1.0.0", silent(charge)).await;
    let _monitor = bench.run("monitor", "1.0.0", silent(River::new("show"))).await;
    bench.publish_raw("no packet").await;
    for _ in 0..3 {
        bench.publish(r#"{"command":"place_order"}"#).await;
    }
    bench.publish(r#"{"event":"order_placed","order_id":"o-1"}"#).await;
    handled(&bench, "order", 8).await;
    handled(&bench, "payment", 8).await;
    let json = map(&asked(&bench, &["map", "--check", "-o", "json"]).well(0));
    assert_eq!((&json["packets"], &json["malformed"]), (&json!(7), &json!(1)));
    let charge = &json["rivers"][2];
    assert_eq!(
        (&charge["service"], &charge["came"], &charge["took"], &charge["refused"]),
        (&json!("payment"), &json!(4), &json!(1), &json!(3))
    );
    assert_eq!(charge["admits"], json!([{"kind": "event", "name": "order_placed"}]));
    assert_eq!((&charge["publishes"], &json["rivers"][0]["admits"]), (&Value::Null, &Value::Null));
    let [flow] = json["flows"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!(flow["cause"], json!({"kind": "command", "name": "place_order"}));
    assert_eq!((&flow["publisher"], &flow["packets"]), (&json!("order"), &json!(3)));
    let letters =
        json!([{"service": "payment", "river": "charge", "kind": "invalid", "letters": 3}]);
    assert_eq!(json["letters"], letters);
    assert_eq!(json["odd"], json!([]));
    let taken = json!([{"name": {"kind": "event", "name": "order_placed"}, "packets": 1}]);
    assert_eq!((&charge["taken"], &json["rivers"][0]["taken"]), (&taken, &json!([])));
    let graph = asked(&bench, &["map", "-o", "mermaid"]).well(0);
    // `order_placed` and payment, which publishes nothing.
    assert!(graph.lines().contains(&"    n2 -->|1| n5"), "{graph:?}");
    let text = asked(&bench, &["map", "--since", "1h"]).well(0).out;
    for part in [
        "7 packets since ",
        "and 1 that were no packets",
        "order/place     command place_order     3     3        0  order_placed",
        "monitor/show    *                       7     7        0  -",
        "command place_order  order  order_placed      3",
        "payment/charge   invalid      3",
        "nothing is odd",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let discarded = bench.said(&["dead-letters", "discard", "--all", "--reason", "test"]);
    assert_eq!(discarded.code, 0, "{discarded:?}");
    let json = map(&asked(&bench, &["map", "-o", "json"]).well(0));
    assert_eq!(json["letters"], json!([]), "none of them waits any more");
}

#[tokio::test]
async fn a_renamed_key_is_found_with_the_clause_that_fails() {
    let bench = Bench::start().await;
    let large = silent(River::new("large").event("order_placed").when("@.total > 100"));
    let _audit = bench.run("audit", "1.0.0", large).await;
    for body in [r#"{"event":"order_placed","total":200}"#, r#"{"event":"order_placed","sum":200}"#]
    {
        let packets = (0..25).map(|_| Packet::from_bytes(body).unwrap());
        bench.rapids.publish_all(packets).await.unwrap();
    }
    let check = asked(&bench, &["map", "--check"]).well(1);
    let [line] = check.lines()[..] else { panic!("{check:?}") };
    let end = "and none of 25 in the later; it takes only `@.total > 100`, but @.total is missing";
    assert!(line.starts_with("! audit/large: of `order_placed`, 25 of 25 packets "), "{line}");
    assert!(line.ends_with(end), "{line}");
    let json = map(&asked(&bench, &["map", "-o", "json"]).well(0));
    assert_eq!(json["odd"][0]["odd"], "starved");
}

#[tokio::test]
async fn what_would_react_and_what_usually_follows_is_told_before_a_packet_is_published() {
    let bench = Bench::start().await;
    let _order = bench.run("order", "1.0.0", place()).await;
    let stock = River::new("reserve").command("place_order").when("@.total > 0 && @.items");
    let _stock = bench.run("stock", "1.0.0", silent(stock)).await;
    let charge = silent(River::new("charge").event("order_placed"));
    let _payment = bench.run("payment", "1.0.0", charge).await;
    for _ in 0..2 {
        bench.publish(r#"{"command":"place_order"}"#).await;
    }
    handled(&bench, "order", 4).await;
    let packet = r#"{"command":"place_order","total":7}"#;
    let told = asked(&bench, &["what-if", packet]).well(0);
    let lines = told.lines();
    assert_eq!(
        lines[..3],
        [
            "✓ order/place would take it",
            "✗ stock/reserve would ignore it: takes only `@.items`, but @.items is missing",
            "take other names only: payment/charge",
        ]
    );
    assert!(lines[3].starts_with("of 2 packets `command place_order` since "), "{told:?}");
    assert_eq!(lines[4..], ["  order_placed of order: 2 (100 %)"]);

    let arguments = ["what-if", "--wait", "1500ms", "-o", "json", "-"];
    let json = map(&said_to(&mut bench.command(&arguments), packet).well(0));
    assert_eq!((&json["taken"], &json["packets"]), (&json!(true), &json!(2)));
    for (position, river, verdict) in [
        (0, "order/place", "matches"),
        (1, "payment/charge", "not_for_me"),
        (2, "stock/reserve", "not_for_me"),
    ] {
        let told = &json["rivers"][position];
        assert_eq!((&told["river"], &told["verdict"]), (&json!(river), &json!(verdict)));
    }
    assert_eq!(json["follows"][0]["effect"]["name"], "order_placed");

    let none = asked(&bench, &["what-if", r#"{"event":"moon_rose"}"#]).well(1);
    assert_eq!(none.lines()[0], "no running river would take it");
    asked(&bench, &["what-if", "[]"]).badly(2, &["body is not a packet"]);
}

#[test]
fn a_window_that_begins_in_the_future_is_refused() {
    said(&mut crate::bench::rapids(&["map", "--since", "2300-01-01"])).badly(2, &["--since"]);
}

#[tokio::test]
async fn what_packets_look_like_is_told_as_a_schema_and_as_an_asyncapi_document() {
    let bench = Bench::start().await;
    let _order = bench.run("order", "1.0.0", place()).await;
    bench.publish(r#"{"command":"place_order","customer":"ada","items":[1]}"#).await;
    bench.publish(r#"{"command":"place_order","customer":7}"#).await;
    handled(&bench, "order", 4).await;
    let schema = map(&bench.said(&["schema", "place_order", "--kind", "command"]).well(0));
    assert_eq!((&schema["type"], &schema["title"]), (&json!("object"), &json!("place_order")));
    assert_eq!(schema["required"], json!(["command", "customer"]));
    assert_eq!(schema["properties"]["customer"]["type"], json!(["string", "integer"]));
    assert_eq!(schema["properties"]["items"]["items"]["type"], "integer");
    bench.said(&["schema", "place_order"]).badly(5, &["no packet `place_order` was stored"]);

    let document = map(&asked(&bench, &["asyncapi"]).well(0));
    let messages = document["components"]["messages"].as_object().unwrap();
    let keys: Vec<_> = messages.keys().map(String::as_str).collect();
    assert_eq!(keys, ["command.place_order", "order_placed"]);
    let operations = &document["operations"];
    assert_eq!(operations["order.receive"]["x-rapids-rivers"][0]["name"], "place");
    let sent = &operations["order.send"]["messages"][0]["$ref"];
    assert_eq!(sent, "#/channels/rapids/messages/order_placed");
    assert!(!document.to_string().contains("ada"), "no value is told");
}

#[tokio::test]
#[ignore = "needs npm and Python"]
async fn the_asyncapi_document_is_valid_by_the_official_schema() {
    let bench = Bench::start().await;
    let _order = bench.run("order", "1.0.0", place()).await;
    bench.publish(r#"{"command":"place_order","customer":"ada","items":[1,{"a":null}]}"#).await;
    bench.publish(r#"{"event":"a/b~c#\"\n$ref","x":{"y":[true]}}"#).await;
    bench.publish(r#"{"need":["car","hotel"],"user":1.5}"#).await;
    handled(&bench, "order", 4).await;
    let document = asked(&bench, &["asyncapi"]).well(0).out;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/validate-asyncapi");
    let mut validating = Command::new(script).stdin(Stdio::piped()).spawn().unwrap();
    validating.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    assert!(validating.wait().unwrap().success(), "{document}");
}
