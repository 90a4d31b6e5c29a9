#![cfg(test)]
//! The bench as a user runs it. The figures of a test run say nothing.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

#[cfg(target_os = "linux")]
use rapids_test::processes_with;
use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn quick_bench_prints_figures_of_every_side() {
    let output = bench(&["--quick", "--case", "skip", "--case", "process", "-o", "json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(all["machine"]["cores"].as_u64().unwrap() > 0, "{all:#}");
    assert!(all["machine"]["server"].as_str().unwrap().starts_with("2."), "{all:#}");

    let outcomes = all["outcomes"].as_array().unwrap();
    let cases: Vec<_> = outcomes.iter().map(|outcome| outcome["case"].as_str().unwrap()).collect();
    assert_eq!(cases, ["skip", "process"]);
    for (outcome, figure) in outcomes.iter().zip(["packets_per_second", "start_millis"]) {
        assert_eq!(outcome["rounds"], 1);
        let figures = outcome["figures"].as_array().unwrap();
        let line = figures.iter().find(|line| line["figure"] == figure).unwrap();
        for side in ["ours", "tuned", "plain"] {
            assert!(line["sides"][side]["median"].as_f64().unwrap() > 0.0, "{line:#}");
        }
        for side in ["tuned", "plain"] {
            assert!(line["against"][side]["ratio"].as_f64().unwrap() > 0.0, "{line:#}");
        }
    }
    let memory = outcomes[1]["figures"].as_array().unwrap().iter().any(|line| {
        line["figure"] == "resident_mebibytes" && line["against"]["tuned"]["target"] == "<= 1.3"
    });
    assert!(memory || cfg!(not(target_os = "linux")), "{all:#}");
}

#[cfg(target_os = "linux")]
#[test]
fn interrupted_bench_leaves_nothing_behind() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--case", "hop", "--rounds", "1000"])
        // Every process that it starts inherits this variable, the server too.
        .env("RAPIDS_BENCH_TEST", "interrupted")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(bench.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.take_while(|line| !line.contains("round 2")).count() > 0);
    assert!(!processes_with("RAPIDS_BENCH_TEST=interrupted").is_empty());

    let interrupt = Command::new("kill").args(["-INT", &bench.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(bench.wait().unwrap().code(), Some(130));
    assert_eq!(processes_with("RAPIDS_BENCH_TEST=interrupted"), [""; 0]);
}
