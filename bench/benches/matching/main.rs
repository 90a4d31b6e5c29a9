//! What it costs to tell whether a packet is for somebody, beside three peers.
//!
//! Each row is the time for one packet; the estimates are in `target/criterion/GROUP/PEER/CASE`.

#[path = "../../../rapids-client/tests/allocations/corpus.rs"]
mod corpus;

use std::hint::black_box;
use std::slice::from_ref;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use memchr::memmem::Finder;
use quamina::Quamina;
use rapids_client::{Matcher, River};
use serde_json::Value;

use corpus::{Condition, EventPosition, WANTED, mixed, of_event, packets};

const SIZES: [(&str, usize); 3] = [("300 B", 300), ("600 B", 600), ("8 KB", 8_000)];

type Group<'c> = BenchmarkGroup<'c, WallTime>;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(800))
        .configure_from_args();
    by_event(&mut criterion, "reject, event first", EventPosition::First);
    by_event(&mut criterion, "reject, event last", EventPosition::Last);
    three_paths(&mut criterion);
    let kinds = ["event and range", "another key", "presence", "range"];
    rivers(&mut criterion, "rivers of mixed kinds, 300 B", &kinds, mixed);
    let kinds = ["range", "another key", "presence"];
    rivers(&mut criterion, "rivers that name their event, 300 B", &kinds, of_event);
    criterion.final_summary();
}

/// One river that wants one event of twenty.
fn by_event(criterion: &mut Criterion, name: &str, position: EventPosition) {
    let mut group = criterion.benchmark_group(name);
    let expression = format!("@.event == '{WANTED}'");
    for (size, bytes) in SIZES {
        let packets = packets(bytes, position);
        matcher(&mut group, size, from_ref(&expression), &packets);
        let pattern = format!(r#"{{"event":["{WANTED}"]}}"#);
        quamina(&mut group, size, from_ref(&pattern), &packets);
        jsonpath(&mut group, size, &expression, &packets);
        let name = format!("\"{WANTED}\"");
        let finder = Finder::new(&name);
        each(&mut group, "memmem", size, &packets, |body| finder.find(body).is_some());
    }
    group.finish();
}

/// One river whose three conditions lie at three places, the last of them at the end.
fn three_paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("three paths, all scanned");
    let expression = format!(
        "@.event == '{WANTED}' && @.payment.amount > 50 && @.payment.amount < 5000 && @.customer.vip"
    );
    let pattern = format!(
        r#"{{"event":["{WANTED}"],"payment":{{"amount":[{{"numeric":[">",50,"<",5000]}}]}},"customer":{{"vip":[{{"exists":true}}]}}}}"#
    );
    for (size, bytes) in SIZES {
        let packets = packets(bytes, EventPosition::Last);
        matcher(&mut group, size, from_ref(&expression), &packets);
        quamina(&mut group, size, from_ref(&pattern), &packets);
        jsonpath(&mut group, size, &expression, &packets);
    }
    group.finish();
}

/// Rivers of several kinds: one of each, and many of them.
fn rivers(
    criterion: &mut Criterion,
    name: &str,
    kinds: &[&str],
    condition: fn(usize) -> Condition,
) {
    let mut group = criterion.benchmark_group(name);
    let packets = packets(300, EventPosition::First);
    for (number, kind) in kinds.iter().enumerate() {
        let (expression, pattern) = condition(number);
        matcher(&mut group, &format!("1, {kind}"), &[expression], &packets);
        quamina(&mut group, &format!("1, {kind}"), &[pattern], &packets);
    }
    for count in [10, 100, 1_000, 10_000] {
        let (expressions, patterns): (Vec<_>, Vec<_>) = (0..count).map(condition).unzip();
        matcher(&mut group, &count.to_string(), &expressions, &packets);
        // More than 256 numeric patterns on one field end in a panic.
        if count <= 1_000 {
            quamina(&mut group, &count.to_string(), &patterns, &packets);
        }
    }
    group.finish();
}

fn matcher(group: &mut Group<'_>, case: &str, expressions: &[String], packets: &[Vec<u8>]) {
    let rivers: Vec<River> =
        expressions.iter().map(|expression| River::new("r").when(expression)).collect();
    let mut matcher = Matcher::new(&rivers);
    each(group, "rapids", case, packets, |body| !matcher.candidates(body).is_empty());
}

fn quamina(group: &mut Group<'_>, case: &str, patterns: &[String], packets: &[Vec<u8>]) {
    let mut quamina = Quamina::new();
    for (number, pattern) in patterns.iter().enumerate() {
        quamina.add_pattern(number, pattern).expect("a pattern of quamina");
    }
    each(group, "quamina", case, packets, |body| {
        quamina.has_matches(body).expect("a packet is JSON")
    });
}

fn jsonpath(group: &mut Group<'_>, case: &str, expression: &str, packets: &[Vec<u8>]) {
    // Filters select elements, so the packet is one.
    let query = parse_json_path(&format!("$[?{expression}]")).expect("an expression");
    each(group, "serde_json and jsonpath-rust", case, packets, |body| {
        let packet: Value = serde_json::from_slice(body).expect("a packet is JSON");
        let packets = Value::Array(vec![packet]);
        !js_path_process(&query, &packets).expect("a query").is_empty()
    });
}

/// Measures one packet, taking them in turn.
fn each(
    group: &mut Group<'_>,
    peer: &str,
    case: &str,
    packets: &[Vec<u8>],
    mut is_for_somebody: impl FnMut(&[u8]) -> bool,
) {
    let mut bodies = packets.iter().cycle();
    group.bench_function(BenchmarkId::new(peer, case), |bencher| {
        bencher.iter(|| {
            let body = bodies.next().expect("a cycle has no end");
            black_box(is_for_somebody(black_box(body)))
        });
    });
}
