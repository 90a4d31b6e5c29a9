//! `rapids memory`: what services remember, as it is printed.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rapids_client::{Packet, River};
use serde::{Deserialize, Serialize};

use crate::bench::{Bench, Running};

#[derive(Default, Serialize, Deserialize)]
struct Visits {
    count: u64,
    last: String,
}

fn river() -> River {
    River::new("count").event("visited").memory("pages", "@.page").react(
        |visits: &mut Visits, packet: &Packet| {
            visits.count += 1;
            visits.last = packet.get("by")?.unwrap_or_default();
            anyhow::Ok(())
        },
    )
}

/// A service, and the sequence of the last of these visits, each a page and a visitor.
async fn visited(bench: &Bench, visits: &[(&str, &str)]) -> (Running, String) {
    let service = bench.run("visits", "1.0.0", river()).await;
    let mut last = 0;
    for (page, by) in visits {
        let body = format!(r#"{{"event":"visited","page":{page},"by":"{by}"}}"#);
        last = bench.publish(&body).await.sequence;
    }
    (service, last.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn memories_keys_and_values_are_printed_once_the_service_has_come_so_far() {
    let bench = Bench::start().await;
    let visits =
        [("\"home\"", "ada"), ("7", "bob"), ("\"7\"", "cy"), ("true", "dan"), ("\"home\"", "eve")];
    let (service, last) = visited(&bench, &visits).await;

    let got =
        bench.said(&["memory", "get", "visits", "pages", "home", "--at-least", &last]).well(0);
    assert_eq!(got.out, "{\n  \"count\": 2,\n  \"last\": \"eve\"\n}\n");
    let got = |key: &str| {
        bench.said(&["memory", "get", "visits", "pages", key, "-o", "json"]).well(0).out
    };
    assert_eq!(got("7"), "{\"key\":\"7\",\"value\":{\"count\":1,\"last\":\"cy\"}}\n");
    assert_eq!(got("7.0"), "{\"key\":7,\"value\":{\"count\":1,\"last\":\"bob\"}}\n");
    assert_eq!(got("true"), "{\"key\":true,\"value\":{\"count\":1,\"last\":\"dan\"}}\n");

    let listed = bench.said(&["memory", "list", "visits"]).well(0);
    assert_eq!(
        listed.lines()[0].split_whitespace().collect::<Vec<_>>(),
        ["MEMORY", "KEYS", "BYTES"]
    );
    assert!(listed.lines()[1].starts_with("pages      4"), "{:?}", listed.lines());
    let listed = bench.said(&["memory", "list", "visits", "-o", "json"]).well(0).out;
    assert!(listed.starts_with(r#"{"memory":"pages","keys":4,"bytes":"#), "{listed}");
    let keys = bench.said(&["memory", "list", "visits", "pages"]).well(0);
    assert_eq!(keys.lines(), ["KEY", "true", "7", "\"7\"", "home"]);
    let keys = bench.said(&["memory", "list", "visits", "pages", "--prefix", "h", "-o", "json"]);
    assert_eq!(keys.well(0).out, "{\"key\":\"home\"}\n");
    let nothing = bench.said(&["memory", "list", "visits", "pages", "--prefix", "x"]);
    nothing.well_with(0, "there is no such key\n");

    let query = |more: &[&'static str]| {
        bench.said(&[&["memory", "query", "visits", "pages"], more].concat())
    };
    let selected = query(&["@.count > 1"]).well(0);
    assert_eq!(selected.lines(), ["KEY   VALUE", "home  {\"count\":2,\"last\":\"eve\"}"]);
    let limited = query(&["--limit", "2"]);
    assert_eq!((limited.code, limited.lines().len()), (0, 3));
    assert_eq!(limited.err, "2 of 4 entries are shown; --limit 0 shows all\n");
    assert_eq!(query(&["-o", "json"]).well(0).lines().len(), 4);
    query(&["@.count > 9"]).well_with(0, "there is no such entry\n");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_what_is_wrong_is_told_with_its_code() {
    let bench = Bench::start().await;
    let (service, last) = visited(&bench, &[("\"home\"", "ada")]).await;
    let said = |arguments: &[&str]| bench.said(&[&["memory"], arguments].concat());
    said(&["get", "visits", "pages", "home", "--at-least", &last]).well(0);
    said(&["get", "visits", "pages", "away"])
        .badly(5, &["memory `pages` of service `visits` has no key `away`"]);
    said(&["get", "visits", "page", "home"]).badly(5, &["does not exist: the service has `pages`"]);
    for command in [&["list", "visit"] as &[_], &["query", "visit", "pages"]] {
        said(command).badly(5, &["service `visit` is not known", "known are `visits`"]);
    }
    said(&["query", "visits", "pages", "@.count >> 1"]).badly(2, &["is wrong at column 10"]);
    said(&["watch", "visits", "pages", "--where", "count"]).badly(2, &["is wrong at column 1"]);
    said(&["list", "visits", "--prefix", "h"]).badly(2, &["<MEMORY>"]);
    service.stop().await;
    let behind = ["get", "visits", "pages", "home", "--at-least", "9999", "--within", "10ms"];
    said(&behind).badly(1, &["does not contain packet 9999 yet: waited 10ms", "no instance waits"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_prints_what_is_there_and_each_change() {
    let bench = Bench::start().await;
    let (service, last) = visited(&bench, &[("\"home\"", "ada"), ("7", "bob")]).await;
    let arguments = ["memory", "watch", "visits", "pages", "--where", "@.last == 'ada'"];
    let mut command =
        bench.command(&[&arguments[..], &["--at-least", &last, "-o", "json"]].concat());
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next(), r#"{"key":"home","value":{"count":1,"last":"ada"}}"#);
    bench.publish(r#"{"event":"visited","page":7,"by":"ada"}"#).await;
    assert_eq!(next(), r#"{"key":7,"value":{"count":2,"last":"ada"}}"#);
    bench.publish(r#"{"event":"visited","page":"home","by":"bob"}"#).await;
    assert_eq!(next(), r#"{"key":"home","gone":true}"#);
    watch.kill().unwrap();
    watch.wait().unwrap();
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_is_told_with_its_reason() {
    let bench = Bench::start().await;
    let (service, last) = visited(&bench, &[("\"home\"", "ada"), ("7", "bob")]).await;
    bench.said(&["memory", "get", "visits", "pages", "home", "--at-least", &last]).well(0);
    let forget = |key: &str| {
        bench.said(&["memory", "forget", "visits", "pages", key, "--reason", "asked for it"])
    };
    assert_eq!(forget("home").well(0).out, "forgot `home` in memory `pages` of `visits`\n");
    assert_eq!(forget("7").well(0).out, "forgot `7` in memory `pages` of `visits`\n");
    assert!(forget("home").err.contains("has no key `home`"));
    let got = bench.said(&["memory", "get", "visits", "pages", "home"]);
    assert!(got.err.contains("remembered of `home` has ended") && got.err.contains("asked for it"));
    service.stop().await;
}
