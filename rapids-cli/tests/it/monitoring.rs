//! The files in `docs/monitoring`, and the tables of metrics in `docs/operating.md`, against what
//! `rapids metrics` exports.

use std::collections::BTreeSet;
use std::process::Command;

use regex::Regex;
use serde_json::{Value, json};

use crate::metrics::busy;

/// Where the files are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/monitoring");
const ALERTS: &str = include_str!("../../../docs/monitoring/alerts.yml");
const DASHBOARD: &str = include_str!("../../../docs/monitoring/dashboard.json");
const OPERATING: &str = include_str!("../../../docs/operating.md");

/// The names and labels that a busy server exports.
struct Exported {
    names: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Exported {
    fn read(metrics: &str) -> Self {
        let mut names = BTreeSet::new();
        for found in regex("(?m)^# TYPE ([^ ]+) ([^ ]+)$").captures_iter(metrics) {
            match (&found[1], &found[2]) {
                (name, "histogram") => {
                    names.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")));
                }
                (name, _) => _ = names.insert(name.to_owned()),
            }
        }
        let label = regex(r#"[{,](\w+)=""#);
        let labels = label.captures_iter(metrics).map(|found| found[1].to_owned()).collect();
        Self { names, labels }
    }

    /// Which names and labels of the query do not exist.
    fn unknown<'a>(&self, query: &'a str) -> Vec<&'a str> {
        let Words { names, labels } = words(query);
        let names = names.into_iter().filter(|name| !self.names.contains(*name));
        names.chain(labels.into_iter().filter(|label| !self.labels.contains(*label))).collect()
    }
}

/// The words of a query that name metrics, and those that name labels.
#[derive(Debug, PartialEq)]
struct Words<'a> {
    names: Vec<&'a str>,
    labels: Vec<&'a str>,
}

/// Reads a query of Prometheus: each word is a label in `{}` and behind `by` and `on`, else a function, an
/// operator, or the name of a metric.
fn words(query: &str) -> Words<'_> {
    let parts = r#"(?x)
        \{ (?<selectors> [^}]*) \} | \b (?: \w+ \s+ )? (?:by|on) \s* \( (?<labels> [^)]*) \) | \[ [^\]]* \]
        | \b [a-z_]\w* \s* \( | \b (?:and|or|unless|offset) \b | \b (?<name> [A-Za-z_]\w*)"#;
    let selector = regex(r#"(\w+)\s*[=!][=~]?\s*"[^"]*""#);
    let mut words = Words { names: Vec::new(), labels: Vec::new() };
    for found in regex(parts).captures_iter(query) {
        words.names.extend(found.name("name").map(|name| name.as_str()));
        if let Some(selectors) = found.name("selectors") {
            let labels = selector.captures_iter(selectors.as_str());
            words.labels.extend(labels.filter_map(|label| Some(label.get(1)?.as_str())));
        }
        if let Some(labels) = found.name("labels") {
            let labels = labels.as_str().split(',').map(str::trim);
            words.labels.extend(labels.filter(|label| !label.is_empty()));
        }
    }
    words
}

fn regex(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// The queries of the alerts.
fn of_alerts() -> Vec<String> {
    let each = regex(r"(?m)^ {8}expr: (?:>-\n((?: {10}.+\n)+)|(.+)\n)");
    let queries = each.captures_iter(ALERTS).map(|found| {
        let query = found.get(1).or_else(|| found.get(2)).unwrap().as_str();
        query.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    let queries: Vec<_> = queries.collect();
    assert_eq!(queries.len(), ALERTS.matches("- alert: ").count());
    queries
}

/// The queries of the dashboard's panels.
fn of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The labels that texts show, as `{{ $labels.name }}` or `{{name}}`.
fn shown(text: &str) -> Vec<&str> {
    let shown = regex(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}");
    shown.captures_iter(text).map(|found| found.get(1).unwrap().as_str()).collect()
}

#[test]
fn the_names_and_the_labels_of_a_query_are_told_apart() {
    let query = r#"histogram_quantile(0.99, sum by (river, le) (rate(a_bucket{kind!="x", b=~"$b"}[10m])))
        > 5 and on() c_total offset 1h"#;
    let expected =
        Words { names: vec!["a_bucket", "c_total"], labels: vec!["river", "le", "kind", "b"] };
    assert_eq!(words(query), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_and_dashboard_ask_for_metrics_and_labels_that_exist() {
    let (bench, payment) = busy().await;
    let exported = Exported::read(&bench.said(&["metrics"]).well(0).out);
    for query in of_alerts().iter().chain(&of_dashboard()) {
        assert_eq!(exported.unknown(query), [""; 0], "in {query}");
    }
    let service = regex(r"label_values\((\w+), (\w+)\)").captures(DASHBOARD).unwrap();
    assert!(exported.names.contains(&service[1]) && exported.labels.contains(&service[2]));
    for label in shown(ALERTS).into_iter().chain(shown(DASHBOARD)) {
        assert!(exported.labels.contains(label), "{label}");
    }
    assert_eq!(
        exported.unknown("sum by (rapids_rivr) (rapids_lagg)"),
        ["rapids_lagg", "rapids_rivr"]
    );
    payment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_described() {
    let (bench, payment) = busy().await;
    let metrics = bench.said(&["metrics"]).well(0).out;
    for found in regex("(?m)^# TYPE ([^ ]+) ").captures_iter(&metrics) {
        assert!(OPERATING.contains(&format!("`{}`", &found[1])), "{}", &found[1]);
    }
    payment.stop().await;
}

#[test]
fn each_alert_names_an_entry_of_the_runbook() {
    let (_, runbook) = OPERATING.split_once("\n## Runbook\n").unwrap();
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    let entries: Vec<_> = headings
        .map(|heading| format!("docs/operating.md#{}", heading.to_lowercase().replace(' ', "-")))
        .collect();
    let named: Vec<_> =
        ALERTS.lines().filter_map(|line| line.trim().strip_prefix("runbook: ")).collect();
    assert_eq!(named.len(), ALERTS.matches("- alert: ").count());
    for name in named {
        assert!(entries.iter().any(|entry| entry == name), "{name} is none of {entries:?}");
    }
}

#[test]
#[ignore = "needs promtool"]
fn promtool_accepts_the_alerts_and_the_settings() {
    promtool(&["check", "rules", "alerts.yml"]);
    promtool(&["test", "rules", "alerts_test.yml"]);
    promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
#[ignore = "needs promtool"]
fn promtool_accepts_the_queries_of_the_dashboard() {
    // JSON is YAML.
    let queries = of_dashboard().into_iter().enumerate();
    let rules: Vec<_> = queries
        .map(|(n, query)| {
            let query = query.replace("$__rate_interval", "1m");
            json!({"record": format!("query_{n}"), "expr": query})
        })
        .collect();
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(file.path(), rules.to_string()).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);
}

#[track_caller]
fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(FOLDER).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
