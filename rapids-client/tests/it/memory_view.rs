//! What a service remembers, as it is read from outside.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use async_nats::jetstream::kv;
use rapids_client::{
    Config, Delivery, EntryKey, Error, MemoryView, MemoryWatch, Packet, Rapids, River, Unreadable,
};
use rapids_test::NatsServer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::harness::{Bench, Running, soon};

const BUCKET: &str = "RAPIDS_MEMORY_visits";

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Visits {
    count: u64,
    last: String,
}

/// Counts visits by page and altogether.
fn rivers() -> [River; 2] {
    let by_page = River::new("by_page").event("visited").memory("pages", "@.page").react(
        |visits: &mut Visits, packet: &Packet| {
            visits.count += 1;
            visits.last = packet.get("by")?.unwrap_or_default();
            anyhow::Ok(Packet::event("counted").with("n", visits.count))
        },
    );
    let all = River::new("all").event("visited").memory("totals", "'all'").react(
        |count: &mut u64, _: &Packet| {
            *count += 1;
            anyhow::Ok(())
        },
    );
    [by_page, all]
}

fn visit(page: impl Serialize, by: &str) -> Packet {
    Packet::event("visited").with("page", page).with("by", by)
}

fn pages(bench: &Bench) -> MemoryView<Visits> {
    bench.rapids.memory("visits", "pages")
}

async fn started(bench: &Bench) -> Running {
    bench.run(bench.service("visits", rivers())).await
}

/// Publishes these visits; returns the sequence of the last one.
async fn visited(bench: &Bench, visits: impl IntoIterator<Item = Packet>) -> u64 {
    bench.rapids.publish_all(visits).await.unwrap().last().unwrap().sequence
}

async fn bucket(bench: &Bench) -> kv::Store {
    bench.jetstream().await.get_key_value(BUCKET).await.unwrap()
}

