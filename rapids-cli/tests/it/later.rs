//! `rapids later`, and `rapids publish --in` and `--at`.

use serde_json::{Value, json};

use crate::bench::Bench;

const TICK: &str = r#"{"event":"tick"}"#;

// The server works on while the program runs, which blocks one thread.
#[tokio::test(flavor = "multi_thread")]
async fn a_packet_is_put_off_listed_shown_and_cancelled() {
    let bench = Bench::start().await;
    bench.said(&["later", "list"]).well_with(0, "no timer waits\n");
    let output = bench.said(&["publish", "--in", "1h", TICK, "-o", "json"]).well(0).out;
    let stored: Value = serde_json::from_str(&output).unwrap();
    let (id, due) = (stored["timer"].as_str().unwrap(), stored["due"].as_str().unwrap());
    assert!(id.starts_with("PUBLISHED."), "{id}");

    let at = bench.said(&["publish", "--at", "2100-01-01", r#"{"need":["a","b"]}"#]).well(0);
    assert!(at.lines()[0].ends_with(" 2100-01-01T00:00:00Z"), "{:?}", at.lines());
    let lines = bench.said(&["later", "list", "--service", "PUBLISHED"]).well(0);
    let lines = lines.lines();
    assert!(lines[0].starts_with("DUE"), "{lines:?}");
    assert!(lines[1].starts_with(due) && lines[1].contains(id), "{lines:?}");
    assert!(lines[2].contains("a,b"), "{lines:?}");
    bench.said(&["later", "list", "--service", "order"]).well_with(0, "no timer waits\n");

    let shown = bench.said(&["later", "show", id]).well(0).out;
    assert!(shown.contains(&format!("due    {due}")) && shown.contains(r#""event": "tick""#));
    let json = bench.said(&["later", "show", id, "-o", "json"]).well(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["id"], &json["packet"]["event"]), (&json!(id), &json!("tick")));

    let cancelled = bench.said(&["later", "cancel", id]).well(0);
    assert_eq!(cancelled.lines(), [format!("cancelled {id}")]);
    for command in ["cancel", "show"] {
        bench.said(&["later", command, id]).badly(5, &["waits: it has fired, was cancelled, or"]);
        bench.said(&["later", command, "order"]).badly(2, &["`order` names no timer"]);
    }
    bench.said(&["publish", "--in", "soon", TICK]).badly(2, &["expected a duration such as"]);
    bench.said(&["publish", "--at", "soon", TICK]).badly(2, &["expected a time such as"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_is_published_again_and_again_by_a_schedule() {
    let bench = Bench::start().await;
    let every = |schedule: &'static str, more: &[&'static str]| {
        let mut said = vec!["later", "every", schedule, TICK, "--name", "report"];
        said.extend(more);
        bench.said(&said)
    };
    assert_eq!(every("@every 1h", &[]).well(0).lines(), ["EVERY.report"]);
    let zone = ["--time-zone", "Europe/Berlin"];
    assert_eq!(every("0 30 14 * * *", &zone).well(0).lines(), ["EVERY.report"]);
    let shown = bench.said(&["later", "show", "EVERY.report"]).well(0).out;
    assert!(shown.contains("due    0 30 14 * * * (Europe/Berlin)"), "{shown}");
    every("hourly", &[]).badly(2, &["the schedule `hourly` is declared wrongly", "`@every 1h`"]);
    every("@hourly", &["--time-zone", "Here"]).badly(2, &["no time zone `Here`"]);
    bench.said(&["later", "cancel", "EVERY.report"]).well(0);
    bench.said(&["later", "list"]).well_with(0, "no timer waits\n");
}
