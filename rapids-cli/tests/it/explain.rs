//! `rapids explain`.

use rapids_client::{Packet, River};
use serde_json::Value;

use crate::bench::{Bench, rapids, said, said_to};
use crate::program::Program;

fn charge() -> River {
    River::new("charge")
        .event("order_placed")
        .require("order_id")
        .require_that("@.total > 0")
        .react(|_: Packet| async { Ok(()) })
}

#[test]
fn an_expression_and_a_packet_need_no_server() {
    let explain = |expression: &str| {
        let packet = r#"{"total":1.10,"rapids":{"id":"p-1"}}"#;
        said(&mut rapids(&["explain", "--where", expression, packet]))
    };
    let matching = explain("@.total > 1 && !@.coupon").well(0);
    assert_eq!(
        matching.lines(),
        [
            "packet `p-1` matches",
            "  ✓ @.total > 1  @.total = 1.10",
            "  ✓ !@.coupon    @.coupon is missing",
        ]
    );
    let other = explain("@.total > 1 && @.coupon").well(1);
    assert_eq!(other.lines()[0], "packet `p-1` does not match");
    assert_eq!(other.lines()[2], "  ✗ @.coupon     @.coupon is missing");
}

#[test]
fn a_packet_may_come_from_standard_input_over_several_lines() {
    let arguments = ["explain", "--where", "@.a == 1", "-o", "json"];
    let output = said_to(&mut rapids(&arguments), "{\n  \"a\": 1\n}\n").well(0);
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((&json["matches"], &json["verdict"]), (&true.into(), &"matches".into()));
    assert_eq!(json["expression"], "@.a == 1");
}

#[test]
fn an_expression_that_is_too_costly_is_reported_as_such() {
    let packet = format!(r#"{{"p":"{}","rapids":{{"id":"p-1"}}}}"#, "a".repeat(2_000));
    let explain = |more: &[&str]| {
        let arguments = ["explain", "--where", "@.p && match('a', @.p)", &packet];
        said(&mut rapids(&[&arguments[..], more].concat())).well(1)
    };
    let output = explain(&[]);
    let lines = output.lines();
    assert_eq!(lines[0], "whether packet `p-1` matches is too costly to tell");
    assert!(lines[1].starts_with("  ✓ @.p"), "{}", lines[1]);
    assert!(lines[2].starts_with("  ? match('a', @.p)"), "{}", lines[2]);
    assert!(
        lines[3].contains("takes a pattern from this packet that is too large"),
        "{}",
        lines[3]
    );
    let json: Value = serde_json::from_str(&explain(&["-o", "json"]).out).unwrap();
    assert_eq!(json["verdict"], "too_costly");
    assert_eq!(json["clauses"][1]["too_costly"], true);
}

#[tokio::test]
async fn an_explanation_that_takes_long_can_be_interrupted() {
    let (list, pad) = (r#"{"a":[{"b":[1,2,3]}]},"#.repeat(3_000), "x".repeat(1_000_000));
    let costly = "@..[?@..[?@..c]] || @..[?@..[?@..d]]";
    let mut explaining = Program::start(&mut rapids(&["explain", "--where", costly, "-"]));
    // More than a pipe holds: once all is written it reads, and so listens for the interrupt.
    explaining.give(&format!(r#"{{"l":[{list}1],"pad":"{pad}"}}"#));
    explaining.give_all("");
    explaining.interrupt();
    assert_eq!(explaining.end().await.0, Some(130));
}

#[test]
fn what_cannot_be_explained_is_an_error() {
    let explain = |arguments: &[&str]| said(&mut rapids(&[&["explain"], arguments].concat()));
    explain(&["{}"]).badly(2, &["--river <SERVICE/RIVER>|--where <EXPRESSION>"]);
    explain(&["--where", "@.a >> 1", "{}"]).badly(2, &["is wrong at column 6"]);
    explain(&["--where", "@.a", "[1]"]).badly(2, &["error: body is not a packet: "]);
    explain(&["--river", "charge", "{}"]).badly(2, &["as `payment/charge`"]);
    explain(&["--where", "@", "{}", "--sequence", "1"]).badly(2, &["cannot be used with"]);
}

#[tokio::test]
async fn a_river_of_a_running_service_is_explained_by_its_own_rules() {
    let bench = Bench::start().await;
    let _payment = bench.run("payment", "1.0.0", charge()).await;
    let id = bench.publish(r#"{"event":"order_placed","order_id":7,"total":-5}"#).await.id;
    let explain = |arguments: &[&str]| {
        bench.said(&[&["explain", "--river", "payment/charge"], arguments].concat())
    };
    assert_eq!(
        explain(&["--sequence", "1"]).well(1).lines(),
        [
            &format!("river `payment/charge` refuses packet `{id}` as malformed"),
            "  ✓ takes    @.event == 'order_placed'         @.event = \"order_placed\"",
            "  ✓ requires @.order_id && @.order_id != null  @.order_id = 7",
            "  ✗ requires @.total > 0                       @.total = -5",
        ]
    );
    explain(&[r#"{"event":"order_placed","order_id":7,"total":5}"#]).well(0);
    explain(&[r#"{"event":"order_refused"}"#]).well(1);
    explain(&["--sequence", "2"])
        .badly(5, &["there is no packet with sequence 2, or it has expired"]);

    let river = |name: &str| bench.said(&["explain", "--river", name, "{}"]);
    river("payment/refund").badly(5, &["service `payment` has no river `refund`; it has charge"]);
    river("shipping/join")
        .badly(5, &["service `shipping` does not run; running services: payment"]);
}

#[tokio::test]
async fn instances_that_differ_are_explained_one_by_one() {
    let bench = Bench::start().await;
    let _old = bench.run("payment", "1.0.0", charge()).await;
    let _new = bench.run("payment", "2.0.0", charge().when("!@.coupon")).await;
    let packet = r#"{"event":"order_placed","order_id":7,"total":5,"coupon":"x"}"#;
    let output = bench.said(&["explain", "--river", "payment/charge", packet]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.err.contains("instances of the service differ"), "{output:?}");
    let verdicts: Vec<_> =
        output.lines().into_iter().filter(|line| line.starts_with("river")).collect();
    assert_eq!(verdicts.len(), 2, "{output:?}");
}