fn problem(error: Error) -> Unreadable {
    match error {
        Error::Memory { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn values_are_read_by_key_whatever_the_key_is() {
    let bench = Bench::start().await;
    let service = started(&bench).await;
    let keys = [json!("a.b"), json!("7"), json!(7), json!(true), json!("a.c")];
    let last = visited(&bench, keys.iter().map(|key| visit(key, "ada"))).await;
    let last = visited(&bench, [visit("a.b", "bob")]).await.max(last);

    let pages = pages(&bench).at_least(last);
    let twice = Visits { count: 2, last: "bob".to_owned() };
    assert_eq!(pages.get("a.b").await.unwrap(), Some(twice.clone()));
    for key in [EntryKey::from("7"), 7_u64.into(), true.into()] {
        assert_eq!(pages.get(key).await.unwrap().unwrap().count, 1);
    }
    for key in ["nobody", "", &"x".repeat(5_000), "a b\r\n", ">", "*"] {
        assert_eq!(pages.get(key).await.unwrap(), None);
    }
    let text = |keys: std::collections::BTreeSet<EntryKey>| {
        keys.iter().map(|key| format!("{key:?}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(text(pages.keys("").await.unwrap()), r#"true 7 "7" "a.b" "a.c""#);
    assert_eq!(text(pages.keys("a.").await.unwrap()), r#""a.b" "a.c""#);
    let many = pages.entries("@.count > 1 && @.last == 'bob'").await.unwrap();
    assert_eq!(many, BTreeMap::from([("a.b".into(), twice.clone())]));
    assert_eq!(pages.all().await.unwrap().len(), 5);

    // What is read is the value, and nothing that is kept beside it.
    let raw = bench.rapids.memory::<Box<RawValue>>("visits", "pages").get("a.b").await.unwrap();
    assert_eq!(raw.unwrap().get(), r#"{"count":2,"last":"bob"}"#);
    let json = bench.rapids.memory::<Value>("visits", "totals").all().await.unwrap();
    assert_eq!(json, BTreeMap::from([("all".into(), json!(6))]));
    service.stop().await;
}

#[tokio::test]
async fn one_who_has_published_reads_what_came_of_it_in_both_deliveries() {
    for delivery in [Delivery::Shared, Delivery::Exclusive] {
        let bench = Bench::of(delivery).await;
        let service = started(&bench).await;
        let pages = pages(&bench);
        for count in 1..=5 {
            let last = visited(&bench, [visit("p", "ada")]).await;
            let read = pages.at_least(last).get("p").await.unwrap().unwrap();
            assert_eq!(read.count, count, "{delivery:?}");
        }
        let last = visited(&bench, (0..200).map(|n| visit(n, "ada"))).await;
        assert_eq!(pages.at_least(last).keys("").await.unwrap().len(), 201, "{delivery:?}");
        service.stop().await;
    }
}

#[tokio::test]
async fn who_waits_for_a_service_that_is_behind_is_told_where_it_is() {
    let bench = Bench::start().await;
    let service = started(&bench).await;
    let last = visited(&bench, [visit("p", "ada")]).await;
    bench.quiet(&["visits"]).await;
    service.stop().await;
    let next = visited(&bench, [visit("p", "ada")]).await;
    assert!(next > last);
    let begun = Instant::now();
    let waiting = pages(&bench).at_least(next).within(Duration::from_millis(200));
    let error = waiting.get("p").await.unwrap_err();
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let told = error.to_string();
    let begin = format!("memory `pages` of service `visits` does not contain packet {next} yet: ");
    assert!(told.starts_with(&begin), "{told}");
    assert!(told.contains("waited 200ms for service `visits`: it has handled everything up to"));
    assert!(told.contains("no instance waits for packets; `rapids services` tells"), "{told}");
    assert!(matches!(problem(error), Unreadable::Behind { sequence, .. } if sequence == next));
    assert_eq!(pages(&bench).get("p").await.unwrap().unwrap().count, 1, "without waiting");

    let patient = waiting.within(Duration::from_secs(60));
    let service = started(&bench).await;
    assert_eq!(patient.get("p").await.unwrap().unwrap().count, 2);
    service.stop().await;
}

#[tokio::test]
async fn what_does_not_exist_is_told_with_what_does() {
    let bench = Bench::start().await;
    let told = async |service: &str, memory: &str| {
        let view = bench.rapids.memory::<Value>(service, memory);
        let error = view.get("p").await.unwrap_err();
        assert_eq!(view.all().await.unwrap_err().to_string(), error.to_string());
        let told = error.to_string();
        assert!(matches!(problem(error), Unreadable::Unknown { .. }));
        told
    };
    assert_eq!(
        told("visits", "pages").await,
        "service `visits` is not known: it has never run here, or was retired; known are none"
    );
    let plain = River::new("plain").event("x").react(|_: Packet| async { Ok(()) });
    let plain = bench.run(bench.service("plain", [plain])).await;
    let service = started(&bench).await;
    assert_eq!(
        told("plain", "pages").await,
        "service `plain` remembers nothing: none of its rivers has a memory"
    );
    for other in ["visit", "a b", "a.>", ""] {
        let told = told(other, "pages").await;
        let expected =
            format!("service `{other}` is not known: it has never run here, or was retired;");
        assert!(told.starts_with(&expected), "{told}");
        assert!(told.ends_with("known are `plain`, `visits`"), "{told}");
    }
    for other in ["page", "*", ">", "pages.a", ""] {
        let expected = format!(
            "memory `{other}` of service `visits` does not exist: the service has `pages`, `totals`"
        );
        assert_eq!(told("visits", other).await, expected);
    }
    let view = pages(&bench);
    assert_eq!(view.get("p").await.unwrap(), None, "it is known before it has a key");
    assert!(view.all().await.unwrap().is_empty());
    let sizes = bench.rapids.memories("visits").await.unwrap();
    assert_eq!(
        sizes.iter().map(|size| (&*size.name, size.keys)).collect::<Vec<_>>(),
        [("pages", 0), ("totals", 0)]
    );
    let error = bench.rapids.memories("plain").await.unwrap_err();
    assert!(error.to_string().contains("remembers nothing"), "{error}");
    for service in [plain, service] {
        service.stop().await;
    }
}

#[tokio::test]
async fn memories_that_nobody_has_noted_are_those_with_keys_until_the_service_starts_again() {
    let bench = Bench::start().await;
    let service = started(&bench).await;
    visited(&bench, [visit("p", "ada")]).await;
    bench.quiet(&["visits"]).await;
    service.stop().await;
    // As an older program has left it.
    let jetstream = bench.jetstream().await;
    let stream = format!("KV_{BUCKET}");
    let noted = async || {
        let stream = jetstream.get_stream(&stream).await.unwrap();
        let config = stream.cached_info().config.clone();
        (config.metadata.get("rapids.memories").cloned(), config)
    };
    let (names, mut config) = noted().await;
    assert_eq!(names.as_deref(), Some("pages totals"));
    config.metadata.remove("rapids.memories");
    jetstream.update_stream(&config).await.unwrap();
    assert_eq!(pages(&bench).get("p").await.unwrap().unwrap().count, 1);
    let error = bench.rapids.memory::<Value>("visits", "old").get("p").await.unwrap_err();
    assert!(error.to_string().ends_with("does not exist: under this name nothing is kept"));

    config.metadata.insert("rapids.memories".to_owned(), "old".to_owned());
    jetstream.update_stream(&config).await.unwrap();
    let service = started(&bench).await;
    assert_eq!(noted().await.0.as_deref(), Some("old pages totals"));
    assert!(bench.rapids.memory::<Value>("visits", "old").all().await.unwrap().is_empty());
    service.stop().await;
}

#[tokio::test]
async fn wrong_filters_and_values_of_another_type_are_told_and_hidden_by_nothing() {
    let bench = Bench::start().await;
    let service = started(&bench).await;
    let last = visited(&bench, [visit("p", "ada"), visit("q", "bob")]).await;
    let pages = pages(&bench).at_least(last);
    let error = pages.entries("@.count >> 1").await.unwrap_err().to_string();
    assert!(error.contains("expression `@.count >> 1` is wrong at column 10"), "{error}");
    let error = pages.entries("count > 1").await.unwrap_err().to_string();
    assert!(error.contains("is wrong"), "{error}");

    let numbers = bench.rapids.memory::<u64>("visits", "pages").at_least(last);
    let expected = "memory `pages` of service `visits` has a value under \"p\" that does not parse as \
                    `u64`: invalid type: map, expected u64";
    for error in [
        numbers.get("p").await.unwrap_err(),
        numbers.entries("@.last == 'ada'").await.unwrap_err(),
        numbers.all().await.unwrap_err(),
        numbers.watch().await.unwrap().next().await.unwrap_err(),
    ] {
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(matches!(problem(error), Unreadable::OtherType { key, .. } if key == "p".into()));
    }
    // What serde would quote of a value is nobody else's business.
    let texts = bench.rapids.memory::<BTreeMap<String, u64>>("visits", "pages");
    let error = texts.get("q").await.unwrap_err().to_string();
    assert!(!error.contains("bob") && error.contains("invalid type: string"), "{error}");

    bucket(&bench).await.put("pages.r", "{}".into()).await.unwrap();
    for error in [pages.get("r").await.unwrap_err(), pages.all().await.unwrap_err()] {
        assert!(matches!(&error, Error::Record { key, .. } if key == "pages.r"), "{error}");
    }
    let deep =
        format!("{{\"version\":1,\"key\":\"pages.r\",\"memory\":\"{}\"}}", "a".repeat(2_000));
    bucket(&bench).await.put("pages.r", deep.into()).await.unwrap();
    let error = pages.entries("match('a', @)").await.unwrap_err();
    assert!(error.to_string().contains("under \"r\" that is not judged"), "{error}");
    assert!(matches!(problem(error), Unreadable::TooCostly { .. }));
    service.stop().await;
}

/// The next change, as a text.
async fn change(watch: &mut MemoryWatch<Visits>) -> String {
    let change = soon("the next change", watch.next()).await.unwrap();
    let value = change.value.map_or("gone".to_owned(), |visits| visits.count.to_string());
    format!("{:?} {value}", change.key)
}

#[tokio::test]
async fn a_watch_gives_what_is_there_and_then_what_changes_over_a_restart_of_the_server() {
    let mut bench = Bench::start().await;
    let service = started(&bench).await;
    let last = visited(&bench, [visit("p", "ada"), visit(7, "bob")]).await;
    let view = pages(&bench).at_least(last);
    let mut watch = view.watch().await.unwrap();
    let mut there = Vec::new();
    while let Some(entry) = soon("what is there", watch.next_stored()).await.unwrap() {
        there.push(format!("{:?} {}", entry.key, entry.value.unwrap().count));
    }
    there.sort();
    assert_eq!(there, ["\"p\" 1", "7 1"]);

    visited(&bench, [visit("p", "ada")]).await;
    assert_eq!(change(&mut watch).await, "\"p\" 2");
    bucket(&bench).await.delete("pages.=n7").await.unwrap();
    assert_eq!(change(&mut watch).await, "7 gone");
    assert_eq!(view.get(7).await.unwrap(), None);
    assert_eq!(view.keys("").await.unwrap().len(), 1);
    bucket(&bench).await.purge("pages.p").await.unwrap();
    assert_eq!(change(&mut watch).await, "\"p\" gone");
    assert!(view.all().await.unwrap().is_empty());

    bench.server.kill();
    bench.server.restart().unwrap();
    visited(&bench, [visit("q", "ada")]).await;
    // What was not acknowledged before the kill makes an entry anew that was deleted.
    soon("what came after the restart", async { while change(&mut watch).await != "\"q\" 1" {} })
        .await;
    let mut empty = bench.rapids.memory::<Value>("visits", "totals").watch().await.unwrap();
    assert!(soon("the total", empty.next_stored()).await.unwrap().is_some());
    assert!(soon("no more", empty.next_stored()).await.unwrap().is_none());
    service.stop().await;
    bench.jetstream().await.delete_key_value(BUCKET).await.unwrap();
    let ended = async {
        loop {
            if let Err(error) = watch.next().await {
                return error;
            }
        }
    };
    let error = soon("the end", ended).await;
    assert!(matches!(error, Error::Stream { .. }), "{error}");
}

#[tokio::test]
async fn a_watch_of_some_tells_when_one_is_no_longer_among_them() {
    let bench = Bench::start().await;
    let service = started(&bench).await;
    let last = visited(&bench, [visit("p", "ada"), visit("q", "bob")]).await;
    let view = pages(&bench).at_least(last);
    let mut watch = view.watch_where("@.last == 'ada'").await.unwrap();
    assert_eq!(change(&mut watch).await, "\"p\" 1");
    assert!(soon("no more", watch.next_stored()).await.unwrap().is_none());
    visited(&bench, [visit("q", "bob"), visit("p", "bob"), visit("q", "ada")]).await;
    assert_eq!(change(&mut watch).await, "\"p\" gone");
    assert_eq!(change(&mut watch).await, "\"q\" 3");
    service.stop().await;
}

#[tokio::test]
async fn a_user_without_rights_is_told_which_one_is_missing() {
    let server = NatsServer::with_config(
        r#"authorization: { users: [
            { user: all, password: x },
            { user: few, password: x, permissions: { publish: { deny: ["$JS.API.DIRECT.GET.KV_RAPIDS_MEMORY_visits.>"] } } },
            { user: none, password: x, permissions: { publish: { deny: ["$JS.API.STREAM.INFO.KV_RAPIDS_MEMORY_visits"] } } },
        ] }"#,
    )
    .unwrap();
    let login = |user: &str| Config::new(server.url()).user_and_password(user, "x");
    let rapids = Rapids::connect(&login("all")).await.unwrap();
    let service = Bench::service_of(login("all"), "visits", rivers());
    let service = Running::spawn(service);
    soon("it is up", async { while rapids.memories("visits").await.is_err() {} }).await;
    for (user, subject) in [
        ("few", "$JS.API.DIRECT.GET.KV_RAPIDS_MEMORY_visits."),
        ("none", "$JS.API.STREAM.INFO.KV_RAPIDS_MEMORY_visits"),
    ] {
        let rapids = Rapids::connect(&login(user)).await.unwrap();
        let error = rapids.memory::<Value>("visits", "pages").get("p").await.unwrap_err();
        let is_told =
            matches!(&error, Error::NotPermitted { violation } if violation.contains(subject));
        assert!(is_told, "{error}");
    }
    service.stop().await;
}

#[tokio::test]
async fn what_is_forgotten_by_command_reads_as_absent_with_its_reason_and_is_late_for_the_service()
{
    let bench = Bench::start().await;
    let service = started(&bench).await;
    let last = visited(&bench, [visit("p", "ada"), visit("q", "bob")]).await;
    let view = pages(&bench).at_least(last);
    assert!(view.get("p").await.unwrap().is_some());
    assert!(view.end("p").await.unwrap().is_none());
    let forget =
        |key: &'static str| bench.rapids.forget_memory(("visits", "pages"), key, "asked for it");
    assert!(forget("p").await.unwrap());
    assert!(view.get("p").await.unwrap().is_none());
    assert_eq!(view.end("p").await.unwrap().unwrap().reason, "asked for it");
    assert!(!forget("p").await.unwrap() && !forget("r").await.unwrap());
    // The running service still has the value in hand, and finds out when it saves.
    let last = visited(&bench, [visit("p", "ada"), visit("q", "bob")]).await;
    let view = view.at_least(last);
    assert!(view.get("p").await.unwrap().is_none() && view.get("q").await.unwrap().is_some());
    service.stop().await;
    let error = bench.rapids.forget_memory(("visits", "books"), "p", "no").await.unwrap_err();
    assert!(error.to_string().contains("`pages`"), "{error}");
}
