#![cfg(test)]
//! The demo as a user runs it.

#[expect(dead_code, reason = "a program of its own, of which only the tests are run here")]
#[path = "../../build.rs"]
mod build;
mod chaos;
mod disaster;
mod shop;
mod stock;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rapids_test::processes_with;
use serde_json::Value;

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// The objects of the orders, and the summary.
fn objects(output: &Output) -> (Vec<Value>, Value) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut objects: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = objects.pop().unwrap_or_default();
    (objects, last["summary"].clone())
}

fn holds(arguments: &[&str], orders: usize) -> Value {
    let count = orders.to_string();
    held(&demo(&[&["--json", "--rate", "0", "--orders", &count], arguments].concat()), orders)
}

/// The summary of a run with so many orders, all facts of which hold, and of which nothing remains.
fn held(output: &Output, orders: usize) -> Value {
    let (orders_written, summary) = objects(output);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{summary:#}\n{errors}");
    assert_eq!(orders_written.len(), orders);
    assert_eq!(summary["holds"], true, "{summary:#}");
    assert_nothing_remains(&errors);
    summary
}

/// Asserts that the server named in the output does not run any more, nor any of its clients.
fn assert_nothing_remains(errors: &str) {
    let address = errors.split("nats://").nth(1).unwrap().lines().next().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err(), "{address} is still served");
    let needle = format!("NATS_URL=nats://{address}");
    assert_eq!(processes_with(&needle), [""; 0]);
}

#[test]
fn forty_orders_end_as_they_must_and_nothing_remains() {
    let summary = holds(&[], 40);
    assert_eq!(summary["open"], 0);
    for end in ["completed", "cancelled", "refused"] {
        assert!(summary[end].as_u64().unwrap() > 0, "{summary:#}");
    }
    // On a busy machine the better offer may come too late.
    assert!(summary["offers"]["ada"]["provider"].is_string(), "{summary:#}");
}

#[test]
fn facts_hold_when_payment_is_killed() {
    holds(&["--kill", "payment"], 200);
}

#[test]
fn facts_hold_in_exclusive_delivery() {
    holds(&["--delivery", "exclusive"], 40);
}

#[test]
fn facts_hold_when_the_one_process_of_the_whole_shop_is_killed() {
    holds(&["--bundle", "--kill", "payment"], 100);
}

#[test]
fn with_a_login_for_each_service_facts_hold_and_no_secret_is_told_whatever_is_logged() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    demo.args(["--secure", "--json", "--rate", "0", "--orders", "20"]).env("RUST_LOG", "trace");
    let summary = held(&demo.stdin(Stdio::null()).output().unwrap(), 20);
    let facts = summary["facts"].as_array().unwrap();
    let secrets = facts.iter().find(|fact| fact["fact"].as_str().unwrap().contains("secrets"));
    assert!(secrets.is_some(), "{summary:#}");
}

#[test]
#[ignore = "takes half a minute: run by .ci/run"]
fn facts_hold_when_each_service_is_killed_in_turn() {
    holds(&["--kill", "any"], 400);
}

#[test]
fn unknown_victim_is_an_error_that_names_the_services() {
    let output = demo(&["--kill", "paymint"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.contains("there is no service `paymint` to kill; there are back_order"),
        "{errors}"
    );
}

#[test]
fn second_run_on_the_same_server_is_not_disturbed_by_the_first() {
    let server = rapids_test::NatsServer::start().unwrap();
    let url = server.url();
    for seed in ["1", "2"] {
        let output = demo(&["--json", "--rate", "0", "--seed", seed, "--nats", &url]);
        let (orders_written, summary) = objects(&output);
        assert!(output.status.success(), "{summary:#}");
        assert_eq!(orders_written.len(), 30);
    }
}

#[test]
fn stopped_demo_stops_its_services() {
    let server = rapids_test::NatsServer::start().unwrap();
    let url = server.url();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--stay", "--json", "--orders", "3", "--nats", &url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(demo.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(output).map(Result::unwrap);
    assert!(lines.any(|line| line.contains("summary")));
    let needle = format!("NATS_URL={url}");
    let rivers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rivers/src/bin");
    let services = std::fs::read_dir(rivers).unwrap().count();
    // Beside the services, the process of those who are outside of the shop.
    assert_eq!(processes_with(&needle).len(), services + 1);

    let stopped = Command::new("kill").args(["-TERM", &demo.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert_eq!(processes_with(&needle), [""; 0]);
}
