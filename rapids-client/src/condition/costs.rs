//! What evaluating costs: never more than the budget, whatever the expression and the packet.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, proptest};
use proptest::sample::select;

use super::budget::TooCostly;
use super::properties::texts;
use super::{Evaluation, Expression};
use crate::json::Node;

/// The steps that each expression takes on a body, all that rivers ask of it.
fn steps(text: &str, body: &str) -> u64 {
    let expression = Expression::parse(text).unwrap();
    let evaluation = Evaluation::of(Node::Raw(body), 1);
    let before = evaluation.left();
    asked(&expression, &evaluation).unwrap();
    before - evaluation.left()
}

fn asked<'a>(expression: &'a Expression, evaluation: &Evaluation<'a>) -> Result<(), TooCostly> {
    expression.holds(evaluation)?;
    expression.repeated_key(evaluation)?;
    expression.findings(evaluation, true, true).map(drop)
}

/// An object of so many items.
fn items(count: usize) -> String {
    let items: Vec<String> =
        (0..count).map(|n| format!(r#"{{"sku":"s-{n}","quantity":1,"tags":["a","b"]}}"#)).collect();
    format!(r#"{{"limit":{{"sku":"s"}},"re":"s-[0-9]+","items":[{}]}}"#, items.join(","))
}

#[test]
fn steps_grow_as_the_packet_does() {
    let (small, large) = (items(200), items(2_000));
    for text in [
        "@.items[0].sku == @.items[-1].sku",
        "@.items[?@.sku == 'a' || @.quantity > 10]",
        "@.items[?count($.items[?@.sku == 'a']) > 1]",
        "@.items[?@.sku != $.items[0].sku]",
        "@.items[?length($.items) > 3 && @.sku != 'a']",
        "@.items[?match(@.sku, $.re)]",
        "@.items[?@ == $.limit]",
        "@.items[?$.items == $.limit]",
        "@.items[?$.items[?$.items[?@.sku == $.limit]]]",
        "@.items[?value($..limit.sku) == @.sku]",
        "@.items[?@.tags[?@ == $.limit.sku]]",
        "@..sku",
        "count(@.items[*].tags[*]) > 1",
    ] {
        let (few, many) = (steps(text, &small), steps(text, &large));
        assert!(many < 12 * few, "{text}: {few} steps, {many} on ten times as much");
    }
}

#[test]
fn what_takes_more_than_the_budget_ends_there() {
    let (many, long) = (items(3_000), "a".repeat(100_000));
    let pattern = format!(r#"{{"p":"{}"}}"#, r"\\p{L}{20}".repeat(40));
    let text = format!(r#"{{"t":"{long}","l":[{}0]}}"#, r#""b","#.repeat(20_000));
    for (expression, body) in [
        ("@..[?@..[?@..*]]", &many),
        ("count(@.items[*,*,*,*,*,*,*,*][*,*,*,*,*,*,*,*]) > 1", &many),
        ("match('a', @.p)", &pattern),
        ("@.l[?search(@, $.t)]", &text),
        ("@ == @ && $..[?@ == $]", &many),
    ] {
        let expression = Expression::parse(expression).unwrap();
        let evaluation = Evaluation::within(Node::Raw(body), 20_000_000, 1);
        assert!(asked(&expression, &evaluation).is_err(), "{expression}");
    }
}

/// Bodies large enough that whatever is not linear on them is noticed.
fn large_body() -> impl Strategy<Value = String> {
    let parts = select(vec![
        r#"{"a":1.50,"b":"a"}"#,
        r#"{"items":[0,{"a":null}],"order_id":"o-1"}"#,
        r#"[[[{"a":{"a":[]}}]],"\u0061",{"b":"\ud800","b":2}]"#,
        "1e400",
        "\"it's\"",
    ]);
    (vec(parts, 1..5), 1..400_usize, any::<bool>()).prop_map(|(parts, times, nested)| {
        let list = format!("[{}]", parts.join(","));
        let lists = vec![&*list; times].join(",");
        let text = "[a-z]+".repeat(times * 20);
        if nested {
            let deep = format!("{}{list}{}", r#"{"a":["#.repeat(40), "]}".repeat(40));
            return format!(r#"{{"items":[{lists}],"a":{deep},"b":"{text}"}}"#);
        }
        format!(r#"{{"items":[{lists}],"a":"{text}","order_id":"{text}","b":{{"a":{list}}}}}"#)
    })
}

/// A factor of a thousand more than it takes: no measure of time, but of work that nobody counts.
const LONG: Duration = Duration::from_secs(20);

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_expression_takes_more_than_its_steps(
        condition in texts::condition(),
        body in large_body(),
    ) {
        let expression = Expression::parse(&format!("@.items[*][?{condition}]")).unwrap();
        let evaluation = Evaluation::within(Node::Raw(&body), 1_000_000, 1);
        let begun = Instant::now();
        let ended = asked(&expression, &evaluation);
        prop_assert!(begun.elapsed() < LONG, "{expression} took {:?}", begun.elapsed());
        prop_assert!(ended.is_ok() || evaluation.left() < 1_000_000);
    }
}
