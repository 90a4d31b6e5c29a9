//! What others write wrongly, or maliciously, or forbid, does no harm to `rapids map` and `rapids what-if`.

use async_nats::service::ServiceExt;
use serde_json::json;

use crate::bench::{Bench, Said};
use crate::foreign::{EVIL, harmless};
use crate::letters::Letters;
use crate::map::{asked, map};
use crate::services::guarded;

/// What an instance of a service announces that somebody else wrote.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_harm_neither_terminal_nor_graph() {
    let bench = Bench::start().await;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let name = format!("{EVIL}\"]; end --> \\x `&lt;` #35; }}");
    let condition = format!("@.event == {}", serde_json::to_string(&name).unwrap());
    let rules = json!([{ "name": name, "conditions": [condition, "@.total > 1"] }]);
    let metadata = [
        ("rapids.stream".to_owned(), "RAPIDS".to_owned()),
        ("rapids.rules".to_owned(), rules.to_string()),
        (format!("{name}.publishes"), json!({ "events": [name, EVIL] }).to_string()),
    ];
    let builder = client.service_builder().metadata(metadata.into());
    let _service = builder.start("stranger", "1.0.0").await.unwrap();
    client.flush().await.unwrap();
    let body = json!({ "event": name, EVIL: EVIL, "rapids": { "breadcrumbs": [name] } });
    bench.publish(&body.to_string()).await;

    let mermaid = asked(&bench, &["map", "-o", "mermaid"]).well(0);
    let node = r#"n\d+(\(\[|\[|\(\()"[^"\]\[`<>&\\{}]*"(\]\)|\]|\)\))(:::odd)?"#;
    let line =
        format!(r"^(flowchart LR|    classDef .*|    {node}|    n\d+ (-->\|\d+\||-\.->) n\d+)$");
    each_line(&mermaid, &line);
    let dot = asked(&bench, &["map", "-o", "dot"]).well(0);
    let label = r#""([^"\\]|\\\\|\\")*""#;
    let line = format!(
        r"^(digraph rapids \{{|    rankdir=LR;|    n\d+ \[label={label}, shape=\w+(, color=red, penwidth=3)?\];|    n\d+ -> n\d+ \[(style=dashed|label={label})\];|\}})$"
    );
    each_line(&dot, &line);
    let body = body.to_string();
    for arguments in [&["map"][..], &["map", "--check"], &["what-if", "{}"], &["what-if", &body]] {
        harmless(&asked(&bench, arguments));
    }
    let json = map(&asked(&bench, &["map", "-o", "json"]).well(0));
    assert_eq!(json["rivers"][0]["admits"][0]["name"], name);
    assert_eq!(json["rivers"][0]["publishes"][1]["name"], EVIL);
}

/// Rules that no library writes.
#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_no_expressions_harm_no_command() {
    let bench = Bench::start().await;
    let client = async_nats::connect(bench.server.url()).await.unwrap();
    let parts = ["@.a &", "@.a &é", "&&", "@.a && é", "'", ""];
    let rules = json!([{ "name": "charge", "conditions": parts, "requirements": parts }]);
    let metadata = [
        ("rapids.stream".to_owned(), "RAPIDS".to_owned()),
        ("rapids.rules".to_owned(), rules.to_string()),
    ];
    let builder = client.service_builder().metadata(metadata.into());
    let _service = builder.start("stranger", "1.0.0").await.unwrap();
    client.flush().await.unwrap();
    bench.publish(r#"{"event":"order_placed"}"#).await;
    asked(&bench, &["map"]).well(0);
    asked(&bench, &["asyncapi"]).well(0);
    for arguments in [&["map", "--check"][..], &["what-if", "{}"]] {
        let said = asked(&bench, arguments);
        assert!((0..=1).contains(&said.code), "{said:?}");
    }
    let explained = asked(&bench, &["explain", "--river", "stranger/charge", "{}"]);
    assert!((0..=5).contains(&explained.code), "{explained:?}");
}

#[tokio::test]
async fn a_message_that_is_no_dead_letter_ends_nothing() {
    let letters = Letters::start().await;
    let bench = &letters.bench;
    let jetstream =
        async_nats::jetstream::new(async_nats::connect(bench.server.url()).await.unwrap());
    jetstream.publish("dead_letters.a.b.c", "garbage".into()).await.unwrap().await.unwrap();
    letters.put_all([17]).await;
    let told = asked(bench, &["map", "-o", "json"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.err.contains("DEAD_LETTERS"), "{told:?}");
    assert_eq!(map(&told)["letters"][0]["letters"], 1);
    assert_eq!(asked(bench, &["map", "--check"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_services_is_told_so_and_nothing_odd() {
    let bench = guarded().await;
    bench.publish(r#"{"event":"order_placed"}"#).await;
    let deaf = ["--user", "deaf", "--password", "d"];
    let as_deaf = |arguments: &[&str]| asked(&bench, &[&deaf, arguments].concat());
    let words = ["the server does not permit publish to `$SRV.INFO`"];
    as_deaf(&["map", "--check"]).badly(4, &words);
    as_deaf(&["what-if", "{}"]).badly(4, &words);
    let plain = as_deaf(&["map"]);
    assert_eq!(plain.code, 0, "{plain:?}");
    assert!(plain.err.contains(words[0]) && plain.out.contains("odd is not known"), "{plain:?}");
    assert!(!plain.out.contains("nobody reacts"), "{plain:?}");
    let json = map(&as_deaf(&["map", "-o", "json"]));
    assert_eq!((&json["rivers_known"], &json["odd"]), (&json!(false), &json!([])));
}

#[track_caller]
fn each_line(said: &Said, pattern: &str) {
    harmless(said);
    let pattern = regex::Regex::new(pattern).unwrap();
    for line in said.lines() {
        assert!(pattern.is_match(line), "{line} in {said:?}");
    }
}
